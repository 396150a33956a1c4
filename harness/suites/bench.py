"""The `bench` suite: what faults and mappings cost, in the shapes that benchmarks of the field have.

The program is `programs/bench`, written for this project; what each workload does, and what its numbers are, is in
docs/shapes.md.  One command a case, so that counters, taint and console are those of one case.  This module runs
nothing, and compares nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.model import Arch, Case, Command, CommandResult, Payload, PayloadFile
from harness.suites import reported

GUEST_PROGRAM = "/vmaharness/bin/bench"

LEAST_SHARE = 0.1
"""Of a case's faults that must have gone through with a VMA lock alone, as in `harness.suites.faults`."""

CLOCK_FACTOR = 16
"""How many times a task's operations are done where a clock takes the time: there a repetition must be long.

Where instructions are counted, it must be shorter than a tick: so tasks, which take turns there, share the operations.
"""

_TIMEOUT_S = 20.0  # 20 times what the longest case takes on hardware


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the program.  `faults`: its work is to fault, and its faults end in vma_lock_success."""

    name: str
    ops: int  # of a task in a repetition, the program's own number
    faults: bool = True
    in_processes: bool = False  # besides threads
    each_count: bool = False  # of tasks, from one to one for each CPU, in steps of two
    with_noise: bool = False  # in exact guests of several CPUs also with noise, so that tasks meet


WORKLOADS = (
    Workload("page_fault1", 256, in_processes=True, with_noise=True),
    Workload("page_fault2", 256, in_processes=True),
    Workload("page_fault3", 256, in_processes=True),
    Workload("mmap1", 128, faults=False, in_processes=True, with_noise=True),
    Workload("pft", 256, each_count=True),
    Workload("malloc", 32, with_noise=True),
)


@dataclass(frozen=True, slots=True)
class BenchSuite:
    """All workloads with one task and with one for each CPU."""

    program: str = GUEST_PROGRAM
    name: str = "bench"
    seed: int | None = None  # of an exact guest

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """`page_fault1.threads.2`: the workload, what its tasks are, how many there are; `….noise` with noise."""
        commands = []
        for workload in WORKLOADS:
            for tasks in ("threads", "processes") if workload.in_processes else ("threads",):
                for count in _counts(smp) if workload.each_count else dict.fromkeys((1, smp)):
                    commands.append(self._command(workload, tasks, count))
            if workload.with_noise and self.seed is not None and smp > 1:
                commands.append(self._command(workload, "threads", smp, noise=True))
        return tuple(commands)

    def _command(self, workload: Workload, tasks: str, count: int, *, noise: bool = False) -> Command:
        case = f"{workload.name}.{tasks}.{count}{'.noise' if noise else ''}"
        ops = workload.ops * CLOCK_FACTOR if self.seed is None else max(1, workload.ops // count)
        exact = reported.exact_options(self.seed, noise=noise, counter=True)
        argv = (self.program, workload.name, f"--{tasks}", str(count), "--ops", str(ops), *exact)
        return Command(case, argv, (case,), _TIMEOUT_S, exercises_vma_locks=workload.faults)

    def at_seed(self, seed: int) -> BenchSuite:
        """The same with contents and choices of this seed, and as much work as an exact guest does in no time."""
        return replace(self, seed=seed)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """A case for each one of the command; it passes on a sound report of contents, metrics and locks alone."""
        return reported.cases(self.name, command, result, least_share=LEAST_SHARE)


def payload(program: Path) -> Payload:
    """What the suite wants in the guest: a static program, no libraries."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),))


def _counts(most: int) -> list[int]:
    """1, 2, 4, ... and `most`."""
    counts = [1]
    while counts[-1] * 2 < most:
        counts.append(counts[-1] * 2)
    return [*counts, most] if most > 1 else counts

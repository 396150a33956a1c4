"""The `faults` suite: page-fault microbenchmarks with verified contents, written for this project in C.

The program is `programs/faults`; what each workload does and which path its faults take is in docs/faults.md.
One command a case, so that counters, taint and console are those of one case.  This module runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.model import Arch, Case, Command, CommandResult, Payload, PayloadFile
from harness.suites import reported

GUEST_PROGRAM = "/vmaharness/bin/faults"

LEAST_SHARE = 0.1
"""Of a case's faults, by its own account, that must have gone through with a VMA lock alone.

In the workloads marked as such all do, but for those that meet a writer (in a race, a few per cent).  The number is
far below, so that it tells "falls back always" from "falls back more often", which is for the metrics to show.
"""

PRICED_OPS = 128
PRICED_REPEAT = 26
"""Pages of a repetition, and repetitions, that are short enough to come to their end between two ticks."""

_TIMEOUT_S = 10.0  # 20 times what the longest case takes on hardware


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the program.  `by_vma_lock`: its faults end in vma_lock_success (docs/faults.md says why)."""

    name: str
    by_vma_lock: bool
    is_race: bool = False
    slow: bool = False  # an operation takes so long that a quarter of the pages is enough for a price


WORKLOADS = (
    Workload("anon", True),
    Workload("shared", True),
    Workload("file-read", True),
    Workload("file-write", True),
    Workload("cow", True),
    Workload("refault", True),
    Workload("stack", False),  # the address is in no VMA yet: vma_lock_abort, then mmap_lock
    Workload("uffd", False, slow=True),  # handled under the VMA lock, but ends as vma_lock_retry, then mmap_lock
    Workload("race.mmap", True, is_race=True),
    Workload("race.munmap", True, is_race=True),
    Workload("race.mprotect", True, is_race=True),
    Workload("race.mremap", True, is_race=True),
)


@dataclass(frozen=True, slots=True)
class FaultsSuite:
    """All workloads with one thread and with one for each CPU, and the races."""

    program: str = GUEST_PROGRAM
    name: str = "faults"
    seed: int | None = None  # of an exact guest
    ops: int | None = None  # pages of a thread in a repetition; None: as many as each workload has by itself
    repeat: int | None = None
    races: bool = True  # whether those are run, too

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """A race has a writer beside its faulting threads, of which there are at least two."""
        commands = []
        for workload in (one for one in WORKLOADS if self.races or not one.is_race):
            ops = self.ops // 4 if self.ops is not None and workload.slow else self.ops
            given = (("--ops", ops), ("--repeat", self.repeat))
            amount = tuple(word for name, value in given if value is not None for word in (name, str(value)))
            counts = (max(2, smp - 1),) if workload.is_race else tuple(dict.fromkeys((1, smp)))
            for threads in counts:
                case = workload.name if workload.is_race else f"{workload.name}.{threads}"
                # What is alone is to be priced, and is not disturbed.
                options = reported.exact_options(self.seed, noise=workload.is_race, counter=True)
                argv = (self.program, workload.name, "--threads", str(threads), *amount, *options)
                commands.append(Command(case, argv, (case,), _TIMEOUT_S, exercises_vma_locks=workload.by_vma_lock))
        return tuple(commands)

    def priced(self) -> FaultsSuite:
        """The same with many short repetitions, to be compared one by one: a tick of the timer is longer."""
        return replace(self, ops=PRICED_OPS, repeat=PRICED_REPEAT, races=False)

    def at_seed(self, seed: int) -> FaultsSuite:
        """The same with contents, choices and noise of this seed."""
        return replace(self, seed=seed)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """A case for each one of the command; it passes on a sound report of contents, metrics and locks alone."""
        return reported.cases(self.name, command, result, least_share=LEAST_SHARE)


def payload(program: Path) -> Payload:
    """What the suite wants in the guest: a static program, no libraries."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),))

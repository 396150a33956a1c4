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

PRICED_REPEAT = 26
"""Repetitions that a price is made of, the discarded ones included."""

_TIMEOUT_S = 10.0  # 20 times what the longest case takes on hardware


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the program.  `by_vma_lock`: its faults end in vma_lock_success (docs/faults.md says why)."""

    name: str
    by_vma_lock: bool
    is_race: bool = False
    priced: int = 128  # pages of a repetition that is to be priced, which must come to its end between two ticks


WORKLOADS = (
    Workload("anon", True),
    Workload("shared", True),
    Workload("file-read", True, priced=1024),  # a fault maps 16 of them
    Workload("file-write", True),
    Workload("cow", True),
    Workload("refault", True),
    Workload("stack", False),  # the address is in no VMA yet: vma_lock_abort, then mmap_lock
    Workload("uffd", False, priced=32),  # handled under the VMA lock, but ends as vma_lock_retry, then mmap_lock
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
    is_priced: bool = False  # many short repetitions of what is no race

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """A race has a writer beside its faulting threads, of which there are at least two."""
        commands = []
        for workload in (one for one in WORKLOADS if not (self.is_priced and one.is_race)):
            amount = ("--ops", str(workload.priced), "--repeat", str(PRICED_REPEAT)) if self.is_priced else ()
            counts = (max(2, smp - 1),) if workload.is_race else tuple(dict.fromkeys((1, smp)))
            for threads in counts:
                case = workload.name if workload.is_race else f"{workload.name}.{threads}"
                # What is alone is to be priced, and is not disturbed.
                exact = reported.exact_options(self.seed, noise=workload.is_race, counter=True)
                options = exact or reported.USUAL_SEED
                argv = (self.program, workload.name, "--threads", str(threads), *amount, *options)
                commands.append(Command(case, argv, (case,), _TIMEOUT_S, exercises_vma_locks=workload.by_vma_lock))
        return tuple(commands)

    def priced(self) -> FaultsSuite:
        """The same with many short repetitions, to be compared one by one."""
        return replace(self, is_priced=True)

    def at_seed(self, seed: int) -> FaultsSuite:
        """The same with contents, choices and noise of this seed."""
        return replace(self, seed=seed)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """A case for each one of the command; it passes on a sound report of contents, metrics and locks alone."""
        return reported.cases(self.name, command, result, least_share=LEAST_SHARE)


def payload(program: Path) -> Payload:
    """What the suite wants in the guest: a static program, no libraries."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),))

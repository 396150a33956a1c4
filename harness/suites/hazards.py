"""The `hazards` suite: what is known to go wrong around per-VMA locks, provoked by a program written for this project.

The program is `programs/hazards`; what each workload does, and what it would show, is in docs/hazards.md.  One command
a case, so that counters, taint and console are those of one case.  This module runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.model import Arch, Case, Command, CommandResult, Outcome, Payload, PayloadFile
from harness.suites import reported

GUEST_PROGRAM = "/vmaharness/bin/hazards"

LEAST_SHARE = 0.05
"""Of a case's faults, by its own account, that must have gone through with a VMA lock alone.

Writers are busy all the time, so that many faults fall back; the number only tells "never" from "sometimes".
"""

CROWD = 16
"""Threads of a case with more readers of one VMA than there are CPUs: those that are preempted with its lock add up."""

_TIMEOUT_S = 12.0  # above the program's own 40 s without progress, under emulation


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the program.  `alone`: also with one thread, or one process, besides one for each CPU."""

    name: str
    by_vma_lock: bool = True
    alone: bool = False
    single: bool = False  # nothing in it depends on a number of threads
    crowd: int = 0  # also with CROWD threads, and this --ops
    proof: str = ""  # a metric without which nothing of what it is about has happened
    exact_ops: int = 0  # --ops in exact guests, where one CPU runs at a time; 0: the program's own number


WORKLOADS = (
    Workload("same.unmap", exact_ops=60),
    Workload("same.discard", exact_ops=60),
    Workload("same.protect", alone=True, exact_ops=24),
    Workload("same.forbid"),
    Workload("near.unmap"),
    Workload("near.protect"),
    Workload("near.move"),
    Workload("near.merge", alone=True),
    Workload("grow"),
    Workload("move"),
    Workload("fork"),
    Workload("move.last", exact_ops=12),
    Workload("fork.last", exact_ops=12),
    Workload("fork.flags"),
    Workload("flags", crowd=10),
    Workload("ambush.protect", exact_ops=60),
    Workload("ambush.unmap", exact_ops=60),
    Workload("ambush.near", exact_ops=60),
    Workload("ambush.maps", by_vma_lock=False, exact_ops=60),  # readers of /proc/PID/maps, no faults
    Workload("ambush.query", by_vma_lock=False, exact_ops=60),
    Workload("reuse", alone=True),
    Workload("exit", exact_ops=8),
    Workload("kill"),
    # handled under the VMA lock, but ends as vma_lock_retry, then mmap_lock
    Workload("uffd.copy", by_vma_lock=False, crowd=2),
    Workload("uffd.zero", by_vma_lock=False),
    Workload("uffd.move", by_vma_lock=False, crowd=2),
    Workload("uffd.refuse", by_vma_lock=False, single=True),  # one thread, no faults but the first
    Workload("storm", alone=True, exact_ops=40),
    Workload("maps"),
    Workload("name"),
    Workload("map-count"),
    Workload("no-memory"),
    Workload("pointers", by_vma_lock=False),  # the kernel's own faults, refused by exception tables or under mmap_lock
    Workload("stack", by_vma_lock=False),  # growth takes mmap_lock
    Workload("lock-stat"),
    Workload("slab", by_vma_lock=False, single=True),  # touches nothing
    Workload("kill.fork", by_vma_lock=False),  # mostly forks, and madvise
    Workload("uffd.within", by_vma_lock=False),  # moves, no faults
    Workload("query"),
    Workload("sealed"),
    Workload("numab", proof="numa_pte_updates", exact_ops=15),
    Workload("guard"),
)


@dataclass(frozen=True, slots=True)
class HazardsSuite:
    """All workloads with as many faulting threads as CPUs, some also with one, or with a crowd."""

    program: str = GUEST_PROGRAM
    name: str = "hazards"
    own_machine: bool = True
    """Whether the program may change settings of the machine (vm.max_map_count, failslab): a guest is ours."""
    seed: int | None = None  # of an exact guest

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """At least two threads: a writer alone meets nobody."""
        many = max(2, smp)
        commands = []
        for workload in WORKLOADS:
            usual = workload.exact_ops if self.seed is not None else 0
            casts = [(1, usual)] if workload.alone or workload.single else []
            casts += [] if workload.single else [(many, usual)]
            casts += [(CROWD, workload.crowd)] if workload.crowd and many < CROWD else []
            for threads, ops in casts:
                case = f"{workload.name}.{threads}"
                own = ("--own-machine",) if self.own_machine else ()
                seed = reported.exact_options(self.seed) or reported.USUAL_SEED
                options = (*own, *seed, *(("--ops", str(ops)) if ops else ()))
                argv = (self.program, workload.name, "--threads", str(threads), *options)
                commands.append(Command(case, argv, (case,), _TIMEOUT_S, exercises_vma_locks=workload.by_vma_lock))
        return tuple(commands)

    def at_seed(self, seed: int) -> HazardsSuite:
        """The same with contents, choices and noise of this seed."""
        return replace(self, seed=seed)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """A case for each one of the command; it passes on a sound report of contents, metrics and locks alone."""
        proof = next((workload.proof for workload in WORKLOADS if workload.name == command.argv[1]), "")
        found = reported.cases(self.name, command, result, least_share=LEAST_SHARE)
        return tuple(_proven(case, proof) if proof else case for case in found)


def _proven(case: Case, proof: str) -> Case:
    """Passed only if that metric says that it came to something."""
    if case.outcome is not Outcome.PASS or any(metric.name == proof and metric.value >= 1 for metric in case.metrics):
        return case
    return replace(case, outcome=Outcome.NOT_EXERCISED, message=f"{proof} did not grow")


def payload(program: Path) -> Payload:
    """What the suite wants in the guest: a static program, no libraries."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),))

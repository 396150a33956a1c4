"""The `faults` suite: page-fault microbenchmarks with verified contents, written for this project in C.

The program is `programs/faults`; what each workload does and which path its faults take is in docs/faults.md.
One command a case, so that counters, taint and console are those of one case.  This module runs nothing.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from harness.model import Arch, Case, Command, CommandResult, Outcome, Payload, PayloadFile
from harness.suites import ktap

GUEST_PROGRAM = "/vmaharness/bin/faults"

LEAST_SHARE = 0.1
"""Of a case's faults, by its own account, that must have gone through with a VMA lock alone.

In the workloads marked as such all do, but for those that meet a writer (in a race, a few per cent).  The number is
far below, so that it tells "falls back always" from "falls back more often", which is for the metrics to show.
"""

_COUNTER = "vma_lock_success"  # not reported by a kernel without CONFIG_PER_VMA_LOCK_STATS
_TIMEOUT_S = 10.0  # 20 times what the longest case takes on hardware


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the program.  `by_vma_lock`: its faults end in vma_lock_success (docs/faults.md says why)."""

    name: str
    by_vma_lock: bool
    is_race: bool = False


WORKLOADS = (
    Workload("anon", True),
    Workload("shared", True),
    Workload("file-read", True),
    Workload("file-write", True),
    Workload("cow", True),
    Workload("refault", True),
    Workload("stack", False),  # the address is in no VMA yet: vma_lock_abort, then mmap_lock
    Workload("uffd", False),  # handled under the VMA lock, but ends as vma_lock_retry, then mmap_lock
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

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """A race has a writer beside its faulting threads, of which there are at least two."""
        commands = []
        for workload in WORKLOADS:
            counts = (max(2, smp - 1),) if workload.is_race else tuple(dict.fromkeys((1, smp)))
            for threads in counts:
                case = workload.name if workload.is_race else f"{workload.name}.{threads}"
                argv = (self.program, workload.name, "--threads", str(threads))
                commands.append(Command(case, argv, (case,), _TIMEOUT_S, exercises_vma_locks=workload.by_vma_lock))
        return tuple(commands)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """A case for each one of the command; it passes on a sound report of contents, metrics and locks alone."""
        report = ktap.parse(result.stdout)
        detail = f"{result.stdout}\n{result.stderr}".strip()
        seconds = result.seconds / max(1, len(command.cases))
        cases = []
        for name in command.cases:
            found = [one for one in report.results if one.name == name]
            if len(found) == 1:
                outcome, message = self._judge(command, result, report, found[0])
                metrics = found[0].metrics
            elif found:
                outcome, message, metrics = Outcome.ERROR, f"reported {len(found)} times", ()
            else:
                outcome, message = self._missing(result, report)
                metrics = ()
            cases.append(Case(self.name, name, outcome, seconds, message, detail, metrics))
        return tuple(cases)

    def _judge(
        self, command: Command, result: CommandResult, report: ktap.Report, one: ktap.Result
    ) -> tuple[Outcome, str]:
        """What a result line comes to, given everything around it."""
        if not one.good:
            return Outcome.FAIL, one.reason or "no reason given"
        if doubt := _doubt(command, report, one):
            return Outcome.ERROR, f"the program's report is not sound: {doubt}"
        if result.exit_code != 0 and all(other.good for other in report.results):
            return Outcome.CRASH, f"{_ending(result)} after its result"
        if one.skipped:
            return Outcome.SKIP, one.reason or "no reason given"
        taken = next((metric for metric in one.metrics if metric.name == _COUNTER), None)
        if command.exercises_vma_locks and taken is not None and taken.value < LEAST_SHARE * taken.count:
            return Outcome.NOT_EXERCISED, f"{taken.value:.0f} of {taken.count} faults took a VMA lock alone"
        return Outcome.PASS, ""

    def _missing(self, result: CommandResult, report: ktap.Report) -> tuple[Outcome, str]:
        """Why a case has no result."""
        if report.bail_out is not None:
            return Outcome.ERROR, f"the program gave up: {report.bail_out}"
        if not report.started and result.exit_code in (0, 2, 126, 127):  # usage; cannot be executed; not found
            words = result.stderr.strip().partition("\n")[0] or "it said nothing"
            return Outcome.ERROR, f"the program did not start ({_ending(result)}): {words}"
        if report.defects:
            return Outcome.CRASH, f"{_ending(result)} without a result; {report.defects[0]}"
        unexpected = [line[2:] for line in result.stdout.split("\n") if line.startswith("# unexpected signal ")]
        return Outcome.CRASH, "; ".join([f"{_ending(result)} without a result", *unexpected[:1]])


def _doubt(command: Command, report: ktap.Report, one: ktap.Result) -> str:
    """Why a good result is no proof; "" where it is."""
    if report.defects:
        return report.defects[0]
    if strangers := sorted({other.name for other in report.results} - set(command.cases)):
        return f"a result for {strangers[0]}, which was not asked for"
    return "" if one.metrics or one.skipped else "no metrics"


def _ending(result: CommandResult) -> str:
    """`died of SIGSEGV` or `exit code 1`."""
    number = result.exit_code - 128
    if number in {one.value for one in signal.Signals}:
        return f"died of {signal.Signals(number).name}"
    return f"exit code {result.exit_code}"


def payload(program: Path) -> Payload:
    """What the suite wants in the guest: a static program, no libraries."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),))

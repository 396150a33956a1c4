"""What one of our guest programs reported, as cases: no pass without a sound report.

Every program of `programs/` prints the KTAP that `harness.suites.ktap` reads, fails on wrong contents itself, and gives
the per-VMA lock counters as metrics.  Knows no suite and no workload.
"""

from __future__ import annotations

import signal

from harness.model import Case, Command, CommandResult, Outcome
from harness.suites import ktap

_COUNTER = "vma_lock_success"  # not reported by a kernel without CONFIG_PER_VMA_LOCK_STATS


USUAL_SEED = ("--seed", "1")
"""What a program is told elsewhere: its choices are these always, and whoever repeats a case sees which."""


def exact_options(seed: int | None, *, noise: bool = True, counter: bool = False) -> tuple[str, ...]:
    """What a program is told in an exact guest: all that it chooses, and when it is disturbed, follows from a seed.

    `counter`: it reads the CPU's counter, which counts instructions there, instead of the kernel's clock.
    """
    if seed is None:
        return ()
    clock = ("--clock", "counter") if counter else ()
    return (*clock, "--seed", str(seed), *(("--noise", str(seed)) if noise else ()))


def cases(suite: str, command: Command, result: CommandResult, *, least_share: float) -> tuple[Case, ...]:
    """A case for each one of the command.

    Where the command `exercises_vma_locks`, at least `least_share` of its faults, by the program's own account, must
    have gone through with a VMA lock alone, and one of them in any case.
    """
    report = ktap.parse(result.stdout)
    detail = f"{result.stdout}\n{result.stderr}".strip()
    seconds = result.seconds / max(1, len(command.cases))
    found = []
    for name in command.cases:
        results = [one for one in report.results if one.name == name]
        if len(results) == 1:
            outcome, message = _judge(command, result, report, results[0], least_share)
            metrics = results[0].metrics
        elif results:
            outcome, message, metrics = Outcome.ERROR, f"reported {len(results)} times", ()
        else:
            outcome, message = _missing(result, report)
            metrics = ()
        found.append(Case(suite, name, outcome, seconds, message, detail, metrics))
    return tuple(found)


def _judge(
    command: Command, result: CommandResult, report: ktap.Report, one: ktap.Result, least_share: float
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
    enough = max(1.0, least_share * taken.count) if taken is not None else 0.0
    if command.exercises_vma_locks and taken is not None and taken.value < enough:
        return Outcome.NOT_EXERCISED, f"{taken.value:.0f} of {taken.count} faults took a VMA lock alone"
    return Outcome.PASS, ""


def _missing(result: CommandResult, report: ktap.Report) -> tuple[Outcome, str]:
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

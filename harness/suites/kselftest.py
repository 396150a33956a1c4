"""The `kselftest` suite: selected tests of tools/testing/selftests/mm and /proc of the tree under test.

Which, how and why is data, in kselftest.toml.  One command a test: its case says whether the program came to its end
and what that was; each result that it reports on the way is a case PROGRAM.RESULT, which nobody knows before it ran.
Building the programs is `harness.suites.kselftest_programs`.  This module runs nothing.
"""

from __future__ import annotations

import re
import signal
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.model import Arch, Case, Command, CommandResult, Outcome, Payload, PayloadFile
from harness.suites import kernel_ktap, testing_lines
from harness.suites.kernel_ktap import Report, Result, Verdict

NAME = "kselftest"
GUEST_DIRECTORY = "/vmaharness/bin/kselftest"
TABLE = Path(__file__).with_name("kselftest.toml")

_SKIPPED, _XFAIL, _XPASS = 4, 2, 3  # exit codes of kselftest.h, beside 0 and 1
_OUTCOMES = {Verdict.PASS: Outcome.PASS, Verdict.FAIL: Outcome.FAIL, Verdict.SKIP: Outcome.SKIP}
_LONGEST_NAME = 96
_LONGEST_OUTPUT = 64_000  # characters kept, of the end


@dataclass(frozen=True, slots=True)
class Selftest:
    """A row of the table."""

    name: str  # of its command and case
    collection: str  # the directory below tools/testing/selftests
    program: str
    timeout_s: float  # at hardware speed
    why: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    sysctl: tuple[tuple[str, str], ...] = ()  # settings while it runs
    user: int = 0  # who runs it
    silent_skip: str = ""  # why it skips, where it does not say so itself

    @property
    def key(self) -> str:
        """Names its program: COLLECTION/PROGRAM."""
        return f"{self.collection}/{self.program}"

    @property
    def guest_path(self) -> str:
        return f"{GUEST_DIRECTORY}/{self.key}"

    @property
    def argv(self) -> tuple[str, ...]:
        variables = tuple(f"{name}={value}" for name, value in self.environment)
        as_user = ("busybox", "start-stop-daemon", "-S", "-c", f"{self.user}:{self.user}", "-x") if self.user else ()
        separator = ("--",) if as_user and self.arguments else ()
        around = (*_with_settings(self.sysctl), *(("env", *variables) if variables else ()), *as_user)
        return (*around, self.guest_path, *separator, *self.arguments)


def _with_settings(settings: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The beginning of a command line that changes settings, and puts them back when what follows has ended."""
    if not settings:
        return ()
    places = [f"/proc/sys/{name.replace('.', '/')}" for name, _ in settings]
    change = [f"old{at}=$(cat {place}); echo {settings[at][1]} >{place}" for at, place in enumerate(places)]
    restore = [f"echo $old{at} >{place}" for at, place in enumerate(places)]
    return ("sh", "-c", "; ".join((*change, '"$@"', "code=$?", *restore, "exit $code")), "sh")


@dataclass(frozen=True, slots=True)
class Table:
    """The whole selection."""

    libraries: tuple[str, ...]  # Debian packages to build with
    tests: tuple[Selftest, ...]

    @property
    def programs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(test.key for test in self.tests))


@cache
def table(path: Path = TABLE) -> Table:
    """The selection.  Raises TypeError or KeyError for a row that is not one: the file is ours."""
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    return Table(tuple(read["libraries"]), tuple(_row(row) for row in read["test"]))


def _row(row: Mapping[str, Any]) -> Selftest:
    fields = {"program": row["name"], **row}
    fields["arguments"] = tuple(row.get("arguments", ()))
    fields["environment"] = tuple(row.get("environment", {}).items())
    fields["sysctl"] = tuple(row.get("sysctl", {}).items())
    return Selftest(**fields)


@dataclass(frozen=True, slots=True)
class KselftestSuite:
    """The tests of which there are programs: `built` has COLLECTION/PROGRAM."""

    built: tuple[str, ...] = ()
    name: str = NAME

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        return tuple(
            Command(test.name, test.argv, (test.name,), test.timeout_s, further_cases=True)
            for test in table().tests
            if test.key in self.built
        )

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """The program's own case, then one for each result that it reported."""
        (name,) = command.cases
        report = kernel_ktap.parse(result.stdout)
        if not report.results and "\nTesting " in f"\n{result.stdout}":
            report = testing_lines.parse(result.stdout)
        further = tuple(_further(self.name, name, report.results))
        silent = next((test.silent_skip for test in table().tests if test.name == name), "")
        outcome, message = _judge(result, report, further, silent)
        output = f"{result.stdout}\n{result.stderr}".strip()[-_LONGEST_OUTPUT:]
        return (Case(self.name, name, outcome, result.seconds, message, output), *further)


def payload(programs: Mapping[str, Path]) -> Payload:
    """What the suite wants in the guest: the programs, by COLLECTION/PROGRAM, and the C library."""
    files = tuple(PayloadFile(f"{GUEST_DIRECTORY}/{key}", path) for key, path in programs.items())
    return Payload(files, ("libc6",) if files else ())


# --- the program's own case -----------------------------------------------------------------------------------


def _judge(result: CommandResult, report: Report, further: Sequence[Case], silent: str) -> tuple[Outcome, str]:
    """How a program ended, and what its account comes to.  Only a whole account that is good makes a pass."""
    failed = [case for case in further if case.outcome is Outcome.FAIL]
    words = _last_words(result)
    if result.exit_code == _SKIPPED and not failed:
        return Outcome.SKIP, _why_skipped(report, further, words or silent)
    if not report.started and report.bail_out is None:
        return _without_report(result, words)
    if broken := _broken(result, report):
        return Outcome.CRASH, broken
    if failed:
        names = ", ".join(_own_name(case) for case in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        return Outcome.FAIL, f"{len(failed)} of {len(further)} failed: {names}{more}"
    if doubt := _doubt(result, report):
        return Outcome.FAIL, doubt
    skipped = all(case.outcome is Outcome.SKIP for case in further)  # also of a plan of none
    return (Outcome.SKIP, _why_skipped(report, further, silent)) if skipped else (Outcome.PASS, "")


def _without_report(result: CommandResult, words: str) -> tuple[Outcome, str]:
    """A program that speaks by its exit code alone."""
    said = f": {words}" if words else ""
    code = result.exit_code
    if code in (0, _XPASS):
        return Outcome.PASS, ""
    if code == _XFAIL:
        return Outcome.SKIP, f"it is expected to fail{said}"
    if code in (126, 127):  # cannot be executed, not found
        return Outcome.ERROR, f"the program did not start ({_ending(code)}){said}"
    if code == 128 + signal.SIGABRT and "Assertion" in result.stderr:
        return Outcome.FAIL, words
    return (Outcome.CRASH if code > 128 else Outcome.FAIL), f"{_ending(code)}{said}"


def _broken(result: CommandResult, report: Report) -> str:
    """How a program ended before its account was whole; "" where it is."""
    ran, plan = len(report.results), report.plan
    gave_up = f"; it gave up: {report.bail_out}" if report.bail_out is not None else ""
    if plan is not None and ran < plan:
        return f"{_ending(result.exit_code)} after {ran} of {plan} results{gave_up}"
    if result.exit_code > 128:
        return f"{_ending(result.exit_code)} after its last result{gave_up}"
    nothing = ran == 0 and plan is None
    # Some give up after their last result, to say that one of them is bad: then they did not give up.
    if (gave_up and plan is None) or (nothing and (result.exit_code != 0 or report.totals is None)):
        return f"{_ending(result.exit_code)} after {ran} results{gave_up}"
    return ""


def _doubt(result: CommandResult, report: Report) -> str:
    """Why a whole account without a failure is none that can be believed; "" where it is."""
    ran, plan = len(report.results), report.plan
    if plan is not None and ran > plan:
        return f"{ran} results for a plan of {plan}"
    if report.totals is not None and report.totals != ran:
        return f"the program counts {report.totals} results and printed {ran}"
    if report.defects:
        return f"its report is not sound: {report.defects[0]}"
    return "" if result.exit_code == 0 else f"{_ending(result.exit_code)}, although no result is bad"


def _why_skipped(report: Report, further: Sequence[Case], words: str) -> str:
    """A reason in the program's own words, where it gives one."""
    skipped = (case.message for case in reversed(further) if case.outcome is Outcome.SKIP)
    return report.plan_skip or next(skipped, "") or words or "it gives no reason"


def _last_words(result: CommandResult) -> str:
    """The last line of standard error, else of standard output that is no part of a report."""
    for text in (result.stderr, result.stdout):
        lines = [
            line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("#", "ok ", "TAP"))
        ]
        if lines:
            return lines[-1][:300]
    return ""


def _ending(exit_code: int) -> str:
    """`died of SIGSEGV` or `exit code 1`."""
    number = exit_code - 128
    if number in {one.value for one in signal.Signals}:
        return f"died of {signal.Signals(number).name}"
    return f"exit code {exit_code}"


# --- the cases that it reports --------------------------------------------------------------------------------


def _further(suite: str, program: str, results: Sequence[Result]) -> Iterator[Case]:
    """A case for each leaf; a report around others is one itself only where it failed and none of them did.

    Names are the program's: of two that are alike the second gets "-2", in the order in which they came.
    """
    seen: Counter[str] = Counter()
    for path, leaf in _leaves(results, ()):
        name = ".".join((program, *path))
        seen[name] += 1
        if seen[name] > 1:
            name = f"{name}-{seen[name]}"
        outcome = _OUTCOMES[leaf.verdict]
        yield Case(suite, name, outcome, message=_message(leaf, outcome), detail="\n".join(leaf.diagnostics))


def _leaves(results: Sequence[Result], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Result]]:
    for result in results:
        own = (*path, slug(result.name) or "unnamed")
        if not result.children:
            yield own, result
            continue
        inside = list(_leaves(result.children, own))
        yield from inside
        if result.verdict is Verdict.FAIL and all(leaf.verdict is not Verdict.FAIL for _, leaf in inside):
            yield own, result


def _message(leaf: Result, outcome: Outcome) -> str:
    if outcome is Outcome.PASS:
        return ""
    reason = re.sub(r"^SKIP\b:?\s*", "", leaf.reason, flags=re.IGNORECASE)
    diagnostics = [line.lstrip("# ") for line in leaf.diagnostics]
    telling = next((line for line in diagnostics if "Expected" in line or "rror" in line), "")
    return (reason or telling or (diagnostics[-1] if diagnostics else "") or "no reason given")[:300]


def slug(name: str) -> str:
    """A result's name as a part of a case's: without what differs from boot to boot, or drives globs and terminals.

    Nor has it the line of its source, which mseal_test gives: any change of the test would make it another case.
    """
    name = re.sub(r"0x[0-9a-fA-F]+", "0x", re.sub(r":\s*line:\d+", "", name))
    return re.sub(r"(?:[^\w.,:=+-]|-(?=[^\w.]))+", "-", name, flags=re.ASCII).strip("-.")[:_LONGEST_NAME]


def _own_name(case: Case) -> str:
    return case.name.partition(".")[2] or case.name

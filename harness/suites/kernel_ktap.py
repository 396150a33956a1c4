"""Reads the KTAP of the kernel's own tests: what they print in fact, nested, old or cut off.  Judges nothing.

Source: Documentation/dev-tools/ktap.rst, and the printing functions of tools/testing/selftests/kselftest.h and
kselftest_harness.h.  Unlike `harness.suites.ktap`, which holds our own programs to a strict grammar, everything that is
not a result is a diagnostic here; whether the account is whole is for the caller to weigh (`Report`).

    KTAP version 1              also TAP version 13 and 14; two spaces deeper (or after "# "): a nested report
    1..COUNT                    1..0 # SKIP REASON: nothing is run
    ok NUMBER NAME              also "ok NUMBER - NAME"
    not ok NUMBER NAME # WORD   SKIP, XFAIL, TODO, XPASS, TIMEOUT, error
    ok NUMBER # SKIP NAME       as kselftest.h prints it: the name stands behind the directive
    # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0
    Bail out! REASON
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

MOST_RESULTS = 5_000
"""Results that are kept of one output: it is written by a program of the tree under test."""

_MOST_LEVELS = 8
_MOST_DIAGNOSTICS = 100  # lines kept before one result
_LEVEL = r"(?:  |\t|# )"
_VERSION = re.compile(rf"({_LEVEL}*)(?:KTAP version 1|TAP version 1[34])\s*")
_PLAN = re.compile(r"1\.\.(\d{1,7})(?:\s*#\s*SKIP\b\s*(.*))?\s*", re.IGNORECASE)
_RESULT = re.compile(r"(not ok|ok)\s+(\d{1,7})(?:\s+(?:-\s+)?([^#]*)(?:#\s*(.*))?)?", re.DOTALL)
_DIRECTIVE = re.compile(r"(SKIP|XFAIL|XPASS|TODO|TIMEOUT|ERROR)\b:?\s*(.*)", re.IGNORECASE | re.DOTALL)
_BAIL = re.compile(r"Bail out!\s*(.*)")
_TOTALS = re.compile(r"#\s*Totals: pass:(\d+) fail:(\d+) xfail:(\d+) xpass:(\d+) skip:(\d+) error:(\d+)")
_SUBTEST = re.compile(r"# Subtest:\s*(.*)")


class Verdict(StrEnum):
    """What a result line says."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """One result line; `children` are the results of the report that was nested before it."""

    name: str  # "" where it has none
    verdict: Verdict
    reason: str  # what stands behind the hash, its directive included
    diagnostics: tuple[str, ...] = ()  # the lines before it, after the result before
    children: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole output.  `results` are those of the outermost level."""

    started: bool  # there was a version line, a plan or a result
    plan: int | None
    results: tuple[Result, ...]
    plan_skip: str | None  # the reason of "1..0 # SKIP REASON"
    bail_out: str | None
    totals: int | None  # how many results the program itself counts
    defects: tuple[str, ...] = ()


@dataclass(slots=True)
class _Level:
    prefix: str
    plan: int | None = None
    results: list[Result] = field(default_factory=list)
    name: str = ""  # of a "# Subtest:" line


class _Reader:
    """The state between lines."""

    def __init__(self) -> None:
        self.levels = [_Level("")]
        self.nested: tuple[Result, ...] = ()  # of levels that ended, for the result that follows
        self.started = False
        self.count = 0
        self.diagnostics: list[str] = []
        self.plan_skip: str | None = None
        self.bail_out: str | None = None
        self.totals: int | None = None
        self.defects: list[str] = []

    def line(self, text: str) -> None:
        if match := _VERSION.fullmatch(text):
            self._version(match[1])
            return
        for depth in range(len(self.levels) - 1, -1, -1):
            level = self.levels[depth]
            if text.startswith(level.prefix) and self._at(depth, text[len(level.prefix) :]):
                return
        if len(self.diagnostics) < _MOST_DIAGNOSTICS:
            self.diagnostics.append(text)

    def _version(self, prefix: str) -> None:
        self.started = True
        while len(self.levels) > 1 and len(self.levels[-1].prefix) > len(prefix):
            self._close()
        inner = len(prefix) > len(self.levels[-1].prefix) and prefix.startswith(self.levels[-1].prefix)
        if inner and len(self.levels) <= _MOST_LEVELS:
            self.levels.append(_Level(prefix))

    def _at(self, depth: int, text: str) -> bool:
        """Whether it is a line of the report at this depth; a result there ends the deeper ones."""
        level = self.levels[depth]
        if match := _PLAN.fullmatch(text):
            self.started = True
            if level.plan is not None:
                self.defects.append("two plans")
            level.plan = int(match[1])
            if depth == 0 and level.plan == 0:
                self.plan_skip = (match[2] or "").strip()
            return True
        if match := _RESULT.fullmatch(text):
            self._result(depth, match[1] == "ok", int(match[2]), (match[3] or "").strip(), (match[4] or "").strip())
            return True
        if match := _BAIL.match(text):
            self.bail_out = match[1].strip() or "no reason given"
            return True
        if depth == 0 and (match := _TOTALS.match(text)):
            self.totals = sum(int(number[:9]) for number in match.groups())
            return True
        if match := _SUBTEST.fullmatch(text):
            level.name = match[1].strip()
        return False

    def _close(self) -> None:
        """The innermost report ends: its results become children of what comes next at the level around it."""
        level = self.levels.pop()
        if level.plan is not None and level.plan != len(level.results):
            self.defects.append(f"a nested report has {len(level.results)} results for a plan of {level.plan}")
        if self.nested:  # no result of that level has taken them
            level.results.append(Result(level.name, Verdict.FAIL, "its own result is missing", (), self.nested))
        self.nested = tuple(level.results)

    def _result(self, depth: int, ok: bool, number: int, name: str, behind: str) -> None:
        self.started = True
        while len(self.levels) - 1 > depth:
            self._close()
        level = self.levels[depth]
        self.count += 1
        if self.count > MOST_RESULTS:
            self.defects.append(f"more than {MOST_RESULTS} results")
            return
        if number != len(level.results) + 1:
            self.defects.append(f"result {number} ({name[:80]}) comes as number {len(level.results) + 1}")
        verdict, name = _read(ok, name, behind)
        diagnostics = tuple(line for line in self.diagnostics if line.strip())
        level.results.append(Result(name, verdict, behind, diagnostics, self.nested))
        self.nested, self.diagnostics = (), []

    def report(self) -> Report:
        """All that was read; a report that is still open has no result of its own."""
        while len(self.levels) > 1:
            name = self.levels[-1].name
            self._close()
            if not self.nested:
                continue
            reason = "the output ends before its result"
            self.levels[-1].results.append(Result(name, Verdict.FAIL, reason, (), self.nested))
            self.nested = ()
            self.defects.append(reason)
        level = self.levels[0]
        return Report(
            self.started, level.plan, tuple(level.results), self.plan_skip, self.bail_out, self.totals,
            tuple(dict.fromkeys(self.defects[:20])),
        )  # fmt: skip


def _read(ok: bool, name: str, behind: str) -> tuple[Verdict, str]:
    """What a result says, and its name, which may stand behind the directive; of a skip with a reason in parentheses.

    "ok … # XFAIL" is a test of which failure was expected and seen; "not ok … # TODO" one that is known to be broken.
    """
    match = _DIRECTIVE.match(behind)
    if match is None:
        return (Verdict.PASS if ok else Verdict.FAIL), name or behind
    word = match[1].upper()
    if not name:
        name = (re.sub(r"\s*\([^()]*\)\s*$", "", match[2]) if word == "SKIP" else "") or match[2]
    if word == "SKIP" or (word in ("XFAIL", "TODO") and not ok):
        return Verdict.SKIP, name
    return (Verdict.PASS if ok else Verdict.FAIL), name


def parse(text: str) -> Report:
    """Read an output, whole or cut off anywhere; never raises."""
    reader = _Reader()
    for line in text.split("\n"):  # only newlines end a line
        reader.line(line.rstrip("\r"))
    return reader.report()

"""Was a mutant caught?  Its results held against those of the unmutated kernel on the same target.

Caught is a mutant when a case fails, in whatever way, that does not fail without it, or when the kernel says what it
does not say without it in a case that fails on both sides.  What the mutant's author expected plays no part in it, and
neither do errors of the harness: without a result it is neither caught nor has it survived.  Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model import (
    Case,
    Fate,
    Finding,
    MutantResult,
    MutantTarget,
    Outcome,
    Sighting,
    SuiteResult,
)
from harness.verdict.relative import decisive

STAGES = ("config", "build")
"""Cases of the suite `kernel` that are about the mutant itself, not about the kernel that it makes."""

LATE = "after-"
"""Begins the names of the kernel's cases that tell what it said while no command ran."""

_GUEST_NUMBER = re.compile(r"^(boot|ready|after-boot)-\d{1,4}$")


@dataclass(frozen=True, slots=True)
class Clean:
    """What the unmutated kernel gave on a target: what is bad there already proves nothing."""

    passed: frozenset[tuple[str, str]]
    failed: frozenset[tuple[str, str]]
    fingerprints: frozenset[str]
    silent: bool  # its kernel complained of nothing but slowness

    @classmethod
    def of(cls, suites: Iterable[SuiteResult]) -> Clean:
        cases = [(suite.suite, case) for suite in suites for case in suite.cases]
        return cls(
            frozenset((suite, _name(case)) for suite, case in cases if case.outcome in (Outcome.PASS, Outcome.SKIP)),
            frozenset((suite, _name(case)) for suite, case in cases if case.outcome.blames_kernel),
            frozenset(finding.fingerprint for _, case in cases for finding in case.findings),
            all(finding.timing for _, case in cases for finding in case.findings),
        )

    def new(self, case: Case) -> tuple[Finding, ...]:
        return tuple(found for found in case.findings if found.fingerprint not in self.fingerprints)

    def catches(self, case: Case) -> bool:
        """Whether a case says that something is wrong which is right without the mutant.

        A case that the unmutated kernel has no result of proves nothing; what the kernel says between the cases, or
        of a guest that had to be replaced, is a case only where something is wrong.
        """
        if case.name in STAGES or not case.outcome.blames_kernel:
            return False
        name = (case.suite, _name(case))
        if name in self.failed:
            return any(not found.timing for found in self.new(case))
        return name in self.passed or case.suite == "kernel"


def sightings(cases: Sequence[Case], clean: Clean) -> tuple[Sighting, ...]:
    """The cases that catch the mutant, in the order in which they ran, with the operations done until then."""
    found, done, count = [], 0, 0
    for case in cases:
        work = operations(case)
        if clean.catches(case):
            told = next(iter(decisive(clean.new(case))), None)
            type_, title = (told.type, told.title) if told else ("", "")
            name = f"{case.suite}.{case.name}"
            found.append(Sighting(name, case.outcome, case.message, type_, title, work, done, count, case.seconds))
        done += work or 0
        count += case.name not in STAGES and case.outcome not in (Outcome.NOT_RUN, Outcome.SKIP)
    return tuple(found)


def in_order(suites: Sequence[SuiteResult]) -> list[Case]:
    """The cases of a target as they ran: what the kernel said between two commands after the first of these."""
    every = [case for suite in suites for case in suite.cases]
    late = {case.name.removeprefix(LATE): case for case in every if case.suite == "kernel" and _is_late(case)}
    found = []
    for case in (case for case in every if case not in late.values()):
        found.append(case)
        if (said := late.pop(f"{case.suite}.{case.name}", None)) is not None:
            found.append(said)
    return [*found, *late.values()]


def _is_late(case: Case) -> bool:
    return case.name.startswith(LATE) and not case.name.startswith(f"{LATE}boot")


def operations(case: Case) -> int | None:
    """What a case counted: its operations, else the faults it measured; None where it came to no count."""
    named = next((metric for metric in case.metrics if metric.name == "operations"), None)
    if named is not None:
        return int(named.value)
    return max((metric.count for metric in case.metrics if metric.count > 1), default=None)


def judge(
    mutated: Sequence[SuiteResult], clean: Sequence[SuiteResult], *, arch: str, profile: str, stopped: bool
) -> MutantTarget:
    """What became of a mutant on a target.  `stopped`: it was left at the first sighting."""
    cases = in_order(mutated)
    seen = sightings(cases, Clean.of(clean))
    counted = [case for case in cases if case.name not in STAGES]
    left = sum(case.outcome is Outcome.NOT_RUN for case in counted)
    fate, message = (Fate.CAUGHT, "") if seen else _uncaught(counted, clean)
    console = next((case.log for case in cases if seen and f"{case.suite}.{case.name}" == seen[0].case), None)
    if fate is Fate.CAUGHT and stopped:
        seen = seen[:1]
    return MutantTarget(arch, profile, fate, message, seen, len(counted) - left, left, console)


def _uncaught(cases: Sequence[Case], clean: Sequence[SuiteResult]) -> tuple[Fate, str]:
    unknown = next((case for case in cases if case.outcome in (Outcome.ERROR, Outcome.NOT_RUN)), None)
    if unknown is not None:
        return Fate.UNKNOWN, f"{unknown.suite}.{unknown.name} ({unknown.outcome}): {unknown.message}"
    if not any(case.outcome is Outcome.PASS for case in cases):
        return Fate.UNKNOWN, "nothing ran"
    bad = sum(case.outcome.blames_kernel for suite in clean for case in suite.cases)
    passed = sum(case.outcome is Outcome.PASS for case in cases)
    return Fate.SURVIVED, f"{passed} cases passed" + (f"; {bad} fail without it too" if bad else "")


def base_is_clean(base: Sequence[SuiteResult]) -> tuple[Outcome, str]:
    """Whether the unmutated kernel passes; with what is wrong otherwise."""
    cases = [(f"{suite.classname}.{case.name}", case) for suite in base for case in suite.cases]
    bad = [(name, case) for name, case in cases if case.outcome.blames_kernel]
    if bad:
        name, case = bad[0]
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return Outcome.FAIL, f"the unmutated kernel is not clean: {name}: {case.message}{more}"
    lost = [(name, case) for name, case in cases if case.outcome in (Outcome.ERROR, Outcome.NOT_RUN)]
    if lost:
        name, case = lost[0]
        return Outcome.ERROR, f"the unmutated kernel has no result: {name}: {case.message}"
    return (Outcome.PASS, "") if cases else (Outcome.NOT_RUN, "nothing ran")


def overall(base: Sequence[SuiteResult], mutants: Sequence[MutantResult]) -> tuple[Outcome, str]:
    """The outcome of all, and one line: FAIL when one survived or the unmutated kernel is not clean."""
    state, why = base_is_clean(base)
    targets = [(mutant.name, target) for mutant in mutants for target in mutant.targets if target.arch != "host"]
    count = {fate: [f"{name} on {target.name}" for name, target in targets if target.fate is fate] for fate in Fate}
    tried = len(count[Fate.CAUGHT]) + len(count[Fate.SURVIVED])
    score = f"{len(count[Fate.CAUGHT])} of {tried} caught"
    if state is Outcome.FAIL:
        return state, f"{why}; {score}"
    if survived := count[Fate.SURVIVED]:
        return Outcome.FAIL, f"{score}; survived: {', '.join(survived)}"
    if state is Outcome.ERROR:
        return state, f"{why}; {score}"
    if odd := [*count[Fate.BROKEN], *count[Fate.UNKNOWN]]:
        return Outcome.ERROR, f"{score}; without a verdict: {', '.join(odd)}"
    if not tried:
        return Outcome.NOT_RUN, "no mutant was tried"
    same = count[Fate.SAME]
    return Outcome.PASS, f"{score}, the unmutated kernel is clean" + (
        f"; not in the kernel: {', '.join(same)}" if same else ""
    )


def _name(case: Case) -> str:
    return _GUEST_NUMBER.sub(r"\1", case.name)

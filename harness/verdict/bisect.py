"""Searching for the patch that did it: what one run of a tree says of a failure, and how many runs that takes.

Pure functions on results; knows no run, no guest, no git.  A failure is told by its fingerprints: another failure in
its place says nothing of it.
"""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.model import Arch, Case, Finding, Outcome, Rung, Sought, SuiteResult, Tries, Verdict
from harness.verdict.patches import BUILD_CASES
from harness.verdict.relative import decisive

RARE = 1 / 3
"""A failure that might be this rare is not taken for one that is always there."""

MOST_TRIED = 12
"""Runs of the bad end before it is said that it does not show the failure."""

ENOUGH_SEEN = 3
"""Failures after which a rate is taken as measured."""

_KERNEL, _BUILD = "kernel", "build"
_LATE = "after-"
_SEEDED = re.compile(r"(.*)@\d{1,10}")
_NO_ANSWER = (Outcome.ERROR, Outcome.NOT_RUN)


@dataclass(frozen=True, slots=True)
class Said:
    """What one run says; `verdict` is None where the machine got in the way."""

    verdict: Verdict | None
    why: str = ""
    detail: str = ""


# --- how many runs --------------------------------------------------------------------------------------------


def runs_needed(rate: float, confidence: float) -> int:
    """Runs without the failure after which a tree is called good: one that fails at `rate` would pass all of them with
    a chance of at most 1 - `confidence`.  Both are between 0 and 1; raises ValueError for another rate or confidence.
    """
    if not (0 < rate <= 1 and 0 < confidence < 1):
        raise ValueError(f"no rate and confidence: {rate}, {confidence}")
    # Less than a millionth of a run is the arithmetic's.
    return 1 if rate == 1 else max(1, math.ceil(math.log(1 - confidence) / math.log(1 - rate) - 1e-6))


def confidence_of(rate: float, runs: int) -> float:
    """How sure it is after `runs` without the failure that a tree has not got it: the inverse of `runs_needed`."""
    return float(1 - (1 - rate) ** runs)


def runs_to_trust(confidence: float) -> int:
    """How often a failure must be there, and never not, to count as one that is always there."""
    return max(1, math.ceil(math.log(1 - confidence) / math.log(RARE) - 1e-6))


def is_measured(tries: Tries, confidence: float, most: int = MOST_TRIED) -> bool:
    """Whether the bad end has been run often enough to know the rate, or to know that nothing is there."""
    if tries.of >= most:
        return True
    if tries.failed == tries.of:
        return tries.failed >= runs_to_trust(confidence)
    return tries.failed >= ENOUGH_SEEN


def minimum(commits: int) -> int:
    """The fewest trees that a search among `commits` needs, and one more for the proof."""
    return steps_left(commits) + 1


def steps_left(commits: int) -> int:
    """Probes that it takes in the worst case to tell which of `commits` did it."""
    return max(0, (commits - 1).bit_length())


# --- what to look for -----------------------------------------------------------------------------------------


def plain(case: str) -> str:
    """The name of a case without the seed that it was run at."""
    found = _SEEDED.fullmatch(case)
    return found[1] if found else case


def sought_in(suites: Sequence[SuiteResult], globs: Sequence[str], finding: str) -> Sought | None:
    """The first failure among results that is asked for: by globs on SUITE.CASE (none: any), by a fingerprint (or its
    beginning) or a glob on TYPE: TITLE ("": any).  What has no result is no failure.
    """
    for suite in suites:
        for case in suite.cases:
            name = f"{suite.suite}.{plain(case.name)}"
            if globs and not any(fnmatchcase(name, plain(one)) for one in globs):
                continue
            if finding:
                seen = [one for one in case.findings if is_called(one, finding)]
                if seen:
                    return sought_of(suite, case, seen)
            elif case.outcome.blames_kernel:
                return sought_of(suite, case)
    return None


def is_called(finding: Finding, wanted: str) -> bool:
    """Whether a person can mean this finding by `wanted`."""
    if re.fullmatch(r"[0-9a-f]{8,}", wanted):
        return finding.fingerprint.startswith(wanted)
    return fnmatchcase(f"{finding.type}: {finding.title}", wanted) or finding.fingerprint == wanted


def says(finding: Finding, names: Iterable[str]) -> bool:
    """Whether a finding is one of these."""
    return any(is_called(finding, name) for name in names)


def sought_of(suite: SuiteResult, case: Case, findings: Sequence[Finding] = ()) -> Sought:
    """What to look for to see this failure again."""
    rung = Rung.HOST if suite.arch == "host" else Rung.GUEST
    if suite.suite == _KERNEL and case.name in BUILD_CASES:
        return Sought(
            Rung.BUILD, suite.arch, suite.profile, _KERNEL, _BUILD, case.message, errors=_errors_of(case.detail)
        )
    marks = [*findings] or decisive(case.findings)
    title = marks[0].title if marks else case.message
    prints = tuple(dict.fromkeys(finding.fingerprint for finding in marks))
    name = plain(case.name)
    return Sought(rung, suite.arch, suite.profile, suite.suite, name, title, prints, outcome=case.outcome)


def globs_of(sought: Sought) -> tuple[str, ...]:
    """What has to be run to see it, as globs on SUITE.CASE; what matches nothing is the boot alone."""
    suite, case = sought.suite, sought.case
    if suite == _KERNEL and case.startswith(_LATE):  # said after a command: that command's
        suite, _, case = case.removeprefix(_LATE).partition(".")
    return (glob.escape(f"{suite}.{case}"),)


def _errors_of(detail: str) -> tuple[str, ...]:
    """What tells one build that fails from another: files and words, for lines move.

    A case of a build has them as PATH:LINE: error: TEXT.
    """
    found = re.findall(r"(?m)^(.*?):\d+: error: (.*)$", detail)
    return tuple(dict.fromkeys(f"{path}: {text}" for path, text in found))


# --- what a run says ------------------------------------------------------------------------------------------


def judge(sought: Sought, suites: Sequence[SuiteResult]) -> Said:
    """What the results of one tree say of a failure."""
    own = [suite for suite in suites if (suite.arch, suite.profile) == (sought.arch, sought.profile)]
    if sought.rung is Rung.BUILD:
        return _of_build(sought, own)
    cases = [(suite.suite, case) for suite in own for case in suite.cases]
    if broken := broken_in(suite for suite in own if suite.suite == _KERNEL):
        return Said(None, broken)
    for name, case in cases:
        for finding in case.findings:
            if finding.fingerprint in sought.fingerprints:
                return Said(Verdict.BAD, f"{name}.{case.name}: {finding.title}", finding.text)
    exactly = [case for name, case in cases if (name, plain(case.name)) == (sought.suite, sought.case)]
    told = next((case for case in exactly if case.outcome not in _NO_ANSWER), None)
    if told is not None:
        return _of_case(sought, told)
    return _without_case(sought, cases, exactly[0].message if exactly else "nothing here reports this case")


def _without_case(sought: Sought, cases: Sequence[tuple[str, Case]], why: str) -> Said:
    """What it means that the case has no result."""
    if broken := next((case for _, case in cases if case.outcome is Outcome.ERROR), None):
        return Said(None, f"{broken.name}: {broken.message}")
    if in_its_way := _in_its_way(cases):
        return Said(Verdict.SKIP, in_its_way)
    if sought.suite == _KERNEL and any(case.outcome is Outcome.PASS and case.name == "boot" for _, case in cases):
        return Said(Verdict.GOOD, "nothing was said")
    if any(name == sought.suite and case.outcome is Outcome.PASS for name, case in cases):
        return Said(Verdict.GOOD, "there is no such case yet")
    return Said(Verdict.SKIP, why)


def broken_in(suites: Iterable[SuiteResult]) -> str:
    """What the machine got in the way of, among results; "" where they are all the kernel's."""
    errors = (case for suite in suites for case in suite.cases if case.outcome is Outcome.ERROR)
    return next((f"{case.name}: {case.message}" for case in errors), "")


def _of_build(sought: Sought, suites: Sequence[SuiteResult]) -> Said:
    build = next((case for suite in suites for case in suite.cases if case.name == _BUILD), None)
    if build is None or build.outcome in _NO_ANSWER:
        return Said(None, build.message if build else "it was not built")
    if build.outcome is Outcome.PASS:
        return Said(Verdict.GOOD, "it builds")
    if sought.errors and not set(sought.errors) & set(_errors_of(build.detail)):
        return Said(Verdict.SKIP, f"it does not build, for another reason: {build.message}", build.detail)
    return Said(Verdict.BAD, build.message, build.detail)


def _of_case(sought: Sought, case: Case) -> Said:
    if case.outcome is Outcome.PASS:
        return Said(Verdict.GOOD, "it passes")
    if not case.outcome.blames_kernel:
        return Said(Verdict.SKIP, case.message)
    by_itself = case.outcome in (Outcome.FAIL, Outcome.NOT_EXERCISED) and case.said is not Outcome.PASS
    if sought.fingerprints or case.outcome is not sought.outcome or (case.findings and not by_itself):
        return Said(Verdict.SKIP, f"it fails by something else ({case.outcome}): {case.message}", case.detail)
    return Said(Verdict.BAD, case.message, case.detail)


def _in_its_way(cases: Sequence[tuple[str, Case]]) -> str:
    """The failure of a build or a boot for which the case was never come to."""
    kernel = (case for name, case in cases if name == _KERNEL or case.name == _BUILD)
    broken = next((case for case in kernel if case.outcome.blames_kernel), None)
    if broken is None:
        return ""
    return f"it does not build: {broken.message}" if broken.name in BUILD_CASES else f"{broken.name}: {broken.message}"


def without_answer(suites: Sequence[SuiteResult], globs: Sequence[str], rung: Rung) -> str:
    """Why results that show no failure say nothing of what is asked for; "" where they do, for a case of it passed."""
    cases = [(suite.suite, case) for suite in suites for case in suite.cases]
    if rung is not Rung.BUILD and (why := _in_its_way(cases)):
        return why
    asked = [
        case
        for name, case in cases
        if not globs or any(fnmatchcase(f"{name}.{plain(case.name)}", plain(one)) for one in globs)
    ]
    if any(case.outcome is Outcome.PASS for case in asked):
        return ""
    return next((case.message for case in asked), "no case that was asked for is there")


def might_be(globs: Sequence[str], suite: str) -> bool:
    """Whether a glob on SUITE.CASE can be about a suite; without globs any is."""
    return not globs or any(fnmatchcase(suite, one.partition(".")[0]) for one in globs)


def arches_first(arches: Iterable[Arch], native: Arch | None) -> list[Arch]:
    """The architectures, that of the host first: its compiler and its guests are the fastest."""
    return sorted(arches, key=lambda arch: arch is not native)

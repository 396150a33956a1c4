"""Which patch did it: the results of the patches of a series, each held against those of the patch before it.

Pure functions on suites; knows no run, no guest and no file.  A failure is the doing of the patch that it is new at;
at the patches after it, it is that patch's still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.model import Blame, Build, Case, CompilerMessage, Finding, Outcome, Relation, SuiteResult
from harness.verdict.relative import compare, decisive

BUILD_CASES = ("config", "build")
_WORST = (
    Outcome.CRASH, Outcome.TIMEOUT, Outcome.FAIL, Outcome.NOT_EXERCISED, Outcome.ERROR, Outcome.NOT_RUN, Outcome.PASS,
    Outcome.SKIP,
)  # fmt: skip

_NO_ANSWER = (Outcome.ERROR, Outcome.NOT_RUN)

BASE = "the base"
"""What stands for a patch where a failure was there before the first; its number is 0."""

Key = tuple[str, str, str, str]  # architecture, profile, suite, case


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of a series and the results of the tree that ends with it, with what excuses failures."""

    number: int
    subject: str
    suites: tuple[SuiteResult, ...]


def trace(patches: Sequence[Patch], base: Sequence[SuiteResult]) -> tuple[tuple[SuiteResult, ...], tuple[Blame, ...]]:
    """A suite of stages for each patch, and the failures with the patch that they came with.

    `base` is what is known of the tree before the first.  A stage fails at the patch that breaks it; where it is broken
    as before it is excused, and says since when.
    """
    stages, blames = [], dict[Key, Blame]()
    total, before = len(patches), tuple(base)
    for patch in patches:
        related = _related(patch.suites, before)
        since = {key: blame for key, blame in blames.items() if not blame.fixed_by}
        for suite, case in related:
            key = (suite.arch, suite.profile, suite.suite, case.name)
            if case.fails and not (case.relation is Relation.SAME and key in since):
                number, subject = (0, BASE) if case.relation is Relation.SAME else (patch.number, patch.subject)
                blames[key] = Blame(number, subject, _where(suite, case), _title(case))
            elif case.outcome is Outcome.PASS and key in since:
                blames[key] = replace(since[key], fixed_by=patch.number)
        for key in _silent(patch.suites, since):
            blames[key] = replace(since[key], fixed_by=patch.number)
        stages.append(_stages(patch, total, blames))
        before = _last_known(before, patch.suites)
    return tuple(stages), tuple(sorted(blames.values(), key=lambda blame: blame.number))


def _silent(suites: Sequence[SuiteResult], since: Iterable[Key]) -> list[Key]:
    """What the kernel said outside of any test and says no more: such a case is there only where something was said."""
    booted = {
        (suite.arch, suite.profile): {case.name for case in suite.cases}
        for suite in suites
        if suite.suite == "kernel" and any(case.name == "boot" and case.outcome is Outcome.PASS for case in suite.cases)
    }
    return [
        (arch, profile, suite, case)
        for arch, profile, suite, case in since
        if suite == "kernel" and (arch, profile) in booted and case not in booted[arch, profile]
    ]


def _last_known(before: Sequence[SuiteResult], now: Sequence[SuiteResult]) -> tuple[SuiteResult, ...]:
    """What the next patch is held against: where this one has no answer, because it did not build, that before it."""
    found = {suite.classname: suite for suite in before}
    for suite in now:
        answered = {case.name: case for case in suite.cases if case.outcome not in _NO_ANSWER}
        earlier = found[suite.classname].cases if suite.classname in found else ()
        left = tuple(case for case in earlier if case.name not in answered)
        found[suite.classname] = replace(suite, cases=(*answered.values(), *left))
    return tuple(found.values())


def new_warnings(build: Build | None, before: Build | None) -> tuple[CompilerMessage, ...]:
    """The warnings that a patch adds: those of its kernel that the one before has not, wherever their lines are now.

    Both builds know what was said of every file, also of those that were not compiled again.
    """
    if build is None or before is None:
        return ()
    left = [_said(message) for message in before.messages]
    found = []
    for message in build.messages:
        if message.severity == "warning":
            if (said := _said(message)) in left:
                left.remove(said)
            else:
                found.append(message)
    return tuple(found)


def _said(message: CompilerMessage) -> tuple[str, str, str]:
    return message.path, message.text, message.option


def _related(suites: Sequence[SuiteResult], before: Sequence[SuiteResult]) -> list[tuple[SuiteResult, Case]]:
    """All cases with their relation to the patch before; what excuses them stays."""
    judged, _ = compare(suites, before)
    return [(suite, case) for suite in judged for case in suite.cases]


def _where(suite: SuiteResult, case: Case) -> str:
    return f"{suite.classname}.{case.name}"


def _title(case: Case) -> str:
    findings: list[Finding] = decisive(case.findings)
    return findings[0].title if findings else case.message


# --- stages ---------------------------------------------------------------------------------------------------


def _stages(patch: Patch, total: int, blames: dict[Key, Blame]) -> SuiteResult:
    """The suite of one patch: a case for each thing that was done with it."""
    place = f"{patch.number}/{total}"
    cases = [
        _stage(Case(f"patch {place}", stage, Outcome.PASS), suite, part, patch.number, blames)
        for suite in patch.suites
        for stage, part in _parts(suite)
        if part
    ]
    return SuiteResult(f"patch-{patch.number:0{len(str(total))}}", "host", "", tuple(cases))


def _parts(suite: SuiteResult) -> list[tuple[str, list[Case]]]:
    """The stages that a suite tells of: building is one, booting another."""
    place = f"{suite.arch}.{suite.profile}." if suite.profile else ""
    if suite.suite != "kernel":
        return [(f"{place}{suite.suite}", list(suite.cases))]
    built = [case for case in suite.cases if case.name in BUILD_CASES]
    booted = [case for case in suite.cases if case.name not in BUILD_CASES]
    return [(f"{place}build", built), (f"{place}boot", booted)]


def _stage(stage: Case, suite: SuiteResult, cases: Sequence[Case], number: int, blames: dict[Key, Blame]) -> Case:
    """What became of a stage: its worst case, and whether this patch did it."""
    bad = [case for case in cases if case.fails]
    seconds = sum(case.seconds for case in cases)
    if not bad:
        worst = min((case for case in cases if not case.excused), key=_severity, default=cases[0])
        return replace(stage, outcome=worst.outcome, seconds=seconds, message=worst.message)
    since = {case.name: blames[suite.arch, suite.profile, suite.suite, case.name].number for case in bad}
    own = [case for case in bad if since[case.name] == number]
    worst = min(own or bad, key=_severity)
    if worst.name in BUILD_CASES:
        message = f"not bisectable at {stage.suite.removeprefix('patch ')}: {worst.message}"
    else:
        message = f"{len(bad)} of {len(cases)} failed: {worst.name}: {_title(worst)}"
    excused = "" if own else f"since patch {since[worst.name]}" if since[worst.name] else f"since {BASE}"
    listed = "\n".join(f"{case.name} ({case.outcome}): {_title(case)}" for case in bad)
    detail = worst.detail if len(bad) == 1 else listed
    return replace(
        stage, outcome=worst.outcome, seconds=seconds, message=message, detail=detail,
        findings=worst.findings, log=worst.log, excused=excused,
    )  # fmt: skip


def _severity(case: Case) -> int:
    return _WORST.index(case.outcome)

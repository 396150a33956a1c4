"""What the series did, and what was there before it: results of its tree held against those of the tree without it.

Pure functions on suites; knows no run, no guest and no file.  A case is held against the case of the same name on the
same architecture and profile, a finding against all findings there (by fingerprint): where WARN_ONCE fires is chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.model import Case, Difference, Finding, Outcome, Relation, SuiteResult
from harness.verdict.judge import KERNEL_SAID
from harness.verdict.tries import against, counts, of_case

_BADNESS = {Outcome.NOT_EXERCISED: 1, Outcome.FAIL: 2, Outcome.TIMEOUT: 3, Outcome.CRASH: 3}
_NO_ANSWER = (Outcome.SKIP, Outcome.NOT_RUN, Outcome.ERROR)
_CUT_OFF = (*_NO_ANSWER, Outcome.CRASH, Outcome.TIMEOUT, Outcome.NOT_EXERCISED)
_DEADLY = frozenset({"panic", "oops", "bug", "list-corruption", "reboot", "oom"})
_STANDING = frozenset({"hung-task", "soft-lockup", "hard-lockup", "rcu-stall", "workqueue-lockup"})
_ENDS = {Outcome.CRASH: _DEADLY, Outcome.TIMEOUT: _DEADLY | _STANDING}
_GUEST_NUMBER = re.compile(r"^(boot|ready|after-boot)-\d{1,4}(?:@\d{1,10})?$")
_KERNEL_SUITE = "kernel"

Where = tuple[str, str]  # architecture and profile


def compare(
    series: Sequence[SuiteResult], base: Sequence[SuiteResult]
) -> tuple[tuple[SuiteResult, ...], tuple[Difference, ...]]:
    """The suites of the series with the relation of each case and finding, and what is not good on both sides.

    Architectures and profiles that `base` has nothing of are left as they are.
    """
    grounds = {place: _Ground(place, series, base) for place in dict.fromkeys(map(_where, base))}
    judged = tuple(grounds[_where(suite)].judge(suite) if _where(suite) in grounds else suite for suite in series)
    differences = [found for ground in grounds.values() for found in ground.differences(judged)]
    order = list(Relation)
    return judged, tuple(sorted(differences, key=lambda found: order.index(found.relation)))


def vanished(differences: Iterable[Difference]) -> list[str]:
    """The cases of suites that had a result without the series, and are not even there with it."""
    return [
        found.where
        for found in differences
        if found.relation is Relation.GONE and not (found.fingerprint or found.series) and found.suite != _KERNEL_SUITE
    ]


def decisive(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that a case fails by: stalls, which may be slowness, only where there is nothing else."""
    every = list(findings)
    return [finding for finding in every if not finding.timing] or every


def explained(case: Case, suite: SuiteResult) -> list[Finding]:
    """The findings that a failed case failed by; empty where the test itself found something wrong.

    Where one program reports many cases its findings stand with the first of them.  A case that failed by its taint or
    by lockdep's end, without a word of the kernel, has none: those of its guest are of other commands.  Nor has a crash
    or a deadline that passed, unless one of them ends, or holds up, whoever it befalls: a warning does not.
    """
    if case.outcome is Outcome.FAIL and case.said is Outcome.PASS:
        if not case.message.startswith(KERNEL_SAID):
            return []
        own = case.findings or tuple(
            finding for other in suite.cases if other.log == case.log for finding in other.findings
        )
        return decisive(own)
    if any(finding.type in _ENDS.get(case.outcome, ()) for finding in case.findings):
        return decisive(case.findings)
    return []


def excuse(suites: Sequence[SuiteResult], *, strict: bool, allow_flaky: bool) -> tuple[SuiteResult, ...]:
    """Cases that failed without making the run fail: those of the base and, where that is allowed, flaky ones."""
    if strict:
        return tuple(suites)
    return tuple(
        replace(suite, cases=tuple(_excused(case, allow_flaky=allow_flaky) for case in suite.cases)) for suite in suites
    )


def _excused(case: Case, *, allow_flaky: bool) -> Case:
    if case.excused:
        return case
    if case.relation is Relation.SAME and (case.outcome.blames_kernel or case.outcome is Outcome.NOT_RUN):
        return replace(case, excused="the same without the series")
    if allow_flaky and case.outcome.blames_kernel and case.flaky:
        return replace(case, excused="flaky, which the plan allows")
    return case


def _where(suite: SuiteResult) -> Where:
    return suite.arch, suite.profile


def _name(suite: SuiteResult, case: Case) -> tuple[str, str]:
    """What a case is called on both sides: guests are numbered as they are lost, which is no difference."""
    return suite.suite, _GUEST_NUMBER.sub(r"\1", case.name) if suite.suite == _KERNEL_SUITE else case.name


@dataclass(frozen=True, slots=True)
class _Seen:
    suite: SuiteResult
    case: Case
    finding: Finding


class _Ground:
    """One architecture and profile, with the series and without it."""

    def __init__(self, place: Where, series: Sequence[SuiteResult], base: Sequence[SuiteResult]) -> None:
        self.place = place
        self._base = _worst(suite for suite in base if _where(suite) == place)
        self._series = _worst(suite for suite in series if _where(suite) == place)
        self._base_findings = _findings(suite for suite in base if _where(suite) == place)
        self._series_findings = _findings(suite for suite in series if _where(suite) == place)

    def judge(self, suite: SuiteResult) -> SuiteResult:
        """The suite with relations."""
        first = replace(suite, cases=tuple(self._with_findings(case) for case in suite.cases))
        return replace(suite, cases=tuple(self._related(first, case) for case in first.cases))

    def _with_findings(self, case: Case) -> Case:
        findings = tuple(
            replace(found, relation=Relation.SAME if found.fingerprint in self._base_findings else Relation.NEW)
            for found in case.findings
        )
        return replace(case, findings=findings)

    def _related(self, suite: SuiteResult, case: Case) -> Case:
        before = self._base.get(_name(suite, case))
        case = replace(case, relation=self._relation(suite, case, before), against=None)
        if case.tries is None or not case.outcome.blames_kernel or before is None or not counts(before):
            return case
        return replace(case, against=against(case.tries, of_case(before)))

    def _relation(self, suite: SuiteResult, case: Case, before: Case | None) -> Relation | None:
        if case.outcome.blames_kernel:
            return self._of_failed(suite, case, before)
        if before is None or before.outcome is Outcome.ERROR:
            return None  # the base tells nothing of it
        if case.outcome is Outcome.PASS:
            if before.outcome.blames_kernel:
                return Relation.FIXED
            return Relation.SAME if before.outcome is Outcome.PASS else None
        if before.outcome in _NO_ANSWER:
            return Relation.SAME
        return None if case.outcome is Outcome.ERROR else Relation.GONE

    @staticmethod
    def _of_failed(suite: SuiteResult, case: Case, before: Case | None) -> Relation:
        if any(finding.relation is Relation.NEW for finding in decisive(case.findings)):
            return Relation.NEW
        reasons = explained(case, suite)
        if reasons and all(finding.relation is Relation.SAME for finding in reasons):
            return Relation.SAME
        if before is None or not before.outcome.blames_kernel:
            return Relation.NEW
        if _in_another_way(case, before):
            return Relation.NEW
        if before.flaky and case.tries is not None and not case.flaky:
            return Relation.NEW  # it fails now and then without the series, and always with it
        return Relation.NEW if _BADNESS[case.outcome] > _BADNESS[before.outcome] else Relation.SAME

    # --- what is not good on both sides -----------------------------------------------------------------------

    def differences(self, judged: Sequence[SuiteResult]) -> list[Difference]:
        found = []
        for suite in judged:
            for case in suite.cases if _where(suite) == self.place else ():
                found += self._of_case(suite, case)
        for (suite_name, name), before in self._base.items():
            if (suite_name, name) in self._series or self._cut_off(suite_name, name):
                continue
            if before.outcome.blames_kernel or before.outcome is Outcome.PASS:
                gone = self._difference(Relation.GONE, suite_name, name, "", before.outcome, "")
                found.append(gone)
        return found + self._unseen()

    def _cut_off(self, suite: str, name: str) -> bool:
        """Whether a case is not there because the one that it is a part of (PROGRAM of PROGRAM.RESULT) has no end."""
        words = name.split(".")
        around = (self._series.get((suite, ".".join(words[:count]))) for count in range(1, len(words)))
        return any(case is not None and case.outcome in _CUT_OFF for case in around)

    def _of_case(self, suite: SuiteResult, case: Case) -> list[Difference]:
        before = self._base.get(_name(suite, case))
        was = before.outcome.value if before else ""
        bad = case.outcome.blames_kernel or (before is not None and before.outcome.blames_kernel)
        found = []
        if case.relation is not None and (bad or case.relation is Relation.GONE):
            found.append(self._difference(case.relation, suite.suite, case.name, "", was, case.outcome))
        for finding in case.findings:
            here = self._base_findings.get(finding.fingerprint)
            relation = finding.relation or Relation.NEW
            titles = (here.finding.title if here else "", finding.title)
            found.append(self._difference(relation, suite.suite, case.name, finding.fingerprint, *titles))
        return found

    def _unseen(self) -> list[Difference]:
        """The base's findings that the series does not show: fixed if something looked for them."""
        return [
            self._difference(
                self._why_unseen(seen), seen.suite.suite, seen.case.name, fingerprint, seen.finding.title, ""
            )
            for fingerprint, seen in self._base_findings.items()
            if fingerprint not in self._series_findings
        ]  # fmt: skip

    def _why_unseen(self, seen: _Seen) -> Relation:
        after = self._series.get(_name(seen.suite, seen.case))
        if after is None or after.outcome in _CUT_OFF:
            return Relation.GONE
        lockdep_said = any(finding.type.startswith("lockdep") for finding in after.findings)
        if lockdep_said and seen.finding.type.startswith("lockdep"):  # the first report switches lockdep off
            return Relation.GONE
        return Relation.FIXED

    def _difference(
        self, relation: Relation, suite: str, case: str, fingerprint: str, base: str, series: str
    ) -> Difference:
        return Difference(relation, *self.place, suite, case, fingerprint, str(base), str(series))


def _in_another_way(case: Case, before: Case) -> bool:
    """Whether a failure is another than that without the series, though no worse.

    A wrong result says nothing of the path, nor the path of the result; and where the test itself passed without the
    series, and the kernel alone complained, a wrong result is none of the base's.
    """
    if Outcome.NOT_EXERCISED in (case.outcome, before.outcome):
        return case.outcome is not before.outcome
    return case.outcome is before.outcome is Outcome.FAIL and before.said is Outcome.PASS is not case.said


def _worst(suites: Iterable[SuiteResult]) -> dict[tuple[str, str], Case]:
    """Cases by name; of those with one name (guests) the worst."""
    found: dict[tuple[str, str], Case] = {}
    for suite in suites:
        for case in suite.cases:
            name = _name(suite, case)
            if name not in found or _BADNESS.get(case.outcome, 0) > _BADNESS.get(found[name].outcome, 0):
                found[name] = case
    return found


def _findings(suites: Iterable[SuiteResult]) -> dict[str, _Seen]:
    """Where each finding was first seen, by fingerprint."""
    found: dict[str, _Seen] = {}
    for suite in suites:
        for case in suite.cases:
            for finding in case.findings:
                found.setdefault(finding.fingerprint, _Seen(suite, case, finding))
    return found

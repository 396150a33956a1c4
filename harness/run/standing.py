"""How results stand to the base and to what is known: the rules of `harness.verdict` on the results of a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from harness.model import Baseline, KnownFailure, SuiteResult, TargetResult
from harness.plan.model import Plan
from harness.verdict import known as known_findings
from harness.verdict.relative import compare, excuse


@dataclass(frozen=True, slots=True)
class Standing:
    """The results of a run with all that is to be said of them."""

    host_suites: tuple[SuiteResult, ...]
    targets: tuple[TargetResult, ...]
    baseline: Baseline | None
    notes: tuple[str, ...]

    @property
    def suites(self) -> tuple[SuiteResult, ...]:
        return self.host_suites + tuple(suite for target in self.targets for suite in target.suites)


def stand(
    host_suites: Sequence[SuiteResult], targets: Sequence[TargetResult], baseline: Baseline | None, *,
    plan: Plan, known: Sequence[KnownFailure], today: date,
) -> Standing:  # fmt: skip
    """The results with relations, what is known and what is excused, and a failed case for each entry that expired."""
    suites = (*host_suites, *(suite for target in targets for suite in target.suites))
    notes: list[str] = []
    if baseline is not None:
        suites, differences = compare(suites, baseline.suites)
        baseline = replace(baseline, differences=differences)
        notes += baseline.notes
    suites, used = known_findings.account_for(suites, known, today, strict=plan.strict)
    notes += known_findings.unused(known, used, suites, today)
    notes += [f"{target.arch} {target.profile}: done again: {what}" for target in targets for what in target.infra]
    suites = excuse(suites, strict=plan.strict, allow_flaky=plan.flaky == "allow")
    expired = known_findings.expired_cases(known, today)
    return Standing(
        host_suites=(*suites[: len(host_suites)], *((expired,) if expired.cases else ())),
        targets=_regrouped(targets, suites[len(host_suites) :]), baseline=baseline, notes=tuple(notes),
    )  # fmt: skip


def _regrouped(targets: Sequence[TargetResult], suites: Sequence[SuiteResult]) -> tuple[TargetResult, ...]:
    """The targets, each with as many of the suites as it had."""
    left = list(suites)
    found = []
    for target in targets:
        size = len(target.suites)
        found.append(replace(target, suites=tuple(left[:size])))
        left = left[size:]
    return tuple(found)

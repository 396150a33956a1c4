"""A case that was run several times: how often it failed, and what is shown of it.

A failure is never lost to a later pass: what is kept is the first try that failed.  Pure functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.model import Against, Case, Finding, Outcome, Tries


def counts(case: Case) -> bool:
    """Whether a try has an answer: it passed, or the kernel failed."""
    return case.outcome is Outcome.PASS or case.outcome.blames_kernel


def of_case(case: Case) -> Tries:
    """The tries of a case that has an answer: one that was run once has one."""
    return case.tries or Tries(int(case.outcome.blames_kernel), 1)


def against(series: Tries, base: Tries) -> Against:
    """The tries of a case without the series, and how probable such a split is of two kernels that are the same.

    Fisher's exact test, one-sided: of all failures that were seen, however they fell, so many or more with the series.
    """
    failed, both = series.failed + base.failed, series.of + base.of
    splits = range(series.failed, min(failed, series.of) + 1)
    ways = sum(math.comb(series.of, here) * math.comb(base.of, failed - here) for here in splits)
    return Against(base, float(f"{ways / math.comb(both, failed):.3g}"))


def merged(first: Sequence[Case], *later: Sequence[Case]) -> list[Case]:
    """The cases of `first`, each with its later tries, and then those of the later tries that are not among them.

    A try that has no answer (not run, an error of the harness) is none, unless it is the only one.
    """
    found: dict[tuple[str, str], Case] = {}
    for case in (case for cases in (first, *later) for case in cases):
        key = case.suite, case.name
        found[key] = _joined(found[key], case) if key in found else case
    return list(found.values())


def _joined(case: Case, later: Case) -> Case:
    """One case of two: that which failed first, and what the other adds to it.

    Findings that only the later has are added without a line: that would be of another console.
    """
    if not counts(later):
        return case
    if not counts(case):
        return later
    before, after = of_case(case), of_case(later)
    count = Tries(before.failed + after.failed, before.of + after.of)
    shown, other = (case, later) if case.outcome.blames_kernel else (later, case)
    if not count.failed:
        return replace(shown, tries=count)
    seen = {finding.fingerprint for finding in shown.findings}
    new = [finding for finding in other.findings if finding.fingerprint not in seen] if shown is case else []
    words = [f"{_place(other, finding)}: {finding.title}\n{finding.text}" for finding in new]
    return replace(
        shown,
        tries=count,
        findings=(*shown.findings, *(replace(finding, line=0) for finding in new)),
        detail="\n\n".join(part for part in (shown.detail, *words) if part),
    )


def _place(case: Case, finding: Finding) -> str:
    return f"{case.log.name}:{finding.line}" if case.log else "a later try"

"""A case that was run several times: how often it failed, and what is shown of it.

A failure is never lost to a later pass: what is kept is the first try that failed.  Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.model import Case, Outcome, Tries


def counts(case: Case) -> bool:
    """Whether a try has an answer: it passed, or the kernel failed."""
    return case.outcome is Outcome.PASS or case.outcome.blames_kernel


def merged(tries: Sequence[Case]) -> Case:
    """One case of all the tries, the first of them first; raises ValueError without any.

    Findings that only later tries had are added without a line: that would be of another console.
    """
    if not tries:
        raise ValueError("a case without a try")
    answers = [case for case in tries if counts(case)]
    failed = [case for case in answers if case.outcome.blames_kernel]
    if not failed or len(answers) < 2:
        return tries[0]
    shown = failed[0]
    seen = {finding.fingerprint for finding in shown.findings}
    findings, detail = list(shown.findings), shown.detail
    for other in failed[1:]:
        for finding in other.findings:
            if finding.fingerprint not in seen:
                seen.add(finding.fingerprint)
                findings.append(replace(finding, line=0))
                where = f"{other.log.name}:{finding.line}" if other.log else "a later try"
                detail = f"{detail}\n\n{where}: {finding.title}\n{finding.text}".strip()
    count = Tries(len(failed), len(answers))
    flaky = f"flaky ({count.text}): " if count.failed < count.of else ""
    return replace(shown, tries=count, findings=tuple(findings), detail=detail, message=f"{flaky}{shown.message}")

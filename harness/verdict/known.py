"""Known findings: entries of a file that excuse a finding or a case until a day, each with its reason.

Pure functions; the file itself is read by `harness.plan.known`.  Which day it is, is told by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from harness.model import Case, Finding, KnownFailure, Outcome, Relation, SuiteResult
from harness.verdict.relative import explained

SUITE = "known"
FINGERPRINT = re.compile(r"[0-9a-f]{16}")


def has_expired(entry: KnownFailure, today: date) -> bool:
    return date.fromisoformat(entry.expires) < today


def expired_cases(entries: Sequence[KnownFailure], today: date) -> SuiteResult:
    """A failed case for each entry that has expired; without any, a suite without cases."""
    cases = tuple(
        Case(SUITE, entry.place.rpartition("/")[2], Outcome.FAIL, message=_expired(entry))
        for entry in entries
        if has_expired(entry, today)
    )
    return SuiteResult(SUITE, "host", "", cases)


def _expired(entry: KnownFailure) -> str:
    what = entry.finding or entry.case
    return f"{entry.place}: {what} was allowed until {entry.expires} ({entry.reason}): mend it, or give it another date"


def account_for(
    suites: Sequence[SuiteResult], entries: Sequence[KnownFailure], today: date, *, strict: bool
) -> tuple[tuple[SuiteResult, ...], frozenset[str]]:
    """The suites with what is known marked and, but for `strict`, excused; and the places of the entries that matched.

    A case that failed by findings alone is excused when each of them is known, or is the base's too.
    """
    valid = [entry for entry in entries if not has_expired(entry, today)]
    used: set[str] = set()
    judged = tuple(_of_suite(suite, valid, used, strict=strict) for suite in suites)
    return judged, frozenset(used)


def unused(
    entries: Sequence[KnownFailure], used: frozenset[str], suites: Sequence[SuiteResult], today: date
) -> list[str]:
    """A line for each valid entry that matched nothing, of architectures and profiles that were run."""
    places = {(suite.arch, suite.profile) for suite in suites}
    return [
        f"{entry.place}: matched nothing: {entry.finding or entry.case} ({entry.reason})"
        for entry in entries
        if entry.place not in used
        and not has_expired(entry, today)
        and any(entry.arch in ("", arch) and entry.profile in ("", profile) for arch, profile in places)
    ]


def _of_suite(suite: SuiteResult, entries: Sequence[KnownFailure], used: set[str], *, strict: bool) -> SuiteResult:
    here = [entry for entry in entries if entry.arch in ("", suite.arch) and entry.profile in ("", suite.profile)]
    if not here:
        return suite
    cases = tuple(
        replace(case, findings=tuple(_of_finding(found, here, used) for found in case.findings)) for case in suite.cases
    )
    marked = replace(suite, cases=cases)
    return replace(suite, cases=tuple(_of_case(case, marked, here, used, strict=strict) for case in cases))


def _of_finding(finding: Finding, entries: Sequence[KnownFailure], used: set[str]) -> Finding:
    entry = next((entry for entry in entries if entry.finding and _is(entry.finding, finding)), None)
    if entry is None:
        return finding
    used.add(entry.place)
    return replace(finding, known=_words(entry))


def _is(wanted: str, finding: Finding) -> bool:
    if FINGERPRINT.fullmatch(wanted):
        return finding.fingerprint == wanted
    return fnmatchcase(f"{finding.type}: {finding.title}", wanted)


def _of_case(case: Case, suite: SuiteResult, entries: Sequence[KnownFailure], used: set[str], *, strict: bool) -> Case:
    if not case.outcome.blames_kernel:
        return case
    entry = next(
        (entry for entry in entries if entry.case and fnmatchcase(f"{suite.suite}.{case.name}", entry.case)), None
    )
    if entry is not None:
        used.add(entry.place)
        words = _words(entry)
    else:
        reasons = explained(case, suite)
        known = [finding.known for finding in reasons if finding.known]
        if not known or not all(finding.known or finding.relation is Relation.SAME for finding in reasons):
            return case
        words = known[0]
    return replace(case, known=words, excused="" if strict else f"known: {words}")


def _words(entry: KnownFailure) -> str:
    return f"{entry.reason} (until {entry.expires}, {entry.place})"

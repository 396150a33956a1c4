"""How often the base is tried where a case failed with the series and passed without it.

A case that failed was tried again, and so is the base: one pass says little about a failure that comes now and then.
Pure functions on suites; knows no run, no guest and no file.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import Relation, SuiteResult, Tries
from harness.verdict.bisect import MOST_TRIED, runs_needed
from harness.verdict.relative import compare

CONFIDENCE = 0.95
"""With which a base that fails as often as the series shows it in its tries."""


def tries_wanted(tries: Tries) -> int:
    """How often the base is tried where the series came to this.

    As often as the series; and where that failed now and then, as often as it takes to see a failure of that rate, at
    most MOST_TRIED times.  The rate is that of the later tries: there are any because the first failed.
    """
    if not 0 < tries.failed < tries.of:
        return tries.of
    later = (tries.failed - 1) / (tries.of - 1)
    needed = runs_needed(later, CONFIDENCE) if later else MOST_TRIED
    return max(tries.of, min(needed, MOST_TRIED))


def wanted(series: Sequence[SuiteResult], base: Sequence[SuiteResult]) -> dict[tuple[str, str], int]:
    """How many more tries of the base each case wants, by suite and name: one that is new, and that the base passed."""
    found = {}
    for suite in compare(series, base)[0]:
        for case in suite.cases:
            if case.tries is None or case.against is None or case.relation is not Relation.NEW:
                continue
            more = tries_wanted(case.tries) - case.against.tries.of
            if more > 0 and not case.against.tries.failed:
                found[suite.suite, case.name] = more
    return found

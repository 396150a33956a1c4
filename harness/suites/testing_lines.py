"""Reads what uffd-unit-tests printed before it spoke KTAP (kernels up to 6.x), as the same kind of report.

    Testing NAME... done
    Testing NAME... skipped [reason: WORDS]
    Testing NAME... failed [reason: WORDS]
    Userfaults unit tests: pass=1, skip=0, fail=0 (total=1)

Source: tools/testing/selftests/mm/uffd-unit-tests.c.  A test whose line has no end did not end.
"""

from __future__ import annotations

import re

from harness.suites.kernel_ktap import MOST_RESULTS, Report, Result, Verdict

_TEST = re.compile(r"^Testing (.+?)\.\.\. ?(?:(done)|(skipped|failed) \[reason: (.*)\])?\s*$", re.MULTILINE)
_SUMMARY = re.compile(r"^Userfaults unit tests: pass=(\d{1,7}), skip=(\d{1,7}), fail=(\d{1,7})\b", re.MULTILINE)


def parse(text: str) -> Report:
    """Read an output, whole or cut off anywhere; never raises.  Its plan is its summary, which comes last."""
    results = []
    for name, done, word, reason in _TEST.findall(text)[:MOST_RESULTS]:
        if done:
            results.append(Result(name, Verdict.PASS, ""))
        elif word == "skipped":
            results.append(Result(name, Verdict.SKIP, reason))
        else:
            results.append(Result(name, Verdict.FAIL, reason or "it did not end"))
    summary = _SUMMARY.search(text)
    count = sum(int(number) for number in summary.groups()) if summary else None
    # Without its summary the program did not come to its end: then more was to come.
    plan = count if summary else len(results) + 1
    return Report(bool(results), plan if results else None, tuple(results), None, None, count)

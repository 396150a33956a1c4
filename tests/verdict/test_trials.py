"""How often the base is tried where it passed what failed with the series."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Case, Finding, Outcome, SuiteResult, Tries
from harness.verdict.bisect import MOST_TRIED
from harness.verdict.trials import tries_wanted, wanted

PASS, FAIL = Outcome.PASS, Outcome.FAIL
SPLAT = Finding("warning", "WARNING in f", "f", "the text", 12, "a" * 16)


def case(outcome: Outcome, tries: tuple[int, int] | None = None, *findings: Finding, name: str = "anon") -> Case:
    return Case("faults", name, outcome, message="why", findings=findings, tries=Tries(*tries) if tries else None)


def more(series: Case, *base: Case) -> dict[tuple[str, str], int]:
    return wanted(
        [SuiteResult("faults", "arm64", "lockdep", (series,))], [SuiteResult("faults", "arm64", "lockdep", base)]
    )


@pytest.mark.parametrize(
    ("series", "base"),
    [
        ((3, 3), 3),  # always: as often
        ((2, 3), 5),  # one of two later tries: 0.5 ** 5 is less than 0.05
        ((1, 3), 12),  # no later try failed: it may be as rare as can be
        ((1, 2), 12),
        ((1, 21), 21),  # never fewer than the series
        ((9, 10), 10),
        ((1, 1), 1),
    ],
)
def test_the_rule(series: tuple[int, int], base: int) -> None:
    assert tries_wanted(Tries(*series)) == base


@given(st.integers(1, 101).flatmap(lambda of: st.integers(1, of).map(lambda failed: Tries(failed, of))))
def test_it_is_bounded_and_never_less_than_the_series_had(series: Tries) -> None:
    assert series.of <= tries_wanted(series) <= max(series.of, MOST_TRIED)


def test_what_the_base_passed_in_fewer_tries_wants_more() -> None:
    assert more(case(FAIL, (1, 3)), case(PASS)) == {("faults", "anon"): 11}
    assert more(case(FAIL, (3, 3)), case(PASS)) == {("faults", "anon"): 2}
    assert more(case(FAIL, (3, 3), SPLAT), case(PASS, (0, 2))) == {("faults", "anon"): 1}


def test_what_tells_enough_wants_none() -> None:
    assert more(case(FAIL), case(PASS)) == {}, "it was run once"
    assert more(case(PASS, (0, 3)), case(PASS)) == {}
    assert more(case(FAIL, (1, 3)), case(FAIL)) == {}, "the same"
    assert more(case(FAIL, (1, 3)), case(PASS, (0, 12))) == {}
    assert more(case(FAIL, (3, 3)), case(FAIL, (1, 3))) == {}, "the base was tried again itself"
    assert more(case(FAIL, (1, 3))) == {}, "the base has no such case"
    for outcome in (Outcome.SKIP, Outcome.NOT_RUN, Outcome.ERROR):
        assert more(case(FAIL, (1, 3)), case(outcome)) == {}


def test_a_finding_that_the_base_has_elsewhere_explains_the_failure() -> None:
    failed = replace(case(FAIL, (1, 3), SPLAT), said=PASS, message=f"kernel: {SPLAT.title}")
    assert more(failed, case(PASS), case(FAIL, None, SPLAT, name="cow")) == {}

"""Prices held to limits, and the cases that come of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.costs import Judgement, Mode, Price
from harness.model import Outcome
from harness.plan.values import parse_limit
from harness.verdict import limits

PRICE = Price(
    "faults.anon.1", "fault", "x86_64", "release", Mode.EXACT, Judgement.SLOWER, "slower by …", 2000.0, 2030.0,
    shift=30.0, low=29.0, high=31.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "exceeded"),
    [
        (["slower > 1 %"], True),
        (["slower > 2%"], False),
        (["slower > 29"], True),
        (["slower > 30"], False),
        (["faults.cow.*: slower > 0 %"], False),
        (["faults.anon.*: slower > 1.4 %", "slower > 5 %"], True),
    ],
)
def test_a_limit_is_of_per_cent_or_of_cost(said: list[str], exceeded: bool) -> None:
    every = [parse_limit(text) for text in said]
    (held,) = limits.held([PRICE], every)
    assert held.exceeded is exceeded
    (case,) = limits.cases([held], every, "")
    assert case.outcome is (Outcome.FAIL if exceeded else Outcome.PASS)
    assert (case.suite, case.name) == ("cost", "faults.anon.1")


@pytest.mark.parametrize("judgement", [Judgement.FASTER, Judgement.SAME, Judgement.UNKNOWN, Judgement.NONE])
def test_only_what_is_proven_to_be_slower_is_beyond_a_limit(judgement: Judgement) -> None:
    (held,) = limits.held([replace(PRICE, judgement=judgement)], [parse_limit("slower > 1 %")])
    assert not held.exceeded
    assert held.limit == "slower > 1 %"


def test_what_may_be_beyond_a_limit_is_no_pass() -> None:
    every = [parse_limit("slower > 1 %")]
    unknown = replace(PRICE, judgement=Judgement.UNKNOWN, shift=5.0, low=-20.0, high=30.0)
    assert [case.outcome for case in limits.cases([unknown], every, "")] == [Outcome.ERROR]
    assert [case.outcome for case in limits.cases([replace(unknown, high=10.0)], every, "")] == [Outcome.PASS]
    assert [case.outcome for case in limits.cases([unknown], [], "")] == [Outcome.PASS]


def test_a_void_run_has_no_result_and_no_verdict_is_none() -> None:
    assert [case.outcome for case in limits.cases([PRICE], [], "A/A differs")] == [Outcome.ERROR]
    assert [case.outcome for case in limits.cases([replace(PRICE, judgement=Judgement.NONE)], [], "")] == [Outcome.SKIP]


@pytest.mark.parametrize("text", ["", "faster > 1 %", "slower 1 %", "slower > -1 %", "slower > x", "a b: slower > 1"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a limit"):
        parse_limit(text)

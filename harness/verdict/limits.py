"""Prices held to a plan's limits, and what a run's cases are then.  Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from harness.costs import Judgement, Limit, Price
from harness.model import Case, Metric, Outcome

SUITE = "cost"


def held(prices: Sequence[Price], limits: Sequence[Limit]) -> tuple[Price, ...]:
    """Each price with the limit that it is held to: of several the first that it is beyond, else the last.

    Only what is proven to be slower is beyond a limit; how much slower is what was counted.
    """
    return tuple(_held(price, [limit for limit in limits if fnmatchcase(price.metric, limit.glob)]) for price in prices)


def _held(price: Price, limits: Sequence[Limit]) -> Price:
    if not limits:
        return price
    beyond = next((limit for limit in limits if _beyond(price, limit)), None)
    return replace(price, limit=(beyond or limits[-1]).text, exceeded=beyond is not None)


def _beyond(price: Price, limit: Limit) -> bool:
    return price.judgement is Judgement.SLOWER and price.shift > _cost(price, limit)


def _cost(price: Price, limit: Limit) -> float:
    """A limit in the cost of an operation."""
    return limit.most * price.base / 100 if limit.in_percent else limit.most


def cases(prices: Sequence[Price], limits: Sequence[Limit], void: str) -> tuple[Case, ...]:
    """A case for each price of one target: what is beyond its limit fails, and what may be is no pass.

    A run that is void has no result at all.
    """
    return tuple(_case(price, limits, void) for price in prices)


def _case(price: Price, limits: Sequence[Limit], void: str) -> Case:
    metric = Metric("cost", round(price.series if price.series is not None else price.base, 3), _unit(price), 1)
    case = Case(SUITE, price.metric, Outcome.PASS, message=price.words, metrics=(metric,))
    if void:
        return replace(case, outcome=Outcome.ERROR)
    if price.exceeded:
        return replace(case, outcome=Outcome.FAIL, message=f"{price.words}; the limit is {price.limit}")
    if price.judgement is Judgement.UNKNOWN and any(_may_be_beyond(price, limit) for limit in limits):
        return replace(case, outcome=Outcome.ERROR, message=f"{price.words}; the limit is {price.limit}")
    if price.judgement is Judgement.NONE:
        return replace(case, outcome=Outcome.SKIP)
    return case


def _may_be_beyond(price: Price, limit: Limit) -> bool:
    return fnmatchcase(price.metric, limit.glob) and price.high > _cost(price, limit)


def _unit(price: Price) -> str:
    return f"{price.mode.unit}/{price.operation}"

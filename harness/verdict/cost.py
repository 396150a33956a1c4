"""What is said of costs: series against base, metric by metric.  Pure statistics: knows no guest and no program.

The unit of replication is the boot.  Within a pair of boots (the same seed on both kernels) repetitions are compared
one by one; what a pair comes to is one number, and the interval is over those.  docs/bench.md says why, and what was
seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.costs import Counted, Judgement, Mode, Price, Samples, SeedShift
from harness.verdict.amounts import amount, number, percent, unit
from harness.verdict.groups import Group, differences, grouped, pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
POWER = 0.8
SAME_PERCENT = 0.1
"""A change that is proven to be smaller than this is called none, unless a plan says otherwise."""

LEAST_SEEDS = 3
"""Pairs of boots that a verdict takes: of fewer nobody knows how far they differ."""

LEAST_INSTRUCTIONS = 0.5
"""An operation's own code changes by whole instructions; less is of what happens once in many operations."""

_DRAWS = 2000
_RANDOM = 20260101  # the same samples give the same interval


# --- one pair of boots ----------------------------------------------------------------------------------------


def shift_of(before: Samples, after: Samples) -> SeedShift:
    """One pair of boots."""
    import numpy as np  # noqa: PLC0415 - heavy

    found = np.array(differences(before, after))
    spread = float(found.std(ddof=1)) if len(found) > 1 else 0.0
    return SeedShift(before.seed, _mean(before), _mean(after), location(found), spread, len(found))


def location(values: NDArray[np.float64]) -> float:
    """Where the differences of a pair of boots lie: their median.

    Repetitions of an exact guest cost the same to the last digit, but for those that an interrupt or deferred work of
    the kernel falls into; where those fall differs between kernels.
    """
    import numpy as np  # noqa: PLC0415 - heavy

    return float(np.median(values))


# --- one metric -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift over several pairs of boots, its interval, and how likely it were if there was none."""

    value: float
    low: float
    high: float
    error: float  # standard error of `value`
    p: float

    @property
    def half(self) -> float:
        return max(self.high - self.value, self.value - self.low)


def estimate(
    found: Sequence[tuple[Samples, Samples]], null: Sequence[tuple[Samples, Samples]] = ()
) -> Shift:  # fmt: skip
    """The shift of an operation's cost over pairs of boots.

    How far a pair may be off is known from how the pairs differ, and from the pairs of a control (`null`) in which
    nothing shifts, of which the larger counts, and from how repetitions differ within each.  The interval is the wider
    one, at each end, of Student's over the pairs and of the bootstrap that draws pairs, and repetitions within each.
    """
    import numpy as np  # noqa: PLC0415 - heavy
    from scipy import stats  # noqa: PLC0415

    every = [np.array(differences(*pair)) for pair in found]
    each = np.array([location(values) for values in every])
    value, count = float(each.mean()), len(each)
    drawn = _drawn(every)
    low, high = _ends(drawn)
    if count == 1:
        return Shift(value, min(low, value), max(high, value), 0.0, 1.0)
    known = [location(np.array(differences(*pair))) for pair in null]
    spread = max(float(each.std(ddof=1)), math.sqrt(sum(one**2 for one in known) / max(1, len(known))))
    error, free = math.hypot(spread / math.sqrt(count), float(drawn.mean(axis=0).std())), count - 1
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, free)) * error
    p = float(2 * stats.t.sf(abs(value) / error, free)) if error else float(not value)
    return Shift(value, min(low, value - half), max(high, value + half), error, p)


def _drawn(every: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Of each pair of boots, what it comes to with repetitions drawn at random, many times."""
    import numpy as np  # noqa: PLC0415 - heavy

    random = np.random.default_rng(_RANDOM)
    drawn = np.empty((len(every), _DRAWS))
    for row, values in zip(drawn, every, strict=True):
        row[:] = np.median(values[random.integers(0, len(values), (_DRAWS, len(values)))], axis=1)
    return drawn


def _ends(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Percentiles of the mean of pairs that are drawn, too."""
    import numpy as np  # noqa: PLC0415 - heavy

    random = np.random.default_rng(_RANDOM + 1)
    picked = random.integers(0, len(drawn), (_DRAWS, len(drawn)))
    means = drawn[picked, np.arange(_DRAWS)[:, None]].mean(axis=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    return float(low), float(high)


def holm(values: Sequence[float]) -> list[float]:
    """Probabilities adjusted for their number by Holm's method (Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    adjusted, highest = [1.0] * len(values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[at]))
        adjusted[at] = highest
    return adjusted


def prices(samples: Sequence[Samples], *, same_percent: float = SAME_PERCENT, void: str = "") -> tuple[Price, ...]:
    """What is said of each metric on each target.  `void`: why nothing of it counts."""
    return priced(grouped(samples), same_percent=same_percent, void=void)


def priced(groups: Sequence[Group], *, same_percent: float = SAME_PERCENT, void: str = "") -> tuple[Price, ...]:
    """What is said of each group: together they are one family of tests, but for those of the same kernel."""
    shifts = [_shift(group) for group in groups]
    tested = [shift.p for shift in shifts if shift is not None]
    adjusted = iter(holm(tested))
    return tuple(
        _price(group, shift, next(adjusted) if shift is not None else 1.0, same_percent, void)
        for group, shift in zip(groups, shifts, strict=True)
    )


def _shift(group: Group) -> Shift | None:
    found = pairs(group.base, group.series)
    return estimate(found, group.nulls) if found and not group.same_kernel else None


def _price(group: Group, shift: Shift | None, p: float, same_percent: float, void: str) -> Price:
    first = group.first
    base = sum(_mean(one) for one in group.base) / len(group.base)
    price = Price(
        first.metric, first.operation, first.arch, first.profile, first.mode, Judgement.NONE, "", base,
        again=_again(group), moved=_moved(group),
        counters=_counters(group.base, group.series),
    )  # fmt: skip
    seeds = tuple(shift_of(*pair) for pair in pairs(group.base, group.series))
    if group.same_kernel:
        words = f"no verdict: {void}" if void else "same: it is the same kernel, byte for byte"
        judgement = Judgement.NONE if void else Judgement.SAME
        return replace(price, judgement=judgement, words=words, series=base, seeds=seeds)
    if shift is None:
        return replace(price, words=f"{number(base)} {unit(price)}; nothing to compare with")
    floor = _floor(price)
    price = replace(
        price, series=sum(one.series for one in seeds) / len(seeds), shift=shift.value, low=shift.low, high=shift.high,
        p=p, seeds=seeds, least=floor + _least(shift, len(seeds)),
        within=100 * max(abs(shift.low), abs(shift.high), floor) / base if base else 0.0,
    )  # fmt: skip
    if void:
        return replace(price, words=f"no verdict: {void}")
    if first.mode is Mode.RELATIVE:
        words = f"about {base:,.0f} {unit(price)}, with the series {price.series or 0:,.0f}"
        return replace(price, words=f"{words}: an order of magnitude, no verdict")
    return _judged(price, floor, same_percent)


def _judged(price: Price, floor: float, same_percent: float) -> Price:
    """The verdict of a price that has an interval."""
    count = len(price.seeds)
    is_shift = price.p < 1 - CONFIDENCE and not price.low <= 0 <= price.high
    if count >= LEAST_SEEDS and is_shift and abs(price.shift) > floor:
        judgement = Judgement.SLOWER if price.shift > 0 else Judgement.FASTER
        price = replace(price, judgement=judgement)
        return replace(price, words=f"{judgement} by {amount(price)}")
    if count >= LEAST_SEEDS and price.within <= same_percent:
        return replace(price, judgement=Judgement.SAME, words=f"same within {percent(price.within)} ({amount(price)})")
    needs = _needs(price, floor, same_percent)
    return replace(
        price, judgement=Judgement.UNKNOWN, needs=needs, words=f"cannot tell: {amount(price)}; needs {needs}"
    )  # fmt: skip


def _needs(price: Price, floor: float, same_percent: float) -> str:
    """What it would take to call it the same, or to see that it is not."""
    count = len(price.seeds)
    wanted = same_percent * price.base / 100
    if count < LEAST_SEEDS:
        return f"{LEAST_SEEDS} seeds at least"
    if floor >= wanted:
        what = (
            "the controls make" if floor > LEAST_INSTRUCTIONS or price.mode is not Mode.EXACT else "no less counts than"
        )
        return f"a larger --same: {what} {number(floor)} {price.mode.unit}, {percent(100 * floor / price.base)} here"
    half = max(price.high - price.shift, price.shift - price.low)
    room = max(wanted - abs(price.shift), wanted / 4)
    return f"{max(count + 1, math.ceil(count * (half / room) ** 2))} seeds"


def _least(shift: Shift, count: int) -> float:
    """What could have been seen, four times in five, with pairs that differ as much as these."""
    from scipy import stats  # noqa: PLC0415 - heavy

    if count < LEAST_SEEDS:
        return abs(shift.half)
    factor = stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) + stats.t.ppf(POWER, count - 1)
    return float(factor) * shift.error


def _floor(price: Price) -> float:
    """What is no effect of the series: the controls' largest, and what is less than an instruction."""
    least = LEAST_INSTRUCTIONS if price.mode is Mode.EXACT else 0.0
    return max(price.moved or 0.0, price.again or 0.0, least)


def _moved(group: Group) -> float | None:
    found = group.nulls
    if not found:
        return None
    return max(abs(shift_of(*pair).shift) for pair in found)


def _again(group: Group) -> float | None:
    """Of exact guests the largest difference of any repetition; of others the shift of all."""
    found = group.repeats
    if not found:
        return None
    if group.first.mode is not Mode.EXACT:
        return abs(estimate(found).value)
    return max((abs(value) for pair in found for value in differences(*pair)), default=0.0)


def _mean(samples: Samples) -> float:
    return sum(one.each for one in samples.repetitions) / len(samples.repetitions)


def _counters(base: Sequence[Samples], series: Sequence[Samples]) -> tuple[Counted, ...]:
    names = dict.fromkeys(name for one in (*base, *series) for name in one.counters)
    return tuple(
        Counted(name, *(sum(one.counters.get(name, 0) for one in side) for side in (base, series))) for name in names
    )

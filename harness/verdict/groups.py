"""Samples by metric, and the boots that belong together: what costs are compared with what.  Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.costs import Samples, Side


@dataclass(frozen=True, slots=True)
class Group:
    """All samples of one metric on one target."""

    base: tuple[Samples, ...]
    series: tuple[Samples, ...] = ()
    again: tuple[Samples, ...] = ()
    moved: tuple[Samples, ...] = ()
    still: tuple[Samples, ...] = ()  # what the controls are held against, where that is not `base`
    same_kernel: bool = False  # base and series are one kernel, byte for byte, and `series` is `base`

    @property
    def first(self) -> Samples:
        return self.base[0]

    @property
    def nulls(self) -> list[tuple[Samples, Samples]]:
        """Pairs of boots between which only code was moved."""
        return pairs(self.still or self.base, self.moved)

    @property
    def repeats(self) -> list[tuple[Samples, Samples]]:
        """Pairs of boots of one kernel."""
        return pairs(self.still or self.base, self.again)


def grouped(samples: Sequence[Samples]) -> tuple[Group, ...]:
    """Samples by target and metric, in the order of the base's."""
    found: dict[tuple[str, str, str], dict[Side, list[Samples]]] = {}
    for sample in samples:
        sides = found.setdefault((sample.arch, sample.profile, sample.metric), {side: [] for side in Side})
        sides[sample.side].append(sample)
    return tuple(
        Group(tuple(one[Side.BASE]), tuple(one[Side.SERIES]), tuple(one[Side.AGAIN]), tuple(one[Side.MOVED]))
        for one in found.values()
        if one[Side.BASE]
    )


def followed(
    whole: Sequence[Group], before: Sequence[Samples], after: Sequence[Samples], *, same_kernel: bool = False
) -> tuple[Group, ...]:  # fmt: skip
    """A kernel of one target held against one that came before it, by metric; controls are those of the `whole` run.

    `same_kernel`: the two are one, byte for byte, and `after` is not looked at.
    """
    found = []
    for group in whole:
        base, series = (tuple(one for one in side if _is_of(one, group.first)) for side in (before, after))
        if base:
            found.append(
                Group(base, base if same_kernel else series, group.again, group.moved, group.base, same_kernel)
            )
    return tuple(found)


def _is_of(one: Samples, other: Samples) -> bool:
    return (one.metric, one.arch, one.profile) == (other.metric, other.arch, other.profile)


def pairs(before: Sequence[Samples], after: Sequence[Samples]) -> list[tuple[Samples, Samples]]:
    """Boots of two kernels that belong together: of the same seed."""
    by_seed = {one.seed: one for one in after}
    return [(one, by_seed[one.seed]) for one in before if one.seed in by_seed]


def differences(before: Samples, after: Samples) -> list[float]:
    """What an operation costs more, repetition by repetition."""
    return [two.each - one.each for one, two in zip(before.repetitions, after.repetitions, strict=False)]


def identical(before: Samples, after: Samples) -> bool:
    """Whether two boots counted the very same, warm-up and counters and all."""
    return (before.repetitions, before.discarded, before.counters) == (
        after.repetitions, after.discarded, after.counters
    )  # fmt: skip

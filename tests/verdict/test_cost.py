"""Prices out of samples: what is proven, what is the same, and what cannot be told."""

from __future__ import annotations

import random

import pytest

from harness.costs import Judgement, Mode, Price, Repetition, Samples, Side
from harness.verdict import cost
from harness.verdict.groups import followed, grouped, identical, pairs

OPERATIONS = 256
SEEDS = (1, 2, 3, 4)


def samples(
    side: Side, seed: int, costs: list[float], *, metric: str = "faults.anon.1", mode: Mode = Mode.EXACT
) -> Samples:
    repetitions = tuple(Repetition(round(each * OPERATIONS), OPERATIONS) for each in costs)
    return Samples(metric, "fault", "x86_64", "release", side, mode, "tcg", 1, seed, seed, repetitions)


def kernel(
    side: Side, added: float = 0.0, *, interrupts: int = 0, metric: str = "faults.anon.1", mode: Mode = Mode.EXACT,
    noise: float = 0.0,
) -> list[Samples]:  # fmt: skip
    """A kernel whose fault costs 2,000 and `added`; at each seed `interrupts` repetitions have 40 more, at random."""
    found = []
    for seed in SEEDS:
        chosen = random.Random(f"{side} {added} {seed}")
        costs = [2000.0 + seed + repetition % 3 + added + chosen.gauss(0, noise) for repetition in range(40)]
        for at in chosen.sample(range(40), interrupts):
            costs[at] += 40
        found.append(samples(side, seed, costs, metric=metric, mode=mode))
    return found


def price(*sides: list[Samples], **more: float) -> Price:
    (found,) = cost.prices([one for side in sides for one in side], **more)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("added", [2, 5, 15, -2])
@pytest.mark.parametrize("interrupts", [0, 3])
def test_a_price_is_found_to_the_instruction(added: int, interrupts: int) -> None:
    found = price(kernel(Side.BASE, interrupts=interrupts), kernel(Side.SERIES, added, interrupts=interrupts))
    assert found.judgement is (Judgement.SLOWER if added > 0 else Judgement.FASTER)
    assert found.shift == pytest.approx(added, abs=1)
    assert found.low <= added <= found.high
    assert len(found.seeds) == 4


def test_the_same_numbers_are_the_same() -> None:
    found = price(kernel(Side.BASE), kernel(Side.SERIES))
    assert (found.judgement, found.shift, found.p) == (Judgement.SAME, 0.0, 1.0)
    assert found.within == pytest.approx(0.025, abs=0.001)
    assert found.words == "same within 0.025 % (+0.00 % (+0.00 instructions a fault), 95 % interval +0.00 to +0.00)"


def test_less_than_half_an_instruction_is_none() -> None:
    assert price(kernel(Side.BASE), kernel(Side.SERIES, 0.4)).judgement is Judgement.SAME
    assert price(kernel(Side.BASE), kernel(Side.SERIES, 1)).judgement is Judgement.SLOWER


def test_what_moved_code_makes_is_no_price() -> None:
    found = price(kernel(Side.BASE), kernel(Side.SERIES, 0.5), kernel(Side.MOVED, 0.6))
    assert found.judgement is Judgement.SAME
    assert found.moved == pytest.approx(0.6, abs=0.01)
    assert found.within == pytest.approx(0.073, abs=0.002)  # what the control makes is in it
    beyond = price(kernel(Side.BASE), kernel(Side.SERIES, 2), kernel(Side.MOVED, 0.6))
    assert beyond.judgement is Judgement.SLOWER


def test_noise_hides_what_is_smaller_and_says_what_it_would_take() -> None:
    found = price(kernel(Side.BASE, interrupts=0), [
        samples(Side.SERIES, seed, [2000.0 + seed + repetition % 3 + off for repetition in range(40)])
        for seed, off in zip(SEEDS, (-40, 25, 10, -5), strict=True)
    ])  # fmt: skip
    assert found.judgement is Judgement.UNKNOWN
    assert found.needs.endswith("seeds")
    assert int(found.needs.split()[0]) > 4
    assert found.least > 10


def test_few_seeds_prove_nothing() -> None:
    found = price(kernel(Side.BASE)[:2], kernel(Side.SERIES, 15)[:2])
    assert found.judgement is Judgement.UNKNOWN
    assert found.needs == "3 seeds at least"


def test_a_void_run_and_a_relative_one_have_no_verdict() -> None:
    (void,) = cost.prices([*kernel(Side.BASE), *kernel(Side.SERIES, 15)], void="A/A differs")
    assert (void.judgement, void.words) == (Judgement.NONE, "no verdict: A/A differs")
    relative = price(kernel(Side.BASE, mode=Mode.RELATIVE), kernel(Side.SERIES, 500, mode=Mode.RELATIVE))
    assert relative.judgement is Judgement.NONE
    assert relative.words == "about 2,003 ns a fault, with the series 2,503: an order of magnitude, no verdict"


def test_words_say_per_cent_and_instructions() -> None:
    found = price(kernel(Side.BASE), kernel(Side.SERIES, 6))
    assert found.words == "slower by 0.30 % (6.00 instructions a fault), 95 % interval 6.00 to 6.00"
    faster = price(kernel(Side.BASE), kernel(Side.SERIES, -6))
    assert faster.words == "faster by 0.30 % (6.00 instructions a fault), 95 % interval 6.00 to 6.00"


def test_many_metrics_take_more_proof() -> None:
    assert cost.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert cost.holm([0.5, 0.9]) == [1.0, 1.0]
    assert cost.holm([]) == []


def test_intervals_hold_what_they_promise() -> None:
    """Of noise without a change nineteen intervals in twenty contain no change, or more."""
    held = 0
    for number in range(100):
        chosen = random.Random(number)
        before = [samples(Side.BASE, seed, [2000.0] * 20) for seed in SEEDS]
        after = []
        for seed in SEEDS:
            boot = chosen.gauss(0, 3)
            after.append(samples(Side.SERIES, seed, [2000 + boot + chosen.gauss(0, 10) for _ in range(20)]))
        shift = cost.estimate(pairs(before, after))
        held += shift.low <= 0 <= shift.high
    assert held >= 93


def test_boots_that_are_the_same_are_told_from_those_that_are_not() -> None:
    one, two = kernel(Side.BASE)[0], kernel(Side.AGAIN)[0]
    assert identical(one, two)
    other = samples(Side.AGAIN, 1, [one.repetitions[0].each + 1, *(each.each for each in one.repetitions[1:])])
    assert not identical(one, other)


# --- patch by patch -------------------------------------------------------------------------------------------


def test_a_patch_is_held_against_the_one_before_it_and_the_controls_against_the_base() -> None:
    base, moved = kernel(Side.BASE), kernel(Side.MOVED, 0.2)
    whole = grouped([*base, *kernel(Side.AGAIN), *moved, *kernel(Side.SERIES, 102)])
    (group,) = followed(whole, kernel(Side.SERIES, 100), kernel(Side.SERIES, 102))
    (found,) = cost.priced([group])
    assert (found.judgement, found.again) == (Judgement.SLOWER, 0.0)
    assert found.shift == pytest.approx(2, abs=0.01)
    assert found.base == pytest.approx(2103.5, abs=0.1)
    assert found.moved == pytest.approx(0.2, abs=0.01), "and not how far the patch before is from the base"


def test_the_same_kernel_costs_the_same_whatever_the_controls_make() -> None:
    whole = grouped([*kernel(Side.BASE), *kernel(Side.MOVED, 30), *kernel(Side.SERIES, 13)])
    before = kernel(Side.SERIES, 13)[:1]
    (group,) = followed(whole, before, (), same_kernel=True)
    (found,) = cost.priced([group])
    assert (found.judgement, found.shift, found.low, found.high) == (Judgement.SAME, 0.0, 0.0, 0.0)
    assert (found.series, found.within) == (found.base, 0.0)
    (void,) = cost.priced([group], void="two boots differ")
    assert (void.judgement, void.words) == (Judgement.NONE, "no verdict: two boots differ")


def test_all_patches_are_one_family_of_tests_but_for_those_of_the_same_kernel() -> None:
    whole = grouped([*kernel(Side.BASE), *kernel(Side.SERIES, 2)])
    noisy = [
        samples(Side.SERIES, seed, [2002.0 + seed + off] * 40) for seed, off in zip(SEEDS, (1, 0, 1, 2), strict=True)
    ]
    (group,) = followed(whole, kernel(Side.BASE), noisy)
    (same,) = followed(whole, kernel(Side.BASE), (), same_kernel=True)
    alone, with_same = cost.priced([group])[0].p, cost.priced([group, same, same])[0].p
    assert 0 < alone < 0.05
    assert with_same == alone
    assert cost.priced([group, group, group])[0].p == pytest.approx(3 * alone)


def test_a_patch_that_did_not_count_a_metric_has_no_price_of_it() -> None:
    whole = grouped(kernel(Side.BASE))
    (group,) = followed(whole, kernel(Side.BASE), ())
    (found,) = cost.priced([group])
    assert (found.judgement, found.series) == (Judgement.NONE, None)
    assert followed(whole, (), kernel(Side.SERIES)) == ()

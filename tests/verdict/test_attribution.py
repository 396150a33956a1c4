"""Where a change went: functions held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import INTERRUPTS, OTHERS, USER, Profile
from harness.verdict.attribution import both, function_shifts, left_name

FAULT = ("asm_exc_page_fault", "handle_mm_fault")


def profile(stacks: Mapping[Any, tuple[int, int]]) -> Profile:
    total = sum(count for count, _ in stacks.values())
    return Profile(total, 0, (total,), dict(stacks))


BASE = profile({(USER,): (1000, 0), FAULT: (5000, 100), (*FAULT, "lock"): (300, 100), ("syscall", "lock"): (60, 20)})
SERIES = profile({(USER,): (1000, 0), FAULT: (5000, 100), (*FAULT, "lock"): (1600, 100), ("syscall", "lock"): (60, 20),
                  (*FAULT, "new"): (200, 50)})  # fmt: skip


def test_a_function_is_the_sum_of_all_its_callers() -> None:
    shifts, same = function_shifts(BASE, SERIES, (100, 100))
    assert [(one.function, one.base, one.series, one.shift) for one in shifts] == [
        ("lock", 3.6, pytest.approx(16.6), pytest.approx(13.0)),
        ("new", 0.0, 2.0, 2.0),
    ]
    assert (shifts[0].base_calls, shifts[1].series_calls) == (1.2, 0.5)
    assert same == 2


def test_operations_need_not_be_as_many_on_both_sides() -> None:
    twice = profile({stack: (2 * count, 2 * entered) for stack, (count, entered) in BASE.stacks.items()})
    assert function_shifts(BASE, twice, (100, 200)) == ((), 3)


def test_what_comes_between_is_a_line_of_its_own() -> None:
    tick = {(INTERRUPTS, "tick"): (700, 7), (INTERRUPTS, "tick", "lock"): (300, 30), (OTHERS, "rcu", "lock"): (90, 3)}
    shifts, _ = function_shifts(BASE, profile({**BASE.stacks, **tick}), (100, 100))
    assert [(one.function, one.shift, one.series_calls) for one in shifts] == [
        (INTERRUPTS, 10.0, 0.07),
        (OTHERS, 0.9, 0.0),
    ]


def test_small_changes_are_one_line_together() -> None:
    few: dict[tuple[str, ...], tuple[int, int]] = {("a",): (1000, 1), ("b",): (1000, 1), ("c",): (1000, 1)}
    more: dict[tuple[str, ...], tuple[int, int]] = {("a",): (1001, 1), ("b",): (1003, 1), ("c",): (2000, 1)}
    shifts, same = function_shifts(profile(few), profile(more), (1000, 1000))
    assert [(one.function, round(one.shift, 6)) for one in shifts] == [("c", 1.0), (left_name(2), 0.004)]
    assert same == 0


names = st.sampled_from(["a", "b", "c", INTERRUPTS, OTHERS, USER])
profiles = st.dictionaries(
    st.lists(names, min_size=1, max_size=4).map(tuple), st.tuples(st.integers(0, 10**6), st.integers(0, 100))
).map(profile)


@given(profiles, profiles, st.integers(1, 10**4))
def test_shifts_add_up_to_that_of_all_instructions(base: Profile, series: Profile, operations: int) -> None:
    shifts, _ = function_shifts(base, series, (operations, operations))
    whole = (series.instructions - base.instructions) / operations
    assert sum(one.shift for one in shifts) == pytest.approx(whole, abs=1e-6)


def test_both_sides_of_each_stack() -> None:
    assert both(BASE, SERIES)[(*FAULT, "new")] == (0, 200)
    assert both(BASE, SERIES)[(*FAULT, "lock")] == (300, 1600)

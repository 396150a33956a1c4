"""Where a change of a cost went: what base and series executed, function by function, held against each other.

Pure functions on profiles; knows no guest and no file.  A function has the name that its source gives it, so that what
a compiler made of it (`foo.isra.0`, `foo.cold`) is held against what it made of it elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.costs import INTERRUPTS, OTHERS, FunctionShift, Profile

Stack = tuple[str, ...]

LEAST = 0.005
"""Instructions an operation: a smaller change of a function is none that two decimals could show."""


def function_shifts(
    base: Profile, series: Profile, operations: tuple[int, int]
) -> tuple[tuple[FunctionShift, ...], int]:
    """The functions whose own cost changed, the largest change first, and how many others were executed.

    `operations` are those of base and of series.  What interrupts and other tasks did is one line each.  The shifts add
    up to that of all instructions: those that are too small to be shown are the last line together (`left_name`).
    """
    before, after = _functions(base), _functions(series)
    found = [
        _shift(name, before.get(name, (0, 0)), after.get(name, (0, 0)), operations) for name in before.keys() | after
    ]
    shown = [one for one in found if abs(one.shift) >= LEAST]
    shown.sort(key=lambda one: (-abs(one.shift), one.function))
    small = [one for one in found if 0 < abs(one.shift) < LEAST]
    if small:
        base_sum, series_sum = sum(one.base for one in small), sum(one.series for one in small)
        shown.append(FunctionShift(left_name(len(small)), base_sum, series_sum, 0.0, 0.0))
    return tuple(shown), sum(one.shift == 0 for one in found)


def left_name(count: int) -> str:
    """What a number of functions is called that changed too little to be shown."""
    return f"[{count} others]"


def _shift(name: str, before: tuple[int, int], after: tuple[int, int], operations: tuple[int, int]) -> FunctionShift:
    (base, base_calls), (series, series_calls), (first, second) = before, after, operations
    return FunctionShift(name, base / first, series / second, base_calls / first, series_calls / second)


def _functions(profile: Profile) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for stack, (instructions, entered) in profile.stacks.items():
        name = stack[0] if stack[0] in (INTERRUPTS, OTHERS) else stack[-1]
        before = found.get(name, (0, 0))
        # How often an interrupt comes is how often its handlers are entered, which are the first below it.
        counts = entered if name == stack[-1] or len(stack) == 2 else 0
        found[name] = (before[0] + instructions, before[1] + counts)
    return found


def both(base: Profile, series: Profile) -> dict[Stack, tuple[int, int]]:
    """Instructions of each stack in base and in series."""
    stacks = base.stacks.keys() | series.stacks.keys()
    return {stack: (_own(base.stacks, stack), _own(series.stacks, stack)) for stack in sorted(stacks)}


def _own(stacks: Mapping[Stack, tuple[int, int]], stack: Stack) -> int:
    return stacks.get(stack, (0, 0))[0]

"""What two kernels take: their functions held against each other, and what their guests said of themselves.

Pure functions; runs nothing.  As scripts/bloat-o-meter of the kernel does, functions of one name are one, and a name
is without the numbers that a compiler gives; unlike it, what was split from a function counts as that function.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from harness.costs import FunctionSize, Measure, TextSize
from harness.host.symbols import Symbols, source_name
from harness.model import Metric


def text_sizes(base: Symbols, series: Symbols) -> TextSize:
    """The code of two kernels, function by function."""
    before, after = _by_name(base), _by_name(series)
    found = [FunctionSize(name, before[name], after[name]) for name in before.keys() | after]
    changed = [one for one in found if one.shift]
    changed.sort(key=lambda one: (-abs(one.shift), one.function))
    return TextSize(before.total(), after.total(), tuple(changed), len(found) - len(changed))


def _by_name(symbols: Symbols) -> Tally[str]:
    sizes: Tally[str] = Tally()
    for symbol in symbols:
        if symbol.function and symbol.size:
            sizes[source_name(symbol.name)] += symbol.size
    return sizes


def measures(base: Sequence[Metric], series: Sequence[Metric]) -> tuple[Measure, ...]:
    """What the guests of two kernels measured, in the order in which they said it."""
    before, after = {one.name: one for one in base}, {one.name: one for one in series}
    return tuple(
        Measure(name, (after.get(name) or before[name]).unit, _value(before.get(name)), _value(after.get(name)))
        for name in {**before, **after}
    )


def _value(metric: Metric | None) -> float | None:
    return metric.value if metric is not None else None

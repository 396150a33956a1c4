"""Attribution -> the functions that gained and lost, as text.  Returns lines and prints nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.costs import Attribution, FunctionShift, Mode, unit_of
from harness.report.text import count, one_line

MOST = 10
"""Functions of one metric that are shown; results.json has all."""


MOST_TABLES = 5

_SEEN = 0.5
"""Instructions an operation: metrics whose functions differ by less say the same."""


def alike(found: Sequence[Attribution]) -> list[list[Attribution]]:
    """Metrics of a target whose functions differ by as much, in one group, in the order of their first ones."""
    groups: dict[object, list[Attribution]] = {}
    for one in found:
        shifts = ((shift.function, f"{shift.shift:.2f}") for shift in one.functions if abs(shift.shift) >= _SEEN)
        groups.setdefault((one.arch, one.profile, frozenset(shifts)), []).append(one)
    return list(groups.values())


def section(found: Sequence[Attribution], width: int) -> list[str]:
    """Where the changes of a run's metrics are: a table for all metrics that say the same."""
    groups = alike(found)
    lines = [line for first, *others in groups[:MOST_TABLES] for line in ("", *_table(first, others, width))]
    if rest := [one for group in groups[MOST_TABLES:] for one in group]:
        lines += ["", f"        and where {count(len(rest), 'more metric')} went: results.json"]
    return lines


def _table(one: Attribution, others: Sequence[Attribution], width: int) -> list[str]:
    unit = unit_of(Mode.EXACT, one.operation)
    title = f"Where   {one_line(one.metric)}, {one.arch} {one.profile}: {one.shift:+,.2f} {unit}"
    shown, rest = one.functions[:MOST], one.functions[MOST:]
    rows = [("", "base", "series", "change", "called"), *(_row(function) for function in shown)]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [title]
    for name, *cells, called in rows:
        numbers = "  ".join(cell.rjust(size) for cell, size in zip(cells, sizes[1:], strict=False))
        lines.append(f"  {name.ljust(sizes[0])}  {numbers}  {called}".rstrip())
    if rest:
        lines.append(f"  {count(len(rest), 'more function')}, {sum(one.shift for one in rest):+,.2f} together")
    words = [f"{count(one.same, 'function')} cost what they did; {one.proof}"]
    if others:
        words.append(f"the same functions, by as much, in {', '.join(one_line(other.metric) for other in others)}")
    if one.flame is not None:
        words.append(f"flame graph: {one.flame.name}")
    for line in words:
        lines += textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return lines


def _row(one: FunctionShift) -> tuple[str, ...]:
    calls = f"{one.base_calls:,.2f}"
    if f"{one.series_calls:,.2f}" != calls:
        calls += f" → {one.series_calls:,.2f}"
    return one_line(one.function), f"{one.base:,.2f}", f"{one.series:,.2f}", f"{one.shift:+,.2f}", calls

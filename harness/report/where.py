"""Attribution -> the functions that gained and lost, as text.  Returns lines and prints nothing."""

from __future__ import annotations

from collections.abc import Sequence

from harness.costs import Attribution, FunctionShift
from harness.report.text import count, one_line

MOST = 10
"""Functions of one metric that are shown; results.json has all."""


def section(found: Sequence[Attribution]) -> list[str]:
    """Where the changes of a run's metrics are: a table for each metric."""
    return [line for one in found for line in ("", *_table(one))]


def _table(one: Attribution) -> list[str]:
    title = (
        f"Where   {one_line(one.metric)}, {one.arch} {one.profile}: {one.shift:+,.2f} instructions a {one.operation}"
    )
    shown, rest = one.functions[:MOST], one.functions[MOST:]
    rows = [("", "base", "series", "change", "called"), *(_row(function) for function in shown)]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [title]
    for name, *cells, called in rows:
        numbers = "  ".join(cell.rjust(size) for cell, size in zip(cells, sizes[1:], strict=False))
        lines.append(f"  {name.ljust(sizes[0])}  {numbers}  {called}".rstrip())
    if rest:
        lines.append(f"  {count(len(rest), 'more function')}, {sum(one.shift for one in rest):+,.2f} together")
    lines.append(f"  {count(one.same, 'function')} cost what they did; {one.proof}")
    if one.flame is not None:
        lines.append(f"  flame graph: {one.flame.name}")
    return lines


def _row(one: FunctionShift) -> tuple[str, ...]:
    calls = f"{one.base_calls:,.2f}"
    if f"{one.series_calls:,.2f}" != calls:
        calls += f" → {one.series_calls:,.2f}"
    return one_line(one.function), f"{one.base:,.2f}", f"{one.series:,.2f}", f"{one.shift:+,.2f}", calls

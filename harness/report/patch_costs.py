"""CostReport -> what each patch of the series costs: metrics down, patches across.  Returns text and prints nothing.

Of the metrics those that a patch or the series changed, and of the patches those that changed one; what became of all
the others is said beside their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.costs import CostReport, Judgement, PatchCost, PatchKernel, Price
from harness.report.text import one_line

HEAD, SERIES = "patch", "series"

_CHANGED = (Judgement.SLOWER, Judgement.FASTER)
_WORDS = {Judgement.SAME: "same", Judgement.UNKNOWN: "?", Judgement.NONE: "-"}
_LEAST_NAME = 40  # characters that a patch's name is cut to, at least
_REASON = 60


@dataclass(frozen=True, slots=True)
class Table:
    """What was changed on one target, and by which patches."""

    numbers: tuple[int, ...]  # of the patches, one for each column but the last, which is the series as a whole
    rows: tuple[tuple[str, tuple[Price | None, ...]], ...]  # a metric, and its price in each column


def table(report: CostReport, target: str) -> Table:
    """The changes of a target; without rows where nothing was changed."""
    whole = {price.metric: price for price in report.prices if price.target == target}
    patches = [(patch.number, {one.metric: one for one in patch.prices if one.target == target})
               for patch in report.patches]  # fmt: skip
    shown = [(number, prices) for number, prices in patches if any(map(_is_changed, prices.values()))]
    columns = [*(prices for _, prices in shown), whole]
    metrics = [one for one in whole if any(_is_changed(prices.get(one)) for prices in columns)]
    rows = tuple((metric, tuple(prices.get(metric) for prices in columns)) for metric in metrics)
    return Table(tuple(number for number, _ in shown), rows)


def _is_changed(price: Price | None) -> bool:
    return price is not None and price.judgement in _CHANGED


def cell(price: Price | None, digits: int = 2) -> str:
    """`+13.00` where it is proven, else `same`, `?` (cannot tell) or `-`."""
    if price is None:
        return "-"
    return f"{price.shift:+,.{digits}f}" if price.judgement in _CHANGED else _WORDS[price.judgement]


def tally(prices: Iterable[Price]) -> str:
    """`3 slower, 25 same`."""
    found = Counter(price.judgement for price in prices)
    return ", ".join(f"{found[one]} {one.value}" for one in Judgement if found[one])


def said(patch: PatchCost, target: str) -> str:
    """What became of a patch on a target: `3 slower, 25 same`, `same kernel`, or why it has no prices."""
    kernel = next((one for one in patch.kernels if one.target == target), None)
    if kernel is None:
        return "-"
    if kernel.why:
        return one_line(f"no prices: {kernel.why}", _REASON)
    words = "same kernel" if kernel.same else tally(one for one in patch.prices if one.target == target)
    return f"{words}{_together(patch, kernel)}"


def _together(patch: PatchCost, kernel: PatchKernel) -> str:
    """The patches before it that have no prices of their own: they are in its."""
    first, last = kernel.against + 1, patch.number - 1
    if first > last:
        return ""
    return f", with patch {first}" if first == last else f", with patches {first} to {last}"


def section(report: CostReport, target: str, width: int) -> list[str]:
    """Patch by patch on one target: a line for each, then the table of what they changed."""
    if not report.patches:
        return []
    unit = report.mode.unit
    title = f"Patches {target}: each against the one before it; {unit} of an operation"
    names = [f"{one.number}/{len(report.patches)} {one_line(one.title)}" for one in report.patches]
    words = [said(one, target) for one in report.patches]
    room = min(max(map(len, names)), max(_LEAST_NAME, width - 4 - max(map(len, words))))
    lines = [title, *(f"  {_cut(name, room).ljust(room)}  {what}" for name, what in zip(names, words, strict=True))]
    return [*lines, *blocks(text_rows(table(report, target)), width)]


def text_rows(found: Table, digits: int = 2) -> list[tuple[str, ...]]:
    """The table as text, its head first; nothing where nothing was changed."""
    if not found.rows:
        return []
    head = (HEAD, *map(str, found.numbers), SERIES)
    return [head, *((one_line(metric), *(cell(one, digits) for one in prices)) for metric, prices in found.rows)]


def blocks(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The rows two blanks apart, below each other as often as their columns do not fit beside each other."""
    if not rows:
        return []
    first, *sizes = (max(map(len, column)) for column in zip(*rows, strict=True))
    parts: list[list[int]] = [[]]
    for at, size in enumerate(sizes):
        if parts[-1] and 2 + first + sum(2 + sizes[one] for one in parts[-1]) + 2 + size > width:
            parts.append([])
        parts[-1].append(at)
    lines = []
    for part in parts:
        for name, *cells in rows:
            numbers = [cells[at].rjust(sizes[at]) for at in part]
            lines.append("  ".join(["", name.ljust(first), *numbers]).rstrip())
    return lines


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 1]}…"

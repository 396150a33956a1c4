"""CostReport -> a table of prices: metrics down, in words that can be quoted.  Returns text and prints nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from harness.costs import CostReport, Judgement, Mode, Point, Price, Side
from harness.report import patch_costs, sizes, where
from harness.report.text import count, one_line

_WORDS = {
    Judgement.SLOWER: "slower",
    Judgement.FASTER: "faster",
    Judgement.SAME: "same",
    Judgement.UNKNOWN: "cannot tell",
    Judgement.NONE: "-",
}
_HEAD = ("", "base", "series", "change", "95 % interval", "", "seen from")


def section(report: CostReport, width: int) -> list[str]:
    """The prices of a run, a table for each target; then what is needed where nothing can be told, and the controls."""
    lines = [_title(report)]
    if report.void:
        lines += _wrap(f"VOID: {one_line(report.void)}: nothing below counts", width)
    for target in dict.fromkeys(price.target for price in report.prices):
        here = [price for price in report.prices if price.target == target]
        lines += ["", *_table(target, here)]
        lines += [line for price in here for line in _remarks(price, width)]
    for target in dict.fromkeys(kernel.target for patch in report.patches for kernel in patch.kernels):
        lines += ["", *patch_costs.section(report, target, width)]
    lines += [
        "",
        *(
            line
            for one in report.controls
            for line in _wrap(_control(one.side, one.arch, one.profile, one.words), width)
        ),
    ]
    more = [*where.section(report.where, width), *sizes.section(report.sizes)]
    return [*lines, *more] if report.prices or report.controls else [*lines[:1], *more]


def _title(report: CostReport) -> str:
    if report.mode is Mode.EXACT:
        what = "instructions for each operation, counted in exact guests"
    elif report.mode is Mode.CLOCK:
        what = "ns for each operation, wall time under KVM"
    else:
        what = "ns for each operation under plain TCG: orders of magnitude, no verdict"
    over = count(
        len(report.seeds),
        "seed" if report.mode is Mode.EXACT else "pair of boots",
        "pairs of boots" if report.mode is not Mode.EXACT else "",
    )
    return f"Cost    {what}; {over}"


def _table(target: str, prices: list[Price]) -> list[str]:
    rows = [(target, *_HEAD[1:])] + [_row(price) for price in prices]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([
            row[0].ljust(sizes[0]),
            *(cell.rjust(size) for cell, size in zip(row[1:5], sizes[1:5], strict=True)),
            row[5].ljust(sizes[5]),
            row[6].rjust(sizes[6]),
        ]).rstrip()
        for row in rows
    ]  # fmt: skip


def _row(price: Price) -> tuple[str, ...]:
    metric = one_line(price.metric)
    base = f"{price.base:,.1f}"
    if price.series is None:
        return (metric, base, "-", "-", "-", _WORDS[price.judgement], "-")
    change = f"{price.shift:+,.2f} ({price.percent:+.3f} %)"
    interval = f"{price.low:+,.2f} to {price.high:+,.2f}"
    word = _WORDS[price.judgement]
    if price.judgement is Judgement.SAME:
        word = f"same within {price.within:.3f} %"
    if price.exceeded:
        word += f": BEYOND {one_line(price.limit)}"
    return (metric, base, f"{price.series:,.1f}", change, interval, word, f"{price.least:,.2f}")


def _remarks(price: Price, width: int) -> list[str]:
    if price.judgement is not Judgement.UNKNOWN:
        return []
    return _wrap(f"  {one_line(price.metric)}: cannot tell: needs {one_line(price.needs)}", width)


def _control(side: Side, arch: str, profile: str, words: str) -> str:
    name = "A/A" if side is Side.AGAIN else side.value
    return f"Control {arch} {profile}: {name}: {one_line(words)}"


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False)


# --- history --------------------------------------------------------------------------------------------------


def history_lines(
    found: Mapping[tuple[str, str, str], Sequence[tuple[str, str, Point, float | None, bool]]],
) -> list[str]:
    """The kernels that each metric was priced on, one a line, with change points marked by an arrow.

    A row is the name that it was kept under, the kernel's version, the point, its change and whether that is one.
    """
    lines: list[str] = []
    for (metric, arch, profile), rows in found.items():
        first = rows[0][2]
        lines += [
            "",
            f"{one_line(metric)}  {arch} {profile}: {first.mode.unit}, {first.operation} by {first.operation}",
        ]
        for name, version, point, change, marked in rows:
            arrow = ("▲" if (change or 0) > 0 else "▼") if marked else " "
            how = f"{change:+,.2f} ({100 * change / (point.cost - change):+.3f} %)" if change else ""
            how = "counted by other means" if change is None and point is not first else how
            kernel = f"{one_line(name):<24} {point.side.value:<7} {one_line(version):<12} {point.commit[:12]}"
            lines.append(f"{arrow} {kernel}  {point.cost:>12,.2f}  {how}".rstrip())
    return lines[1:]

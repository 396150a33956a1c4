"""RunResult -> a text for a cover letter: what the series costs, in a table that mail clients leave alone.

Plain ASCII of at most 72 columns, so that it survives being quoted.  Returns text and prints nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.costs import Attribution, Control, CostReport, Judgement, Mode, Price, Side, Sizes, unit_of
from harness.model import Accel, Outcome, RunResult, TargetResult
from harness.report import patch_costs, where
from harness.report.text import count, one_line

WIDTH = 72

_MOST_WHERE = 4  # metrics whose functions are named: more is for report.html
_MOST_FUNCTIONS = 6
_LEAST_METRIC = 28  # columns that a metric's name has beside those of many patches
_LEAST_SHIFT = 0.05  # instructions of an operation

_PLAIN: dict[int, str] = {
    ord(sign): plain for sign, plain in (("“", '"'), ("”", '"'), ("’", "'"), ("…", "..."), ("–", "-"), ("→", "->"))
}

_WORDS = {
    Judgement.SLOWER: "slower",
    Judgement.FASTER: "faster",
    Judgement.SAME: "same",
    Judgement.UNKNOWN: "?",
    Judgement.NONE: "",
}


def text(result: RunResult) -> str:
    """What the run has to say in a cover letter, ending in a line break."""
    parts = [*_costs(result, result.cost), _tested(result)] if result.cost is not None else [_tested(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _costs(result: RunResult, report: CostReport) -> list[str]:
    if report.void:
        return [_paragraph(f"The costs were counted in vain: {report.void}.")]
    parts = [_paragraph(_method(result, report))]
    names = {price.metric for price in report.prices}
    shown = [price for price in report.prices if price.exceeded or not _is_part(price.metric, names)]
    for target in dict.fromkeys(price.target for price in shown):
        here = [price for price in shown if price.target == target]
        parts.append("\n".join([f"{_ascii(target)}:", "", *_table(here)]))
        parts += _patches(report, target, {price.metric for price in here})
    parts += [_paragraph(words) for words in (_said(shown), _controls(report.controls)) if words]
    parts += [_where(group) for group in where.alike(report.where)[:_MOST_WHERE]]
    parts += ["\n".join(_sizes(one)) for one in report.sizes if _sizes(one)]
    return parts


def _is_part(metric: str, names: set[str]) -> bool:
    """`faults.file-read.1.page_time`, where `faults.file-read.1` is there: what else a case counted."""
    case, _, name = metric.rpartition(".")
    return case in names and "_" in name


def _method(result: RunResult, report: CostReport) -> str:
    """How the numbers were come by, for a reader who has never heard of it."""
    tree = f"{result.tree.kernel_version}" if result.tree else "the tree"
    compared = f"{tree} without and with this series" if any(one.series is not None for one in report.prices) else tree
    if report.mode is Mode.EXACT:
        return (
            f"Instructions (kernel and program) for each operation on {compared}, counted in QEMU guests "
            f"(TCG, -icount) at {count(len(report.seeds), 'seed')}. Such a guest is deterministic, so these are counts "
            "and no timings; they do not know of caches, and clearing or copying a page counts each of its steps."
        )
    if report.mode is Mode.CLOCK:
        boots = count(len(report.seeds), "pair of boots", "pairs of boots")
        return f"Nanoseconds for each operation on {compared}: wall time under KVM, {boots}."
    return (
        f"Nanoseconds for each operation on {compared} in emulated guests (plain TCG): orders of magnitude, which say "
        "nothing about hardware."
    )


def _table(prices: Sequence[Price]) -> list[str]:
    """Metrics down; names that are too long for the line are without their suite, or what else comes first."""
    compared = any(price.series is not None for price in prices)
    head = ("", "base", "series", "change", "%", "") if compared else ("", "cost")
    rows = [head, *(_row(price) if compared else (_ascii(price.metric), f"{price.base:,.1f}") for price in prices)]
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    first = min(first, WIDTH - sum(others) - 2 * len(rows[0]))
    lines = []
    for name, *cells in rows:
        shown = _shortened(name, first)
        numbers = [cell.rjust(size) for cell, size in zip(cells[:4], others[:4], strict=True)]
        lines.append("  ".join(["", shown.ljust(first), *numbers, *cells[4:]]).rstrip())
    return lines


def _patches(report: CostReport, target: str, shown: set[str]) -> list[str]:
    """What each patch changed of the metrics that are shown."""
    found = patch_costs.table(report, target)
    rows = [row for row in patch_costs.text_rows(found, digits=1) if row[0] in (patch_costs.HEAD, *shown)]
    if len(rows) < 2 or not found.numbers:
        return []
    left = [patch for patch in report.patches if patch.number not in found.numbers]
    words = [f"patch {patch.number}: {patch_costs.said(patch, target)}" for patch in left]
    others = f" ({'; '.join(words)})" if words else ""
    head = _paragraph(f"Patch by patch, each against the one before it{others}:")
    short = [(_shortened(_ascii(row[0]), _LEAST_METRIC), *row[1:]) for row in rows]
    return ["\n".join([head, "", *patch_costs.blocks(short, WIDTH)])]


def _shortened(name: str, width: int) -> str:
    while len(name) > width and "." in name:
        name = name.partition(".")[2]
    return name if len(name) <= width else f"...{name[3 - width :]}"


def _row(price: Price) -> tuple[str, ...]:
    if price.series is None:
        return (_ascii(price.metric), f"{price.base:,.1f}", "-", "-", "-", "")
    word = f"{_WORDS[price.judgement]}{' (!)' if price.exceeded else ''}"
    numbers = (f"{price.base:,.1f}", f"{price.series:,.1f}", f"{price.shift:+,.1f}", f"{price.percent:+.2f}")
    return (_ascii(price.metric), *numbers, word)


def _said(prices: Sequence[Price]) -> str:
    """What the words of the last column mean in this table, with numbers."""
    judged = [price for price in prices if price.judgement is not Judgement.NONE]
    same = [price for price in judged if price.judgement is Judgement.SAME]
    words = []
    if any(price.judgement in (Judgement.SLOWER, Judgement.FASTER) for price in judged):
        words.append('"slower" and "faster" are proven at 95 % over all metrics')
    if same:
        words.append(f'"same" is proven to be within {max(price.within for price in same):.2g} %')
    if any(price.judgement is Judgement.UNKNOWN for price in judged):
        words.append('"?" could not be told')
    if any(price.exceeded for price in judged):
        words.append('"(!)" is beyond a limit')
    return f"{'; '.join(words)}." if words else ""


def _controls(controls: Sequence[Control]) -> str:
    words = []
    for control in controls:
        name = "the same kernel booted again" if control.side is Side.AGAIN else "a patch that only moves code"
        words.append(f"{name} ({control.arch} {control.profile}): {one_line(control.words)}")
    return f"Controls: {'; '.join(words)}." if words else ""


def _where(group: Sequence[Attribution]) -> str:
    """The functions that gained and lost most, of metrics that say the same."""
    one, *others = group
    shown = [function for function in one.functions if abs(function.shift) >= _LEAST_SHIFT][:_MOST_FUNCTIONS]
    rest = one.shift - sum(function.shift for function in shown)
    words = [f"{function.function} {function.shift:+,.1f}" for function in shown]
    words += [f"all others {rest:+,.1f}"] if abs(rest) >= _LEAST_SHIFT else []
    more = f" and {count(len(others), 'more metric')}" if others else ""
    what = f"{one.metric}{more} ({one.arch} {one.profile}), {one.shift:+,.1f} {unit_of(Mode.EXACT, one.operation)}"
    return _paragraph(f"Where, {what}: {', '.join(words) or 'in no function by itself'}.")


def _sizes(one: Sizes) -> list[str]:
    """Code, and what else is of another size, a line each; nothing where nothing is."""
    lines = []
    if one.text is not None and one.text.base != one.text.series:
        lines.append(f"  code: {_change(one.text.base, one.text.series)} bytes")
    lines += [
        f"  {measure.name}: {_change(measure.base, measure.series)} {measure.unit}"
        for measure in one.measures
        if measure.base != measure.series
    ]
    before = {structure.name: structure for structure in one.before}
    for structure in one.after:
        was = before.get(structure.name)
        if was is not None and (was.size, was.cache_lines) != (structure.size, structure.cache_lines):
            lines.append(f"  struct {structure.name}: {_change(was.size, structure.size)} bytes")
    return [_ascii(f"Sizes, {one.target}:"), "", *(f"  {_ascii(line)}"[:WIDTH] for line in lines)] if lines else []


def _change(base: float | None, series: float | None) -> str:
    """`176 -> 192 (+16)`."""
    words = ["none" if value is None else f"{value:,.1f}".removesuffix(".0") for value in (base, series)]
    shift = "" if base is None or series is None else f" ({series - base:+,.1f})".replace(".0)", ")")
    return f"{words[0]} -> {words[1]}{shift}"


def _tested(result: RunResult) -> str:
    """`Tested with vmaharness 0.1.0 on 6.12.117: ...`: a line for each target."""
    tree = f" on {result.tree.kernel_version}" if result.tree else ""
    lines = [_paragraph(f"Tested with vmaharness {result.version}{tree}:"), ""]
    for target in result.targets:
        lines += textwrap.wrap(_ascii(_of_target(target)), WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines) if result.targets else ""


def _of_target(target: TargetResult) -> str:
    suites = []
    for suite in (one for one in target.suites if one.cases):
        good = sum(case.outcome is Outcome.PASS for case in suite.cases)
        ran = sum(case.outcome not in (Outcome.SKIP, Outcome.NOT_RUN) for case in suite.cases)
        suites.append(f"{suite.suite} {good}/{ran}")
    emulated = any(boot.accel is Accel.TCG for boot in target.boots)
    how = "" if not target.boots else " (exact guests)" if target.exact else " (TCG)" if emulated else " (KVM)"
    return f"{target.name}{how}: {', '.join(suites) or 'nothing ran'}"


def _paragraph(words: str) -> str:
    return textwrap.fill(_ascii(words), WIDTH, break_long_words=False, break_on_hyphens=False)


def _ascii(words: str) -> str:
    """What of it a cover letter can have: typographic signs as plain ones, all others as `?`."""
    plain = one_line(words, 2000).translate(_PLAIN)
    return plain.encode("ascii", "replace").decode()

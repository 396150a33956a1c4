"""The part of the page that says where changed costs are, and what base and series take."""

from __future__ import annotations

from collections.abc import Sequence

from harness.costs import Attribution, FunctionShift, Mode, Sizes, unit_of
from harness.report import sizes as sizes_text
from harness.report import where as where_text
from harness.report.html.markup import Markup, element, join
from harness.report.text import count, one_line

MOST = 12
"""Functions of one metric that are shown; results.json has all."""


def where(found: Sequence[Attribution]) -> Markup | None:
    """The functions that gained and lost, a table and a flame graph for all metrics that say the same."""
    if not found:
        return None
    groups = [_attribution(group, first=number == 0) for number, group in enumerate(where_text.alike(found))]
    return join(element("h3", "Where the changes are"), groups)


def sizes(found: Sequence[Sizes]) -> Markup | None:
    """Code, object caches and structures of each target."""
    if not found:
        return None
    text = "\n".join(sizes_text.section(found)).strip()
    return join(element("h3", "Sizes"), element("pre", text))


def _attribution(group: Sequence[Attribution], *, first: bool) -> Markup:
    one, *others = group
    title = f" {one.arch} {one.profile}: {one.shift:+,.2f} {unit_of(Mode.EXACT, one.operation)}"
    title += f", and {count(len(others), 'more metric')} by the same functions" if others else ""
    shown, rest = one.functions[:MOST], one.functions[MOST:]
    more = f"{count(len(rest), 'more function')}, {sum(function.shift for function in rest):+,.2f} together. "
    same = f"{count(one.same, 'function')} cost what they did; {one_line(one.proof)}."
    return element(
        "details", element("summary", element("code", one.metric), title), _table(shown),
        element("p", more if rest else None, same),
        element("p", "The same functions, by as much, in ", _names(others), ".") if others else None,
        _flame(one), open="" if first else None,
    )  # fmt: skip


def _table(functions: Sequence[FunctionShift]) -> Markup:
    words = ("Function", "Base", "Series", "Change", "Called")
    head = element("tr", [element("th", word, scope="col") for word in words])
    return element(
        "div", element("table", element("thead", head), element("tbody", map(_row, functions))), class_="wide"
    )


def _row(one: FunctionShift) -> Markup:
    calls = f"{one.base_calls:,.2f}"
    if f"{one.series_calls:,.2f}" != calls:
        calls += f" → {one.series_calls:,.2f}"
    numbers = (f"{one.base:,.2f}", f"{one.series:,.2f}", f"{one.shift:+,.2f}", calls)
    name = element("th", element("code", one.function), scope="row")
    return element("tr", name, [element("td", number, class_="number") for number in numbers])


def _names(others: Sequence[Attribution]) -> Markup:
    """Their names, each linked to its own flame graph."""
    shown = [element("code", one.metric) for one in others]
    links = [
        element("a", name, href=one.flame.name) if one.flame is not None else name
        for name, one in zip(shown, others, strict=True)
    ]
    return join([join(", " if number else "", link) for number, link in enumerate(links)])


def _flame(one: Attribution) -> Markup | None:
    """Shown as a picture; opened by itself it says more of each function."""
    if one.flame is None:
        return None
    name = one.flame.name
    words = f"Flame graph of the difference of {one.metric}"
    return element("a", element("img", src=name, alt=words, class_="flame"), href=name)

"""The part of the page that says what operations cost."""

from __future__ import annotations

from collections.abc import Sequence

from harness.costs import Control, CostReport, Judgement, Kernel, Mode, Price, Samples, Side
from harness.report.html import by_patch, causes, plots
from harness.report.html.markup import Content, Markup, element, join
from harness.report.text import count, one_line

_HEAD = ("Metric", "Base", "Series", "Change", "%", "95 % interval", "Verdict", "Seen from", "Moved code")

_NAMES = {
    Side.BASE: "base",
    Side.SERIES: "series",
    Side.AGAIN: "base, booted again",
    Side.MOVED: "base with moved code",
}


def section(report: CostReport) -> Markup:
    """Prices of each target as a drawing and a table, then what they rest on."""
    targets = [
        _target(name, [price for price in report.prices if price.target == name], report)
        for name in dict.fromkeys(price.target for price in report.prices)
    ]
    return element(
        "section", element("h2", "Costs"), _void(report), element("p", _method(report)), targets,
        causes.where(report.where), causes.sizes(report.sizes),
        _controls(report.controls), _kernels(report.kernels), _notes(report.notes), id="costs",
    )  # fmt: skip


def _void(report: CostReport) -> Markup | None:
    if not report.void:
        return None
    return element("p", element("strong", "Void: "), one_line(report.void), ". Nothing below counts.", class_="void")


def _method(report: CostReport) -> str:
    boots = len(report.seeds)
    if report.mode is Mode.EXACT:
        how = (
            f"Instructions of an operation, counted in exact guests at {count(boots, 'seed')}: the same kernel at the "
            "same seed gives the same number, on any host"
        )
    elif report.mode is Mode.CLOCK:
        how = f"Nanoseconds of an operation: wall time under KVM, {count(boots, 'pair of boots', 'pairs of boots')}"
    else:
        how = "Nanoseconds of an operation under plain TCG: orders of magnitude, and no verdict about hardware"
    return f"{how}. {report.rule[:1].upper()}{report.rule[1:]}." if report.rule else f"{how}."


def _target(name: str, prices: Sequence[Price], report: CostReport) -> Markup:
    return element(
        "section", element("h3", name),
        element("div", plots.changes(prices, f"Changes on {name}, in per cent of the base"), class_="drawing"),
        _legend() if any(price.series is not None for price in prices) else None,
        _table(prices, report.mode), by_patch.section(report, name),
        [_details(price, report.samples) for price in prices],
    )  # fmt: skip


def _legend() -> Markup:
    words = (
        "An arrow is a change that is proven, a disc none that matters, a ring what could not be told. The line at "
        "it is the 95 % interval, the grey band what could not have been seen. Beyond ±0.01 % the scale is a logarithm."
    )
    return element("p", words, class_="legend")


def _table(prices: Sequence[Price], mode: Mode) -> Markup:
    caption = f"{mode.unit} of an operation"
    head = element("tr", [element("th", word, scope="col") for word in _HEAD])
    return element(
        "div",
        element("table", element("caption", caption), element("thead", head), element("tbody", map(_row, prices))),
        class_="wide",
    )


def _row(price: Price) -> Markup:
    name = element("th", element("a", price.metric, href=f"#{_anchor(price)}"), scope="row")
    if price.series is None:
        return element("tr", name, _number(f"{price.base:,.1f}"), [_number("–")] * (len(_HEAD) - 2))
    cells = (
        f"{price.base:,.1f}", f"{price.series:,.1f}", f"{price.shift:+,.2f}", f"{price.percent:+.3f}",
        f"{price.low:+,.2f} to {price.high:+,.2f}",
    )  # fmt: skip
    moved = "–" if price.moved is None else f"{price.moved:+,.2f}"
    kind = plots.slug(price.judgement)
    return element(
        "tr", name, map(_number, cells), element("td", _verdict(price), class_=f"verdict {kind}"),
        _number(f"{price.least:,.2f}"), _number(moved), class_="beyond" if price.exceeded else None,
    )  # fmt: skip


def _number(text: str) -> Markup:
    return element("td", text, class_="number")


def _verdict(price: Price) -> str:
    words = price.judgement.value
    if price.judgement is Judgement.SAME:
        words += f" within {price.within:.3g} %"
    return f"{words}: beyond {one_line(price.limit)}" if price.exceeded else words


# --- one metric -------------------------------------------------------------------------------------------------


def _details(price: Price, samples: Sequence[Samples]) -> Markup:
    """What its verdict rests on: words, repetitions, seeds, counters."""
    drawing = plots.repetitions(price, _differences(price, samples))
    return element(
        "details", element("summary", element("code", price.metric), f" {one_line(price.words)}"),
        element("p", f"It would take {one_line(price.needs)}.") if price.needs else None,
        element("div", drawing, class_="drawing") if drawing else None, _seeds(price), _counters(price),
        id=_anchor(price), open="" if price.exceeded else None,
    )  # fmt: skip


def _differences(price: Price, samples: Sequence[Samples]) -> list[tuple[int, list[float]]]:
    """Series less base in each repetition that both have, by seed (in the other modes by pair of boots)."""
    sides: dict[Side, dict[tuple[int, int], Samples]] = {Side.BASE: {}, Side.SERIES: {}}
    for one in samples:
        if (one.metric, one.arch, one.profile) == (price.metric, price.arch, price.profile) and one.side in sides:
            key = (one.seed, 0 if one.mode is Mode.EXACT else one.boot)
            sides[one.side].setdefault(key, one)
    both = [key for key in sides[Side.BASE] if key in sides[Side.SERIES]]
    return [
        (
            key[1] or key[0],
            [
                after.each - before.each
                for before, after in zip(
                    sides[Side.BASE][key].repetitions, sides[Side.SERIES][key].repetitions, strict=False
                )
            ],
        )
        for key in both
    ]


def _seeds(price: Price) -> Markup | None:
    if not price.seeds:
        return None
    head = element(
        "tr", [element("th", word, scope="col") for word in ("Seed", "Base", "Series", "Shift", "Spread", "Pairs")]
    )
    rows = [
        element("tr", element("th", one.seed, scope="row"), [
            _number(text) for text in (
                f"{one.base:,.2f}", f"{one.series:,.2f}", f"{one.shift:+,.2f}", f"{one.spread:,.2f}", f"{one.pairs}"
            )
        ])
        for one in price.seeds
    ]  # fmt: skip
    return element("table", element("thead", head), element("tbody", rows))


def _counters(price: Price) -> Markup | None:
    if not price.counters:
        return None
    head = element("tr", [element("th", word, scope="col") for word in ("Counter", "Base", "Series")])
    rows = [
        element("tr", element("th", one.name, scope="row"), _number(f"{one.base:,}"), _number(f"{one.series:,}"))
        for one in price.counters
    ]
    return element("table", element("thead", head), element("tbody", rows))


def _anchor(price: Price) -> str:
    return f"{price.arch}-{price.profile}-{price.metric}"


# --- what all of them rest on -----------------------------------------------------------------------------------


def _controls(controls: Sequence[Control]) -> Markup | None:
    if not controls:
        return None
    rows = [
        element(
            "li", element("strong", "good" if one.good else "BAD", class_="pass" if one.good else "fail"),
            f" {one.arch} {one.profile}, {_NAMES[one.side]}: {one_line(one.words)}",
        )
        for one in controls
    ]  # fmt: skip
    return join(element("h3", "Controls"), element("ul", rows))


def _kernels(kernels: Sequence[Kernel]) -> Markup | None:
    if not kernels:
        return None
    head = element("tr", [element("th", word, scope="col") for word in ("Kernel", "Target", "Commit", "Build")])
    rows = [
        element(
            "tr", element("th", _NAMES[one.side], scope="row"), element("td", f"{one.arch} {one.profile}"),
            element("td", element("code", one.commit[:12])),
            element("td", "the base's, byte for byte" if one.same_as_base else element("code", one.build_key[:16])),
        )
        for one in kernels
    ]  # fmt: skip
    return join(element("h3", "Kernels"), element("table", element("thead", head), element("tbody", rows)))


def _notes(notes: Sequence[Content]) -> Markup | None:
    return element("ul", [element("li", one) for one in notes]) if notes else None

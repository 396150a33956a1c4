"""Drawings of prices, as SVG elements of a page.

Colours are attributes, for a reader without the style sheet, which sets them by class.  What is shown by colour is
shown by shape or place, too.  A drawing has a title and a description for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.costs import Judgement, Price
from harness.report.html.markup import Content, Markup, element, join

_COLOURS = {
    Judgement.SLOWER: "#c44e00",
    Judgement.FASTER: "#0a6ebd",
    Judgement.SAME: "#5c6670",
    Judgement.UNKNOWN: "#8a6d00",
    Judgement.NONE: "#5c6670",
}
_GREY, _FAINT, _INK = "#6b7480", "#d5dae0", "#1d2329"
_LETTER = 7.4  # width of a monospaced letter of 12 px, at most
_ROW = 24

_LINEAR = 0.01
"""Per cent: below that the axis of changes is linear, above logarithmic."""

_TICKS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


def slug(judgement: Judgement) -> str:
    """The class of a judgement in the style sheet."""
    return judgement.value.replace(" ", "-")


# --- changes of many metrics ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axis:
    """Per cent to pixels: zero in the middle, each power of ten as wide as the others."""

    left: float
    width: float
    most: float

    def __call__(self, percent: float) -> float:
        bounded = max(-self.most, min(self.most, percent))
        share = math.copysign(math.log10(1 + abs(bounded) / _LINEAR), bounded) / math.log10(1 + self.most / _LINEAR)
        return self.left + self.width * (1 + share) / 2


def changes(prices: Sequence[Price], title: str) -> Markup:
    """The change of each metric with its interval, in per cent of the base; metrics down."""
    shown = [price for price in prices if price.series is not None and price.base]
    if not shown:
        return Markup("")
    percents = [100 * abs(value) / price.base for price in shown for value in (price.low, price.high, price.shift)]
    largest = max(percents)
    most = next((tick for tick in _TICKS[2:] if tick >= largest), _TICKS[-1])
    left = 16 + _LETTER * max(len(price.metric) for price in shown)
    axis = _Axis(left, 460.0, most)
    height = 34 + _ROW * len(shown)
    right = axis.left + axis.width + 200
    rows = [_change(price, axis, 34 + _ROW * number) for number, price in enumerate(shown)]
    worst = max(shown, key=lambda price: abs(price.percent))
    words = f"{len(shown)} metrics; the largest change is {worst.percent:+.3f} % ({worst.metric})."
    return _drawing("changes", right, height, title, words, _scale(axis, height), rows)


def _scale(axis: _Axis, height: float) -> Markup:
    """Lines at the powers of ten, on both sides of a heavier one at zero."""
    ticks = [tick for tick in _TICKS if tick <= axis.most]
    parts = []
    for value in (*(-tick for tick in reversed(ticks)), 0.0, *ticks):
        x = axis(value)
        colour, kind = (_INK, "zero") if value == 0 else (_FAINT, "grid")
        parts.append(element("line", x1=x, x2=x, y1=22.0, y2=height - 4.0, stroke=colour, class_=kind))
        if value == 0 or abs(x - axis(0)) > 6 * _LETTER:
            parts.append(_label(x, 14.0, f"{value:+g}" if value else "0 %", "middle", "axis"))
    return join(parts)


def _change(price: Price, axis: _Axis, top: float) -> Markup:
    """A row: name, the smallest change that would have been seen as a band, the interval, the change, numbers."""
    y = top + _ROW / 2
    colour = _COLOURS[price.judgement]
    seen = 100 * price.least / price.base
    low, high = (axis(100 * value / price.base) for value in (price.low, price.high))
    band = element(
        "rect", x=axis(-seen), y=y - 8, width=max(1.0, axis(seen) - axis(-seen)), height=16.0, fill=_FAINT,
        class_="seen",
    )  # fmt: skip
    interval = element("line", x1=low, x2=high, y1=y, y2=y, stroke=colour, stroke_width=3)
    words = f"{price.shift:+,.2f} ({price.percent:+.3f} %)"
    return element(
        "g", element("title", f"{price.metric}: {price.words}"),
        _label(axis.left - 10, y + 4, price.metric, "end", "name"), band, interval,
        _mark(price.judgement, axis(price.percent), y),
        _label(axis.left + axis.width + 10, y + 4, words, "start", "value"),
        class_=slug(price.judgement), fill=colour,
    )  # fmt: skip


def _mark(judgement: Judgement, x: float, y: float) -> Markup:
    """An arrow in the direction of the change, a disc where there is none, a ring where nothing can be told."""
    colour = _COLOURS[judgement]
    if judgement in (Judgement.SLOWER, Judgement.FASTER):
        tip = 8 if judgement is Judgement.SLOWER else -8
        points = f"{x + tip:.1f},{y:.1f} {x - tip / 2:.1f},{y - 7:.1f} {x - tip / 2:.1f},{y + 7:.1f}"
        return element("polygon", points=points, fill=colour, class_="mark")
    if judgement is Judgement.UNKNOWN:
        return element("circle", cx=x, cy=y, r=4.5, fill="none", stroke=colour, stroke_width=2, class_="ring")
    return element("circle", cx=x, cy=y, r=4.5, fill=colour, class_="mark")


# --- the repetitions of one metric ------------------------------------------------------------------------------


def repetitions(price: Price, differences: Sequence[tuple[int, Sequence[float]]]) -> Markup:
    """The series against its base in each repetition, seeds side by side: `differences` are (seed, values)."""
    seeds = [(seed, values) for seed, values in differences if values]
    everything = sorted(value for _, values in seeds for value in values)
    if not everything:
        return Markup("")
    low, high = _range(everything, price.shift)
    step = max(2.0, min(9.0, 780.0 / len(everything)))
    left, top, height = 92.0, 12.0, 150.0

    def y(value: float) -> float:
        return top + height * (high - max(low, min(high, value))) / (high - low)

    x, dots, outside, fences = left, [], [], []
    for seed, values in seeds:
        begin = x
        for value in values:
            x += step
            if low <= value <= high:
                dots.append(f"M{x:.1f} {y(value):.1f}h0")
            else:
                outside.append(_arrow(x, y(value), up=value > high))
        x += step
        name = f"seed {seed}" if x - begin > 8 * _LETTER else str(seed)
        fences.append(_label((begin + x) / 2, top + height + 18, name, "middle", "axis"))
        fences.append(element("line", x1=x, x2=x, y1=top, y2=top + height, stroke=_FAINT, class_="grid"))
    colour = _COLOURS[price.judgement]
    lines = [
        element("line", x1=left, x2=x, y1=y(0), y2=y(0), stroke=_INK, class_="zero"),
        element(
            "line",
            x1=left,
            x2=x,
            y1=y(price.shift),
            y2=y(price.shift),
            stroke=colour,
            stroke_dasharray="5 3",
            class_="shift",
        ),
    ]
    points = element(
        "path", d="".join(dots), stroke=colour, stroke_width=5, stroke_linecap="round", fill="none", class_="dots"
    )
    scale = [
        _label(left - 8, y(value) + 4, f"{value:+,.1f}" if value else "0", "end", "axis")
        for value in _scale_of(low, high, price.shift)
    ]
    words = (
        f"{len(everything)} repetitions at {len(seeds)} seeds: dashed is the shift, {price.shift:+,.2f}; "
        f"{len(outside)} repetitions lie outside of the drawing."
    )
    title = f"{price.metric}: series against base, repetition by repetition"
    return _drawing(
        "repetitions", x + 8, top + height + 28, title, words, fences, lines,
        element("g", points, outside, class_=slug(price.judgement), fill=colour), scale,
    )  # fmt: skip


def _range(values: Sequence[float], shift: float) -> tuple[float, float]:
    """What is drawn: the middle three quarters of the values, zero and the shift, with some room."""
    inner = values[len(values) // 8 : len(values) - len(values) // 8]
    low, high = min(inner[0], shift, 0.0), max(inner[-1], shift, 0.0)
    room = max(0.15 * (high - low), 0.5)
    return low - room, high + room


def _scale_of(low: float, high: float, shift: float) -> list[float]:
    """Zero, the shift, and the ends, but for those that would be written over each other."""
    shown = [0.0]
    for value in (shift, high, low):
        if all(abs(value - other) > 0.09 * (high - low) for other in shown):
            shown.append(value)
    return shown


def _arrow(x: float, y: float, *, up: bool) -> Markup:
    tip = -7 if up else 7
    return element("polygon", points=f"{x:.1f},{y + tip:.1f} {x - 3:.1f},{y:.1f} {x + 3:.1f},{y:.1f}", class_="outside")


# --- common -----------------------------------------------------------------------------------------------------


def _label(x: float, y: float, text: str, anchor: str, kind: str) -> Markup:
    colour = _GREY if kind == "axis" else _INK
    return element(
        "text", text, x=x, y=y, text_anchor=anchor, fill=colour, font_size=12, font_family="monospace", class_=kind
    )


def _drawing(
    kind: str, width: float, height: float, title: str, words: str, *content: Content | Iterable[Content]
) -> Markup:
    """An SVG element as wide as it is, which a style sheet may make narrower."""
    return element(
        "svg", element("title", title), element("desc", words), *content,
        viewBox=f"0 0 {width:.0f} {height:.0f}", width=round(width), height=round(height), role="img", class_=kind,
    )  # fmt: skip

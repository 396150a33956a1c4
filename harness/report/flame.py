"""Flame graphs of a difference, as SVG that needs neither scripts nor styles: it works where Jenkins shows it.

Two graphs below each other.  In the first a function is as wide as what changed in it and below it, so that 13
instructions of 15,000 are seen; the second has all that was executed.  Red is more than before, blue is less.  What
there is to say of a function is said in its tooltip (<title>).  Pure functions on stacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

Stack = tuple[str, ...]

WIDTH = 1200.0
_MARGIN, _ROW, _GAP = 10.0, 18.0, 34.0
_LETTER = 6.7  # of 11 px monospace, a little more than it takes
_LEAST = 0.4  # a narrower frame is not drawn
_SEEN = 0.005  # instructions that two decimals show
_MORE, _LESS, _SAME = (235, 90, 80), (100, 150, 240), (238, 234, 226)


@dataclass(slots=True)
class _Frame:
    """A function below those that called it.  `own` is what the two sides executed in itself."""

    name: str
    own: tuple[float, float] = (0.0, 0.0)
    children: dict[str, _Frame] = field(default_factory=dict)

    @property
    def all(self) -> tuple[float, float]:
        """With what it called."""
        parts = [self.own, *(child.all for child in self.children.values())]
        return sum(part[0] for part in parts), sum(part[1] for part in parts)


@dataclass(frozen=True, slots=True)
class _Placed:
    frame: _Frame
    depth: int
    left: float
    width: float  # in pixels


def difference(title: str, unit: str, stacks: Mapping[Stack, tuple[int, int]], operations: tuple[int, int]) -> str:
    """The graphs of what base and series executed, as a whole SVG document.

    `stacks` has the instructions of each stack (the function last) in base and in series, `operations` how many
    operations they were executed for; shown is what one operation took, in
    `unit`: instructions a fault.
    """
    root = _tree(stacks, operations)
    largest = max((abs(_shift(placed.frame.all)) for placed in _walk(root, _changed)), default=0.0)
    graphs = [
        ("What changed: a function is as wide as the change in it and in what it calls", _placed(root, _changed)),
        ("All that was executed, in base or in series", _placed(root, _either)),
    ]
    parts: list[str] = []
    top = 2 * _MARGIN + _ROW
    for words, placed in graphs:
        parts.append(_text(_MARGIN, top + 12, words, 12))
        rows = 1 + max((one.depth for one in placed), default=0)
        parts += (_drawn(one, top + _ROW, unit, largest) for one in placed)
        top += _ROW + rows * _ROW + _GAP
    base, series = root.all
    summary = f"{title}: {base:,.1f} → {series:,.1f} {unit} ({series - base:+,.1f})"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" height="{top:.0f}" '
        f'viewBox="0 0 {WIDTH:.0f} {top:.0f}" font-family="monospace" font-size="11">\n'
        f'<title>{escape(summary)}</title>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
    )
    return head + _text(_MARGIN, _MARGIN + 12, summary, 14) + "".join(parts) + "</svg>\n"


def folded(stacks: Mapping[Stack, tuple[int, int]]) -> str:
    """The stacks as text, a line each: `FUNCTION;FUNCTION;… BASE SERIES`, what other tools for flame graphs read."""
    return "".join(f"{';'.join(stack)} {base} {series}\n" for stack, (base, series) in stacks.items())


def _tree(stacks: Mapping[Stack, tuple[int, int]], operations: tuple[int, int]) -> _Frame:
    root = _Frame("all")
    for stack, (base, series) in stacks.items():
        frame = root
        for name in stack:
            frame = frame.children.setdefault(name, _Frame(name))
        frame.own = (frame.own[0] + base / operations[0], frame.own[1] + series / operations[1])
    return root


def _shift(sides: tuple[float, float]) -> float:
    return sides[1] - sides[0]


def _changed(own: tuple[float, float]) -> float:
    return abs(_shift(own))


def _either(own: tuple[float, float]) -> float:
    return max(own)


def _weight(frame: _Frame, weigh: Callable[[tuple[float, float]], float]) -> float:
    return weigh(frame.own) + sum(_weight(child, weigh) for child in frame.children.values())


def _placed(root: _Frame, weigh: Callable[[tuple[float, float]], float]) -> list[_Placed]:
    return [one for one in _walk(root, weigh) if one.width >= _LEAST]


def _walk(root: _Frame, weigh: Callable[[tuple[float, float]], float]) -> Iterator[_Placed]:
    """All frames with their places, callers above those that they call; names in their order."""
    whole = _weight(root, weigh)
    if not whole:
        return
    scale = (WIDTH - 2 * _MARGIN) / whole
    left = [_Placed(root, 0, _MARGIN, whole * scale)]
    while left:
        placed = left.pop()
        yield placed
        at = placed.left
        for _, child in sorted(placed.frame.children.items()):
            width = _weight(child, weigh) * scale
            if width >= _LEAST:
                left.append(_Placed(child, placed.depth + 1, at, width))
            at += width


def _drawn(placed: _Placed, top: float, unit: str, largest: float) -> str:
    frame, y = placed.frame, top + placed.depth * _ROW
    base, series = frame.all
    words = f"{frame.name}: {base:,.2f} → {series:,.2f} {unit} ({series - base:+,.2f})"
    if frame.children:
        words += f", of its own {frame.own[0]:,.2f} → {frame.own[1]:,.2f} ({_shift(frame.own):+,.2f})"
    label = frame.name
    room = int((placed.width - 4) / _LETTER)
    label = label if len(label) <= room else f"{label[: room - 1]}…" if room > 3 else ""
    rect = (
        f'<rect x="{placed.left:.2f}" y="{y:.0f}" width="{max(placed.width - 0.4, 0.4):.2f}" height="{_ROW - 1:.0f}" '
        f'rx="1" fill="{_colour(series - base, largest)}"/>'
    )
    text = f'<text x="{placed.left + 3:.2f}" y="{y + 12:.0f}">{escape(label)}</text>' if label else ""
    return f"<g><title>{escape(words)}</title>{rect}{text}</g>\n"


def _colour(shift: float, largest: float) -> str:
    """From no change at all to the largest of the graph; a quarter of the way is gone at once: little is seen, too."""
    seen = largest and abs(shift) >= _SEEN
    share = 0.25 + 0.75 * min(1.0, abs(shift) / largest) if seen else 0.0
    end = _MORE if shift > 0 else _LESS
    mixed = (round(a + (b - a) * share) for a, b in zip(_SAME, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _text(x: float, y: float, words: str, size: int) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}">{escape(words)}</text>\n'

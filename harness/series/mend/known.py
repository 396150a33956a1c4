"""Lines whose whitespace is known, removed ones above all: code that was moved or changed a little keeps its own.

Knows lines and runs of lines; nothing of C.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.series.mend.stream import bare

_MAX_PLACES = 50  # of one line, such as `return NULL;`
_MIN_ALIKE = 0.8
_MIN_RUN_CHARS = 8
_GAPS = re.compile(rb"\s+")


@dataclass(slots=True)
class Known:
    """Runs of known lines, and where each line is in them."""

    runs: list[list[bytes]] = field(default_factory=list)
    _places: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, run: Sequence[bytes]) -> None:
        """Lines that stood one below the other."""
        for index, line in enumerate(run):
            if (key := bare(line)) and len(places := self._places.setdefault(key, [])) < _MAX_PLACES:
                places.append((len(self.runs), index))
        self.runs.append(list(run))

    def longest(self, wanted: Sequence[bytes]) -> tuple[list[bytes], bytes]:
        """The longest known run that begins like `wanted` (bare lines), and the line that stood after it."""
        best: list[bytes] = []
        after = b""
        for number, start in self._places.get(wanted[0], ()) if wanted else ():
            run = self.runs[number]
            length = 0
            while length < len(wanted) and start + length < len(run) and bare(run[start + length]) == wanted[length]:
                length += 1
            if length > len(best):
                best = run[start : start + length]
                after = run[start + length] if start + length < len(run) else b""
        if sum(len(bare(line)) for line in best) < _MIN_RUN_CHARS and len(best) < 3:
            return [], after
        return best, after


def alike(text: bytes, known: bytes) -> bool:
    """Whether a line differs from a known one in one place only, and little."""
    a, b = bare(text), bare(known)
    ahead, behind = _common(a, b)
    return bool(b) and (ahead + behind) >= _MIN_ALIKE * max(len(a), len(b))


def transplant(text: bytes, known: bytes) -> bytes:
    """`text` (single blanks) with the blanks that `known` has in what both have in common, without indentation."""
    a, b = bare(text), bare(known)
    ahead, behind = _common(a, b)
    ours, theirs = _blanks(text), _blanks(known)
    out = bytearray()
    for at in range(len(a)):
        mine = ours.get(at, b"")
        other = theirs.get(at) if at <= ahead else theirs.get(len(b) - len(a) + at) if at >= len(a) - behind else None
        if at:
            out += other if other and mine else mine
        out.append(a[at])
    return bytes(out)


def _common(a: bytes, b: bytes) -> tuple[int, int]:
    """How many bytes two texts have in common at the start, and then at the end."""
    ahead = 0
    while ahead < min(len(a), len(b)) and a[ahead] == b[ahead]:
        ahead += 1
    behind = 0
    while behind < min(len(a), len(b)) - ahead and a[-1 - behind] == b[-1 - behind]:
        behind += 1
    return ahead, behind


def _blanks(line: bytes) -> dict[int, bytes]:
    """The blanks of a line, by the place of what follows among its bare characters."""
    found: dict[int, bytes] = {}
    gone = 0
    for match in _GAPS.finditer(line):
        found[match.start() - gone] = match[0]
        gone += len(match[0])
    return found

"""Text whose blanks cannot be trusted, as the characters that are no blanks, and where blanks stood between them.

Two kinds of damage become one form: in a text without line ends a line may start after any blank, in one that kept
them at a line end only.  Knows nothing of diffs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_PRIME, _BASE = (1 << 61) - 1, 1_000_003
_WORD = re.compile(rb"\S+")
EMPTY_LINE = b"\n"
"""Stands in a stream for a line without text, where the document still has its lines."""


def bare(line: bytes) -> bytes:
    """A line without any of its blanks."""
    return b"".join(line.split())


@dataclass(frozen=True)
class Stream:
    """`chars` without blanks; `gaps[p]`: a blank or a line end stood before p; `starts[p]`: a line may start at p."""

    chars: bytes
    gaps: bytes
    starts: bytes
    has_lines: bool

    @cached_property
    def pluses(self) -> tuple[int, ...]:
        """Where a `+` stands that may begin a line."""
        return tuple(i for i, char in enumerate(self.chars) if char == 0x2B and self.starts[i])

    def is_gap(self, at: int) -> bool:
        """Whether a blank stood before a place; the text's end is one."""
        return at >= len(self.gaps) or self.gaps[at] == 1

    @cached_property
    def _hashes(self) -> tuple[list[int], list[int]]:
        """Of each beginning of the text, and the base's powers."""
        hashes, powers = [0], [1]
        for char in self.chars:
            hashes.append((hashes[-1] * _BASE + char) % _PRIME)
            powers.append(powers[-1] * _BASE % _PRIME)
        return hashes, powers

    def appended(self, known: int, start: int, end: int) -> int:
        """The hash of a text with what stands between two places behind it; 0 is that of no text."""
        hashes, powers = self._hashes
        return (known * powers[end - start] + hashes[end] - hashes[start] * powers[end - start]) % _PRIME

    def text(self, start: int, end: int) -> bytes:
        """The words between two places, with one blank where there was any."""
        words, begun = [], start
        for at in range(start + 1, end):
            if self.gaps[at]:
                words.append(self.chars[begun:at])
                begun = at
        words.append(self.chars[begun:end])
        return b" ".join(word for word in words if word and word != EMPTY_LINE)


def one_line(text: bytes) -> Stream:
    """A text that has lost its line ends."""
    words = _WORD.findall(text)
    chars = b"".join(words)
    gaps = bytearray(len(chars) + 1)
    at = 0
    for word in words:
        gaps[at] = 1
        at += len(word)
    gaps[at] = 1
    return Stream(chars, bytes(gaps), bytes(gaps), has_lines=False)


def of_lines(lines: Sequence[bytes]) -> Stream:
    """A text that still has its line ends."""
    words: list[bytes] = []
    firsts: list[bool] = []
    for line in lines:
        found = _WORD.findall(line) or [EMPTY_LINE]
        words.extend(found)
        firsts.extend([True, *([False] * (len(found) - 1))])
    chars = b"".join(words)
    gaps, starts = bytearray(len(chars) + 1), bytearray(len(chars) + 1)
    at = 0
    for word, first in zip(words, firsts, strict=True):
        gaps[at], starts[at] = 1, first
        at += len(word)
    gaps[at] = starts[at] = 1
    return Stream(chars, bytes(gaps), bytes(starts), has_lines=True)

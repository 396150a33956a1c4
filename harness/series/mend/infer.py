"""A file's lines after a patch, where the whitespace of added lines has to be inferred.

Text comes from the document and is never changed; only blanks are put between its characters.
Knows lines and their surroundings; knows no blobs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.series.mend import breaks
from harness.series.mend.align import Reading
from harness.series.mend.indent import TAB, Indenter, blanks, columns, width
from harness.series.mend.known import Known, alike, transplant
from harness.series.mend.place import Placed, Source
from harness.series.mend.stream import bare

_WINDOW = 300  # known lines that are read before a hunk, to know where it is
_KCONFIG_TOP = re.compile(rb"(?:config|menuconfig|menu|endmenu|if|endif|choice|endchoice|comment|source|mainmenu)\b")
_ASSIGNMENT = re.compile(rb"\S+ (?:[+:?]?=) ")


@dataclass(frozen=True, slots=True)
class Style:
    """Choices that a kernel developer has."""

    continued: str = "align"
    use_known: bool = True
    overrides: Mapping[int, int] = field(default_factory=dict)  # columns of lines of the post-image (from 0)
    tabbed: frozenset[int] = frozenset()  # lines whose inner blanks are tabs


@dataclass(slots=True)
class Image:
    """A post-image: its lines, which of them were added, and what else an added line's column might be."""

    lines: list[bytes] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    other_columns: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Block:
    """Added lines that follow each other: text with single blanks, and whether a blank stood before it."""

    texts: list[bytes]
    indented: list[bool]
    replaced: list[bytes]  # the removed lines before them


class Inference:
    """Writes one file's post-image."""

    def __init__(self, source: Source, style: Style, known: Known, *, trust_indented: bool) -> None:
        self._source = source
        self._style = style
        self._known = known
        self._trust = trust_indented
        self._c = breaks.is_c(source.path)
        self._image = Image()
        self._indenter = Indenter(continued=style.continued)

    def run(self, hunks: Sequence[tuple[Placed, Reading]]) -> Image:
        """The post-image of hunks in their places, in order."""
        done = 0
        for placed, reading in hunks:
            self._keep(done, placed.at)
            done = self._hunk(placed, reading)
        self._image.lines.extend(self._source.lines[done:])
        return self._image

    def _keep(self, begin: int, end: int) -> None:
        """Lines between hunks: the indenter reads the last of them."""
        self._image.lines.extend(self._source.lines[begin:end])
        start = begin
        if end - begin > _WINDOW:
            self._indenter = Indenter(continued=self._style.continued)
            start = next(
                (at + 1 for at in range(end - _WINDOW, end) if self._source.lines[at].startswith(b"}")), end - _WINDOW
            )
        for line in self._source.lines[start:end]:
            self._indenter.take(line)

    def _hunk(self, placed: Placed, reading: Reading) -> int:
        at = placed.at
        stream = placed.hunk.stream
        block = _Block([], [], [])
        for span in reading.spans:
            if span.kind == b"+":
                block.texts.append(stream.text(span.start, span.end))
                block.indented.append(bool(stream.gaps[span.start]))
                continue
            if block.texts:
                self._write(block)
                block = _Block([], [], [])
            if span.kind == b"-":
                block.replaced.append(self._source.lines[at])
                at += 1
            elif span.kind == b" ":
                block.replaced = []
                self._image.lines.append(self._source.lines[at])
                self._indenter.take(self._source.lines[at])
                at += 1
        if block.texts:
            self._write(block)
        return at

    # --- added lines ------------------------------------------------------------------------------------------

    def _write(self, block: _Block) -> None:
        keys = [bare(text) for text in block.texts]
        at, after = 0, b""
        while at < len(keys):
            run: list[bytes] = []
            if self._style.use_known and keys[at]:
                run, following = self._known.longest(keys[at:])
                after = following if run else after
            if len(run) > 1 and self._moved(block, at, run):
                at += len(run)
                continue
            similar = next((line for line in (*run[:1], after, *block.replaced) if alike(block.texts[at], line)), b"")
            self._line(block.texts[at], block.indented[at], similar if self._style.use_known else b"")
            after = b""
            at += 1

    def _moved(self, block: _Block, at: int, run: Sequence[bytes]) -> bool:
        """Write lines that stood together elsewhere, moved in or out by whole tabs; False if they do not fit here."""
        first = columns(run[0])
        shift = (self._expected(block.texts[at]) if self._c else first) - first
        if shift % TAB or self._indenter.in_comment:
            shift = 0
        if self._trust and any(
            bare(line) and not _is_first(line) and bool(columns(line) + shift) is not block.indented[at + index]
            for index, line in enumerate(run)
        ):
            return False
        for line in run:
            text = line.strip()
            moved = blanks(max(0, columns(line) + shift)) + text if shift and not _is_first(line) else line.rstrip()
            self._append(moved if text else b"")
        return True

    def _line(self, text: bytes, indented: bool, similar: bytes) -> None:
        number = len(self._image.lines)
        if not text:
            self._append(b"")
            return
        inner = transplant(text, similar) if similar else self._like_neighbour(text)
        if number in self._style.tabbed:
            inner = _tabbed(inner)
        if self._c and inner.endswith(b"\\") and not similar:
            column = self._column(text, indented)
            body = blanks(column) + inner[:-1].rstrip()
            self._append(body + self._indenter.tail(body) + b"\\" if bare(body) else body + b"\\")
            return
        column = self._style.overrides.get(number, self._column(text, indented))
        self._note_others(number, column, similar)
        self._append(blanks(column) + inner)

    def _append(self, line: bytes) -> None:
        self._image.added.append(len(self._image.lines))
        self._image.lines.append(line)
        self._indenter.take(line)

    def _column(self, text: bytes, indented: bool) -> int:
        """Where a line's text begins: what its surroundings say, unless the document shows that it is not so."""
        column = self._expected(text)
        if not self._trust or bool(column) is indented:
            return column
        if not indented:
            return 0
        if text.startswith(b"*"):
            return 1
        before = next((columns(line) for line in reversed(self._image.lines[-20:]) if line.strip()), 0)
        return before or (1 if text.endswith(b":") else TAB)

    def _expected(self, text: bytes) -> int:
        if self._c:
            return self._indenter.expect(text)
        before = next((line for line in reversed(self._image.lines[-50:]) if line.strip()), b"")
        if self._source.path.rpartition("/")[2].startswith("Kconfig"):
            if _KCONFIG_TOP.match(text):
                return 0
            return TAB + 2 if before.strip() in (b"help", b"---help---") else max(TAB, columns(before))
        return columns(before)

    def _note_others(self, number: int, column: int, similar: bytes) -> None:
        others = self._indenter.others() if self._c else [0, TAB]
        if similar:
            others.append(columns(similar))
        found = [other for other in dict.fromkeys(others) if other != column]
        if found:
            self._image.other_columns[number] = found

    def _like_neighbour(self, text: bytes) -> bytes:
        """Columns of a list, such as the values of #defines, go on as in the line above."""
        above = self._image.lines[-1] if self._image.lines else b""
        words, theirs = text.split(b" "), above.split()
        is_define = words[0] == b"#define" and theirs[:1] == [b"#define"] and len(words) > 2 < len(theirs)
        is_assignment = bool(not self._c and _ASSIGNMENT.match(text) and len(theirs) > 2 and theirs[1][-1:] == b"=")
        if not (is_define or is_assignment) or b"(" in words[1]:
            return text
        gap = 2 if is_define else 1
        head = b" ".join(words[:gap])
        before = _prefix(above, gap)
        if not before.endswith(b"\t"):
            return text
        missing = width(before) - width(head)
        return head + b"\t" * max(1, (missing + TAB - 1) // TAB) + b" ".join(words[gap:])


def _is_first(line: bytes) -> bool:
    """Lines that stay in the first column wherever code goes."""
    return line.startswith(b"#") or not line.strip()


def _prefix(line: bytes, words: int) -> bytes:
    """A line up to the word after `words` words."""
    match = re.match(rb"\s*(?:\S+\s+){%d}" % words, line)
    return match[0] if match else b""


def _tabbed(text: bytes) -> bytes:
    """The value of a #define, or what follows a type, after a tab."""
    words = text.split(b" ")
    gap = 2 if words[0] == b"#define" else len(words) - 1
    return b" ".join(words[:gap]) + b"\t" + b" ".join(words[gap:]) if 0 < gap < len(words) else text

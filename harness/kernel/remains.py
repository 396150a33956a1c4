"""What a series leaves of its files: the lines that its patches add and that no later patch of it takes away again.

The hunks of all patches are laid over each other on a sheet that has only the lines they show.  Pure: knows text, not
trees, and takes patches as the series' reader has let them through, so it checks nothing again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.model import Patch

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file as the series leaves it; `patch` is the number of the one that adds it, 0 for context."""

    number: int
    text: bytes
    patch: int


@dataclass(frozen=True, slots=True)
class Hunk:
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[bytes, ...]  # each with its ` `, `-` or `+`


def remains(patches: Iterable[Patch]) -> dict[str, tuple[Line, ...]]:
    """By path, the lines that the series shows of each file as it leaves it; files that are gone are left out."""
    sheets: dict[str, tuple[Line, ...]] = {}
    for patch in patches:
        for part in (patch, *patch.fixups):
            for change, hunks in zip(part.files, _hunks(part.mail), strict=False):
                sheet = sheets.pop(change.old_path or change.path, ())
                if change.new_path is not None:
                    sheets[change.new_path] = _laid_over(sheet, hunks, patch.number)
    return sheets


def _hunks(mail: bytes) -> Iterator[tuple[Hunk, ...]]:
    """The hunks of each file of a mail's diff, in order."""
    lines = [line.removesuffix(b"\r") for line in mail.split(b"\n")]
    found: list[Hunk] | None = None
    at, in_header = 0, False
    while at < len(lines):
        line = lines[at]
        is_plain = line.startswith(b"--- ") and [follower[:4] for follower in lines[at + 1 : at + 3]] == [
            b"+++ ",
            b"@@ -",
        ]
        if line.startswith(b"diff --git ") or (is_plain and not in_header):
            if found is not None:
                yield tuple(found)
            found, in_header = [], line.startswith(b"diff --git ")
        elif found is not None and (match := _HUNK.match(line)):
            hunk, at = _hunk(match, lines, at + 1)
            found.append(hunk)
            in_header = False
            continue
        at += 1
    if found is not None:
        yield tuple(found)


def _hunk(match: re.Match[bytes], lines: list[bytes], at: int) -> tuple[Hunk, int]:
    start, old, new_start, new = (int(number) if number is not None else 1 for number in match.groups())
    left_old, left_new = old, new
    body = []
    while at < len(lines) and (left_old > 0 or left_new > 0):
        line = lines[at] or b" "  # a blank context line whose blank was lost
        at += 1
        if line.startswith(b"\\"):
            continue
        left_old -= line[:1] != b"+"
        left_new -= line[:1] != b"-"
        body.append(line)
    return Hunk(start, old, new_start, new, tuple(body)), at


def _laid_over(sheet: tuple[Line, ...], hunks: tuple[Hunk, ...], patch: int) -> tuple[Line, ...]:
    """A sheet after one patch: lines in the hunks' old ranges go, theirs come, the others move."""
    made: list[Line] = []
    at, shift = 0, 0
    for hunk in hunks:
        # A hunk without old lines stands after line old_start.
        first = hunk.old_start + (hunk.old_count == 0)
        while at < len(sheet) and sheet[at].number < first:
            made.append(Line(sheet[at].number + shift, sheet[at].text, sheet[at].patch))
            at += 1
        covered: dict[int, Line] = {}
        while at < len(sheet) and sheet[at].number < first + hunk.old_count:
            covered[sheet[at].number] = sheet[at]
            at += 1
        made.extend(_lines_of(hunk, first, covered, patch))
        shift += hunk.new_count - hunk.old_count
    made.extend(Line(line.number + shift, line.text, line.patch) for line in sheet[at:])
    return tuple(made)


def _lines_of(hunk: Hunk, first: int, covered: dict[int, Line], patch: int) -> Iterator[Line]:
    old, new = first, hunk.new_start + (hunk.new_count == 0)
    for line in hunk.lines:
        if line[:1] == b"-":
            old += 1
            continue
        number = patch
        if line[:1] == b" ":
            known = covered.get(old)
            number = known.patch if known is not None and known.text == line[1:] else 0
            old += 1
        yield Line(new, line[1:], number)
        new += 1

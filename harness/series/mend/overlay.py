"""A tree's files with patches on top, as far as they have been looked at: what the next patch of a series finds.

Applies whole patches exactly, or not at all; git's own applying comes later and is what counts.  Knows no repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from harness.errors import InputError
from harness.model import FileChange
from harness.series.diff import parse_diff
from harness.series.mail import Text
from harness.series.mend.repair import Content

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_NO_NEWLINE = b"\\ No newline"
_MAX_PLACES = 100_000  # that are compared for one hunk


class Overlay:
    """Content with changes on top; itself a `Content`."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._changed: dict[str, bytes | None] = {}

    def __call__(self, path: str, wanted_blob: str) -> bytes | None:
        return self._changed[path] if path in self._changed else self._content(path, wanted_blob)

    def put(self, images: Mapping[str, bytes | None]) -> None:
        """Files as a patch leaves them; None for one that is gone."""
        self._changed |= images

    def advance(self, mail: bytes) -> bool:
        """Apply a patch's mail; False, and nothing is changed, where it does not fit exactly."""
        lines = mail.split(b"\n")
        images = apply_exactly(Text(lines, list(range(1, len(lines) + 1))), self)
        if images is not None:
            self.put(images)
        return images is not None


def apply_exactly(text: Text, content: Content) -> dict[str, bytes | None] | None:
    """What a diff makes of the files; None where one of its lines is not there as it stands."""
    try:
        diff = parse_diff("", text)
    except InputError:
        return None
    parts = _parts(text.lines[diff.start : diff.end])
    if not diff.files or len(parts) != len(diff.files):
        return None
    images: dict[str, bytes | None] = {}
    for change, hunks in zip(diff.files, parts, strict=True):
        image = _file(change, hunks, content)
        if image is None:
            return None
        if change.old_path and change.old_path != change.new_path:
            images[change.old_path] = None
        if change.new_path:
            images[change.new_path] = image
    return images


def _parts(lines: Sequence[bytes]) -> list[list[list[bytes]]]:
    """For each file its hunks, with their headers."""
    parts: list[list[list[bytes]]] = []
    old = new = 0
    git = False
    for index, line in enumerate(lines):
        if old > 0 or new > 0:
            parts[-1][-1].append(line or b" ")
            old -= line[:1] in (b" ", b"-", b"")
            new -= line[:1] in (b" ", b"+", b"")
        elif line.startswith(_NO_NEWLINE) and parts and parts[-1]:
            parts[-1][-1].append(line)
        elif line.startswith(b"diff --git "):
            parts.append([])
            git = True
        elif line.startswith(b"--- ") and lines[index + 1 : index + 2] and lines[index + 1].startswith(b"+++ "):
            if not git:
                parts.append([])
            git = False
        elif parts and (match := _HUNK.match(line)):
            old, new = (1 if count is None else int(count) for count in (match[2], match[4]))
            parts[-1].append([line])
    return parts


def _file(change: FileChange, hunks: Sequence[Sequence[bytes]], content: Content) -> bytes | None:
    """A file after its hunks; None where they do not fit."""
    data = content(change.old_path, change.old_blob) if change.old_path else b""
    if data is None:
        return None
    lines = data.split(b"\n")  # a file that ends in a newline has an empty last line here: hunks see it as such
    shift = 0
    for header, *body in hunks:
        match = _HUNK.match(header)
        assert match is not None
        old, new = _side(body, b"-"), _side(body, b"+")
        wanted = int(match[1]) - (match[2] != b"0") + shift
        at = _find(lines, old, wanted)
        if at < 0:
            return None
        lines[at : at + len(old)] = new
        shift += len(new) - len(old) + at - wanted
    return b"\n".join(lines)


def _side(body: Sequence[bytes], kind: bytes) -> list[bytes]:
    """The old or the new lines of a hunk; one more, empty, where the file's end is among them and ends in a newline."""
    side = [line[1:] for line in body if line[:1] in (b" ", kind)]
    marked = [line[:1] for line, after in pairwise(body) if after.startswith(_NO_NEWLINE)]
    mine = any(mark in (b" ", kind) for mark in marked)
    # Only the other side lacks the newline: this one's last line is followed by the end of the file.
    return [*side, b""] if marked and not mine else side


def _find(lines: Sequence[bytes], old: Sequence[bytes], wanted: int) -> int:
    """Where lines stand: at the wanted place, else at the only other one; -1 if nowhere."""
    if wanted >= 0 and list(lines[wanted : wanted + len(old)]) == list(old):
        return wanted
    if not old:
        return -1
    places = [at for at, line in enumerate(lines[:_MAX_PLACES]) if line == old[0]]
    fitting = [at for at in places if list(lines[at : at + len(old)]) == list(old)]
    return fitting[0] if len(fitting) == 1 else -1

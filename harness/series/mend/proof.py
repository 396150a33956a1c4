"""The last word on a rebuilt patch: read again as any other, it must be what the document says, blanks aside.

Knows text; the comparison with the tree was made line by line when hunks were placed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.errors import InputError
from harness.model import FileChange
from harness.series.diff import parse_diff
from harness.series.mail import Mail, Text
from harness.series.mend.damaged import Damaged
from harness.series.mend.stream import EMPTY_LINE, bare


def prove(damaged: Damaged, text: Text, changes: Sequence[FileChange]) -> tuple[Mail, bytes]:
    """The mail with the rebuilt text, and as `git am` takes it.  Raises InputError if it is read as anything else."""
    place, line = damaged.mail.place, damaged.mail.line
    diff = parse_diff(place, text)
    if diff.files != tuple(changes):
        raise InputError(place, line, "the rebuilt patch is not read as it was written: it cannot be repaired")
    rebuilt = bare(b"".join(_hunk_text(text.lines[diff.start : diff.end])))
    if not _begins_with(rebuilt, damaged):
        raise InputError(place, line, "the rebuilt patch has another text than the document: it cannot be repaired")
    whole = replace(damaged.mail, text=text, damage="")
    return whole, whole.render(diff.end)


def _hunk_text(lines: Sequence[bytes]) -> Iterator[bytes]:
    """The lines from each `@@` on: headers were rewritten in plain form."""
    old = new = 0
    for line in lines:
        if old <= 0 and new <= 0 and not line.startswith((b"@@ ", b"\\")):
            continue
        if old <= 0 and new <= 0 and line.startswith(b"@@ "):
            old, new = (_count(part) for part in line.split(b" ")[1:3])
        else:
            old -= line[:1] in (b" ", b"-")
            new -= line[:1] in (b" ", b"+")
        yield line


def _count(part: bytes) -> int:
    return int(part.partition(b",")[2] or 1)


def _begins_with(rebuilt: bytes, damaged: Damaged) -> bool:
    """Whether the document's hunks, one after the other, are the rebuilt text; only the last may go on after it."""
    at = 0
    for file in damaged.files:
        for hunk in file.hunks:
            theirs = bare(hunk.title + (hunk.heading or b"")) + hunk.stream.chars.replace(EMPTY_LINE, b"")
            if hunk.open_end:
                return theirs.startswith(rebuilt[at:]) and at < len(rebuilt)
            if not rebuilt.startswith(theirs, at):
                return False
            at += len(theirs)
    return at == len(rebuilt)

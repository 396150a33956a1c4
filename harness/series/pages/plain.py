"""The text of a message on a page -> the text of the mail that it was, as far as the form is known to change it.

Only outside of hunks is anything put right, and in them nothing but the blank of an empty context line, which every
page that strips lines takes away.  Hunks are followed by the counts in their headers, so a `--` that is a removed
line stays one.  Knows no pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HUNK = re.compile(rb"(@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@)(.*)$", re.DOTALL)
_LABEL = re.compile(rb"~[A-Za-z0-9_.+-]{1,250}$")
_SIGNATURE = re.compile(rb"(?:--|\d{1,3}\.\d{1,3}[\w.+-]{0,60})\s*$")
_SIGNED = re.compile(
    rb"Signed-off-by:[ \t]{0,9}([^<>]{1,200}?)[ \t]{0,9}<([^<>\s]{1,200}@[^<>\s]{1,200})>[ \t]{0,9}$", re.IGNORECASE
)
_NARROW = "\u202f".encode()  # what Gmail puts between time and AM
_NOTHING = b"/dev/null"


def plain_patch(lines: Sequence[bytes]) -> tuple[list[bytes], int]:
    """The lines, and where the last hunk of the diff in them ends (0: there is none)."""
    # Not at the start of a line, where a blank would make it one of a hunk.
    out = [line.replace(_NARROW, b" ") if b"\xe2" in line[1:] and line[:1] != b"\xe2" else line for line in lines]
    at = end = 0
    while at < len(out):
        line = out[at]
        if line.startswith(b"--- ") and _begins_hunks(out, at + 1):
            out[at], out[at + 1] = _names(line, out[at + 1])
            at += 2
        elif (found := _HUNK.match(line)) and (end or (at and out[at - 1].startswith(b"+++ "))):
            at = end = _hunk(lines, out, at, found)
        else:
            at += 1
    if end:
        _signature(out, end)
    return out, end


def _begins_hunks(lines: Sequence[bytes], at: int) -> bool:
    return at + 1 < len(lines) and lines[at].startswith(b"+++ ") and lines[at + 1].startswith(b"@@ -")


def _names(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """`--- a/F~label`, `+++ a/F`, as quilt's users set it up, the way git says it."""
    before, after = old[4:], new[4:]
    if after.startswith(b"a/"):
        label = _LABEL.search(before)
        if before == _NOTHING or (label and before[: label.start()] == after):
            return (old if before == _NOTHING else b"--- " + after), b"+++ b/" + after[2:]
    elif after == _NOTHING and before.startswith(b"a/") and (label := _LABEL.search(before)):
        return b"--- " + before[: label.start()], new
    return old, new


def _hunk(lines: Sequence[bytes], out: list[bytes], at: int, found: re.Match[bytes]) -> int:
    """Put a hunk right; the index of the line after it.  One whose counts do not close stays as it is from there on."""
    context = found[4].strip(b" ")
    out[at] = found[1] + (b" " + context if context else b"")
    old, new = (1 if found[which] is None else int(found[which]) for which in (2, 3))
    at += 1
    while (old > 0 or new > 0) and at < len(lines):
        line = lines[at] or b" "
        kind = line[:1]
        if kind not in (b" ", b"+", b"-", b"\\"):
            break
        old -= kind in (b" ", b"-")
        new -= kind in (b" ", b"+")
        out[at] = line  # what stands in a hunk is the code's own, narrow blanks and all
        at += 1
    return at


def _signature(out: list[bytes], end: int) -> None:
    """The blank of git's signature separator, where the page took it."""
    for index in range(end, len(out) - 1):
        if out[index] == b"--" and _SIGNATURE.match(out[index + 1]):
            out[index] = b"-- "


def own_address(name: bytes, lines: Sequence[bytes]) -> bytes:
    """A person's name with the address that the person signed off with in the same text, else the name alone."""
    wanted = b" ".join(name.split()).lower()
    for signer in signers(lines):
        if b" ".join(signer.rpartition(b"<")[0].split()).lower() == wanted:
            return name + b" " + signer[signer.rindex(b"<") :]
    return name


def signers(lines: Sequence[bytes]) -> list[bytes]:
    """`Name <address>` of all who signed off."""
    found = (_SIGNED.match(line) for line in lines if line[:2].lower() == b"si")
    return [match[1] + b" <" + match[2] + b">" for match in found if match]

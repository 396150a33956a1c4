"""Files -> raw messages: mbox (mboxo, mboxrd, public-inbox, format-patch), or one mail as it is.

Streams: one message is in memory at a time, and message and line have a limit.  Knows nothing of headers but that
they follow a separator, and nothing of patches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InputError, UserError

MAX_LINE_BYTES = 1 << 20
MAX_MAIL_BYTES = 64 << 20

_SEPARATOR = re.compile(rb"From .{1,200}? \d{1,2}:\d\d(?::\d\d)?(?: .{0,40})? ?\d{4}\b")
_FORMAT_PATCH = b" Mon Sep 17 00:00:00 2001"  # git's own separator: its bodies are not quoted with ">"
_HEADER = re.compile(rb"[!-9;-~]{1,76}:")
_QUOTED_FROM = re.compile(rb">+From ")


@dataclass(slots=True)
class RawMail:
    """A message as its lines, without their ends; `line` is the first one's number in the file."""

    place: str  # the file, or what stands for it in a message
    line: int
    separator: bytes = b""
    lines: list[bytes] = field(default_factory=list)


def is_separator(line: bytes) -> bool:
    """Whether a line would begin a new message in an mbox (git mailsplit's rule: From, something, a time, a year)."""
    return line.startswith(b"From ") and _SEPARATOR.match(line) is not None


def read_mails(path: Path) -> Iterator[RawMail]:
    """The messages of a file.  Raises InputError on binary data and on messages beyond all measure."""
    try:
        with path.open("rb") as stream:
            yield from split_mails(str(path), iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b""))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def split_mails(place: str, lines: Iterable[bytes]) -> Iterator[RawMail]:
    """Split lines (with their ends) at `From ` lines that a header line follows."""
    mail = RawMail(place, 1)
    held: bytes | None = None  # a line that separates if a header comes next
    size = 0
    for number, raw in enumerate(lines, 1):
        line = _clean(place, number, raw)
        if held is not None:
            if _HEADER.match(line):
                if _has_text(mail):
                    yield _unquote(mail)
                mail, size = RawMail(place, number, separator=held), 0
            else:
                mail.lines.append(held)
            held = None
        size += len(raw)
        if size > MAX_MAIL_BYTES:
            raise InputError(place, mail.line, f"a message of more than {MAX_MAIL_BYTES >> 20} MiB is no patch")
        if is_separator(line):
            held = line
        else:
            mail.lines.append(line)
    if held is not None:
        mail.lines.append(held)
    if _has_text(mail):
        yield _unquote(mail)


def _clean(place: str, number: int, raw: bytes) -> bytes:
    if len(raw) > MAX_LINE_BYTES:
        raise InputError(place, number, f"a line of more than {MAX_LINE_BYTES >> 20} MiB: this is no patch mail")
    if b"\0" in raw:
        raise InputError(place, number, "binary data (a NUL byte): this is no patch mail", fix=_hint(raw, number))
    return raw[:-1] if raw.endswith(b"\n") else raw


def _hint(raw: bytes, number: int) -> str:
    if number == 1 and raw.startswith(b"\x1f\x8b"):
        return "it is gzip-compressed: unpack it with gunzip first"
    return "give a mailbox, a directory made by `git format-patch -o`, or a git range"


def _has_text(mail: RawMail) -> bool:
    return any(line.strip() for line in mail.lines)


def _unquote(mail: RawMail) -> RawMail:
    """Undo what writing a `From ` line into an mbox needs; git format-patch does not do it by default."""
    if mail.separator and _FORMAT_PATCH not in mail.separator:
        mail.lines = [line[1:] if line.startswith(b">") and _QUOTED_FROM.match(line) else line for line in mail.lines]
    return mail

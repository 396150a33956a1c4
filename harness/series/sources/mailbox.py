"""Files -> raw messages: mbox (mboxo, mboxrd, public-inbox, format-patch), plain or gzip'd, or one mail as it is.

Streams: blocks go in, one message is in memory at a time, and line, message and unpacked size have a limit.
Knows nothing of headers but that they follow a separator, and nothing of patches.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.errors import InputError, UserError

MAX_LINE_BYTES = 1 << 20
MAX_MAIL_BYTES = 64 << 20
MAX_MAIL_LINES = 2_000_000  # a line costs more memory than its bytes: 64 MiB of empty ones would be gigabytes
MAX_UNPACKED_BYTES = 2 << 30  # of a compressed file, whose own size says nothing
BLOCK_BYTES = 1 << 18

_GZIP = b"\x1f\x8b"
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
    yield from split_blocks(str(path), read_blocks(path))


def read_whole(path: Path) -> RawMail | None:
    """A file as one message, whatever lines are in it; None if it is empty.  Raises UserError, InputError."""
    mail, size = RawMail(str(path), 1), 0
    for _, lines, _ in _lines(str(path), read_blocks(path)):
        size = _add(mail, lines, size)
    if mail.lines and is_separator(mail.lines[0]):
        mail.separator, mail.line = mail.lines.pop(0), 2
    return mail if _has_text(mail) else None


def read_blocks(path: Path) -> Iterator[bytes]:
    """A file's content in pieces, unpacked if it is gzip'd.  Raises UserError, InputError."""
    try:
        with path.open("rb") as stream:
            yield from unpacked(str(path), stream)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def unpacked(place: str, stream: IO[bytes]) -> Iterator[bytes]:
    """What a stream holds, in pieces of bounded size, unpacked if it is gzip'd.  Raises InputError on damaged gzip."""
    first = stream.read(BLOCK_BYTES)
    if not first.startswith(_GZIP):
        while first:
            yield first
            first = stream.read(BLOCK_BYTES)
        return
    size = 0
    try:
        with gzip.GzipFile(fileobj=_Rejoined(first, stream), mode="rb") as packed:
            while block := packed.read(BLOCK_BYTES):
                size += len(block)
                if size > MAX_UNPACKED_BYTES:
                    raise InputError(place, 0, f"unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB: no mailbox")
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(place, 0, f"damaged gzip data: {error}", fix="download it again") from error


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes have been read already: a pipe cannot go back."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        super().__init__()
        self._first = first
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._first:
            return self._rest.read(size)
        head = self._first if size < 0 else self._first[:size]
        self._first = self._first[len(head) :]
        return head


def split_blocks(place: str, blocks: Iterable[bytes]) -> Iterator[RawMail]:
    """Split a mailbox that comes in pieces, cut anywhere, at `From ` lines that a header line follows."""
    mail = RawMail(place, 1)
    held: bytes | None = None  # a line that separates if a header comes next
    size = 0
    for start, lines, block in _lines(place, blocks):
        taken = 0  # lines[:taken] are in some mail already
        for index in _to_look_at(lines, block, held is not None):
            if held is not None:
                if _HEADER.match(lines[index]):
                    if _has_text(mail):
                        yield _unquote(mail)
                    mail, size = RawMail(place, start + index, separator=held), 0
                else:
                    mail.lines.append(held)
                held = None
            if is_separator(lines[index]):
                size = _add(mail, lines[taken:index], size)
                held, taken = lines[index], index + 1
        size = _add(mail, lines[taken:] if taken else lines, size)
    if held is not None:
        mail.lines.append(held)
    if _has_text(mail):
        yield _unquote(mail)


def _to_look_at(lines: list[bytes], block: bytes, held: bool) -> Iterator[int]:
    """Where a separator may be, and the line after each: in order and each once."""
    looked = -1
    if held:
        looked = 0
        yield 0
    for index in _froms(lines, block):
        if index > looked:
            yield index
        if index + 1 < len(lines):
            looked = index + 1
            yield looked


def _froms(lines: list[bytes], block: bytes) -> Iterator[int]:
    """The lines that begin with `From `, by what is searched for in the block that they are the lines of."""
    if lines[0].startswith(b"From "):
        yield 0
    index, counted = 0, 0
    at = block.find(b"\nFrom ")
    while at >= 0:
        index += block.count(b"\n", counted, at + 1)
        counted = at + 1
        if index < len(lines):  # the last of the block may not have its end yet
            yield index
        at = block.find(b"\nFrom ", counted)


def _lines(place: str, blocks: Iterable[bytes]) -> Iterator[tuple[int, list[bytes], bytes]]:
    """Lines without their ends, many at a time; the number of the first, which may have begun earlier; their block."""
    number = 1
    rest: list[bytes] = []  # of a line whose end has not come yet
    waiting = 0
    for block in blocks:
        *whole, last = block.split(b"\n")
        if whole:
            whole[0] = b"".join([*rest, whole[0]])
            rest, waiting = [], 0
            _check(place, number, block, whole)
            yield number, whole, block
            number += len(whole)
        if last:
            rest.append(last)
            waiting += len(last)
            if waiting > MAX_LINE_BYTES:
                raise _too_long(place, number)
    if rest:
        whole = [b"".join(rest)]
        _check(place, number, whole[0], whole)
        yield number, whole, b""


def _check(place: str, number: int, block: bytes, lines: list[bytes]) -> None:
    """Refuse binary data and lines beyond all measure; `lines[0]` may have begun in an earlier block."""
    if len(block) + len(lines[0]) > MAX_LINE_BYTES and max(map(len, lines)) > MAX_LINE_BYTES:
        raise _too_long(place, next(n for n, line in enumerate(lines, number) if len(line) > MAX_LINE_BYTES))
    if b"\0" in block or b"\0" in lines[0]:
        for at, line in enumerate(lines, number):
            if b"\0" in line:
                raise InputError(place, at, "binary data (a NUL byte): this is no patch mail", fix=_GIVE)


_GIVE = "give a mailbox, a directory made by `git format-patch -o`, or a git range"


def _too_long(place: str, number: int) -> InputError:
    return InputError(place, number, f"a line of more than {MAX_LINE_BYTES >> 20} MiB: this is no patch mail")


def _add(mail: RawMail, lines: list[bytes], size: int) -> int:
    """Put lines into a message; its new size in bytes."""
    mail.lines.extend(lines)
    size += sum(map(len, lines)) + len(lines)
    if size > MAX_MAIL_BYTES:
        raise InputError(mail.place, mail.line, f"a message of more than {MAX_MAIL_BYTES >> 20} MiB is no patch")
    if len(mail.lines) > MAX_MAIL_LINES:
        raise InputError(mail.place, mail.line, f"a message of more than {MAX_MAIL_LINES} lines is no patch")
    return size


def _has_text(mail: RawMail) -> bool:
    return any(line.strip() for line in mail.lines)


def _unquote(mail: RawMail) -> RawMail:
    """Undo what writing a `From ` line into an mbox needs; git format-patch does not do it by default."""
    if mail.separator and _FORMAT_PATCH not in mail.separator and b">From " in b"\n".join(mail.lines):
        mail.lines = [line[1:] if line[:1] == b">" and _QUOTED_FROM.match(line) else line for line in mail.lines]
    return mail

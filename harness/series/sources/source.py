"""A source as the user names it -> the messages in it.  Knows the kinds of source; the readers know the formats."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.series.mail import Mail, header_names
from harness.series.pages import read_page
from harness.series.sources.directory import read_directory, series_file
from harness.series.sources.gitrange import looks_like_range, read_range
from harness.series.sources.mailbox import BLOCK_BYTES, RawMail, is_separator, split_blocks, unpacked
from harness.series.sources.maildir import is_maildir, read_maildir
from harness.series.sources.remote import fetch_thread, is_remote

KINDS = (
    "give a mailbox, a maildir, a directory of patches, a saved archive page, - for standard input, a Message-ID or"
    " lore URL, or a range OLD..NEW of the tree"
)
STDIN = "-"
MAX_PAGE_BYTES = 32 << 20
_HEAD_BYTES = 64 << 10  # of a file: enough to see the headers of a mail


@dataclass(frozen=True, slots=True)
class Opened:
    """The messages of a source, read one by one as they are asked for; they can be read once."""

    source: str
    mails: Iterable[RawMail | Mail]
    strict: bool  # every message must belong to the series: a directory, a git range
    ordered: bool  # they stand in the order of application: a quilt stack, a git range
    notes: tuple[str, ...] = ()  # what is to be known of how they were got: newer versions in the archive, attestation


def open_source(source: str, *, processes: Processes, repo: Path | None) -> Opened:
    """A file or directory of that name; else a Message-ID or URL; else commits of `repo`; `-` is standard input.

    Raises UserError or InputError when there is nothing to read there, InfraError when it cannot be got.
    """
    if not source or "\0" in source:
        raise UserError("the series has no name", fix=KINDS)
    if source == STDIN:
        return _open_stdin()
    path = Path(source)
    try:
        is_directory, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error
    if is_directory:
        return _open_directory(source, path)
    if is_file:
        return _open_file(source, path)
    if exists:
        raise UserError(f"{source}: neither a file nor a directory", fix=KINDS)
    if is_remote(source):
        thread = fetch_thread(source, processes)
        return Opened(source, thread.mails, strict=False, ordered=False, notes=thread.notes)
    if repo is None or not (looks_like_range(source) or "/" not in source):
        raise UserError(f"{source}: no such file or directory", fix=KINDS)
    return Opened(source, read_range(source, repo, processes), strict=True, ordered=True)


def _open_directory(source: str, path: Path) -> Opened:
    if is_maildir(path):
        return Opened(source, read_maildir(path), strict=False, ordered=False)
    return Opened(source, read_directory(path), strict=True, ordered=series_file(path) is not None)


def _open_file(source: str, path: Path) -> Opened:
    if path.stat().st_size == 0:
        raise InputError(path, 0, "the file is empty", fix=KINDS)
    return Opened(source, _read_file(path), strict=False, ordered=False)


def _open_stdin() -> Opened:
    stream = sys.stdin.buffer
    if stream.isatty():
        raise UserError("standard input is a terminal", fix="pipe a mailbox into it: vmaharness … - <t.mbox")
    return Opened("standard input", read_stream("standard input", stream), strict=False, ordered=False)


def _read_file(path: Path) -> Iterator[RawMail | Mail]:
    try:
        with path.open("rb") as stream:
            yield from read_stream(str(path), stream)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def read_stream(place: str, stream: IO[bytes]) -> Iterator[RawMail | Mail]:
    """A mailbox as it streams, or the messages of an archive page.  Raises InputError."""
    blocks = unpacked(place, stream)
    head = _take(blocks, _HEAD_BYTES)
    if not head:
        raise InputError(place, 0, "the file is empty", fix=KINDS)
    if not is_mailbox(head):
        rest = _take(blocks, MAX_PAGE_BYTES - len(head))
        head += rest
        if len(head) < MAX_PAGE_BYTES and (mails := read_page(place, head)) is not None:
            yield from mails
            return
    yield from split_blocks(place, _chain(head, blocks))


def _take(blocks: Iterator[bytes], size: int) -> bytes:
    """At least `size` bytes, fewer at the end."""
    taken = io.BytesIO()
    while taken.tell() < size and (block := next(blocks, b"")):
        taken.write(block)
    return taken.getvalue()


def _chain(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    for at in range(0, len(head), BLOCK_BYTES):
        yield head[at : at + BLOCK_BYTES]
    yield from blocks


def is_mailbox(head: bytes) -> bool:
    """Whether a text begins as a mailbox or a mail does: a page may have header-like lines, but not first and alone."""
    lines = head[:_HEAD_BYTES].lstrip(b"\r\n \t").split(b"\n")
    if len(head) > _HEAD_BYTES and len(lines) > 1:
        lines.pop()  # cut in the middle
    if is_separator(lines[0]):
        lines = lines[1:]
    names = header_names(lines)
    return "from" in names and bool(names & {"subject", "date", "message-id"})

"""A source as the user names it -> the messages in it.  Knows the kinds of source; the readers know the formats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.series.directory import has_series_file, read_directory
from harness.series.gitrange import looks_like_range, read_range
from harness.series.mail import Mail
from harness.series.mailbox import RawMail, read_mails

KINDS = "give a mailbox, a directory of patches, or a range OLD..NEW of the tree"


@dataclass(frozen=True, slots=True)
class Opened:
    """The messages of a source, read one by one as they are asked for."""

    source: str
    mails: Iterable[RawMail | Mail]
    strict: bool  # every message must belong to the series: a directory, a git range
    ordered: bool  # they stand in the order of application: a quilt stack, a git range


def open_source(source: str, *, processes: Processes, repo: Path | None) -> Opened:
    """A mailbox file, a directory of patches, or, if there is neither of that name, commits of `repo`.

    Raises UserError or InputError when there is nothing to read there.
    """
    if not source or "\0" in source:
        raise UserError("the series has no name", fix=KINDS)
    path = Path(source)
    try:
        is_directory, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error
    if is_directory:
        return Opened(source, read_directory(path), strict=True, ordered=has_series_file(path))
    if is_file:
        if path.stat().st_size == 0:
            raise InputError(path, 0, "the file is empty", fix=KINDS)
        return Opened(source, read_mails(path), strict=False, ordered=False)
    if exists:
        raise UserError(f"{source}: neither a file nor a directory", fix=KINDS)
    if repo is None or not (looks_like_range(source) or "/" not in source):
        raise UserError(f"{source}: no such file or directory", fix=KINDS)
    return Opened(source, read_range(source, repo, processes), strict=True, ordered=True)

"""A maildir -> raw messages, one a file, by time of delivery.  Knows the layout, nothing of what is in the mails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import InputError, UserError
from harness.series.sources.mailbox import RawMail, read_whole

_MAX_FILES = 100_000
_DELIVERED = re.compile(r"\d{1,20}")


def is_maildir(directory: Path) -> bool:
    """Whether a directory has the two parts that hold mails (the third, tmp, holds none)."""
    return (directory / "cur").is_dir() and (directory / "new").is_dir()


def read_maildir(directory: Path) -> Iterator[RawMail]:
    """Every message of `new` and `cur`.  Raises UserError, InputError."""
    try:
        files = [path for part in ("new", "cur") for path in _files(directory / part)]
    except OSError as error:
        raise UserError(f"cannot read {directory}: {error.strerror}") from error
    if not files:
        raise InputError(directory, 0, "no mail in this maildir")
    for path in sorted(files, key=_delivery):
        mail = read_whole(path)
        if mail is not None:
            yield mail


def _files(part: Path) -> Iterator[Path]:
    for count, path in enumerate(part.iterdir()):
        if count >= _MAX_FILES:
            raise UserError(f"{part}: more than {_MAX_FILES} mails", fix="put the thread into a maildir of its own")
        # No link, and nothing that is no plain file: a mail is delivered as one, and a pipe would never end.
        if not path.name.startswith(".") and path.is_file() and not path.is_symlink():
            yield path


def _delivery(path: Path) -> tuple[int, str]:
    """Names begin with the second of delivery."""
    found = _DELIVERED.match(path.name)
    return int(found[0]) if found else 0, path.name

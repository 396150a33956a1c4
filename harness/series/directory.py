"""A directory of patch files -> raw messages in order.  Reads the `series` file of quilt; knows nothing of diffs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.errors import InputError, UserError
from harness.series.mailbox import RawMail, read_mails

_SUFFIXES = (".patch", ".eml", ".mbox")
_MAX_FILES = 10_000
_MAX_SERIES_BYTES = 1 << 20


def has_series_file(directory: Path) -> bool:
    return (directory / "series").is_file()


def read_directory(directory: Path) -> Iterator[RawMail]:
    """One message a file: as `series` says, else all patch files by name.  Raises UserError, InputError."""
    try:
        files = _listed(directory) if has_series_file(directory) else _found(directory)
    except OSError as error:
        raise UserError(f"cannot read {directory}: {error.strerror}") from error
    if len(files) > _MAX_FILES:
        raise UserError(f"{directory}: more than {_MAX_FILES} patch files")
    for path in files:
        mails = read_mails(path)
        first = next(mails, None)
        if first is None:
            raise InputError(path, 0, "the file is empty", fix="remove it, or make it again with git format-patch")
        if second := next(mails, None):
            raise InputError(path, second.line, "a second mail in a patch file", fix="give the mailbox by itself")
        yield first


def _found(directory: Path) -> list[Path]:
    """All patch files, by name."""
    files = sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    if not files:
        raise UserError(f"{directory}: no *.patch file in it", fix="make them with git format-patch -o DIRECTORY")
    return files


def _listed(directory: Path) -> list[Path]:
    """The files that `series` names, in its order; format-patch's cover letter is not among them and goes first."""
    series = directory / "series"
    if series.stat().st_size > _MAX_SERIES_BYTES:
        raise InputError(series, 0, "too big for a list of patches")
    found: dict[Path, int] = {}
    for number, line in enumerate(series.read_bytes().split(b"\n"), 1):
        try:
            words = line.decode().partition("#")[0].split()
        except UnicodeDecodeError:
            raise InputError(series, number, "not text") from None
        if not words:
            continue
        name, *options = words
        if any(option != "-p1" for option in options):
            raise InputError(series, number, f"only -p1 patches are taken, not {' '.join(options)}")
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise InputError(series, number, f"{name!r} is outside the directory")
        path = directory / pure
        if not path.is_file():
            raise InputError(series, number, f"there is no file {name}")
        if path in found:
            raise InputError(series, number, f"{name} is listed twice (line {found[path]})")
        found[path] = number
    if not found:
        raise InputError(series, 0, "names no patch")
    return [*(path for path in sorted(directory.glob("0000-*.patch")) if path not in found), *found]

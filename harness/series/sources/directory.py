"""A directory of patch files -> messages in order.  Reads the `series` file of quilt; knows nothing of diffs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.errors import InputError, UserError
from harness.series.mail import Mail
from harness.series.sources.mailbox import RawMail, read_mails
from harness.series.sources.quilt import as_mail

_SUFFIXES = (".patch", ".eml", ".mbox", ".mbx")
_MAX_FILES = 10_000
_MAX_SERIES_BYTES = 1 << 20
_MAX_NAME_CHARACTERS = 1000


def series_file(directory: Path) -> Path | None:
    """The list of a quilt stack: beside its patches, or in the directory above `patches/`, or in `patches/` below."""
    return next((path for path in (directory / "series", directory / "patches" / "series") if path.is_file()), None)


def read_directory(directory: Path) -> Iterator[RawMail | Mail]:
    """One message a file: as `series` says, else all patch files by name.  Raises UserError, InputError."""
    series = series_file(directory)
    try:
        files = _listed(directory, series) if series is not None else _found(directory)
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
        yield first if series is None else as_mail(first, path.name)


def _found(directory: Path) -> list[Path]:
    """All patch files, by name."""
    files = sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    if not files:
        raise UserError(
            f"{directory}: no *.patch file in it",
            fix="make them with git format-patch -o DIRECTORY, or give a maildir or a quilt stack",
        )
    return [_inside(directory, path) for path in files]


def _listed(directory: Path, series: Path) -> list[Path]:
    """The files that `series` names, in its order; format-patch's cover letter is not among them and goes first."""
    if series.stat().st_size > _MAX_SERIES_BYTES:
        raise InputError(series, 0, "too big for a list of patches")
    homes = [series.parent, *([directory / "patches"] if series.parent == directory else [])]
    found: list[Path] = []
    for number, name in listed_names(series, series.read_bytes()):
        path = next((home / name for home in homes if (home / name).is_file()), None)
        if path is None:
            raise InputError(series, number, f"there is no file {name}")
        found.append(_inside(directory, path))
    covers = sorted(series.parent.glob("0000-*.patch"))
    return [*(_inside(directory, path) for path in covers if path not in found), *found]


def listed_names(series: Path, data: bytes) -> list[tuple[int, PurePosixPath]]:
    """Line and name of each patch in a quilt `series` file.  Raises InputError: outside, twice, not with -p1, none."""
    found: dict[PurePosixPath, int] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            words = line.decode().partition("#")[0].split()
        except UnicodeDecodeError:
            raise InputError(series, number, "not text") from None
        if not words:
            continue
        name, *options = words
        if any(option != "-p1" for option in options):
            raise InputError(series, number, f"only -p1 patches are taken, not {' '.join(options)[:100]}")
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not name.isprintable():
            raise InputError(series, number, f"{name[:100]!r} is outside the directory")
        if len(name) > _MAX_NAME_CHARACTERS:
            raise InputError(series, number, "a name that no file has")
        if pure in found:
            raise InputError(series, number, f"{name} is listed twice (line {found[pure]})")
        found[pure] = number
    if not found:
        raise InputError(series, 0, "names no patch")
    return [(number, name) for name, number in found.items()]


def _inside(directory: Path, path: Path) -> Path:
    """The path, if it does not lead out of the directory by a link."""
    if not path.resolve().is_relative_to(directory.resolve()):
        raise UserError(f"{path}: a link to something outside the directory", fix="copy the patch itself there")
    return path

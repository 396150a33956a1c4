"""A source as the user names it -> a Series.  Knows the kinds of source; the readers know the formats."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.model import Series
from harness.series.directory import has_series_file, read_directory
from harness.series.gitrange import looks_like_range, read_range
from harness.series.mailbox import RawMail, read_mails
from harness.series.order import arrange
from harness.series.patch import Kind, Piece, read_piece

_KINDS = "give a mailbox, a directory of patches, or a range OLD..NEW of the tree"

_BLANK = "*** SUBJECT HERE ***"  # of a cover letter that nobody filled in


def read_series(source: str, *, processes: Processes, repo: Path | None) -> Series:
    """Read a mailbox file, a directory of patches, or, if there is neither of that name, commits of `repo`.

    Raises UserError or InputError when the source does not hold exactly one whole series of text patches.
    """
    if not source or "\0" in source:
        raise UserError("the series has no name", fix=_KINDS)
    path = Path(source)
    try:
        is_directory, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error
    if is_directory:
        return _assemble(source, read_directory(path), strict=True, ordered=has_series_file(path))
    if is_file:
        if path.stat().st_size == 0:
            raise InputError(path, 0, "the file is empty", fix=_KINDS)
        return _assemble(source, read_mails(path), strict=False, ordered=False)
    if exists:
        raise UserError(f"{source}: neither a file nor a directory", fix=_KINDS)
    if repo is None or not (looks_like_range(source) or "/" not in source):
        raise UserError(f"{source}: no such file or directory", fix=_KINDS)
    return _assemble(source, read_range(source, repo, processes), strict=True, ordered=True)


def _assemble(source: str, mails: Iterable[RawMail], *, strict: bool, ordered: bool) -> Series:
    """Sort the pieces out.  `strict`: every mail must belong; `ordered`: they stand in the order of application."""
    patches: list[Piece] = []
    covers: list[Piece] = []
    hint, count = "", 0
    for mail in mails:
        piece = read_piece(mail)
        count += 1
        if piece.kind is Kind.PATCH:
            patches.append(piece)
        elif piece.kind is Kind.COVER:
            covers.append(piece)
        elif strict:
            what = "a reply, not a patch" if piece.kind is Kind.REPLY else "no patch in this file"
            raise InputError(mail.place, mail.line if mail.line > 1 else 0, what, fix=piece.text)
        elif piece.kind is Kind.REPLY:
            hint = hint or "nothing is taken from replies: give the patch mails themselves"
        else:
            hint = piece.text or hint
    if not patches:
        what = "the file is empty" if not count else "no patch in it"
        raise InputError(source, 0, what, fix=hint or _KINDS)
    in_order = patches if ordered else arrange(source, patches)
    cover = covers[0] if covers else None
    return Series(
        source=source,
        title=cover.subject.title if cover and _BLANK not in cover.subject.title else in_order[0].subject.title,
        version=max(piece.subject.version for piece in in_order),
        patches=tuple(piece.patch(number) for number, piece in enumerate(in_order, 1)),
        cover=cover.text if cover else "",
    )

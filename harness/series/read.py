"""A source -> the one series in it that is to be applied."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError
from harness.host.process import Processes
from harness.model import Series
from harness.series.order import arrange
from harness.series.patch import Kind, Piece, read_piece
from harness.series.sources import KINDS, Opened, open_source

_BLANK = "*** SUBJECT HERE ***"  # of a cover letter that nobody filled in


def read_series(source: str, *, processes: Processes, repo: Path | None) -> Series:
    """Read what `source` names; `repo` is the git repository that a range OLD..NEW is a range of.

    Raises UserError or InputError when the source does not hold exactly one whole series of text patches.
    """
    return _assemble(open_source(source, processes=processes, repo=repo))


def _assemble(opened: Opened) -> Series:
    """Sort the pieces out."""
    patches: list[Piece] = []
    covers: list[Piece] = []
    hint, count = "", 0
    for mail in opened.mails:
        piece = read_piece(mail)
        count += 1
        if piece.kind is Kind.PATCH:
            patches.append(piece)
        elif piece.kind is Kind.COVER:
            covers.append(piece)
        elif opened.strict:
            what = "a reply, not a patch" if piece.kind is Kind.REPLY else "no patch in this file"
            raise InputError(mail.place, mail.line if mail.line > 1 else 0, what, fix=piece.text)
        elif piece.kind is Kind.REPLY:
            hint = hint or "nothing is taken from replies: give the patch mails themselves"
        else:
            hint = piece.text or hint
    if not patches:
        what = "the file is empty" if not count else "no patch in it"
        raise InputError(opened.source, 0, what, fix=hint or KINDS)
    in_order = patches if opened.ordered else arrange(opened.source, patches)
    cover = covers[0] if covers else None
    return Series(
        source=opened.source,
        title=cover.subject.title if cover and _BLANK not in cover.subject.title else in_order[0].subject.title,
        version=max(piece.subject.version for piece in in_order),
        patches=tuple(piece.patch(number) for number, piece in enumerate(in_order, 1)),
        cover=cover.text if cover else "",
    )

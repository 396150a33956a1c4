"""A survey with its damaged patches repaired against a tree, each on top of those before it.

What cannot be repaired stays refused, with what did not agree as the reason.  Knows no repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.errors import UserError
from harness.series.mail import Mail
from harness.series.mend.damaged import read_damaged
from harness.series.mend.overlay import Overlay, apply_exactly
from harness.series.mend.repair import Content, repair
from harness.series.pages.quoted import QUOTED
from harness.series.patch import Piece, examine
from harness.series.survey.order import Incomplete
from harness.series.survey.survey import Survey, SurveyedPatch, SurveyedSeries


def mended(found: Survey, content: Content) -> Survey:
    """The survey with every damaged patch repaired that can be; `content` gives the tree's files."""
    return replace(found, series=tuple(_series(each, content) for each in found.series))


def _series(series: SurveyedSeries, content: Content) -> SurveyedSeries:
    damaged = [piece for patch in series.patches for piece in _pieces(patch) if piece.damaged is not None]
    if not damaged:
        return series
    mender = _Mender(Overlay(content))
    patches = tuple(
        replace(patch, piece=mender.piece(patch.number, patch.piece), fixups=tuple(
            mender.piece(patch.number, piece) for piece in patch.fixups
        ))
        for patch in series.patches
    )  # fmt: skip
    replaced = {id(piece.error) for piece in damaged}
    said = {f"patch {patch.number}: {words}" for patch in series.patches for words in patch.piece.warnings}
    others = tuple(error for error in series.objections if id(error) not in replaced)
    gaps = tuple(error for error in others if isinstance(error, Incomplete))
    if len(damaged) == len(patches) and series.present == tuple(range(1, len(patches) + 1)):
        # All that they build on is there, as the tree has just proven: only later patches are missing.
        others = tuple(error for error in others if error not in gaps)
        mender.notes += [gap.words for gap in gaps]
    return replace(
        series, patches=patches, objections=(*mender.objections, *others),
        warnings=(*(words for words in series.warnings if words not in said), *mender.notes),
    )  # fmt: skip


def _pieces(patch: SurveyedPatch) -> Iterator[Piece]:
    yield patch.piece
    yield from patch.fixups


class _Mender:
    """Goes through a series in the order of application."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self.objections: list[UserError] = []
        self.notes: list[str] = []

    def piece(self, number: int, piece: Piece) -> Piece:
        """A patch, repaired if it needs it and can be; the patches after it see what it makes of the tree."""
        self.notes += [f"patch {number}: {words}" for words in piece.warnings if piece.damaged is None]
        if piece.damaged is None:
            self._overlay.advance(piece.mail)
            return piece
        try:
            mail, images, notes = _repair(piece.damaged, self._overlay)
        except UserError as error:
            self.objections.append(error)
            return piece
        self._overlay.put(images)
        whole = examine(mail)
        if whole.error is not None:
            self.objections.append(whole.error)
        self.notes += [f"patch {number}: {words}" for words in dict.fromkeys((*whole.warnings, *notes))]
        return replace(whole, place=piece.place)


def _repair(mail: Mail, overlay: Overlay) -> tuple[Mail, dict[str, bytes | None], tuple[str, ...]]:
    """The whole mail, the files after it, and what to say of them.  Raises UserError."""
    as_it_stands = apply_exactly(mail.text, overlay) if mail.damage == QUOTED else None
    if as_it_stands is not None:
        return replace(mail, damage=""), as_it_stands, ("taken out of a reply as it stands: it fits the tree exactly",)
    damaged = read_damaged(mail)
    if damaged is None:
        raise UserError(f"{mail.place}: {mail.damage}, and there is no patch left to repair")
    result = repair(damaged, overlay)
    return result.whole, result.images, result.notes

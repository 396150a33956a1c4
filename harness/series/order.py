"""Pieces -> patches in the order of application.  Nothing is guessed: gaps and conflicts are errors."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UserError
from harness.series.patch import Piece

_SAY = "or name what to apply, in order, in a quilt `series` file beside the patches"


def arrange(source: str, patches: Sequence[Piece]) -> list[Piece]:
    """Put patches in the order that their n/m says; those without one stay as they came.

    Raises UserError on gaps, on two versions or two series at once, and on a number that two different patches claim.
    """
    _one_version(source, patches)
    numbered = [piece for piece in patches if piece.subject.number is not None]
    if numbered and len(numbered) < len(patches):
        odd = next(piece for piece in patches if piece.subject.number is None)
        raise UserError(
            f"{source}: patches with n/m and one without in the same series: {odd.subject.title!r} ({odd.place})",
            fix=f"take it out, {_SAY}",
        )
    unique = _unique(source, patches)
    return sorted(unique, key=lambda piece: piece.subject.number or 0) if _complete(source, unique) else unique


def _one_version(source: str, patches: Sequence[Piece]) -> None:
    versions = sorted({piece.subject.version for piece in patches})
    if len(versions) > 1:
        listed = ", ".join(f"v{version}" for version in versions)
        raise UserError(f"{source}: holds more than one version of a series: {listed}", fix="keep the one to apply")
    totals = sorted({piece.subject.total for piece in patches if piece.subject.total is not None})
    if len(totals) > 1:
        listed = " and ".join(str(total) for total in totals)
        raise UserError(f"{source}: holds more than one series: of {listed} patches", fix="keep the one to apply")


def _unique(source: str, patches: Sequence[Piece]) -> list[Piece]:
    """Without second copies (a mail that came through two lists); differing patches under one name are an error."""
    kept: dict[object, Piece] = {}
    for piece in patches:
        key = piece.subject.number if piece.subject.number is not None else (piece.subject.title, piece.diff_digest)
        first = kept.setdefault(key, piece)
        if first.diff_digest != piece.diff_digest:
            raise UserError(
                f"{source}: two different patches are {piece.subject.number}/{piece.subject.total}:"
                f" {first.subject.title!r} ({first.place}) and {piece.subject.title!r} ({piece.place})",
                fix="keep one of them",
            )
    return list(kept.values())


def _complete(source: str, patches: Sequence[Piece]) -> bool:
    """Whether the patches are numbered; all numbers are there then."""
    present = sorted(piece.subject.number for piece in patches if piece.subject.number is not None)
    if not present:
        return False
    total = max(piece.subject.total or 0 for piece in patches)
    if present[-1] > total:
        raise UserError(f"{source}: there is no patch {present[-1]} of {total}", fix="mend the subject's n/m")
    if len(present) < total:
        raise UserError(
            f"{source}: the series is incomplete: have {ranges(present)} of {total}",
            fix=f"add the missing patches, {_SAY}",
        )
    return True


def ranges(numbers: Sequence[int]) -> str:
    """`1-2,4` of ascending numbers."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)

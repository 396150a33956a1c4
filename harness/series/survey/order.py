"""A set of patches -> what is there, what is missing, and the order of application.

Nothing is guessed and nothing is raised: gaps and conflicts become objections, which whoever wants to apply the set
raises.  Knows pieces, not documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UserError
from harness.series.patch import Piece
from harness.series.survey.grouping import Set
from harness.series.survey.threads import title_key

_SAY = "or name what to apply, in order, in a quilt `series` file beside the patches"


class Incomplete(UserError):
    """Patches that a series says to have are not here; `words` says which."""

    def __init__(self, source: str, words: str, *, fix: str) -> None:
        super().__init__(f"{source}: series incomplete: {words}", fix=fix)
        self.words = words


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A patch that was there twice; `same` says whether the other copy does the same."""

    number: int
    subject: str
    place: str
    first: str  # where the copy stands that is kept
    same: bool


@dataclass(frozen=True, slots=True)
class Ordered:
    """A set resolved."""

    numbered: tuple[tuple[int, Piece], ...]  # in the order of application
    expected: int | None
    missing: tuple[int, ...]
    duplicates: tuple[Duplicate, ...]
    objections: tuple[UserError, ...]  # other than those of the patches themselves; gaps come last
    warnings: tuple[str, ...]


def resolve(source: str, found: Set) -> Ordered:
    """Put the patches of a set in order."""
    duplicates: list[Duplicate] = []
    objections: list[UserError] = []
    if found.ordered:
        return _stacked(source, found)
    kept = _unique(source, found.patches, duplicates, objections)
    if found.total is None:
        return Ordered(tuple(enumerate(kept, 1)), None, (), tuple(duplicates), tuple(objections), ())
    numbered = sorted(((piece.subject.number or 0, piece) for piece in kept), key=lambda each: each[0])
    present = [number for number, _ in numbered]
    if present and present[-1] > found.total:
        what = f"there is no patch {present[-1]} of {found.total}"
        objections.append(UserError(f"{source}: {what}", fix="mend the subject's n/m"))
    have = set(present)
    missing = tuple(number for number in range(1, found.total + 1) if number not in have)
    warnings = []
    if missing:
        words = gap_words(present, missing, found.total)
        if all(piece.form == "-mm" for piece in kept) and present == list(range(1, len(present) + 1)):
            warnings.append(words)  # an -mm notice is a whole by itself, and what it builds on is here
        else:
            fix = f"add the missing patches, {_SAY}"
            objections.append(Incomplete(source, words, fix=fix))
    return Ordered(tuple(numbered), found.total, missing, tuple(duplicates), tuple(objections), tuple(warnings))


def _stacked(source: str, found: Set) -> Ordered:
    """A stack as it stands.  What an -mm stack has between two of its patches must be there, too."""
    have = {piece.name for piece in found.patches}
    inner = found.stack[1:-1] if found.stack else ()
    objections = []
    if absent := [name for name in inner if name not in have and name not in found.fixes]:
        words = f"{', '.join(absent)} of the -mm stack missing between its patches"
        objections.append(Incomplete(source, words, fix="add their mails"))
    numbered = tuple(enumerate(found.patches, 1))
    return Ordered(numbered, None if found.stack else len(numbered), (), (), tuple(objections), ())


def _unique(
    source: str, patches: Sequence[Piece], duplicates: list[Duplicate], objections: list[UserError]
) -> list[Piece]:
    """Without second copies (a mail that came through two lists); differing patches under one name are objected to."""
    kept: dict[object, Piece] = {}
    for piece in patches:
        number = piece.subject.number
        first = kept.get(key := _key(piece))
        if first is None:
            kept[key] = piece
            continue
        better, other = (piece, first) if _worth(piece) > _worth(first) else (first, piece)
        same = is_same(better, other)
        kept[key] = better
        duplicates.append(Duplicate(number or 0, other.subject.title, other.place, better.place, same))
        if not same:
            claimed = f"{number}/{piece.subject.total}" if number is not None else "under one title"
            objections.append(
                UserError(
                    f"{source}: two different patches are {claimed}:"
                    f" {first.subject.title!r} ({first.place}) and {piece.subject.title!r} ({piece.place})",
                    fix="keep one of them",
                )
            )
    return list(kept.values())


def _key(piece: Piece) -> object:
    """What two copies of one patch have in common.  Commits of one author may have one title; mails may not."""
    if piece.subject.number is not None:
        return piece.subject.number
    title = title_key(piece.subject.title) or piece.place
    return (title, piece.diff_digest) if piece.form == "mail" and not piece.message_id else title


def is_same(one: Piece, other: Piece) -> bool:
    """Whether two pieces are copies of one patch.  A damaged copy says no more than the whole one of its name."""
    if one.damaged is not None or other.damaged is not None:
        return title_key(one.subject.title) == title_key(other.subject.title)
    if not one.diff_digest or not other.diff_digest:
        return False
    masked = (one.masked or other.masked) and one.masked_digest == other.masked_digest
    return one.diff_digest == other.diff_digest or masked


def _worth(piece: Piece) -> int:
    """Which of two copies is kept: one that can be applied, that has nothing masked, and that has an id."""
    clean = not piece.masked and not piece.warnings
    return 4 * (piece.error is None) + 2 * clean + bool(piece.message_id)


def gap_words(present: Sequence[int], missing: Sequence[int], total: int) -> str:
    """`10 of 16 only; 1–9, 11–16 missing`."""
    have = ranges(present) or "none"
    return f"{have} of {total} only; {ranges(missing)} missing"


def ranges(numbers: Sequence[int]) -> str:
    """`1–2, 4` of ascending numbers."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{first}–{last}" if last > first else f"{first}" for first, last in spans)

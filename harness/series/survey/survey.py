"""A document -> everything that is in it: each series with what is missing and why it cannot be applied, if it cannot.

Streams: of a reply only its tags and a digest are kept.  What is to be applied is chosen elsewhere (read.py).  Knows no
tree, and neither the kinds of source nor the formats of mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import InputError, UserError
from harness.model import BaseHints, Patch
from harness.series.diffstat import Stated
from harness.series.hints import together
from harness.series.patch import Kind, Piece, examine
from harness.series.sources.source import Opened
from harness.series.survey import fixups
from harness.series.survey.answers import Answers, Candidate
from harness.series.survey.grouping import Set, group, in_order, relatives, stacked
from harness.series.survey.order import Duplicate, Incomplete, Ordered, resolve
from harness.series.survey.threads import title_key

_BLANK = "*** SUBJECT HERE ***"  # of a cover letter that nobody filled in
_MAX_MAILS = 200_000
_MAX_KEPT_BYTES = 256 << 20  # of patches
_NAME_BYTES = 100  # that a name in a stack takes


@dataclass(frozen=True, slots=True)
class SurveyedPatch:
    """A patch of a series; `piece` is its mail."""

    number: int
    piece: Piece
    fixups: tuple[Piece, ...]
    trailers: tuple[str, ...]  # of replies

    @property
    def patch(self) -> Patch:
        return self.piece.patch(self.number, tuple(piece.patch(self.number) for piece in self.fixups))


@dataclass(frozen=True, slots=True)
class SurveyedSeries:
    """One version of one series, as much of it as is in the document."""

    title: str
    version: int
    expected: int | None  # how many patches it says to have
    patches: tuple[SurveyedPatch, ...]  # in the order of application
    missing: tuple[int, ...]
    cover: Piece | None
    cover_trailers: tuple[str, ...]  # given to the series as a whole
    duplicates: tuple[Duplicate, ...]
    objections: tuple[UserError, ...]  # why it cannot be applied; the first is the one to say
    base: BaseHints
    warnings: tuple[str, ...]
    line: int  # series that are versions of one another have the same
    orphan: bool = False  # a fix whose patch is not here

    @property
    def present(self) -> tuple[int, ...]:
        return tuple(patch.number for patch in self.patches)

    @property
    def applicable(self) -> bool:
        return not self.objections

    @property
    def only_incomplete(self) -> bool:
        """Whether nothing but missing patches is in the way."""
        return bool(self.objections) and all(isinstance(error, Incomplete) for error in self.objections)


@dataclass(frozen=True, slots=True)
class Survey:
    """All that a document holds."""

    source: str
    series: tuple[SurveyedSeries, ...]
    replies: int
    candidates: tuple[Candidate, ...]  # diffs that stand in replies: never applied
    notes: tuple[str, ...]
    errors: tuple[InputError, ...]  # of messages that belong to no series: damaged mails, strays in a directory
    messages: int
    hint: str = ""  # why there may be no patch in it
    origin: tuple[str, ...] = ()  # of the notes, those on how the documents were got


def survey(source: str, documents: Sequence[Opened]) -> Survey:
    """Read the messages of all documents as those of one.  Raises UserError where one cannot be read at all."""
    reader = _Reader()
    sets: list[Set] = []
    loose: list[Piece] = []
    owned: dict[int, list[Piece]] = {}
    for opened in documents:
        pieces = list(reader.read(opened))
        if opened.ordered:
            stack, fixes_of = in_order(pieces)
            sets.append(stack)
            owned |= fixes_of
        else:
            loose += pieces
    stacks, loose = stacked(loose)
    for stack, fixes_of in stacks:
        sets.append(stack)
        owned |= fixes_of
    fixes = [piece for piece in loose if piece.kind is Kind.PATCH and _is_fix(piece)]
    rest = [piece for piece in loose if not (piece.kind is Kind.PATCH and _is_fix(piece))]
    sets += group(rest, together=all(opened.strict for opened in documents))
    sets = [each for each in sets if each.patches]
    series = _assemble(source, sets, (fixes, owned), reader.answers)
    notes = [*reader.notes, *reader.answers.repeated]
    if not series:
        notes += [f"a reply to {subject}" for subject in reader.answers.subjects]
    return Survey(
        source, tuple(series), reader.answers.count, reader.answers.candidates(), tuple(notes),
        tuple(reader.errors), reader.messages, reader.hint, tuple(note for each in documents for note in each.notes),
    )  # fmt: skip


class _Reader:
    """Messages to pieces; replies are noted and dropped."""

    def __init__(self) -> None:
        self.answers = Answers()
        self.errors: list[InputError] = []
        self.notes: list[str] = []
        self.hint = ""
        self.messages = 0
        self._kept_bytes = 0

    def read(self, opened: Opened) -> Iterator[Piece]:
        self.notes += opened.notes
        for mail in opened.mails:
            piece = examine(mail)
            self.messages += 1
            self._kept_bytes += len(piece.mail) + len(piece.text) + _NAME_BYTES * len(piece.stack)
            if self.messages > _MAX_MAILS or self._kept_bytes > _MAX_KEPT_BYTES:
                raise InputError(opened.source, 0, "more mails than any patch series has", fix="give the thread alone")
            if piece.kind in (Kind.PATCH, Kind.COVER):
                yield piece
            else:
                self._other(piece, opened)

    def _other(self, piece: Piece, opened: Opened) -> None:
        if piece.error is not None:
            self.errors.append(piece.error)
            self.notes.append(piece.error.what)
        elif opened.strict:
            what = "a reply, not a patch" if piece.kind is Kind.REPLY else "no patch in this file"
            self.errors.append(InputError(piece.place, 0, what, fix=piece.text))
            self.notes.append(f"{piece.place}: {what}")
        elif piece.kind is not Kind.REPLY:
            self.hint = piece.text or self.hint
            if piece.text:
                self.notes.append(f"{piece.place}: no patch: {piece.text}")
        if piece.kind is Kind.REPLY:
            self.hint = self.hint or "nothing is taken from replies: give the patch mails themselves"
            self.answers.add(piece)


def _is_fix(piece: Piece) -> bool:
    return piece.subject.number is None and fixups.is_fix(piece.subject.title)


def _assemble(
    source: str, sets: list[Set], fixes: tuple[list[Piece], dict[int, list[Piece]]], answers: Answers
) -> list[SurveyedSeries]:
    """Sets, their order, the fixes of their patches (some have their places already) and the answers to them."""
    resolved = [resolve(source, each) for each in sets]
    owned = {parent: list(mine) for parent, mine in fixes[1].items()}
    orphans = _match(sets, resolved, fixes[0], owned)
    lines = _lines(sets)
    given = answers.to(
        [(one, [piece for _, piece in order.numbered]) for one, order in zip(sets, resolved, strict=True)]
    )
    found = []
    for index, (one, order) in enumerate(zip(sets, resolved, strict=True)):
        patches = tuple(
            SurveyedPatch(number, piece, tuple(owned.get(id(piece), ())), given.get((index, number), ()))
            for number, piece in order.numbered
        )
        found.append(_series(one, order, patches, given.get((index, 0), ()), lines[index]))
    start = len(sets)
    return found + [_orphan(source, piece, start + index) for index, piece in enumerate(orphans)]


def _series(
    one: Set, order: Ordered, patches: tuple[SurveyedPatch, ...], cover_trailers: tuple[str, ...], line: int
) -> SurveyedSeries:
    cover = one.covers[0] if one.covers else None
    every = [piece for patch in patches for piece in (patch.piece, *patch.fixups)]
    of_patches = [piece.error for piece in every if piece.error is not None]
    return SurveyedSeries(
        title=_title(cover, patches), version=one.version, expected=order.expected, patches=patches,
        missing=order.missing, cover=cover, cover_trailers=cover_trailers, duplicates=order.duplicates,
        objections=(*of_patches, *order.objections),
        base=together(piece.hints for piece in [*one.covers, *every]),
        warnings=tuple(dict.fromkeys((*order.warnings, *_warnings(one, patches)))), line=line,
    )  # fmt: skip


def _title(cover: Piece | None, patches: tuple[SurveyedPatch, ...]) -> str:
    if cover is not None and cover.subject.title and _BLANK not in cover.subject.title:
        return cover.subject.title
    named = next((patch.piece.series_title for patch in patches if patch.piece.series_title), "")
    return named or patches[0].piece.subject.title or patches[0].piece.place


def _warnings(one: Set, patches: tuple[SurveyedPatch, ...]) -> Iterator[str]:
    """What a reader must know of the series beside what makes it inapplicable."""
    for patch in patches:
        for piece in (patch.piece, *patch.fixups):
            yield from (f"patch {patch.number}: {words}" for words in piece.warnings)
    if one.loose:
        yield "taken as one series by its sender and its numbers: no thread holds it together"
    cover = next((piece for piece in one.covers if piece.titles), None)
    if cover is not None:
        listed = {title_key(title) for title in cover.titles}
        for patch in patches:
            if title_key(patch.piece.subject.title) not in listed:
                yield f"patch {patch.number} is not in the cover letter's list: {patch.piece.subject.title}"
    whole = one.total is not None and len(patches) == one.total and all(patch.piece.files for patch in patches)
    stated = _stated_by_cover(one)
    if stated is not None and whole:
        files = {file.path for patch in patches for file in patch.piece.files}
        if len(files) != stated.files:
            yield f"the cover letter says {stated.files} files, the patches change {len(files)}"
    commits = {piece.hints.commit for piece in (*one.covers, *(patch.piece for patch in patches))} - {""}
    if len(commits) > 1:
        yield f"more than one base-commit: {', '.join(sorted(commits))}"


def _stated_by_cover(one: Set) -> Stated | None:
    return next((cover.stated for cover in one.covers if cover.stated is not None), None)


def _match(sets: list[Set], resolved: list[Ordered], fixes: list[Piece], owned: dict[int, list[Piece]]) -> list[Piece]:
    """Put each fix to what its parent (of the newest version that has it) owns; gives back those without one."""
    parents: dict[str, tuple[int, Piece]] = {}
    for one, order in zip(sets, resolved, strict=True):
        for _, piece in order.numbered:
            name = fixups.mangle(piece.subject.title)
            if name not in parents or parents[name][0] < one.version:
                parents[name] = one.version, piece
    orphans: list[Piece] = []
    unique = {(fix.subject.title, fix.diff_digest): fix for fix in reversed(fixes)}
    for fix in sorted(unique.values(), key=lambda piece: fixups.place_of(piece.subject.title)):
        parent = fixups.find_parent(fix.subject.title, parents)
        mine = owned.setdefault(id(parent[1]), []) if parent is not None else []
        # Of two fixes of one name one stays alone: which is meant is not known.
        if parent is None or any(other.subject.title == fix.subject.title for other in mine):
            orphans.append(fix)
        else:
            mine.append(fix)
    return orphans


def _orphan(source: str, fix: Piece, line: int) -> SurveyedSeries:
    what = f"a fix whose patch is not here, or has another fix of this name: {fix.subject.title}"
    objection = UserError(f"{source}: {what} ({fix.place})", fix="add the mail of the patch that it is for")
    return SurveyedSeries(
        title=fix.subject.title, version=fix.subject.version, expected=None,
        patches=(SurveyedPatch(1, fix, (), ()),), missing=(), cover=None, cover_trailers=(), duplicates=(),
        objections=(*([fix.error] if fix.error else []), objection), base=fix.hints, warnings=fix.warnings,
        line=line, orphan=True,
    )  # fmt: skip


def _lines(sets: list[Set]) -> list[int]:
    """A number for each set, the same for versions of one series."""
    number = {id(one): index for index, line in enumerate(relatives(sets)) for one in line}
    return [number[id(one)] for one in sets]


def reason(source: str, series: SurveyedSeries) -> str:
    """Why a series cannot be applied, in few words; "" if it can."""
    return "; ".join(dict.fromkeys(short(source, error) for error in series.objections))


def short(source: str, error: UserError) -> str:
    """An objection without its place, which stands beside it."""
    place = f"{source}: "
    if isinstance(error, InputError):
        place = f"{error.path}:{error.line}: " if error.line else f"{error.path}: "
    return error.what.removeprefix(place)

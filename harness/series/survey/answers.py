"""Replies -> the patches that they answer: by the thread where there is one, else by the subject.

Of a reply nothing but tags is ever taken; a diff in one is named as a proposal, no more.  Texts are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.series.patch import Answer, Piece
from harness.series.subject import Subject
from harness.series.survey.grouping import Set
from harness.series.survey.threads import ById, Replies, title_key
from harness.series.survey.trailers import merged

_MAX_STEPS = 200  # up a thread
_MAX_SAID = 20  # of what is only told


@dataclass(frozen=True, slots=True)
class Candidate:
    """A diff that stands in a reply: perhaps a fix, applied only when its user makes a patch of it."""

    subject: str
    author: str
    place: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """A reply with tags in it."""

    subject: Subject
    references: tuple[str, ...]
    trailers: tuple[str, ...]


class Answers:
    """The replies of a document."""

    def __init__(self) -> None:
        self._replies = Replies()
        self.repeated: list[str] = []
        self.subjects: dict[str, None] = {}  # what the first replies answer
        self._given: list[_Given] = []
        self._candidates: list[Candidate] = []
        self._answered: dict[str, str] = {}  # a reply's id -> the id that it answers, where that is all it says

    @property
    def count(self) -> int:
        """How many different replies there are."""
        return self._replies.count

    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(self._candidates)

    def add(self, reply: Piece) -> None:
        """Take note of a reply; one that was here before adds nothing."""
        if first := self._replies.before(reply):
            self.repeated.append(f"{reply.place}: a reply that is here already ({first})")
            del self.repeated[_MAX_SAID:]
            return
        if len(self.subjects) < _MAX_SAID:
            self.subjects[_said(reply.subject)] = None
        if len(reply.references) == 1 and reply.own:
            self._answered[reply.own] = reply.references[0]
        answer = reply.answer or Answer((), ())
        if answer.trailers:
            self._given.append(_Given(reply.subject, reply.references, answer.trailers))
        if answer.files:
            self._candidates.append(Candidate(reply.subject.title, reply.author, reply.place, answer.files))

    def to(self, sets: Sequence[tuple[Set, Sequence[Piece]]]) -> dict[tuple[int, int], tuple[str, ...]]:
        """The tags for each patch by its set's index and its place in the order; 0 is the cover letter."""
        ids: ById[tuple[int, int]] = ById()
        titles: dict[tuple[str, int], tuple[int, int]] = {}
        for index, (one, patches) in enumerate(sets):
            numbered = [(piece.subject.number or place, piece) for place, piece in enumerate(patches, 1)]
            if one.ordered or one.total is None:
                numbered = list(enumerate(patches, 1))
            # Every copy of a mail has its own id; all lead to the one that is kept.
            places = {title_key(piece.subject.title): number for number, piece in numbered}
            for number, piece in [*numbered, *((0, cover) for cover in one.covers)]:
                ids.add(piece.own, (index, number))
                titles.setdefault((title_key(piece.subject.title), one.version), (index, number))
            for piece in one.patches:
                if title_key(piece.subject.title) in places:
                    ids.add(piece.own, (index, places[title_key(piece.subject.title)]))
        found: dict[tuple[int, int], list[str]] = {}
        for given in self._given:
            target = self._by_thread(given, ids)
            if target is None and len(given.references) < 2:
                target = titles.get((title_key(given.subject.title), given.subject.version))
            if target is not None:
                found.setdefault(target, []).extend(given.trailers)
        return {target: merged(trailers) for target, trailers in found.items()}

    def _by_thread(self, given: _Given, ids: ById[tuple[int, int]]) -> tuple[int, int] | None:
        for name in given.references:
            if (target := ids.get(name)) is not None:
                return target
        name = given.references[0] if given.references else ""
        for _ in range(_MAX_STEPS):
            name = self._answered.get(name, "")
            if not name:
                return None
            if (target := ids.get(name)) is not None:
                return target
        return None


def _said(subject: Subject) -> str:
    """`v6 10/16 mm: title`, as far as it is known."""
    count = f"{subject.number}/{subject.total} " if subject.number is not None else ""
    return f"v{subject.version} {count}{subject.title}"

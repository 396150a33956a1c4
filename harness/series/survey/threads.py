"""Which messages belong together: the same message twice, and who answers whom.

Archives mask addresses and drop message ids, so identity is what can be had: the id, else sender, title and text.  A
masked id or address is taken to be the open one's here, and nowhere else.  Knows pieces, not series.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.series.patch import Piece

_T = TypeVar("_T")
_MAX_TWINS = 20  # replies of the same words: the same words again and again are the same words


class ById(Generic[_T]):
    """Values by message id; a masked id finds the open one with the same left part, and the other way round."""

    def __init__(self) -> None:
        self._open: dict[str, _T] = {}
        self._masked: dict[str, _T] = {}  # by left part, of masked ids
        self._left: dict[str, _T] = {}  # by left part, of open ids

    def add(self, message_id: str, value: _T) -> None:
        """Keep `value` under an id, unless the id has one."""
        name = bare(message_id)
        if not name:
            return
        left, masked = _left(name)
        if masked:
            self._masked.setdefault(left, value)
        else:
            self._open.setdefault(name, value)
            self._left.setdefault(left, value)

    def get(self, message_id: str) -> _T | None:
        name = bare(message_id)
        left, masked = _left(name)
        if masked:
            found = self._left.get(left)
            return found if found is not None else self._masked.get(left)
        found = self._open.get(name)
        return found if found is not None else self._masked.get(left)


def bare(message_id: str) -> str:
    """A message id without its angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def _left(name: str) -> tuple[str, bool]:
    left, _, domain = name.rpartition("@")
    return left, bool(left) and set(domain.replace(".", "")) == {"x"}


def title_key(title: str) -> str:
    """A title to compare by."""
    return " ".join(title.casefold().split())


class Replies:
    """The replies of a document, each counted once: a few bytes are kept of each."""

    def __init__(self) -> None:
        self.count = 0
        self._ids: ById[str] = ById()
        self._texts: dict[int, list[_Twin]] = {}

    def before(self, piece: Piece) -> str:
        """Count a reply; if it has been here before, only say where."""
        known = self._ids.get(piece.message_id)
        twins: list[_Twin] = []
        if piece.digest:
            twins = self._texts.setdefault(hash((title_key(piece.subject.title), piece.digest)), [])
            known = known or next((twin.place for twin in twins if twin.is_same(piece)), None)
        if known:
            return known
        self._ids.add(piece.message_id, piece.place)
        if len(twins) < _MAX_TWINS:
            twins.append(_Twin(piece.sender, piece.form, piece.date, bool(piece.message_id), piece.place))
        self.count += 1
        return ""


@dataclass(frozen=True, slots=True)
class _Twin:
    """What is kept of a reply, to know it again by."""

    sender: str
    form: str
    date: str
    has_id: bool
    place: str

    def is_same(self, piece: Piece) -> bool:
        """Whether a reply with the same title and text is this one."""
        if (self.has_id and piece.message_id) or (self.sender and piece.sender and self.sender != piece.sender):
            return False
        return self.form != piece.form or not self.date or not piece.date or self.date == piece.date


def roots(pieces: Iterable[Piece]) -> dict[int, str]:
    """The id of the first message of each piece's thread, by the piece's identity, where that is known."""
    every = list(pieces)
    answered = {name for piece in every for name in piece.references}
    found: dict[int, str] = {}
    for piece in every:
        if piece.references:
            found[id(piece)] = piece.references[-1]
        elif piece.own and piece.own in answered:
            found[id(piece)] = piece.own
    return found

"""Which messages belong together: the same message twice, and who answers whom.

Archives mask addresses and drop message ids, so identity is what can be had: the id, else sender, title and text.  A
masked id or address is taken to be the open one's here, and nowhere else.  Knows pieces, not series.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from harness.series.patch import Piece

_T = TypeVar("_T")


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
        self._ids: ById[bool] = ById()
        self._texts: dict[int, list[tuple[str, str, str, bool]]] = {}

    def is_new(self, piece: Piece) -> bool:
        """Count a reply; False if it has been here before."""
        has_id = bool(piece.message_id)
        known = has_id and self._ids.get(piece.message_id) is not None
        twins: list[tuple[str, str, str, bool]] = []
        if piece.digest:
            twins = self._texts.setdefault(hash((title_key(piece.subject.title), piece.digest)), [])
            known = known or any(_same(piece, twin) for twin in twins)
        if known:
            return False
        self._ids.add(piece.message_id, True)
        if len(twins) < 20:  # the same words again and again are the same words
            twins.append((piece.sender, piece.form, piece.date, has_id))
        self.count += 1
        return True


def _same(piece: Piece, twin: tuple[str, str, str, bool]) -> bool:
    """Whether a reply with the same title and text is the same one."""
    sender, form, date, has_id = twin
    if (has_id and piece.message_id) or (sender and piece.sender and sender != piece.sender):
        return False
    return form != piece.form or not date or not piece.date or date == piece.date


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

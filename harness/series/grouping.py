"""Patches and cover letters -> sets, each of one series at one version.

A set is what carries the same version and total and hangs together by its thread, or, where a document has no
threads, by its sender and its numbers.  Where two patches could be of different series they are put apart: a set that
is too small is refused later, one that is too big might be applied.  Knows pieces; nothing of what is applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.series.fixups import find_parent, is_fix, mangle
from harness.series.patch import Kind, Piece
from harness.series.threads import roots, title_key


@dataclass(slots=True)
class Set:
    """What has been found of one version of one series, in the order of the document."""

    version: int
    total: int | None
    ordered: bool = False  # the document's own order is the order of application
    patches: list[Piece] = field(default_factory=list)
    covers: list[Piece] = field(default_factory=list)
    senders: set[str] = field(default_factory=set)
    roots: set[str] = field(default_factory=set)
    titles: dict[int, str] = field(default_factory=dict)  # by number; 0 is the cover letter
    stack: tuple[str, ...] = ()  # of -mm notices: all names from the first patch to the last
    fixes: frozenset[str] = frozenset()  # the names in it that are fixes of the one before
    loose: bool = False  # joined by sender and numbers alone, though its mails have ids

    def add(self, piece: Piece, root: str) -> None:
        (self.covers if piece.kind is Kind.COVER else self.patches).append(piece)
        self.senders.add(piece.sender)
        if root:
            self.roots.add(root)
        if piece.subject.number is not None:
            self.titles.setdefault(piece.subject.number, title_key(piece.subject.title))


def group(pieces: Sequence[Piece], *, together: bool) -> list[Set]:
    """Sort patches and covers into sets.  `together`: unnumbered patches are one set, as in a directory of patches."""
    threads = roots(pieces)
    found: list[Set] = []
    # The mails of a thread first, so that what came without one finds the whole set.
    for piece in sorted(pieces, key=lambda each: id(each) not in threads):
        root = threads.get(id(piece), "")
        subject = piece.subject
        total = subject.total if subject.number is not None else None  # ?/m: its place is not known
        same = (each for each in found if (each.version, each.total) == (subject.version, total))
        home = next((each for each in same if _belongs(piece, root, each, together=together)), None)
        if home is None:
            home = Set(subject.version, total)
            found.append(home)
        elif piece.message_id and not root and home.roots:
            home.loose = True
        home.add(piece, root)
    place = {id(piece): position for position, piece in enumerate(pieces)}
    for each in found:
        each.patches.sort(key=lambda piece: place[id(piece)])
    return sorted(found, key=lambda each: min(place[id(piece)] for piece in each.patches + each.covers))


def in_order(pieces: Sequence[Piece]) -> tuple[Set, dict[int, list[Piece]]]:
    """The patches of a stack or a range: one set, as it stands, and the fixes right after each, by its identity."""
    patches = [piece for piece in pieces if piece.kind is Kind.PATCH]
    found = Set(max((piece.subject.version for piece in patches), default=1), None, ordered=True)
    fixes: dict[int, list[Piece]] = {}
    for piece in patches:
        last = found.patches[-1] if found.patches else None
        title = piece.subject.title
        if last is not None and is_fix(title) and find_parent(title, {mangle(last.subject.title): last}) is not None:
            fixes.setdefault(id(last), []).append(piece)
        else:
            found.add(piece, "")
    for piece in pieces:
        if piece.kind is Kind.COVER:
            found.add(piece, "")
    return found, fixes


def stacked(pieces: Sequence[Piece]) -> tuple[list[tuple[Set, dict[int, list[Piece]]]], list[Piece]]:
    """-mm notices of one author's stack, in its order, as sets with their fixes; and all other pieces."""
    named: dict[str, Piece] = {}
    for piece in pieces:
        if piece.name and piece.kind is Kind.PATCH:
            first = named.setdefault(piece.name, piece)
            if first.diff_digest != piece.diff_digest:
                return [], list(pieces)  # the stack has changed under its names: which patch is meant is not known
    found: list[tuple[Set, dict[int, list[Piece]]]] = []
    taken: set[int] = set()
    # The notice that came last has the whole stack.
    for stack in sorted({piece.stack for piece in named.values()}, key=len, reverse=True):
        mine = [named[name] for name in dict.fromkeys(stack) if name in named and id(named[name]) not in taken]
        if len(mine) < 2:
            continue
        one, fixes = in_order(mine)
        one.stack = stack[stack.index(mine[0].name) : stack.index(mine[-1].name) + 1]
        one.fixes = frozenset(fix.name for each in fixes.values() for fix in each)
        found.append((one, fixes))
        taken |= {id(piece) for piece in mine}
    names = {piece.name for piece in pieces if id(piece) in taken}
    return found, [piece for piece in pieces if piece.name not in names or not piece.name]


def _belongs(piece: Piece, root: str, home: Set, *, together: bool) -> bool:
    """Whether a piece is of this set, whose version and total it has."""
    same_root = bool(root) and root in home.roots
    same_sender = piece.sender in home.senders or not piece.sender or "" in home.senders
    number = piece.subject.number
    if number is None:
        return _joins_unnumbered(piece, home, together=together)
    stated = home.titles.get(number)
    if stated is not None:
        # The same patch again, or another one that claims its number.
        return stated == title_key(piece.subject.title) or (same_root and same_sender)
    if root and home.roots:
        return same_root
    listed = next((cover.titles for cover in home.covers if cover.titles), ())
    if listed and number and title_key(piece.subject.title) not in map(title_key, listed):
        return same_root
    return same_root or same_sender or not (piece.message_id or root)


def _joins_unnumbered(piece: Piece, home: Set, *, together: bool) -> bool:
    """Patches without n/m are one set when they are files of one person; on a list each is for itself."""
    if any(title_key(piece.subject.title) == title_key(other.subject.title) for other in home.patches):
        return True
    local = all(not each.message_id and each.form == "mail" for each in (piece, *home.patches))
    return together or local


def relatives(sets: Sequence[Set]) -> list[list[Set]]:
    """The sets that are versions of one another, by the titles of their cover letters or of half their
    patches, or because they stand in one thread."""
    found: list[list[Set]] = []
    for each in sets:
        home = next((line for line in found if any(_related(each, other) for other in line)), None)
        if home is None:
            found.append([each])
        else:
            home.append(each)
    return found


def _related(one: Set, other: Set) -> bool:
    older, newer = sorted((one, other), key=lambda each: each.version)
    if newer.total is None and older.total not in (None, 1):
        return False  # one patch of the series, sent anew by itself, is not the series
    if one.version != other.version and one.total == other.total and one.roots & other.roots:
        return bool(one.senders & other.senders)
    if {_cover_title(one), _series_title(one)} & {_cover_title(other), _series_title(other)} - {""}:
        return True
    titles = [{title_key(piece.subject.title) for piece in each.patches} - {""} for each in (one, other)]
    smaller = min(len(each) for each in titles)
    return bool(smaller) and 2 * len(titles[0] & titles[1]) >= smaller


def _cover_title(one: Set) -> str:
    return next((title_key(cover.subject.title) for cover in one.covers), "")


def _series_title(one: Set) -> str:
    return next((title_key(piece.series_title) for piece in one.patches if piece.series_title), "")

"""Patches and cover letters -> sets, each of one series at one version.

A set is what carries the same version and total and hangs together by its thread, or, where a document has no
threads, by its sender and its numbers.  Where two patches could be of different series they are put apart: a set that
is too small is refused later, one that is too big might be applied.  Knows pieces; nothing of what is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import UserError
from harness.series.patch import Kind, Piece
from harness.series.survey.fixups import find_parent, is_fix, mangle
from harness.series.survey.threads import roots, title_key

MAX_COMPARISONS = 2_000_000  # of a document; what a list sends in a year needs a tenth


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
    names: set[str] = field(default_factory=set)  # the titles of its patches
    listed: frozenset[str] = frozenset()  # the titles that its cover letter says it has
    local: bool = True  # its patches are files of somebody's, not mails of a list
    loose: bool = False  # joined by sender and numbers alone, though its mails have ids

    def add(self, piece: Piece, root: str) -> None:
        if piece.kind is Kind.COVER:
            self.covers.append(piece)
            self.listed = self.listed or frozenset(map(title_key, piece.titles))
        else:
            self.patches.append(piece)
            self.names.add(title_key(piece.subject.title))
            self.local = self.local and _is_local(piece)
        self.senders.add(piece.sender)
        if root:
            self.roots.add(root)
        if piece.subject.number is not None:
            self.titles.setdefault(piece.subject.number, title_key(piece.subject.title))


def group(pieces: Sequence[Piece], *, together: bool) -> list[Set]:
    """Sort patches and covers into sets.  `together`: unnumbered patches are one set, as in a directory of patches."""
    threads = roots(pieces)
    homes = _Homes(together)
    # The mails of a thread first, so that what came without one finds the whole set.
    for piece in sorted(pieces, key=lambda each: id(each) not in threads):
        root = threads.get(id(piece), "")
        near = homes.near(piece, root)
        home = next((each for each in near if _belongs(piece, root, homes.sets[each], together=together)), None)
        if home is None:
            home = homes.new(piece)
        elif piece.message_id and not root and homes.sets[home].roots:
            homes.sets[home].loose = True
        homes.add(home, piece, root)
    found = homes.sets
    place = {id(piece): position for position, piece in enumerate(pieces)}
    for each in found:
        each.patches.sort(key=lambda piece: place[id(piece)])
    return sorted(found, key=lambda each: min(place[id(piece)] for piece in each.patches + each.covers))


class _Homes:
    """The sets that there are, and by what a piece could belong to one: `_belongs` decides."""

    def __init__(self, together: bool) -> None:
        self.sets: list[Set] = []
        self._together = together
        self._by: dict[tuple[object, ...], list[int]] = {}
        self._comparisons = Comparisons()

    def near(self, piece: Piece, root: str) -> Iterator[int]:
        """The sets that a piece could be of, in their order."""
        subject, mark = piece.subject, _mark(piece)
        keys = [(mark, "title", subject.number, title_key(subject.title)), *([(mark, "root", root)] if root else [])]
        if subject.number is None:
            everywhere = self._together or _is_local(piece)
        else:
            everywhere = not (piece.sender and (piece.message_id or root))
            # In a thread, a sender alone joins nothing but what came without one.
            keys += [(mark, "rootless" if root else "sender", sender) for sender in (piece.sender, "")]
        found = {index for key in ([(mark,)] if everywhere else keys) for index in self._by.get(key, ())}
        for index in sorted(found):
            self._comparisons.count(piece)
            yield index

    def new(self, piece: Piece) -> int:
        mark = _mark(piece)
        self.sets.append(Set(*mark))
        index = len(self.sets) - 1
        self._note(mark, index=index)
        return index

    def add(self, index: int, piece: Piece, root: str) -> None:
        """Put a piece into a set."""
        home = self.sets[index]
        home.add(piece, root)
        mark = (home.version, home.total)
        self._note(mark, "title", piece.subject.number, title_key(piece.subject.title), index=index)
        self._note(mark, "sender", piece.sender, index=index)
        self._note(mark, *(("root", root) if root else ("rootless", piece.sender)), index=index)

    def _note(self, *key: object, index: int) -> None:
        known = self._by.setdefault(key, [])
        if not known or known[-1] != index:
            known.append(index)


def _mark(piece: Piece) -> tuple[int, int | None]:
    """Version and total of the set that a piece is of."""
    subject = piece.subject
    return subject.version, subject.total if subject.number is not None else None  # ?/m: its place is not known


class Comparisons:
    """How often things of a document are held against one another: an odd document must not take for ever."""

    def __init__(self) -> None:
        self._left = MAX_COMPARISONS

    def count(self, piece: Piece) -> None:
        """Raises UserError when there have been too many."""
        self._left -= 1
        if self._left < 0:
            raise UserError(
                f"{piece.place}: too many patches that could be of the same series",
                fix="give the mails of one thread, not a whole list's",
            )


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
    if home.listed and number and title_key(piece.subject.title) not in home.listed:
        return same_root
    return same_root or same_sender or not (piece.message_id or root)


def _joins_unnumbered(piece: Piece, home: Set, *, together: bool) -> bool:
    """Patches without n/m are one set when they are files of one person; on a list each is for itself."""
    if title_key(piece.subject.title) in home.names:
        return True
    return together or (_is_local(piece) and home.local)


def _is_local(piece: Piece) -> bool:
    return not piece.message_id and piece.form == "mail"


def relatives(sets: Sequence[Set]) -> list[list[Set]]:
    """The sets that are versions of one another, by the titles of their cover letters or of half their
    patches, or because they stand in one thread."""
    found: list[list[Set]] = []
    line_of: list[int] = []
    near: dict[tuple[str, str], list[int]] = {}
    comparisons = Comparisons()
    for index, each in enumerate(sets):
        keys = tuple(_kinship(each))
        others = {other for key in keys for other in near.get(key, ())}
        home = len(found)
        for other in sorted(others, key=line_of.__getitem__):
            comparisons.count((each.patches or each.covers)[0])
            if _related(each, sets[other]):
                home = line_of[other]
                break
        if home == len(found):
            found.append([])
        found[home].append(each)
        line_of.append(home)
        for key in keys:
            near.setdefault(key, []).append(index)
    return found


def _kinship(one: Set) -> Iterable[tuple[str, str]]:
    """What two sets have in common, one of these at the least, if they are related."""
    yield from (("root", root) for root in one.roots)
    yield from (("series", title) for title in {_cover_title(one), _series_title(one)} - {""})
    yield from (("patch", title) for title in one.names - {""})


def _related(one: Set, other: Set) -> bool:
    older, newer = sorted((one, other), key=lambda each: each.version)
    if newer.total is None and older.total not in (None, 1):
        return False  # one patch of the series, sent anew by itself, is not the series
    if one.version != other.version and one.total == other.total and one.roots & other.roots:
        return bool(one.senders & other.senders)
    if {_cover_title(one), _series_title(one)} & {_cover_title(other), _series_title(other)} - {""}:
        return True
    titles = [each.names - {""} for each in (one, other)]
    smaller = min(len(each) for each in titles)
    return bool(smaller) and 2 * len(titles[0] & titles[1]) >= smaller


def _cover_title(one: Set) -> str:
    return next((title_key(cover.subject.title) for cover in one.covers), "")


def _series_title(one: Set) -> str:
    return next((title_key(piece.series_title) for piece in one.patches if piece.series_title), "")

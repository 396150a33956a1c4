"""Which commits to test next.  Pure functions; the state of the search is git's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from harness.verdict.bisect import steps_left

MOST_ASKED = 8
"""Commits of which it is found out whether their kernels are there already."""


@dataclass(frozen=True, slots=True)
class Half:
    """A commit among those that are left, and `near`: how many the smaller part has that it divides them into."""

    commit: str
    near: int


def equally_good(halves: Sequence[Half], total: int) -> list[Half]:
    """The commits after which, in the worst case, no more tests are left than after the one in the middle, it first.

    The bad end is none: it has been tested.
    """
    real = sorted((half for half in halves if half.near > 0), key=lambda half: -half.near)
    if not real:
        return []
    best = steps_left(total - real[0].near)
    return [half for half in real if steps_left(total - half.near) == best]


def choose(halves: Sequence[Half], total: int, gits: str, is_there: Callable[[str], bool]) -> str:
    """The commit to test next: git's own choice, unless the kernel of an equally good one is there already."""
    good = equally_good(halves, total)
    if not any(half.commit == gits for half in good) or is_there(gits):
        return gits
    return next((half.commit for half in good[:MOST_ASKED] if half.commit != gits and is_there(half.commit)), gits)


def two_at_once(line: Sequence[str], skipped: Collection[str], is_there: Callable[[str], bool]) -> tuple[str, ...]:
    """The two commits to test at the same time, so that a third of those that are left remains, whatever they say.

    `line` are the commits that are left, oldest first; the last is the bad end.  Fewer than two where fewer are of
    use.  A neighbour takes the place of one that is skipped; one whose kernel is there is as good within a tenth.
    """
    total = len(line)
    found: list[str] = []
    for third in (1, 2):
        at = max(1, min(total - 1, round(total * third / 3)))
        usable = [place for place in range(1, total) if line[place - 1] not in skipped and line[place - 1] not in found]
        if not usable:
            break
        near = sorted(usable, key=lambda place: abs(place - at))
        close = [place for place in near[:MOST_ASKED] if abs(place - at) <= total / 10]
        chosen = next((place for place in close if is_there(line[place - 1])), near[0])
        found.append(line[chosen - 1])
    return tuple(sorted(found, key=list(line).index))

"""One hunk of a damaged text against the old lines that it must have: every way in which its counts close.

A shortest-path search over (place in the text, old lines used, new lines used).  Old lines are known, so they are
compared; where added lines end follows from the counts.  Costs only choose between readings that
close.  Knows no files.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from harness.series.mend import breaks
from harness.series.mend.budget import Budget
from harness.series.mend.stream import EMPTY_LINE, Stream

NO_NEWLINE = b"\\Nonewlineatendoffile"
MAX_ADDED_CHARS = 1000
CONTEXT = 3  # lines that git and quilt show around a change
MAX_READINGS = 64
_MAX_JOINED = 4  # physical lines that a mail program may have made of one

_STRAY = 15  # an empty line that is no line of the patch
_LOST = 40  # an empty line of the patch that the document lost, a line that was broken in two
_MISPLACED = 20  # added lines before removed ones
_CONTEXT_COST = 10


class _Phase(IntEnum):
    LEAD = 0  # no change yet
    OTHER = 1
    ADDED = 2  # the line before is an added one
    TAIL = 3  # no change from here on


@dataclass(frozen=True, slots=True)
class Span:
    """A line of a hunk: its kind (blank, -, + or backslash) and where its text, without the kind, stands."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a hunk, and where it ends in the text."""

    spans: tuple[Span, ...]
    end: int
    cost: int


@dataclass(frozen=True, slots=True)
class Task:
    """A hunk to be read: its counts, its part of the text, and the old lines, bare, that it must have."""

    stream: Stream
    begins: dict[int, int]  # where the first line may start, with what speaks against it
    end: int
    open_end: bool  # what follows the hunk's lines is not known
    ends: frozenset[int]  # where the last line may end nevertheless
    old: tuple[bytes, ...]
    new_count: int
    at_start: bool  # of the file
    at_end: bool
    c: bool  # judged as C
    where: str


_State = tuple[int, int, int, _Phase]  # place in the text, old lines used, new lines used
_Move = tuple[int, _State, Span | None]


@dataclass(slots=True)
class _Best:
    """The cheapest ways to a state."""

    cost: int
    before: list[tuple[_State | None, Span | None]] = field(default_factory=list)


def read_hunk(task: Task, budget: Budget) -> list[Reading]:
    """All cheapest readings (at most MAX_READINGS), [] if the counts do not close.  Raises UserError on no end."""
    return _Search(task, budget).readings()


class _Search:
    def __init__(self, task: Task, budget: Budget) -> None:
        self._task = task
        self._chars = task.stream.chars
        self._starts = task.stream.starts
        self._has_lines = task.stream.has_lines
        self._budget = budget
        self._best: dict[_State, _Best] = {}
        self._queue: list[_State] = []
        self._plus_left = self._count_pluses()
        self._operator = breaks.operator_cost if task.c else _prose_operator
        self._split: Callable[[bytes, bytes], int] = breaks.split_cost if task.c else lambda _line, _after: 0

    def _count_pluses(self) -> dict[int, int]:
        """For each place of a `+`, how many there are from it on."""
        places = [at for at in self._task.stream.pluses if at < self._task.end]
        return {at: len(places) - index for index, at in enumerate(places)}

    # --- search -----------------------------------------------------------------------------------------------

    def readings(self) -> list[Reading]:
        ends: list[tuple[int, _State]] = []
        for begin, cost in self._task.begins.items():
            self._reach(cost, (begin, 0, 0, _Phase.LEAD), None, None)
        while self._queue:
            state = heapq.heappop(self._queue)
            self._budget.spend(1, self._task.where)
            against = self._end_cost(state)
            if against is not None:
                ends.append((self._best[state].cost + against, state))
                continue
            for cost, target, span in self._moves(state):
                self._reach(self._best[state].cost + cost, target, state, span)
        if not ends:
            return []
        cheapest = min(cost for cost, _ in ends)
        found: list[Reading] = []
        for reached, state in ends:
            if reached == cheapest and len(found) < MAX_READINGS:
                paths = self._paths(state, MAX_READINGS - len(found))
                found += [Reading(spans, state[0], cheapest) for spans in paths]
        return found

    def _reach(self, cost: int, target: _State, before: _State | None, span: Span | None) -> None:
        """Note a way to a state; every move leads to a greater state, so states are done in order."""
        known = self._best.get(target)
        if known is None:
            self._best[target] = _Best(cost, [(before, span)])
            heapq.heappush(self._queue, target)
        elif cost < known.cost:
            known.cost, known.before = cost, [(before, span)]
        elif cost == known.cost:
            known.before.append((before, span))

    def _paths(self, state: _State, limit: int) -> list[tuple[Span, ...]]:
        """The cheapest ways to a state, last line first while they are followed."""
        done: list[tuple[Span, ...]] = []
        stack: list[tuple[_State, tuple[Span, ...]]] = [(state, ())]
        while stack and len(done) < limit:
            self._budget.spend(1, self._task.where)
            here, spans = stack.pop()
            for before, span in self._best[here].before:
                longer = spans if span is None else (span, *spans)
                if before is None:
                    done.append(longer)
                else:
                    stack.append((before, longer))
        return done[:limit]

    def _end_cost(self, state: _State) -> int | None:
        """What speaks against the hunk's end here; None if it is none."""
        at, old, new, phase = state
        if phase is not _Phase.TAIL or old != len(self._task.old) or new != self._task.new_count:
            return None
        if at == self._task.end or at in self._task.ends:
            return 0
        if self._task.open_end:
            unlikely = bool(self._task.ends) or self._chars[at : at + 1] in (b"+", b"-")
            return breaks.UNLIKELY if unlikely else 0
        rest = self._chars[at : self._task.end]
        return _STRAY if not rest.replace(EMPTY_LINE, b"") else None

    # --- moves ------------------------------------------------------------------------------------------------

    def _moves(self, state: _State) -> Iterator[_Move]:
        at, old, new, phase = state
        task = self._task
        if phase is not _Phase.LEAD and phase is not _Phase.TAIL and self._only_context(old, new):
            yield self._context_cost(len(task.old) - old, short=task.at_end), (at, old, new, _Phase.TAIL), None
        if self._chars.startswith(NO_NEWLINE, at) and phase is not _Phase.LEAD:
            end = at + len(NO_NEWLINE)
            yield 0, (end, old, new, phase), Span(b"\\", at + 1, end)
        if self._chars.startswith(EMPTY_LINE, at) and at < task.end:
            yield _STRAY, (at + 1, old, new, phase), None
        if old < len(task.old):
            yield from self._context(state)
            if phase is not _Phase.TAIL:
                yield from self._removed(state)
        if new < task.new_count and phase is not _Phase.TAIL and self._is(at, b"+"):
            yield from self._added(state)

    def _is(self, at: int, kind: bytes) -> bool:
        return at < self._task.end and self._chars.startswith(kind, at)

    def _only_context(self, old: int, new: int) -> bool:
        return len(self._task.old) - old == self._task.new_count - new

    def _context_cost(self, count: int, *, short: bool) -> int:
        return 0 if count == CONTEXT or (short and count < CONTEXT) else _CONTEXT_COST

    def _lead_cost(self, state: _State) -> int:
        """What the number of context lines before the first change speaks against this being it."""
        return self._context_cost(state[1], short=self._task.at_start) if state[3] is _Phase.LEAD else 0

    def _context(self, state: _State) -> Iterator[_Move]:
        at, old, new, phase = state
        if new >= self._task.new_count:
            return
        text = self._task.old[old]
        after = phase if phase in (_Phase.LEAD, _Phase.TAIL) else _Phase.OTHER
        if text:
            end = at + len(text)
            if end <= self._task.end and self._chars.startswith(text, at) and self._starts[end]:
                yield 0, (end, old + 1, new + 1, after), Span(b" ", at, end)
            return
        if self._is(at, EMPTY_LINE):
            yield 0, (at + 1, old + 1, new + 1, after), Span(b" ", at, at)
        cost = _LOST if self._has_lines else 0
        if phase is _Phase.ADDED and self._is(at, b"+"):
            cost += breaks.blank_cost(self._chars[max(0, at - 1) : at], self._chars[at + 1 : at + 2])
        yield cost, (at, old + 1, new + 1, after), Span(b" ", at, at)

    def _removed(self, state: _State) -> Iterator[_Move]:
        at, old, new, phase = state
        text = self._task.old[old]
        end = at + 1 + len(text)
        if end <= self._task.end and self._is(at, b"-") and self._chars.startswith(text, at + 1) and self._starts[end]:
            cost = self._lead_cost(state) + (_MISPLACED if phase is _Phase.ADDED else 0)
            yield cost, (end, old + 1, new, _Phase.OTHER), Span(b"-", at + 1, end)

    def _added(self, state: _State) -> Iterator[_Move]:
        at, old, new, _ = state
        wanted = self._task.new_count - new - (len(self._task.old) - old)
        if self._plus_left.get(at, 0) < wanted:
            return
        lead = self._lead_cost(state)
        for end, cost in self._added_ends(at, old):
            if cost < breaks.CERTAIN:
                yield lead + cost, (end, old, new + 1, _Phase.ADDED), Span(b"+", at + 1, end)

    def _added_ends(self, at: int, old: int) -> Iterator[tuple[int, int]]:
        """Where an added line that starts at `at` may end, with what speaks against it."""
        task, chars = self._task, self._chars
        matched = self._old_starts(at + 1, old)
        skipped, lines = 0, 0
        for end in range(at + 1, min(at + 1 + MAX_ADDED_CHARS, task.end) + 1):
            if not self._starts[end]:
                continue
            lines += 1
            self._budget.spend(1, task.where)
            plus = end < task.end and chars[end] == 0x2B
            line = chars[at + 1 : end]
            if self._has_lines:
                yield end, _LOST * (lines - 1)
                if lines == _MAX_JOINED:
                    return
                continue
            after = chars[end + 1 : end + 3] if plus else b""
            if plus or end in matched or end == task.end or end in task.ends or chars[end : end + 1] in (b"-", b"\\"):
                yield end, skipped + (self._split(line, after) if plus else 0)
            if plus:
                skipped += self._operator(line, after)
                if skipped >= breaks.CERTAIN:
                    return

    def _old_starts(self, begin: int, old: int) -> set[int]:
        """Where the next old line that is not blank stands after `begin`."""
        text = next((line for line in self._task.old[old:] if line), b"")
        found: set[int] = set()
        limit = min(begin + MAX_ADDED_CHARS, self._task.end) + len(text)
        at = self._chars.find(text, begin, limit) if text else -1
        while at >= 0:
            self._budget.spend(1, self._task.where)
            found.add(at)
            at = self._chars.find(text, at + 1, limit)
        return found


def _prose_operator(_before: bytes, _after: bytes) -> int:
    """A `+` in a text that is no C: the counts alone say what it is."""
    return 0


def distinct(readings: Sequence[Reading], new_lines: Callable[[Reading], tuple[bytes, ...]]) -> list[Reading]:
    """One reading for each post-image."""
    found: dict[tuple[bytes, ...], Reading] = {}
    for reading in readings:
        found.setdefault(new_lines(reading), reading)
    return list(found.values())

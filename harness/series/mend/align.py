"""One hunk of a damaged text against the old lines that it must have: every way in which its counts close.

A shortest-path search over (place in the text, old lines used, new lines used).  Old lines are known, so they are
compared; where added lines end follows from the counts.  Costs only choose between readings that
close.  Knows no files.
"""

from __future__ import annotations

import heapq
import re
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

_MAX_TEXTS = 64  # that the new file may have up to some place, before the counts decide

_INCREMENT = re.compile(rb"\+\+[\w(*]")
_STRAY = 15  # an empty line that is no line of the patch
_LOST = 40  # an empty line of the patch that the document lost, a line that was broken in two
_MISPLACED = 20  # added lines before removed ones
CONTEXT_COST = 10  # more or fewer lines of context than tools write
_UNLIKELY = 10


class _Phase(IntEnum):
    LEAD = 0  # no change yet
    OTHER = 1
    REMOVED = 2  # the line before is a removed one
    ADDED = 3
    TAIL = 4  # no change from here on


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
    old_pluses: tuple[int, ...]  # for each old line, how many words that begin with `+` are in it and those below
    old_indented: tuple[bool, ...]
    new_count: int
    at_start: bool  # of the file
    at_end: bool
    c: bool  # judged as C
    where: str


_State = tuple[int, int, int, _Phase]  # place in the text, old lines used, new lines used
_Move = tuple[int, int, _State, Span | None]  # what speaks against it, how odd it is, where it leads, the line


@dataclass(frozen=True, slots=True)
class _Step:
    """A way into a state: from which state and text, with which line, and how odd the way up to it is at best."""

    oddness: int
    before: tuple[_State, int] | None
    span: Span | None


@dataclass(slots=True)
class _Reached:
    """All ways into a state that least speaks against, by the text of the new file so far (its hash)."""

    cost: int
    ways: dict[int, list[_Step]] = field(default_factory=dict)


def read_hunk(task: Task, budget: Budget) -> list[Reading]:
    """The readings that least speaks against, [] if the counts do not close.

    Only one of those that give the same text in other lines is there, unless they are equally good: more than one
    reading means that the hunk is ambiguous.  Raises UserError where the search would have no end.
    """
    if not task.stream.has_lines:
        return _Search(task, budget).readings()
    return _Search(task, budget, strict=True).readings() or _Search(task, budget).readings()


class _Search:
    def __init__(self, task: Task, budget: Budget, *, strict: bool = False) -> None:
        self._task = task
        self._strict = strict  # lines are what they were: none broken in two, none lost
        self._chars = task.stream.chars
        self._starts = task.stream.starts
        self._has_lines = task.stream.has_lines
        self._budget = budget
        self._reached: dict[_State, _Reached] = {}
        self._queue: list[_State] = []
        self._plus_left = self._count_pluses()
        self._plus_ends: dict[int, tuple[list[tuple[int, int]], list[int], int]] = {}

    def _count_pluses(self) -> dict[int, int]:
        """For each place of a `+`, how many there are from it on."""
        places = [at for at in self._task.stream.pluses if at < self._task.end]
        return {at: len(places) - index for index, at in enumerate(places)}

    # --- search -----------------------------------------------------------------------------------------------

    def readings(self) -> list[Reading]:
        ends: list[tuple[int, _State]] = []
        for begin, cost in self._task.begins.items():
            self._reach(cost, (begin, 0, 0, _Phase.LEAD), 0, _Step(0, None, None))
        while self._queue:
            state = heapq.heappop(self._queue)
            here = self._reached[state]
            against = self._end_cost(state)
            if against is not None:
                ends.append((here.cost + against, state))
                continue
            for cost, oddness, target, span in self._moves(state):
                self._budget.spend(len(here.ways), self._task.where)
                for text, steps in here.ways.items():
                    best = min(step.oddness for step in steps)
                    step = _Step(best + oddness, (state, text), span)
                    self._reach(here.cost + cost, target, self._longer(text, span), step)
        return self._cheapest(ends)

    def _cheapest(self, ends: Sequence[tuple[int, _State]]) -> list[Reading]:
        cheapest = min((cost for cost, _ in ends), default=0)
        by_text: dict[int, list[tuple[int, _State, _Step]]] = {}
        for cost, state in ends:
            if cost == cheapest:
                for text, steps in self._reached[state].ways.items():
                    by_text.setdefault(text, []).extend((step.oddness, state, step) for step in steps)
        found: list[Reading] = []
        for ways in by_text.values():
            best = min(oddness for oddness, _, _ in ways)
            for oddness, state, step in ways:
                if oddness == best and len(found) < MAX_READINGS:
                    paths = self._paths(step, MAX_READINGS - len(found))
                    found += [Reading(spans, state[0], cheapest) for spans in paths]
        return found

    def _reach(self, cost: int, target: _State, text: int, step: _Step) -> None:
        """Note a way to a state; every move leads to a greater state, so states are done in order."""
        known = self._reached.get(target)
        if known is None:
            known = self._reached[target] = _Reached(cost)
            heapq.heappush(self._queue, target)
        elif cost < known.cost:
            known.cost, known.ways = cost, {}
        elif cost > known.cost or (text not in known.ways and len(known.ways) >= _MAX_TEXTS):
            return
        known.ways.setdefault(text, []).append(step)

    def _longer(self, text: int, span: Span | None) -> int:
        """The hash of the new file's text with one more line."""
        if span is None or span.kind in (b"-", b"\\"):
            return text
        return self._task.stream.appended(text, span.start, span.end)

    def _paths(self, last: _Step, limit: int) -> list[tuple[Span, ...]]:
        """The least odd ways that end with a step; followed from their end."""
        done: list[tuple[Span, ...]] = []
        stack: list[tuple[_Step, tuple[Span, ...]]] = [(last, ())]
        while stack and len(done) < limit:
            self._budget.spend(1, self._task.where)
            step, spans = stack.pop()
            longer = spans if step.span is None else (step.span, *spans)
            if step.before is None:
                done.append(longer)
                continue
            state, text = step.before
            steps = self._reached[state].ways[text]
            best = min(each.oddness for each in steps)
            stack.extend((each, longer) for each in steps if each.oddness == best)
        return done

    def _end_cost(self, state: _State) -> int | None:
        """What speaks against the hunk's end here; None if it is none."""
        at, old, new, phase = state
        if phase is not _Phase.TAIL or old != len(self._task.old) or new != self._task.new_count:
            return None
        if at == self._task.end or at in self._task.ends:
            return 0
        if self._task.open_end:
            signature = self._chars[at : at + 2] == b"--" and self._starts[at + 2] == 1
            more = self._chars[at : at + 1] in (b"+", b"-") and not (signature and self._has_lines)
            more = more or self._chars.startswith(NO_NEWLINE, at)
            return None if more else _UNLIKELY if self._task.ends else 0
        rest = self._chars[at : self._task.end]
        return _STRAY if not rest.replace(EMPTY_LINE, b"") else None

    # --- moves ------------------------------------------------------------------------------------------------

    def _moves(self, state: _State) -> Iterator[_Move]:
        at, old, new, phase = state
        task = self._task
        if (
            phase in (_Phase.OTHER, _Phase.REMOVED, _Phase.ADDED)
            and self._only_context(old, new)
            and self._may_end(at, old)
        ):
            yield self._context_cost(len(task.old) - old, short=task.at_end), 0, (at, old, new, _Phase.TAIL), None
        if self._chars.startswith(NO_NEWLINE, at) and phase is not _Phase.LEAD:
            end = at + len(NO_NEWLINE)
            yield 0, 0, (end, old, new, phase), Span(b"\\", at + 1, end)
        if self._chars.startswith(EMPTY_LINE, at) and at < task.end:
            yield _STRAY, 0, (at + 1, old, new, phase), None
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

    def _may_end(self, at: int, old: int) -> bool:
        """Whether the text allows that no change follows: where no old line shows where added ones end, it must end."""
        if self._has_lines or any(self._task.old[old:]) or not self._task.open_end:
            return True
        return at == self._task.end or at in self._task.ends

    def _context_cost(self, count: int, *, short: bool) -> int:
        return 0 if count == CONTEXT or (short and count < CONTEXT) else CONTEXT_COST

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
                yield 0, 0, (end, old + 1, new + 1, after), Span(b" ", at, end)
            return
        if self._is(at, EMPTY_LINE):
            yield 0, 0, (at + 1, old + 1, new + 1, after), Span(b" ", at, at)
        if self._strict:
            return
        oddness = 0
        if phase is _Phase.ADDED and self._is(at, b"+"):
            oddness = self._blank_cost(at)
        elif phase is _Phase.REMOVED and self._is(at, b"+"):
            oddness = 1  # what replaces a line stands below it
        yield _LOST if self._has_lines else 0, oddness, (at, old + 1, new + 1, after), Span(b" ", at, at)

    def _blank_cost(self, at: int) -> int:
        """How odd a blank line would be between the added lines that end and begin at `at`."""
        chars, gap = self._chars, self._task.stream.is_gap
        if (chars[at - 1] == 0x2B and gap(at - 1)) or (gap(at + 1) and chars[at + 1 : at + 2] in (b"+", b"-", b"")):
            return breaks.TWO_BLANKS  # beside an added blank line
        outside = not gap(at + 1)  # the next line begins in the first column
        return breaks.blank_cost(chars[max(0, at - 2) : at], chars[at + 1 : at + 2], outside=outside)

    def _removed(self, state: _State) -> Iterator[_Move]:
        at, old, new, phase = state
        text = self._task.old[old]
        end = at + 1 + len(text)
        if not self._has_lines and text and self._task.stream.is_gap(at + 1) is not self._task.old_indented[old]:
            return  # `- x` is an indented line
        if end <= self._task.end and self._is(at, b"-") and self._chars.startswith(text, at + 1) and self._starts[end]:
            cost = self._lead_cost(state) + (_MISPLACED if phase is _Phase.ADDED else 0)
            yield cost, 0, (end, old + 1, new, _Phase.REMOVED), Span(b"-", at + 1, end)

    def _added(self, state: _State) -> Iterator[_Move]:
        at, old, new, _ = state
        wanted = self._task.new_count - new - (len(self._task.old) - old)
        in_old = 0 if self._has_lines else self._task.old_pluses[old]
        if self._plus_left.get(at, 0) - in_old < wanted:
            return
        lead = self._lead_cost(state)
        for end, cost, oddness in self._added_ends(at, old):
            yield lead + cost, oddness, (end, old, new + 1, _Phase.ADDED), Span(b"+", at + 1, end)

    def _added_ends(self, at: int, old: int) -> Iterator[tuple[int, int, int]]:
        """Where an added line that starts at `at` may end, what speaks against it, and how odd it is."""
        if self._has_lines:
            last = min(at + 1 + MAX_ADDED_CHARS, self._task.end)
            places = (end for end in range(at + 1, last + 1) if self._starts[end])
            marker = self._chars.find(NO_NEWLINE, at, last + 1)
            places = (end for end in places if marker < 0 or end <= marker)
            most = 1 if self._strict else _MAX_JOINED
            yield from ((end, _LOST * lost, 0) for lost, end in zip(range(most), places, strict=False))
            return
        if at not in self._plus_ends:
            self._plus_ends[at] = self._find_plus_ends(at)
        before_pluses, others, limit = self._plus_ends[at]
        yield from ((end, 0, oddness) for end, oddness in before_pluses)
        known = {end for end in self._old_starts(at + 1, old) if end <= limit and self._starts[end]}
        yield from ((end, 0, 0) for end in sorted(known.union(others)) if self._chars[end : end + 1] != b"+")

    def _find_plus_ends(self, at: int) -> tuple[list[tuple[int, int]], list[int], int]:
        """Where an added line may end before another one or before no old line, and how far it may reach."""
        task, chars = self._task, self._chars
        before_pluses: list[tuple[int, int]] = []
        others: list[int] = []
        limit = min(at + 1 + MAX_ADDED_CHARS, task.end)
        starred = chars[at + 1 : at + 2] == b"*" and task.stream.is_gap(at + 2)
        returns = chars.startswith(b"return", at + 1) and task.stream.is_gap(at + 7)
        for end in range(at + 1, limit + 1):
            if not self._starts[end]:
                continue
            if end == task.end or end in task.ends or chars[end] in b"-\\":
                others.append(end)
                if chars.startswith(NO_NEWLINE, end):
                    return before_pluses, others, end
            if end == task.end or chars[end] != 0x2B:
                continue
            self._budget.spend(1, task.where)
            line, after, increment = chars[at + 1 : end], chars[end + 1 : end + 3], self._is_increment(end)
            if not task.c or breaks.may_split(line, after, increment=increment, star=starred, returns=returns):
                before_pluses.append((end, breaks.split_cost(line, after) if task.c else 0))
            star = after == b"*/" or (after[:1] == b"*" and task.stream.is_gap(end + 2))
            joins = breaks.may_join(line, after, increment=increment) and not (star and breaks.in_comment(line))
            if not line:
                joins = increment or breaks.may_begin(chars[max(0, at - 1) : at])
            if task.c and not joins:
                return before_pluses, others, end
        return before_pluses, others, limit

    def _is_increment(self, at: int) -> bool:
        """Whether a `+` looks like the first of `++i`: as a line's first character it would be no C."""
        gap = self._task.stream.is_gap
        return _INCREMENT.match(self._chars, at) is not None and not gap(at + 1) and not gap(at + 2)

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


def distinct(readings: Sequence[Reading], new_lines: Callable[[Reading], tuple[bytes, ...]]) -> list[Reading]:
    """One reading for each post-image."""
    found: dict[tuple[bytes, ...], Reading] = {}
    for reading in readings:
        found.setdefault(new_lines(reading), reading)
    return list(found.values())

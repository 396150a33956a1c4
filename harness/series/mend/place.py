"""Where in a file a hunk's old lines are: where its header says, else at the one other place where they fit.

What git does with the result later must be the same: no fuzz, and no choice between places.
Knows the tree's lines; knows nothing of what added lines look like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.errors import UserError
from harness.series.mend import breaks
from harness.series.mend.align import CONTEXT_COST, Reading, Task, distinct, read_hunk
from harness.series.mend.budget import Budget
from harness.series.mend.damaged import DamagedHunk
from harness.series.mend.stream import bare

MAX_HEADING_CHARS = 80
_FUNCTION = re.compile(rb"[A-Za-z_$]")
_CUTS = (80, 40)  # bytes of a line that git and GNU diff show as a heading


@dataclass(frozen=True)
class Source:
    """A file as the tree has it."""

    path: str
    lines: tuple[bytes, ...]
    ends_in_newline: bool = True

    @cached_property
    def bare(self) -> tuple[bytes, ...]:
        return tuple(bare(line) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Placed:
    """A hunk in its place: its first old line is line `at` (from 0); more than one reading where it is ambiguous."""

    hunk: DamagedHunk
    at: int
    readings: tuple[Reading, ...]
    where: str

    @property
    def offset(self) -> int:
        return self.at - first_line(self.hunk)


def first_line(hunk: DamagedHunk) -> int:
    """The line, from 0, that a hunk's header names."""
    return hunk.old_start - 1 if hunk.old_count else hunk.old_start


def source_of(path: str, content: bytes) -> Source:
    lines = content.split(b"\n")
    ends = lines[-1] == b""
    return Source(path, tuple(lines[:-1] if ends else lines), ends or not content)


def place_hunk(source: Source, hunk: DamagedHunk, after: int, budget: Budget) -> Placed:
    """Find a hunk at or after line `after`.  Raises UserError where it does not fit, or fits at more than one place."""
    where = f"{source.path}, hunk {hunk.title.decode()}"
    wanted = first_line(hunk)
    fitting: dict[int, tuple[Reading, ...]] = {}
    if after <= wanted <= len(source.lines) - hunk.old_count:
        fitting[wanted] = _read(source, hunk, wanted, where, budget)
        if fitting[wanted] and fitting[wanted][0].cost < CONTEXT_COST:
            return Placed(hunk, wanted, fitting[wanted], where)
    for at in _candidates(source, hunk, where, budget):
        if at not in fitting:
            fitting[at] = _read(source, hunk, at, where, budget)
    fitting = {at: readings for at, readings in fitting.items() if readings}
    cheapest = min((readings[0].cost for readings in fitting.values()), default=0)
    best = [at for at, readings in fitting.items() if readings[0].cost == cheapest]
    same = _like(source, best[0], hunk.old_count) if best else []
    if wanted not in best and len(places := sorted({*best, *same})) > 1:
        raise UserError(
            f"{where}: does not fit where it says, but at more than one other place"
            f" (lines {', '.join(str(at + 1) for at in places[:5])})",
            fix="give the tree that the patch was made for",
        )
    if not best or best[0] < after:
        raise UserError(
            f"{where}: the lines that it removes or keeps are not in the file, or its counts do not close",
            fix="give the tree that the patch was made for",
        )
    at = wanted if wanted in best else best[0]
    return Placed(hunk, at, fitting[at], where)


def _like(source: Source, at: int, count: int) -> list[int]:
    """Where the same lines stand: git, which goes by lines alone, would have a choice."""
    lines = source.lines[at : at + count]
    starts = (start for start, line in enumerate(source.lines) if lines and line == lines[0])
    return [start for start in starts if source.lines[start : start + count] == lines]


def _candidates(source: Source, hunk: DamagedHunk, where: str, budget: Budget) -> list[int]:
    """Places whose lines all stand, in their order, in the hunk's text."""
    if not hunk.old_count or hunk.old_start <= 1:
        return []  # git wants such a hunk at the start of the file
    chars = hunk.stream.chars
    cost = 1 + len(chars) // 1024
    found = []
    known: dict[bytes, bool] = {b"": True}
    for at in range(len(source.lines) - hunk.old_count + 1):
        position = 0
        for line in source.bare[at : at + hunk.old_count]:
            if line not in known:
                budget.spend(cost, where)
                known[line] = line in chars
            if not known[line]:
                break
            budget.spend(1, where)
            position = chars.find(line, position)
            if position < 0:
                break
            position += len(line)
        else:
            if any(source.bare[at : at + hunk.old_count]):
                found.append(at)
    return found


def _read(source: Source, hunk: DamagedHunk, at: int, where: str, budget: Budget) -> tuple[Reading, ...]:
    """The readings of a hunk at a place, one for each text that it may become."""
    old = source.bare[at : at + hunk.old_count]
    at_end = at + hunk.old_count == len(source.lines)
    if hunk.old_start <= 1 and at != 0:
        return ()
    task = Task(
        stream=hunk.stream,
        begins=_begins(source, hunk, at),
        end=len(hunk.stream.chars),
        open_end=hunk.open_end,
        ends=hunk.ends,
        old=old,
        old_pluses=_pluses(source.lines[at : at + hunk.old_count]),
        old_indented=tuple(line[:1] in (b" ", b"\t") for line in source.lines[at : at + hunk.old_count]),
        new_count=hunk.new_count,
        at_start=hunk.old_start <= 1,
        at_end=at_end,
        c=breaks.is_c(source.path),
        where=where,
    )
    found = [reading for reading in read_hunk(task, budget) if at_end or reading.spans[-1].kind == b" "]
    return tuple(distinct(found, lambda reading: new_image(hunk, reading)))


def _pluses(lines: Sequence[bytes]) -> tuple[int, ...]:
    """For each line, how many words that begin with `+` are in it and those below it; and 0 for none."""
    counts = [0]
    for line in reversed(lines):
        counts.append(counts[-1] + sum(word.startswith(b"+") for word in line.split()))
    return tuple(reversed(counts))


def new_image(hunk: DamagedHunk, reading: Reading) -> tuple[bytes, ...]:
    """The lines that a reading leaves, with single blanks: what tells readings apart."""
    return tuple(
        hunk.stream.text(span.start, span.end) for span in reading.spans if span.kind in (b" ", b"+", b"\\")
    )  # fmt: skip


def _begins(source: Source, hunk: DamagedHunk, at: int) -> dict[int, int]:
    """Where a hunk's first line may start: at once, or after a heading that runs into it."""
    if hunk.heading is not None:
        return {0: 0}
    stream = hunk.stream
    last = min(MAX_HEADING_CHARS, len(stream.chars))
    places = [place for place in range(last + 1) if stream.starts[place]]
    functions = [line for line in source.lines[:at] if _FUNCTION.match(line)]
    likely = {bare(functions[-1][:cut]) for cut in _CUTS} if functions else {b""}
    heads = {bare(line)[:MAX_HEADING_CHARS] for line in functions}
    found = {}
    for place in places:
        text = stream.chars[:place]
        if text in likely:
            found[place] = 0
        elif text and any(head.startswith(text) for head in heads):
            found[place] = 1
        else:
            found[place] = 3 if not text else 2 * CONTEXT_COST
    return found

"""Reads what a guest program counted in each repetition, out of the output that `harness.suites.ktap` reads.

Grammar, one line each; the second follows the first of its name, and gives each repetition that counts::

    # metric NAME VALUE UNIT COUNT
    # samples NAME TOTAL/COUNT TOTAL/COUNT …

Only times are read, whose UNIT is ns/OPERATION: nanoseconds of the guest, which in an exact guest are instructions.
Judges nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.costs import Repetition

_METRIC = re.compile(r"# metric (\S+) \S+ ns/([a-z][a-z0-9_-]{0,31}) \d+")
_SAMPLES = re.compile(r"# samples (\S{1,64})((?: \d{1,18}/\d{1,12})+)")
_OURS = "# samples "

_MAIN = "_cost"


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was counted of one thing.  `name` is "" for what the case is about."""

    name: str
    operation: str
    repetitions: tuple[Repetition, ...]


def parse(text: str) -> tuple[Sampled, ...]:
    """What the output of one case says.  Raises ValueError where a line is not what the grammar allows."""
    operations: dict[str, str] = {}
    found: dict[str, tuple[Repetition, ...]] = {}
    for line in (line.rstrip("\r") for line in text.split("\n")):
        if match := _METRIC.fullmatch(line):
            operations[match[1]] = match[2]
        elif line.startswith(_OURS) and (name := line.split(" ")[2]) in operations:
            if name in found:
                raise ValueError(f"samples of {name} come twice")
            found[name] = _repetitions(line)
    main = next((name for name in found if name.endswith(_MAIN)), next(iter(found), ""))
    told: dict[tuple[int, ...], Sampled] = {}  # the same costs by other operations are the same thing
    for name, repetitions in sorted(found.items(), key=lambda item: item[0] != main):
        costs = tuple(one.cost for one in repetitions)
        told.setdefault(costs, Sampled("" if name == main else name, operations[name], repetitions))
    return tuple(told.values())


def _repetitions(line: str) -> tuple[Repetition, ...]:
    match = _SAMPLES.fullmatch(line)
    if match is None:
        raise ValueError(f"malformed line {line[:80]!r}")
    parts = (part.split("/") for part in match[2].split())
    return tuple(_repetition(int(total), int(count)) for total, count in parts)


def _repetition(cost: int, operations: int) -> Repetition:
    if not operations:
        raise ValueError("a repetition of no operations")
    return Repetition(cost, operations)

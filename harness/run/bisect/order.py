"""What is asked of a search, and how it is kept in the log: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.model import Sought, Tries
from harness.plan.model import Plan
from harness.report.results import from_json, to_json
from harness.verdict.bisect import runs_needed

Step = dict[str, object]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Order:
    """What to look for.  One of `command`, `build`, `metric`, `sought` and `finding` or the plan's `cases` is there."""

    range: str = ""  # A..B of the tree's repository; "": the plan's series
    finding: str = ""  # a fingerprint, or a glob on TYPE: TITLE
    build: bool = False
    command: str = ""  # of a shell
    metric: str = ""  # SUITE.CASE of what costs more than the base's, by `slower`
    slower: str = ""  # 0.2%, or 5 instructions
    sought: Sought | None = None  # a failure that a run has seen
    seed: int = 0  # of that failure
    run: str = ""  # the results.json that it is of
    tip: str = ""  # the tree of that run's series
    rate: Tries | None = None  # how often it fails; None: to be measured
    runs: int = 0  # of each commit; 0: as many as the rate needs
    confidence: float = CONFIDENCE
    parallel: bool = False

    def runs_at(self, rate: Tries | None) -> int:
        """After how many runs without the failure a commit is good, if it fails at this rate; None: each time."""
        return self.runs or runs_needed(rate.failed / rate.of if rate is not None else 1.0, self.confidence)


@dataclass(frozen=True, slots=True)
class Line:
    """The commits to search among, as they lie in the repository of the search."""

    title: str  # of the series, or the range
    spec: str  # of the tree, as the user said it
    version: str  # of the kernel
    home: str  # the commit whose work copy is used: that of other runs on this tree, too
    base: str  # the good end
    tip: str
    base_fix: str  # applied to each commit: of ranges; none where it is a part of the history


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of a log: all that it takes to go on after a reboot."""

    order: Order
    line: Line
    started: str  # ISO 8601, UTC
    command: tuple[str, ...]


def to_step(begun: Begun, plan: Plan, directory: Path) -> Step:
    return {"begun": to_json(begun, directory), "plan": plan.model_dump(mode="json")}


def from_step(step: Mapping[str, object], path: Path, directory: Path) -> tuple[Begun, Plan]:
    """Raises InputError for a step that does not say it."""
    try:
        return from_json(Begun, step["begun"], directory), Plan.model_validate(step["plan"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, 1, f"not the beginning of a search: {error}", fix="begin the search again") from error

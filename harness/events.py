"""What a run says while it works: a small vocabulary between the engine and whoever shows it.

The engine emits, the command line renders; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class EventKind(StrEnum):
    STARTED = "started"  # a step begins
    PROGRESS = "progress"  # what it is doing now; replaces the line before
    FINISHED = "finished"  # a step ended well, or its result is bad data
    FAILED = "failed"  # a step could not do its work
    NOTE = "note"  # something a person must know
    CONSOLE = "console"  # the last console lines of a guest that died, at once
    OUTLOOK = "outlook"  # a step has begun or ended: how far the run is


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far a run is, and how long the rest may take: as long as the same steps took before."""

    done: int  # steps that have ended, well or not
    running: int
    left: int
    seconds: float  # until the end, of what is known of it
    unknown: int = 0  # steps that have begun or are left, and were never measured

    @property
    def text(self) -> str:
        """`12 of 30 steps done, 3 running, 15 left`."""
        every = self.done + self.running + self.left
        return f"{self.done} of {every} steps done, {self.running} running, {self.left} left"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.  `step` names the step (`build x86_64 lockdep`), "" for the run as a whole."""

    kind: EventKind
    step: str = ""
    text: str = ""
    seconds: float = 0.0  # FINISHED: how long it took
    last_s: float = 0.0  # STARTED: how long it took last time; 0 if never
    cached: bool = False  # FINISHED: nothing had to be done
    good: bool = True  # FINISHED: whether the result is good
    log: Path | None = None
    outlook: Outlook | None = None  # OUTLOOK


Emit = Callable[[Event], None]
"""Takes events; called from any thread."""

Say = Callable[[str], None]
"""A stage's way to say what it is doing now; the engine makes PROGRESS events of it."""

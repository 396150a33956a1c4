"""What a run was asked for and how far it is, on disk while it works: what `--resume` and `vmaharness runs` read.

The file is in the run's directory, written anew after each step, whole or not at all.  Beside it lies what guests have
answered so far (`harness.run.answers`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import Cancelled, HarnessError, InputError, UserError
from harness.host.sessions import Session, boot_id, started
from harness.model import Outcome, RunResult
from harness.report import results
from harness.report.files import write_atomic
from harness.run.answers import PATTERN
from harness.run.graph import Node, Report

NAME = "run.json"
"""The file, in the directory of a run."""

FORMAT = 1

_WORTH_S = 0.5  # of work, which is written down at once

RUNNING, INTERRUPTED, ERROR, INCOMPLETE = "running", "interrupted", "error", "incomplete"
PASSED, FAILED, NOTHING_RAN = "passed", "failed", "nothing ran"
CONTINUED = (INTERRUPTED, ERROR, INCOMPLETE)
"""The states of a run that can be continued."""


class ChangedInput(UserError):
    """A run cannot be continued: what it was made of is not what it was."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that has ended well: whether what it gave is good, and what it was made of where that must not change."""

    outcome: str  # "good", "bad"
    seconds: float
    cached: bool
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A run."""

    id: str  # of the session that began it
    version: str  # of vmaharness
    command: tuple[str, ...]
    goal: str  # "run", "build", …
    plan: dict[str, Any]
    started: str  # ISO 8601, UTC
    pid: int  # of the process that works on it, or did last
    pid_started: int  # clock ticks after the boot
    boot: str  # boot ID of the machine
    seconds: float = 0.0  # of work until this was written
    continued: int = 0  # how often it was
    steps: dict[str, Step] = field(default_factory=dict)
    state: str = RUNNING
    ended: str = ""  # ISO 8601, UTC; "" while it runs, or where nobody could say so
    message: str = ""  # the verdict
    format: int = FORMAT

    @property
    def lives(self) -> bool:
        """Whether a process of this machine works on it."""
        return self.state == RUNNING and self.boot == boot_id() and started(self.pid) == self.pid_started


def load(directory: Path) -> Record:
    """The record of a run.  Raises InputError: there is none, it is damaged or of another version."""
    path = directory / NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("format") != FORMAT:
            raise InputError(path, 0, f"is of vmaharness {str(found.get('version'))[:40]}", fix="start a new run")
        return results.from_json(Record, found, directory)
    except FileNotFoundError as error:
        raise InputError(
            path, 0, "no such file", fix="give the directory of a run, as vmaharness runs shows it"
        ) from error
    except OSError as error:
        raise InputError(path, 0, f"cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(path, 0, "is no record of a run", fix="start a new run") from error


class Recorder:
    """Keeps the record of the run that works here."""

    def __init__(self, directory: Path, record: Record, before: Record | None) -> None:
        self._directory = directory
        self._record = record
        self._before = before
        self._lock = threading.Lock()
        self._written = 0.0
        self._earlier_s, self._began = record.seconds, time.monotonic()

    def start(self, **inputs: str) -> None:
        """From now on the run is there; `inputs` names what it is made of that no step reads.  Raises ChangedInput."""
        found = {name.replace("_", " "): identity for name, identity in inputs.items()}
        for name, identity in found.items():
            self.same(name, identity)
        read = {name: Step("good", 0.0, cached=False, identity=identity) for name, identity in found.items()}
        self._record = replace(self._record, steps={**self._record.steps, **read})
        self._write()

    @property
    def record(self) -> Record:
        return self._record

    @property
    def seconds(self) -> float:
        """Of work until now, all starts together."""
        return round(self._earlier_s + time.monotonic() - self._began, 3)

    def done(self, node: Node[Any], report: Report) -> None:
        """A step has ended well."""
        step = Step("good" if report.good else "bad", round(node.seconds, 3), report.cached, report.identity)
        with self._lock:
            self._record = replace(self._record, steps={**self._record.steps, node.name: step})
            # What came from the cache is soon found there again: a hundred such steps need not be a hundred writes.
            if node.seconds >= _WORTH_S or time.monotonic() - self._written >= _WORTH_S:
                self._write()

    def same(self, name: str, identity: str) -> None:
        """Hold what something is made of against what it was in the run that is continued.  Raises ChangedInput."""
        before = self._before.steps.get(name) if self._before is not None else None
        if before is not None and before.identity and before.identity != identity:
            raise ChangedInput(
                f"{self._directory} cannot be continued: {name} is not what it was",
                fix="start a new run: what has not changed comes from the cache",
                detail=f"then {before.identity}, now {identity or 'nothing'}",
            )

    def end(self, result: RunResult, error: HarnessError | None) -> None:
        """The run is over."""
        with self._lock:
            self._record = replace(self._record, state=_state(result, error), ended=_now(), message=result.message)
            self._write()
        if self._record.state not in CONTINUED:
            for left in self._directory.rglob(PATTERN):
                left.unlink(missing_ok=True)

    def give_back(self) -> None:
        """Leave the run as it was: it could not be continued."""
        with self._lock:
            if self._before is not None:
                self._record = replace(self._before, state=state_of(self._before, lambda: False))
                self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._record = replace(self._record, seconds=self.seconds)
        data = results.to_json(self._record, self._directory)
        write_atomic(self._directory / NAME, (json.dumps(data, indent=1) + "\n").encode())


def _state(result: RunResult, error: HarnessError | None) -> str:
    if isinstance(error, Cancelled):
        return INTERRUPTED
    if error is not None or result.outcome is Outcome.ERROR:
        return ERROR
    if result.outcome is Outcome.PASS:
        return PASSED
    if result.outcome.blames_kernel:
        return INCOMPLETE if result.left_out else FAILED
    return INCOMPLETE if result.left_out else NOTHING_RAN


def begin(
    directory: Path, session: Session, *, command: tuple[str, ...], goal: str, plan: dict[str, Any], resume: bool
) -> Recorder:
    """The record of a new run, or with `resume` of the one in the directory; raises what `load` raises."""
    process: dict[str, Any] = {"pid": session.pid, "pid_started": session.started, "boot": boot_id()}
    if not resume:
        record = Record(
            id=session.name, version=__version__, command=command, goal=goal, plan=plan, started=_now(), **process
        )
        return Recorder(directory, record, None)
    before = load(directory)
    record = replace(before, state=RUNNING, ended="", message="", continued=before.continued + 1, **process)
    return Recorder(directory, record, before)


def resumable(directory: Path) -> Record:
    """The record of a run that can be continued.  Raises UserError for one that works, or came to its end."""
    record = load(directory)
    if record.lives:
        raise UserError(f"{directory} is at work, as process {record.pid}", fix="wait for it, or stop it")
    if record.state not in (RUNNING, *CONTINUED):
        raise UserError(
            f"{directory} came to its end: {record.state}",
            fix="nothing is left to do; vmaharness report shows it, a new run does it again",
        )
    return record


def state_of(record: Record, held: Callable[[], bool]) -> str:
    """What a run is doing; `held` tells whether anybody writes to its directory, be it in another container."""
    if record.state != RUNNING:
        return record.state
    return RUNNING if record.lives or held() else INTERRUPTED


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

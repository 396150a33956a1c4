"""Which runs there are: a small file for each in the cache, with the place of its directory; and what each is doing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.host.sessions import is_flocked
from harness.model import Outcome, RunResult
from harness.report import results
from harness.report.files import write_atomic
from harness.run import record

_DIRECTORY = "runs"
MARK = ".vmaharness"
"""The file in a run's directory that is locked while somebody writes there."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as a list shows it."""

    id: str  # "" where it was never registered
    directory: Path
    state: str  # running, interrupted, passed, failed, error, incomplete, nothing ran
    verdict: str  # in a line; "" where there is none
    goal: str  # "run", "build", …
    series: str
    started: str  # ISO 8601, UTC
    seconds: float  # of work, as far as it is known
    bytes: int  # that the directory takes of the disk
    steps: int = 0  # that are done


def add(cache: Path, name: str, directory: Path) -> None:
    """Remember a run, but not one in the cache's own scratch space.  Raises InfraError."""
    if directory.absolute().is_relative_to(cache.absolute()):
        return
    write_atomic(cache / _DIRECTORY / name, os.fsencode(directory.absolute()))


def known(cache: Path) -> dict[str, Path]:
    """The directories of all runs that are remembered, by ID; also of those that are there no more."""
    found = {}
    with suppress(OSError):
        for entry in sorted((cache / _DIRECTORY).iterdir()):
            if not entry.name.startswith("."):
                with suppress(OSError):
                    found[entry.name] = Path(os.fsdecode(entry.read_bytes()))
    return found


def gone(cache: Path) -> list[Path]:
    """The entries of runs whose directory is gone, or holds a later run."""
    return [cache / _DIRECTORY / name for name, directory in known(cache).items() if not _holds(directory, name)]


def runs(cache: Path, directories: Iterable[Path]) -> list[Run]:
    """All runs that are remembered, and those in these directories, the newest last.

    Raises InputError for a directory that was asked for and holds no run.
    """
    asked = [directory.absolute() for directory in directories]
    found = {directory: _look(directory, "") for directory in asked}
    for name, directory in known(cache).items():
        if found.get(directory) is None or not found[directory].id:
            with suppress(InputError):
                seen = _look(directory, name)
                if not seen.id or seen.id == name:  # else the directory is another run's by now
                    found[directory] = seen
    return sorted(found.values(), key=lambda run: run.started)


def find(cache: Path, wanted: str) -> Path:
    """A run's directory, by that or by its ID."""
    path = Path(wanted)
    return path if path.exists() or "/" in wanted else known(cache).get(wanted, path)


def _holds(directory: Path, name: str) -> bool:
    try:
        return record.load(directory).id == name
    except InputError:
        return False


def _look(directory: Path, name: str) -> Run:
    """Raises InputError where there is no run."""
    if not (directory / record.NAME).exists():
        return _from_results(results.load(directory / "results.json"), directory)
    found = record.load(directory)
    state = record.state_of(found, lambda: is_flocked(directory / MARK))
    return Run(
        id=found.id, directory=directory, state=state, verdict=found.message, goal=found.goal,
        series=str(found.plan.get("series") or ""), started=found.started, seconds=found.seconds,
        bytes=_size(directory), steps=len(found.steps),
    )  # fmt: skip


def _from_results(result: RunResult, directory: Path) -> Run:
    """A run of a version that kept no record."""
    states = {Outcome.PASS: record.PASSED, Outcome.ERROR: record.ERROR}
    state = states.get(result.outcome, record.FAILED if result.outcome.blames_kernel else record.NOTHING_RAN)
    return Run(
        id="", directory=directory, state=state, verdict=result.message, goal="run", series=result.series,
        started=result.started, seconds=result.seconds, bytes=_size(directory), steps=len(result.steps),
    )  # fmt: skip


def _size(directory: Path) -> int:
    return sum(_blocks(path) for path in directory.rglob("*"))


def _blocks(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_blocks * 512
    return 0

"""What a run that was killed has left in the cache and among the processes, and nothing else's.

A process counts as left if it has the mark of a harness that is gone (`harness.host.sessions`); a scratch directory if
nobody holds its lock; in a work copy that nobody holds, what the next run would throw away.  Directories of results are
never touched: an interrupted run can be continued from its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.host import sessions
from harness.host.cache import OWNER, age_s, remove_tree
from harness.host.sessions import Process, is_held, sockets
from harness.host.upkeep import size_of
from harness.kernel.checkout import interrupted
from harness.kernel.git import left_by_git
from harness.run import registry

_LOCK = "owner.lock"
_BEGINS_S = 30.0


@dataclass(frozen=True, slots=True)
class Live:
    """A harness that is at work."""

    name: str  # of its session
    pid: int
    command: tuple[str, ...]
    directory: str  # of its results; "" where it has none
    processes: tuple[Process, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Something that a killed run has left."""

    kind: str  # process, scratch, work copy, lock or pack (git's), entry
    name: str  # for people
    bytes: int = 0
    process: Process | None = None
    path: Path | None = None
    lock: Path | None = None  # held while the path is removed


def live(cache: Path) -> list[Live]:
    """Every harness that is at work with the cache, and what it has started."""
    found, running = [], sessions.processes(cache)
    for place in _scratch(cache):
        if not is_held(place / _LOCK):
            continue
        said = _said(place)
        own = tuple(process for process in running if process.session.name == place.name)
        words, number = said.get("command"), place.name.partition("-")[0]
        pid = int(number) if number.isdigit() else 0
        command = tuple(str(word) for word in words) if isinstance(words, list) else sessions.argv_of(pid)
        found.append(Live(place.name, pid, command, str(said.get("directory") or ""), own))
    return found


def left(cache: Path) -> list[Left]:
    """What killed runs have left; changes nothing."""
    found = [
        Left("process", f"{process.pid} {process.kind} of {process.session.name}", process=process)
        for process in sessions.processes(cache)
        if not process.session.lives
    ]
    for place in _scratch(cache):
        if not (is_held(place / _LOCK) or _begins(place)):
            number = len(sockets(place))
            inside = f", {number} socket{'' if number == 1 else 's'}" if number else ""
            found.append(Left("scratch", f"{place.name}{inside}", size_of(place), path=place, lock=place / _LOCK))
    found += [*_in_work_copies(cache), *_in_repositories(cache)]
    found += [Left("entry", f"run {entry.name}, whose directory is gone", path=entry) for entry in registry.gone(cache)]
    return found


def clean(cache: Path, found: Iterable[Left]) -> list[Left]:
    """End and remove what was found, as far as it still is what it was; returns what is gone."""
    items = list(found)
    sessions.end(item.process for item in items if item.process is not None)
    with sessions.holding(cache / "locks" / "scratch.lock") as nobody_begins:
        gone = []
        for item in items:
            if item.process is not None:
                gone += [] if item.process.is_there else [item]
            elif (nobody_begins or item.kind != "scratch") and _remove(item):
                gone.append(item)
    return gone


def _remove(item: Left) -> bool:
    if item.path is None:
        return False
    if item.lock is None:  # an entry
        item.path.unlink(missing_ok=True)
        return True
    with sessions.holding(item.lock) as held:
        if held:
            remove_tree(item.path)
    return held


def _in_work_copies(cache: Path) -> Iterator[Left]:
    for lock in sorted((cache / "checkouts").glob("*/*.lock")):
        place = lock.with_suffix("")
        if not place.is_dir():
            continue
        with sessions.holding(lock) as held:
            paths = interrupted(place) if held else []
        for path in paths:
            name = f"{place.parent.name}/{place.name}/{path.name}"
            yield Left("work copy", name, size_of(path), path=path, lock=lock)


def _in_repositories(cache: Path) -> Iterator[Left]:
    """git's lock files and half-fetched packs, of repositories that nobody fetches into now."""
    for repository in sorted((cache / "store/git").glob("*/repo.git")):
        lock = cache / "locks" / f"git-{repository.parent.name}.lock"
        with sessions.holding(lock) as held:
            paths = left_by_git(repository) if held else []
        for path in paths:
            name = f"{repository.parent.name}/{path.relative_to(repository)}"
            yield Left("lock" if path.suffix == ".lock" else "pack", name, size_of(path), path=path, lock=lock)


def _begins(place: Path) -> bool:
    """Whether it may be that of a harness that has not come to locking it yet."""
    return not (place / _LOCK).exists() and age_s(place) < _BEGINS_S


def _scratch(cache: Path) -> list[Path]:
    try:
        return sorted(path for path in (cache / "scratch").iterdir() if path.is_dir())
    except OSError:
        return []


def _said(place: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        found = json.loads((place / OWNER).read_text())
        if isinstance(found, dict):
            return found
    return {}

"""What lies in the cache, what of it may go, and whether it is what was put there.

Safe beside runs: nothing goes that a run which lives has used since it began, nor a work copy that somebody holds.  An
entry is taken out of sight by a rename before it is removed; one that is used at that very moment is put back.
Knows nothing of what entries are for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.host.cache import COMPLETE, Cache, check_entry, remove_tree

RECENT_S = 3600.0
"""Nothing that was used in the last hour goes, whoever used it."""

EVERY_S = 86_400.0
"""How often runs look whether the cache has grown too large."""

_OTHERS = ("ccache", "apt", "venv")  # not entries: ccache has a limit of its own, the others are few


@dataclass(frozen=True, slots=True)
class Item:
    """Something in the cache that is there or not as a whole."""

    kind: str
    name: str
    path: Path
    bytes: int  # that it takes of the disk; what several have together counts for each
    used: float  # seconds since the epoch
    removable: bool = True


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection came to."""

    removed: tuple[Item, ...]
    left_bytes: int
    in_use: int  # items that were old enough, and held


def items(cache: Cache) -> list[Item]:
    """Everything in the cache that is finished, longest unused first."""
    found = [*_entries(cache.root), *_work_copies(cache.root), *_others(cache.root)]
    return sorted(found, key=lambda item: item.used)


def collect(cache: Cache, limit_bytes: int, *, now: float, dry_run: bool = False) -> Collected:
    """Remove what was unused longest until all together takes at most `limit_bytes`, as far as that may be."""
    every = items(cache)
    total, removed, in_use = sum(item.bytes for item in every), [], 0
    border = min([now - RECENT_S, *_starts(cache)])
    for item in every:
        if total <= limit_bytes:
            break
        if not item.removable:
            continue
        if item.used >= border or not (dry_run or _remove(cache, item)):
            in_use += 1
            continue
        removed.append(item)
        total -= item.bytes
    return Collected(tuple(removed), total, in_use)


def tidy(cache: Cache, limit_bytes: int, *, now: float) -> Collected | None:
    """A collection if a day has passed since the last one; None where it was not due, or not in a cache that is new."""
    mark = cache.root / "tidied"
    try:
        due = now - mark.stat().st_mtime >= EVERY_S
    except OSError:
        due = False
        mark.touch()
    if not due:
        return None
    os.utime(mark, (now, now))
    return collect(cache, limit_bytes, now=now)


def verify(cache: Cache) -> Iterator[tuple[Item, str]]:
    """Each entry that is not what was published, with what is wrong; it is taken out of the cache."""
    for item in _entries(cache.root):
        if trouble := check_entry(item.path, whole=True):
            yield item, trouble
            _remove_path(cache, item.path)


# --- what there is --------------------------------------------------------------------------------------------


def _entries(root: Path) -> Iterator[Item]:
    for mark in (root / "store").glob(f"*/*/{COMPLETE}"):
        with suppress(OSError):
            entry = mark.parent
            yield Item(entry.parent.name, entry.name, entry, size_of(entry), mark.stat().st_mtime)


def _work_copies(root: Path) -> Iterator[Item]:
    for lock in (root / "checkouts").glob("*/*.lock"):
        place = lock.with_suffix("")
        if place.is_dir():
            name = f"{place.parent.name}/{place.name}"
            yield Item("checkout", name, place, size_of(place), max(place.stat().st_mtime, lock.stat().st_mtime))


def _others(root: Path) -> Iterator[Item]:
    for name in _OTHERS:
        place = root / name
        if place.is_dir():
            yield Item(name, "", place, size_of(place), place.stat().st_mtime, removable=False)


def size_of(path: Path) -> int:
    """Blocks that a file or a directory tree takes, in bytes; what goes away meanwhile counts for nothing."""
    total = 0
    for directory, _, names in os.walk(path) if path.is_dir() else ((path.parent, (), (path.name,)),):
        for name in names:
            with suppress(OSError):
                total += (Path(directory) / name).lstat().st_blocks * 512
    return total


def _starts(cache: Cache) -> Iterator[float]:
    """When each process that uses the cache began."""
    for owner in (cache.root / "scratch").glob("*/owner.lock"):
        with suppress(OSError):
            yield owner.stat().st_mtime


# --- what goes ------------------------------------------------------------------------------------------------


def _remove(cache: Cache, item: Item) -> bool:
    """Remove an item unless somebody uses it; whether it is gone."""
    if item.kind == "checkout":
        return _remove_work_copy(item)
    moved = _take(cache, item.path)
    if moved is None:
        return False
    if (moved / COMPLETE).stat().st_mtime > item.used:  # used just now
        with suppress(OSError):
            moved.rename(item.path)
        return False
    remove_tree(moved)
    return True


def _remove_path(cache: Cache, path: Path) -> None:
    if (moved := _take(cache, path)) is not None:
        remove_tree(moved)


def _take(cache: Cache, path: Path) -> Path | None:
    moved = cache.scratch("old") / "entry"
    try:
        path.rename(moved)
    except OSError:
        return None
    return moved


def _remove_work_copy(item: Item) -> bool:
    import filelock  # noqa: PLC0415 - only where it is used: start-up time

    lock = filelock.FileLock(item.path.with_name(f"{item.path.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    try:
        remove_tree(item.path)
    finally:
        lock.release()
    return True


def default_limit(environment: str | None) -> int:
    """The cache's size limit in bytes: VMAHARNESS_CACHE_SIZE, in GiB; 20 where it is not set or no number."""
    with suppress(ValueError):
        if environment is not None and float(environment) > 0:
            return int(float(environment) * 2**30)
    return 20 * 2**30

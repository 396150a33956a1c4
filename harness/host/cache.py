"""The cache: directories named by their content, published whole or not at all, shared by concurrent runs.

Layout below `root` (default ~/.cache/vmaharness, or VMAHARNESS_CACHE)::

    checkouts/NAME/N/    work copies of a kernel tree, kept between runs; N.lock is held by the run that uses one
    store/KIND/KEY/      finished entries; `.complete` lists their files, and is written before the publishing rename
    locks/KIND-KEY.lock  held (flock) while an entry is being made, so two runs never make the same thing twice
    scratch/PID-XXXX/    work in progress of one process; `owner.lock` is held as long as that process lives, and
                         `owner.json` says what it is doing

A killed run leaves scratch behind; the next one finds its lock free and removes it.  flock is released by the
kernel whatever killed the holder, so no lock outlives its process.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from harness.errors import InfraError
from harness.host.process import Stop
from harness.host.sessions import Session, this_session

COMPLETE = ".complete"
"""What makes an entry whole: the sizes and hashes of its files.  Written last; touched when the entry is used."""

WAY = "way"
"""The file of an entry that says how it was made, of whatever tree."""

_MOST_COMPARED = 20  # entries that a new tree is held against

OWNER = "owner.json"
"""What a process that uses the cache says of itself, in its scratch directory."""

_CHANGING = "repo.git"  # a repository, which git keeps and checks itself


def default_root() -> Path:
    """VMAHARNESS_CACHE, else the user's cache directory (XDG_CACHE_HOME is honoured)."""
    import platformdirs  # noqa: PLC0415 - only where it is used: start-up time

    named = os.environ.get("VMAHARNESS_CACHE")
    return Path(named).absolute() if named else Path(platformdirs.user_cache_dir("vmaharness"))


def default_history() -> Path:
    """Where prices are kept for ever, in the user's data directory (XDG_DATA_HOME is honoured)."""
    import platformdirs  # noqa: PLC0415 - only where it is used: start-up time

    return Path(platformdirs.user_data_dir("vmaharness")) / "history"


def remove_tree(path: Path) -> None:
    """Remove a directory tree, also where it is read-only; nothing happens if it is not there."""

    def open_up(function: Callable[[str], object], name: str, _error: BaseException) -> None:
        with suppress(OSError):
            Path(name).parent.chmod(0o700)
            Path(name).chmod(0o700)
            function(name)

    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    elif path.exists():
        shutil.rmtree(path, onerror=lambda function, name, info: open_up(function, name, info[1]))


class Cache:
    """One process's view of the cache.  Use as a context manager: its scratch space goes when it is left."""

    def __init__(self, root: Path, stop: Stop | None = None, session: Session | None = None) -> None:
        """`session` is that of the programs that are started beside it."""
        self.root = root
        self.session = session or this_session(root)
        self._stop = stop or Stop()
        self._scratch = root / "scratch" / self.session.name
        self._numbers = count(1)  # nobody else makes directories there, and a number is never used again
        self._owner: object | None = None

    def __enter__(self) -> Cache:
        import filelock  # noqa: PLC0415 - only where it is used: start-up time

        try:
            for name in ("store", "locks", "scratch"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.root / "locks" / "scratch.lock"):
                self._scratch.mkdir()
                owner = filelock.FileLock(self._scratch / "owner.lock")
                owner.acquire()
                self._owner = owner
                self._reap()
        except OSError as error:
            raise InfraError(f"cannot use the cache {self.root}: {error}", fix="set VMAHARNESS_CACHE") from error
        return self

    def __exit__(self, *_: object) -> None:
        remove_tree(self._scratch)
        self._owner = None

    def _reap(self) -> None:
        """Remove the scratch space of processes that are gone."""
        import filelock  # noqa: PLC0415

        for path in (self.root / "scratch").iterdir():
            if path == self._scratch:
                continue
            lock = filelock.FileLock(path / "owner.lock")
            with suppress(filelock.Timeout, OSError), lock.acquire(timeout=0):
                remove_tree(path)

    def tell(self, **what: object) -> None:
        """Say what this process is doing, for whoever looks what runs (`vmaharness ps`)."""
        draft = self._scratch / "owner.draft"
        draft.write_text(json.dumps(what))
        draft.replace(self._scratch / OWNER)

    def scratch(self, name: str) -> Path:
        """A new empty directory for work in progress, gone at the end of the process; short, for socket paths."""
        path = self._scratch / f"{name}-{next(self._numbers)}"
        path.mkdir(parents=True)
        return path

    def entry(self, kind: str, key: str) -> Path:
        """Where an entry is or would be."""
        return self.root / "store" / kind / key

    def find(self, kind: str, key: str) -> Path | None:
        """A finished entry, or None; marks it as used now."""
        path = self.entry(kind, key)
        if check_entry(path):
            return None
        with suppress(OSError):
            os.utime(path / COMPLETE)
        return path if (path / COMPLETE).is_file() else None  # it may have been removed meanwhile

    def get(self, kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
        """The entry, and whether it was there already; `make` fills an empty directory if it was not.

        If `make` raises, nothing is published.  While another process makes the same entry, this one waits.
        """
        if found := self.find(kind, key):
            return found, True
        with self.lock(f"{kind}-{key}"):
            if found := self.find(kind, key):
                return found, True
            work = self.scratch(kind)
            make(work)
            return self.publish(kind, key, work), False

    def made_alike(self, kind: str, way: str) -> list[Path]:
        """The entries, the latest first and not many, whose file `WAY` says that they were made this way."""
        notes = (self.root / "store" / kind).glob(f"*/{WAY}")
        recent = sorted(notes, key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.parent for path in recent if path.read_text() == way][:_MOST_COMPARED]

    def publish(self, kind: str, key: str, work: Path) -> Path:
        """Move a finished scratch directory to its place; an unfinished entry that stands there is replaced."""
        path = self.entry(kind, key)
        (work / COMPLETE).write_text(_manifest(work), errors="surrogateescape")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(self.scratch("replaced"))
        work.rename(path)
        return path

    @contextmanager
    def slot(self, kind: str, name: str) -> Iterator[Path]:
        """A directory that is kept between runs and held by one at a time: the first free one of that name.

        Nothing is promised of what is in it: its last holder may have been killed in the middle of a change.
        """
        import filelock  # noqa: PLC0415

        pool = self.root / kind / name
        pool.mkdir(parents=True, exist_ok=True)
        for number in count():
            lock = filelock.FileLock(pool / f"{number}.lock", thread_local=False)
            with suppress(filelock.Timeout):
                lock.acquire(timeout=0)
                break
        try:
            place = pool / str(number)
            place.mkdir(exist_ok=True)
            yield place
        finally:
            lock.release()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock shared by all processes; raises Cancelled if a stop comes while waiting."""
        import filelock  # noqa: PLC0415

        lock = filelock.FileLock(self.root / "locks" / f"{name}.lock", thread_local=False)
        while True:
            try:
                lock.acquire(timeout=0.2)
                break
            except filelock.Timeout:
                self._stop.check()
        try:
            yield
        finally:
            lock.release()


def _manifest(entry: Path) -> str:
    """A line for each file: size, hash, path."""
    files = (path for path in sorted(entry.rglob("*")) if path.is_file() and not path.is_symlink())
    named = ((path, path.relative_to(entry)) for path in files)
    return "".join(
        f"{path.stat().st_size} {_hash(path)} {name}\n" for path, name in named if _CHANGING not in name.parts
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def check_entry(entry: Path, *, whole: bool = False) -> str:
    """What is wrong with a finished entry, "" where nothing is: whether its files are there and as long as they were.

    `whole`: and have the same content.  An entry that is not finished is wrong, too.
    """
    try:
        listed = (entry / COMPLETE).read_text(errors="surrogateescape").splitlines()
        for line in listed:
            size, digest, name = line.split(" ", 2)
            path = entry / name
            if path.stat().st_size != int(size):
                return f"{name} has {path.stat().st_size} bytes, and had {size}"
            if whole and _hash(path) != digest:
                return f"{name} has changed"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except ValueError:
        return f"{COMPLETE} cannot be read"
    return ""


def link_entry(entry: Path, into: Path) -> None:
    """All that an entry has, in a directory of which another one is made: nothing in the cache is ever changed."""
    for path in entry.iterdir():
        if path.name != COMPLETE:
            os.link(path, into / path.name)


def free_bytes(path: Path) -> int:
    """Free space of the file system that holds `path` (or will: the nearest parent that exists)."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def age_s(path: Path) -> float:
    """Seconds since `path` was last modified; infinite if it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")

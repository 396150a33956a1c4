"""Which harness a process belongs to, told by a mark in the environment of every program that one starts.

A mark names the harness by process number, start time and PID namespace, so it says by itself whether that harness
lives; and the cache that it works with.  A process is acted upon only while number, start time and mark are all those
that were seen: numbers are given away again.  Knows nothing of what is run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "VMAHARNESS_SESSION"
"""Of the environment; its value is a mark."""

_MARK = re.compile(r"(\d{1,10})-([0-9a-f]{8})\.(\d{1,20})\.(\d{1,20})\.([0-9a-f]{12})")
_ENDS_S = 5.0  # how long a killed process may take to be gone


@dataclass(frozen=True, slots=True)
class Session:
    """One harness process at work with one cache."""

    pid: int
    word: str  # that tells it from any other
    started: int  # clock ticks after the boot
    namespace: int  # of its process numbers
    cache: str  # which cache it works with

    @property
    def name(self) -> str:
        """`4711-1a2b3c4d`: that of its scratch directory, and how people call it."""
        return f"{self.pid}-{self.word}"

    @property
    def mark(self) -> str:
        return f"{self.name}.{self.started}.{self.namespace}.{self.cache}"

    @property
    def lives(self) -> bool:
        """Whether it is at work; one in another PID namespace counts as alive, for nothing can be said of it."""
        return self.namespace != _namespace() or started(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a session, as it was seen."""

    pid: int
    parent: int
    started: int  # clock ticks after the boot
    argv: tuple[str, ...]
    session: Session
    marked: bool  # it has the mark itself; else an ancestor has

    @property
    def kind(self) -> str:
        """What it is, in a word: `keeper`, `make`, `qemu-system-aarch64`."""
        if any(word.endswith("/keeper.py") for word in self.argv[:5]):
            return "keeper"
        return Path(self.argv[0]).name if self.argv else "?"

    @property
    def is_there(self) -> bool:
        """Whether this very process still runs."""
        return started(self.pid) == self.started

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return max(0.0, _uptime_s() - self.started / os.sysconf("SC_CLK_TCK"))


def this_session(cache: Path) -> Session:
    """A session of this very process."""
    pid = os.getpid()
    return Session(pid, uuid.uuid4().hex[:8], started(pid) or 0, _namespace(), name_of(cache))


def name_of(cache: Path) -> str:
    """What marks call a cache."""
    return hashlib.sha256(os.fsencode(cache.absolute().resolve())).hexdigest()[:12]


def parse(mark: str) -> Session | None:
    """The session of a mark; None for anything else."""
    found = _MARK.fullmatch(mark)
    if found is None:
        return None
    return Session(int(found[1]), found[2], int(found[3]), int(found[4]), found[5])


def started(pid: int) -> int | None:
    """When a process was started, in clock ticks after the boot; None where there is none, or only its remains."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in ("Z", "X") else int(fields[19])


def boot_id() -> str:
    """Of this run of the machine: process numbers and start times mean nothing after it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def processes(cache: Path) -> list[Process]:
    """All processes of sessions with this cache, and what those have started; the harnesses themselves are none."""
    wanted, namespace = name_of(cache), _namespace()
    parents: dict[int, tuple[int, int]] = {}
    marked: dict[int, Session] = {}
    for pid in _pids():
        fields = _stat(pid)
        if fields is None or fields[0] in ("Z", "X"):
            continue
        parents[pid] = int(fields[1]), int(fields[19])
        session = _session_of(pid)
        if session is not None and session.cache == wanted and session.namespace == namespace:
            marked[pid] = session
    found = []
    for pid, (parent, start) in parents.items():
        owner = marked.get(pid) or _inherited(pid, parents, marked)
        if owner is not None and (pid, start) != (owner.pid, owner.started):
            found.append(Process(pid, parent, start, argv_of(pid), owner, pid in marked))
    return sorted(found, key=lambda process: (process.session.name, process.started, process.pid))


def end(found: Iterable[Process]) -> list[Process]:
    """Kill these processes, as far as they are still those that were seen; returns those that are gone then."""
    held: list[tuple[Process, int]] = []
    try:
        for process in found:
            with suppress(OSError):
                held.append((process, os.pidfd_open(process.pid)))
        # A descriptor is of one process for ever: what is checked after it was opened is true of that one.
        ours = [(process, fd) for process, fd in held if _is_the_same(process)]
        for _, fd in ours:
            with suppress(OSError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        until = time.monotonic() + _ENDS_S
        while any(_is_the_same(process) for process, _ in ours) and time.monotonic() < until:
            time.sleep(0.02)
        return [process for process, _ in ours if not _is_the_same(process)]
    finally:
        for _, fd in held:
            os.close(fd)


@contextmanager
def holding(lock: Path) -> Iterator[bool]:
    """Hold a lock file of the cache, or not if somebody else does: says which.  Makes no file where there is none."""
    import filelock  # noqa: PLC0415 - only where it is used: start-up time

    if not lock.exists():
        yield True
        return
    mine = filelock.FileLock(lock, thread_local=False)
    try:
        mine.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        mine.release()


def is_held(lock: Path) -> bool:
    """Whether somebody holds a lock file; the lock is taken for a moment to find out."""
    with holding(lock) as held:
        return not held


def is_flocked(path: Path) -> bool:
    """Whether somebody holds a file by flock(2), be it in another PID namespace; false where there is none."""
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def sockets(directory: Path) -> list[Path]:
    """The sockets below a directory."""
    found = []
    for path in directory.rglob("*"):
        with suppress(OSError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                found.append(path)
    return found


def _is_the_same(process: Process) -> bool:
    """Whether the process is there, and has the mark or, where it had none itself, was started by the same one."""
    return process.is_there and (not process.marked or _session_of(process.pid) == process.session)


def _inherited(pid: int, parents: dict[int, tuple[int, int]], marked: dict[int, Session]) -> Session | None:
    """The session of the nearest ancestor that has a mark."""
    seen = {pid}
    while (pid := parents.get(pid, (0, 0))[0]) and pid not in seen:
        if pid in marked:
            return marked[pid]
        seen.add(pid)
    return None


def _session_of(pid: int) -> Session | None:
    prefix = f"{VARIABLE}=".encode()
    with suppress(OSError):
        for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if word.startswith(prefix):
                return parse(word.removeprefix(prefix).decode("ascii", "replace"))
    return None


def argv_of(pid: int) -> tuple[str, ...]:
    """The command line of a process; empty where there is none, or it is ending."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return tuple(word.decode("utf-8", "backslashreplace") for word in words)
    return ()


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third, the state, on (proc_pid_stat(5))."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return None


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _uptime_s() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])

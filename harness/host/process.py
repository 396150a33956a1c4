"""Child processes that can be told to stop and that never outlive the harness.

Every program runs under a keeper (`keeper.py`).  Argument lists only, never a shell.  This module knows nothing of what
it runs.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import Cancelled, InfraError
from harness.host.sessions import VARIABLE, Session

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for whose work must not depend on the user's PATH."""

_KEEPER = Path(__file__).with_name("keeper.py")
# What passes between this module and the keepers; described there.
_REQUEST = struct.Struct("!III")
_STARTED = struct.Struct("!qi")
_ENDED = struct.Struct("!qd")


class Stop:
    """A request to stop, seen by everyone who waits: set once, never cleared."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._read, self._write = os.pipe()
        self.reason = ""

    def set(self, reason: str) -> None:
        """Ask everybody to stop; the first reason is kept."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()
            os.write(self._write, b".")

    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if a stop was asked for."""
        if self._event.is_set():
            raise Cancelled(self.reason)

    def sleep(self, seconds: float) -> None:
        """Wait; raise Cancelled at once when a stop is asked for."""
        if self._event.wait(seconds):
            raise Cancelled(self.reason)

    def fileno(self) -> int:
        """Becomes readable when the stop is set, for poll()."""
        return self._read


def inherited(names: Sequence[str]) -> dict[str, str]:
    """Those of our own environment's variables, for a program that is started with another one."""
    return {name: os.environ[name] for name in names if name in os.environ}


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended.  `exit_code` is 128+N when signal N ended it."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    cpu_seconds: float  # of the program and everything it waited for
    timed_out: bool

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.timed_out

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def words(self) -> str:
        """What the program said, for a message: standard error, else standard output."""
        return (self.stderr.strip() or self.stdout.strip()).decode("utf-8", "replace")


class Child:
    """A running program.  `terminate` and `kill` reach everything it started."""

    stdin: IO[bytes] | None = None  # our ends of its pipes
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None

    def __init__(self, argv: Sequence[str], pid: int, keeper: socket.socket) -> None:
        self.argv = tuple(argv)
        self.pid = pid  # of its keeper
        self.started = time.monotonic()
        self.cpu_seconds = 0.0  # of the program and everything it waited for, when it has ended
        self._keeper = keeper
        self._lock = threading.Lock()
        self.exit_code: int | None = None

    def fileno(self) -> int:
        """Becomes readable when the program has ended, for poll(); valid until `close`."""
        return self._keeper.fileno()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        with self._lock:
            if self.exit_code is None:
                with suppress(BlockingIOError):
                    said = self._keeper.recv(_ENDED.size, socket.MSG_DONTWAIT)
                    # A keeper that says nothing was killed itself, and its program with it.
                    self.exit_code, self.cpu_seconds = _ENDED.unpack(said) if said else (128 + signal.SIGKILL, 0.0)
            return self.exit_code

    def wait(self, timeout_s: float | None = None, stop: Stop | None = None) -> int | None:
        """Wait for the end; None if `timeout_s` passed or `stop` was set before."""
        poll = select.poll()
        poll.register(self._keeper, select.POLLIN)
        if stop is not None:
            poll.register(stop.fileno(), select.POLLIN)
        poll.poll(None if timeout_s is None else max(0, int(timeout_s * 1000)))
        return self.poll()

    def _order(self, byte: bytes) -> None:
        with suppress(OSError):
            self._keeper.send(byte)

    def kill(self) -> None:
        """End it and everything it started, now."""
        self._order(b"K")
        with suppress(OSError):
            self._keeper.shutdown(socket.SHUT_WR)
        self.wait(10)

    def terminate(self, grace_s: float = 3.0) -> None:
        """SIGTERM, then after `grace_s` seconds SIGKILL."""
        self._order(b"T")
        if self.wait(grace_s) is None:
            self.kill()

    def close(self) -> None:
        """Make sure that it is over and give the descriptor back; may be called twice."""
        if self.poll() is None:
            self.kill()
        with self._lock:
            if self.exit_code is None:
                self.exit_code = 128 + signal.SIGKILL
            self._keeper.close()


class _Nursery:
    """The process whose forks keep programs; it ends when this end of its socket is closed."""

    def __init__(self, mark: Mapping[str, str]) -> None:
        self._stream, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._mark = mark
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER)], env={**os.environ, **mark},
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def start(
        self, argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, fds: Mapping[int, int], nice: int
    ) -> Child:
        """A program with `fds` of ours under their numbers; 0, 1 and 2 come first.  OSError when it cannot be."""
        numbers = list(fds)
        variables = {**(os.environ if env is None else env), **self._mark}
        words = [
            str(cwd or Path.cwd()), " ".join(map(str, numbers[3:])),
            *argv, *(f"{name}={value}" for name, value in variables.items()),
        ]  # fmt: skip
        if any("\0" in word for word in words):
            raise ValueError(f"a NUL character in the arguments of {argv[0]}")
        text = b"".join(os.fsencode(word) + b"\0" for word in words)
        keeper, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            rights = array.array("i", [theirs.fileno(), *fds.values()])
            with self._lock:
                self._stream.sendmsg(
                    [_REQUEST.pack(len(text), len(argv), nice)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                )
                self._stream.sendall(text)
        said = keeper.recv(_STARTED.size)
        pid, error = _STARTED.unpack(said) if said else (0, errno.EAGAIN)
        if error:
            keeper.close()
            raise OSError(error, os.strerror(error))
        return Child(argv, pid, keeper)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._stream.close()
        self._process.wait()


def _drain(stream: IO[bytes], keep: list[bytes], log: IO[bytes] | None, on_line: Callable[[str], None] | None) -> None:
    """Read a program's output to its end: to the log, to the listener, or into memory when there is no log."""
    with stream:
        for line in stream:
            if log is not None:
                log.write(line)
                log.flush()
            else:
                keep.append(line)
            if on_line is not None:
                on_line(line.decode("utf-8", "replace").rstrip("\r\n"))


class Processes:
    """Starts programs and ends those that are left when it is closed."""

    def __init__(self, stop: Stop | None = None, session: Session | None = None) -> None:
        """All programs have the mark of `session` in their environment; none where that is None."""
        self.stop = stop or Stop()
        self.mark = {VARIABLE: session.mark} if session is not None else {}
        self._children: set[Child] = set()
        self._nursery: _Nursery | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every child that still runs."""
        with self._lock:
            children, self._children = self._children, set()
            nursery, self._nursery = self._nursery, None
        for child in children:
            child.close()
        if nursery is not None:
            nursery.close()

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        nice: int = 0,
    ) -> Child:
        """Start a program under a keeper, in a session of its own without a terminal.

        `nice` 1 to 19 makes it give way to others.  Raises Cancelled after a stop, InfraError when there is no process.
        """
        self.stop.check()
        arguments = [str(word) for word in argv]
        try:
            with ExitStack() as theirs, ExitStack() as ours:
                wanted = (stdin, stdout, stderr)
                ends = [_ends(stream, number > 0, theirs, ours) for number, stream in enumerate(wanted)]
                fds = {
                    number: ends[1 if stream == subprocess.STDOUT else number][0]
                    for number, stream in enumerate(wanted)
                }
                child = self._nursed().start(arguments, cwd, env, {**fds, **{fd: fd for fd in pass_fds}}, nice)
                child.stdin, child.stdout, child.stderr = (end for _, end in ends)
                ours.pop_all()
        except OSError as error:
            raise InfraError(f"cannot start {arguments[0]}: {error.strerror}") from error
        with self._lock:
            self._children.add(child)
        return child

    def _nursed(self) -> _Nursery:
        with self._lock:
            if self._nursery is not None and not self._nursery.is_alive():
                self._nursery.close()
                self._nursery = None
            self._nursery = self._nursery or _Nursery(self.mark)
            return self._nursery

    def forget(self, child: Child) -> None:
        """Close a child and stop keeping track of it."""
        child.close()
        with self._lock:
            self._children.discard(child)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        input: bytes | None = None,
        log: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        deadline_s: float | None = None,
        pass_fds: Sequence[int] = (),
        nice: int = 0,
    ) -> Completed:
        """Run a program to its end.

        With `log`, both outputs are appended there in order and not kept; `on_line` hears every line as it comes.
        After `deadline_s` seconds the program is ended and `timed_out` is set.  An exit code is data, not an error.
        Raises Cancelled when a stop is asked for, InfraError when the program cannot be started at all.
        """
        child = self.spawn(
            argv, cwd=cwd, env=env, pass_fds=pass_fds, nice=nice, stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stderr=subprocess.PIPE if log is None else subprocess.STDOUT,
        )  # fmt: skip
        kept: tuple[list[bytes], list[bytes]] = ([], [])
        sink = log.open("ab") if log is not None else None
        try:
            threads = self._attend(child, kept, sink, on_line, input)
            code = child.wait(deadline_s, self.stop)
            if code is None:
                child.terminate(1.0)
            for thread in threads:
                thread.join()
        finally:
            self.forget(child)
            if sink is not None:
                sink.close()
        if code is None:
            self.stop.check()
        return Completed(
            argv=child.argv, exit_code=child.exit_code if child.exit_code is not None else -1,
            stdout=b"".join(kept[0]), stderr=b"".join(kept[1]), seconds=time.monotonic() - child.started,
            cpu_seconds=child.cpu_seconds, timed_out=code is None,
        )  # fmt: skip

    @staticmethod
    def _attend(
        child: Child,
        kept: tuple[list[bytes], list[bytes]],
        sink: IO[bytes] | None,
        on_line: Callable[[str], None] | None,
        data: bytes | None,
    ) -> list[threading.Thread]:
        """Threads that feed and drain a program; they end when it does."""
        jobs: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        for stream, keep in zip((child.stdout, child.stderr), kept, strict=True):
            if stream is not None:
                jobs.append((_drain, (stream, keep, sink, on_line)))
        if data is not None and child.stdin is not None:
            jobs.append((_feed, (child.stdin, data)))
        threads = [threading.Thread(target=job, args=args, daemon=True) for job, args in jobs]
        for thread in threads:
            thread.start()
        return threads


def _ends(wanted: int | IO[bytes], writes: bool, theirs: ExitStack, ours: ExitStack) -> tuple[int, IO[bytes] | None]:
    """A descriptor for the program's reading or writing, as subprocess.Popen has them; of a pipe our end, too."""
    if not isinstance(wanted, int):
        return wanted.fileno(), None
    if wanted == subprocess.DEVNULL:
        null = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, null)
        return null, None
    if wanted == subprocess.PIPE:
        read, write = os.pipe()
        theirs.callback(os.close, write if writes else read)
        return (
            (write, ours.enter_context(os.fdopen(read, "rb")))
            if writes
            else (read, ours.enter_context(os.fdopen(write, "wb")))
        )
    return wanted, None


def _feed(stream: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError), stream:
        stream.write(data)

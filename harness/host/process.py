"""Child processes that can be told to stop and that never outlive the harness.

Every program runs under `keeper.py`.  Argument lists only, never a shell.  This module knows nothing of what it runs.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import Cancelled, InfraError

_KEEPER = Path(__file__).with_name("keeper.py")


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

    def __init__(self, argv: Sequence[str], popen: subprocess.Popen[bytes], orders: int) -> None:
        self.argv = tuple(argv)
        self.pid = popen.pid  # of its keeper
        self.started = time.monotonic()
        self.cpu_seconds = 0.0
        self._popen = popen
        self._orders = orders
        self._ended = os.pidfd_open(popen.pid)
        self._lock = threading.Lock()
        self.exit_code: int | None = None

    def fileno(self) -> int:
        """Becomes readable when the program has ended, for poll(); valid until `close`."""
        return self._ended

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        with self._lock:
            if self.exit_code is None:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
                if pid:
                    self.cpu_seconds = usage.ru_utime + usage.ru_stime
                    self.exit_code = self._popen.returncode = os.waitstatus_to_exitcode(status)
            return self.exit_code

    def wait(self, timeout_s: float | None = None, stop: Stop | None = None) -> int | None:
        """Wait for the end; None if `timeout_s` passed or `stop` was set before."""
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        if stop is not None:
            poll.register(stop.fileno(), select.POLLIN)
        poll.poll(None if timeout_s is None else max(0, int(timeout_s * 1000)))
        return self.poll()

    def _order(self, byte: bytes) -> None:
        with suppress(OSError):
            os.write(self._orders, byte)

    def kill(self) -> None:
        """End it and everything it started, now."""
        self._order(b"K")
        self._close_orders()
        self.wait(10)

    def terminate(self, grace_s: float = 3.0) -> None:
        """SIGTERM, then after `grace_s` seconds SIGKILL."""
        self._order(b"T")
        if self.wait(grace_s) is None:
            self.kill()

    def close(self) -> None:
        """Make sure that it is over and give the descriptors back; may be called twice."""
        if self.poll() is None:
            self.kill()
        self._close_orders()
        if self._ended >= 0:
            os.close(self._ended)
            self._ended = -1

    def _close_orders(self) -> None:
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1


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

    def __init__(self, stop: Stop | None = None) -> None:
        self.stop = stop or Stop()
        self._children: set[Child] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every child that still runs."""
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.close()

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
        read, write = os.pipe()
        try:
            popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), str(read), "--", *arguments],
                cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr,
                pass_fds=(read, *pass_fds), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(write)
            raise InfraError(f"cannot start {arguments[0]}: {error}") from error
        finally:
            os.close(read)
        if nice:
            _give_way(popen.pid, nice)
        child = Child(arguments, popen, write)
        with self._lock:
            self._children.add(child)
        return child

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
            threads = self._attend(child._popen, kept, sink, on_line, input)
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
        popen: subprocess.Popen[bytes],
        kept: tuple[list[bytes], list[bytes]],
        sink: IO[bytes] | None,
        on_line: Callable[[str], None] | None,
        data: bytes | None,
    ) -> list[threading.Thread]:
        """Threads that feed and drain a program; they end when it does."""
        jobs: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        for stream, keep in zip((popen.stdout, popen.stderr), kept, strict=True):
            if stream is not None:
                jobs.append((_drain, (stream, keep, sink, on_line)))
        if data is not None and popen.stdin is not None:
            jobs.append((_feed, (popen.stdin, data)))
        threads = [threading.Thread(target=job, args=args, daemon=True) for job, args in jobs]
        for thread in threads:
            thread.start()
        return threads


def _give_way(pid: int, nice: int) -> None:
    """Lower a keeper's priority before it starts its program, which inherits it.

    Where the kernel schedules sessions as groups (sched(7), autogroup), the nice value counts inside the group only,
    and the group has one of its own.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def _feed(stream: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError), stream:
        stream.write(data)

"""One thread that watches a running guest: console lines, QMP events and QEMU's end become at most one `Death`.

Which console lines are fatal is told by the caller.  Knows nothing of SSH and of what runs in the guest.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.guest.console import INIT_MARK, NO_SSH_MARK, SSH_MARK, Console

PANIC_GRACE_S = 1.0
"""How long a guest that has said something fatal may finish saying it before it counts as dead."""

COMPLAINT_GRACE_S = 5.0
"""How long a guest that is to end at its first complaint may go on: for the whole report, and to end the command."""

MAX_CONSOLE_BYTES = 64 << 20
"""A guest that has said more is lost: it will not stop, and the disk is not its own.  Others say a few MiB at most."""

_TELLING_S = 1.0
_TICK_S = 0.02
# What the kernel says last of all when it was told to stop (kernel/reboot.c); not every machine ends QEMU then.
_STOPPED = re.compile(r"reboot: (?:System halted|Power down|Power off not available)")
_ORDERLY = re.compile(r"reboot: (?:System halted|Power down|Power off not available|Restarting system)")
_TIMESTAMP = re.compile(r"^(?:<\d>)?\[\s*\d+\.\d+\](?:\[[^\]]*\])?\s*")


@dataclass(frozen=True, slots=True)
class Death:
    """How a guest was lost; `reason` is panic, exit, silence, deadline, ssh, flood or complaint."""

    reason: str
    message: str
    last_lines: tuple[str, ...]
    orderly: bool = False  # somebody told the guest to halt, power off or restart


class Program(Protocol):
    """The part of a child process that is watched."""

    def fileno(self) -> int: ...

    def poll(self) -> int | None: ...


def untimed(line: str) -> str:
    """A console line without the kernel's time stamp and caller."""
    return _TIMESTAMP.sub("", line).strip()


def begin_mark(name: str) -> str:
    """The line of the kernel log before a command."""
    return f"vmaharness: {name}"


def end_mark(name: str) -> str:
    """The line behind it."""
    return f"vmaharness: end of {name}"


def shutdown_words(data: Mapping[str, object]) -> str:
    """What QMP's SHUTDOWN event says, in words."""
    reason = str(data.get("reason", ""))
    named = {"guest-reset": "the guest reset itself", "guest-shutdown": "the guest powered itself off"}
    return named.get(reason, f"QEMU shut down ({reason or 'no reason given'})")


class Watch:
    """Watches from `start` until QEMU ends or `close`.

    `fileno` becomes readable when the guest is dead, for poll().
    """

    def __init__(
        self,
        program: Program,
        console: Console,
        *,
        started: float,
        is_fatal: Callable[[str], bool],
        is_complaint: Callable[[str], bool] | None = None,
        is_enough: Callable[[str], bool] | None = None,
        on_death: Callable[[Death], None] | None = None,
    ) -> None:
        """`is_fatal` tells the lines after which a guest is doomed, `is_complaint` those after which it has no use.

        `is_enough` is asked then about all that the console has shown; where it is not, again after later lines.
        """
        self._program = program
        self._console = console
        self._started = started
        self._is_fatal = is_fatal
        self._is_complaint = is_complaint or (lambda _: False)
        self._is_enough = is_enough or (lambda _: True)
        self._on_death = on_death
        self._read, self._write = os.pipe()
        self._lock = threading.Lock()
        self._expected = False
        self._closing = False
        self._drained = threading.Event()
        self._told = threading.Event()  # why QEMU is about to end
        self._thread = threading.Thread(target=self._work, name="guest-watch", daemon=True)
        self._fatal_line = ""
        self._fatal_at = 0.0
        self._complaint_at = 0.0
        self._complained = False
        self._shutdown = ""
        self._shutdown_at = 0.0
        self._orderly = False
        self.death: Death | None = None
        self.init_s = 0.0  # QEMU's start to the marks of init; 0 while not seen
        self.ssh_mark_s = 0.0
        self.no_ssh = ""  # what init said when SSH would not start

    def start(self) -> None:
        self._thread.start()

    def expect_end(self) -> None:
        """From now on QEMU's end is no death: we end it ourselves."""
        self._expected = True

    def close(self) -> None:
        """Stop watching; the console is read to its end first."""
        self._expected = self._closing = True
        if self._thread.is_alive():
            self._thread.join()
        self._console.close()
        for fd in (self._read, self._write):
            if fd >= 0:
                os.close(fd)
        self._read = self._write = -1

    def fileno(self) -> int:
        return self._read

    def settled(self, timeout_s: float) -> bool:
        """Wait until QEMU has ended and its console is read to the end; False if `timeout_s` passed before."""
        return self._drained.wait(timeout_s)

    def declare(self, reason: str, message: str) -> Death:
        """The guest is lost.  The first declaration stands and is returned to later ones."""
        with self._lock:
            if self.death is not None:
                return self.death
            self.death = Death(reason, message, self._console.last_lines, orderly=reason == "exit" and self._orderly)
            os.write(self._write, b".")
        if self._on_death is not None:
            self._on_death(self.death)
        return self.death

    def hear_event(self, name: str, data: Mapping[str, object]) -> None:
        """Take a QMP event, on any thread."""
        with self._lock:
            if name == "SHUTDOWN" and not self._shutdown:
                self._shutdown, self._shutdown_at = shutdown_words(data), time.monotonic()
                self._told.set()
            elif name == "GUEST_PANICKED" and not self._fatal_at:
                self._fatal_line, self._fatal_at = "QEMU was told of a guest panic", time.monotonic()

    # --- the thread -------------------------------------------------------------------------------------------

    def _work(self) -> None:
        poll = select.poll()
        poll.register(self._program.fileno(), select.POLLIN)
        while self._program.poll() is None and not self._closing:
            poll.poll(_TICK_S * 1000)
            self._hear_lines(self._console.read_lines())
            self._judge()
        self._hear_lines(self._console.read_rest())
        code = self._program.poll()
        if code is not None and not self._expected:
            if code == 0 and not self._fatal_at and not self._shutdown:
                self._told.wait(_TELLING_S)  # it says why before it ends well, and another thread reads that
            if self._fatal_at:
                self.declare("panic", self._fatal_line)
            else:
                ended = f"QEMU ended with exit code {code}"
                self.declare("exit", f"{self._shutdown}: {ended}" if self._shutdown else ended)
        self._drained.set()

    def _hear_lines(self, lines: list[str]) -> None:
        for line in lines:
            if not self.init_s and INIT_MARK in line:
                self.init_s = time.monotonic() - self._started
            elif not self.ssh_mark_s and SSH_MARK in line:
                self.ssh_mark_s = time.monotonic() - self._started
            elif not self.no_ssh and NO_SSH_MARK in line:
                self.no_ssh = untimed(line)
            with self._lock:
                self._orderly = self._orderly or bool(_ORDERLY.search(line))
                if not self._fatal_at and self._is_fatal(line):
                    self._fatal_line, self._fatal_at = untimed(line), time.monotonic()
                elif not self._shutdown and _STOPPED.search(line):
                    self._shutdown, self._shutdown_at = "the guest halted", time.monotonic()
                elif not self._complaint_at and (self._complained or self._is_complaint(line)):
                    self._complaint_at, self._complained = time.monotonic(), True

    def _judge(self) -> None:
        """A guest that is doomed or no more use, but whose QEMU does not end, is dead after the time of grace.

        One that does not stop talking is at once.
        """
        now = time.monotonic()
        if self._fatal_at and now - self._fatal_at >= PANIC_GRACE_S:
            self.declare("panic", self._fatal_line)
        elif self._shutdown and now - self._shutdown_at >= PANIC_GRACE_S:
            self.declare("exit", self._shutdown)
        elif self._console.size() > MAX_CONSOLE_BYTES:
            self.declare("flood", f"the console has more than {MAX_CONSOLE_BYTES >> 20} MiB")
        elif self._complaint_at and now - self._complaint_at >= COMPLAINT_GRACE_S and not self._expected:
            if self._is_enough(self._console.text()):
                self.declare("complaint", "the guest was ended after what the kernel complained of")
            self._complaint_at = 0.0

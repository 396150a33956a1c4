"""One QEMU process: started, connected to its monitor, and surely ended.

Knows argument lists only as lists; what the guest says and does is watched elsewhere.
"""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

from harness.arch import ARCHES
from harness.errors import InfraError, MissingTool
from harness.guest.argv import SOCKET_NAME
from harness.guest.qmp import OnEvent, Qmp, accept, forwarded_port, listen
from harness.host.process import Child, Processes
from harness.model import Arch

_START_S = 60.0  # a QEMU that connects to its monitor at all does so in a tenth of a second
_QUIT_S = 2.0


def find_program(arch: Arch) -> Path:
    """The QEMU program for guests of `arch`.  Raises MissingTool."""
    info = ARCHES[arch]
    found = shutil.which(info.qemu)
    if found is None:
        raise MissingTool(info.qemu, info.qemu_package)
    return Path(found)


class Qemu:
    """A QEMU: `spawn`, `connect`, `begin`; `stop` and `forget` are safe at any time and may be called twice."""

    def __init__(self, processes: Processes, directory: Path) -> None:
        """`directory` is private to this QEMU: its working directory, with the monitor's socket."""
        self._processes = processes
        self._directory = directory
        self._words = directory / "qemu.stderr"
        self._child: Child | None = None
        self._server: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._qmp: Qmp | None = None
        self.started = 0.0  # time.monotonic() just before the start

    @property
    def child(self) -> Child:
        if self._child is None:
            raise InfraError("QEMU is not running")
        return self._child

    @property
    def words(self) -> str:
        """What QEMU said on its standard error."""
        try:
            return self._words.read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def spawn(self, argv: list[str]) -> None:
        """Start the program; nothing is known of its health yet."""
        self._directory.chmod(0o700)
        self._server = listen(self._directory / SOCKET_NAME)
        with self._words.open("wb") as words:
            self.started = time.monotonic()
            self._child = self._processes.spawn(argv, cwd=self._directory, stderr=words)

    def connect(self, on_event: OnEvent) -> None:
        """Connect the monitor.  Raises InfraError with QEMU's own words when it would not start."""
        if self._server is None:
            raise InfraError("QEMU is not running")
        self._connection = accept(self._server, self.child, self._processes.stop, _START_S)
        if self._connection is None:
            raise self._would_not_start()
        self._qmp = Qmp(self._connection, on_event)
        try:
            self._qmp.open()
        except InfraError as error:
            self.child.wait(1.0, self._processes.stop)
            raise self._would_not_start() from error

    def _would_not_start(self) -> InfraError:
        code = self.child.poll()
        program = self.child.argv[0]
        if code is None:
            return InfraError(f"{program} did not come up within {_START_S:.0f} s", detail=self.words)
        said = self.words.splitlines()
        what = f"{program} would not start (exit code {code})" + (f": {said[-1]}" if said else "")
        return InfraError(what, detail=self.words)

    def begin(self, *, halted: bool = False) -> int:
        """Let the guest run, unless it is to stay halted; returns the host's port that leads to its SSH.

        Raises InfraError.
        """
        if self._qmp is None:
            raise InfraError("QEMU is not running")
        answer = self._qmp.execute("human-monitor-command", {"command-line": "info usernet"})
        port = forwarded_port(str(answer))
        if port is None:
            raise InfraError("QEMU tells of no SSH port", detail=str(answer))
        if not halted:
            self._qmp.execute("cont")
        return port

    def stop(self) -> None:
        """End QEMU: quit, SIGTERM, SIGKILL; then remove the socket."""
        if self._qmp is not None:
            if self.child.poll() is None:
                with suppress(InfraError):
                    self._qmp.execute("quit", timeout_s=_QUIT_S)
                self.child.wait(_QUIT_S)
            self._qmp.close()
            self._qmp = None
        if self._child is not None:
            if self._child.poll() is None:
                self._child.terminate(_QUIT_S)
            self._child.wait(_QUIT_S)
        for end in (self._connection, self._server):
            if end is not None:
                end.close()
        self._connection = self._server = None
        (self._directory / SOCKET_NAME).unlink(missing_ok=True)

    def forget(self) -> None:
        """Give the process's descriptors back; nothing may watch it any more."""
        if self._child is not None:
            self._processes.forget(self._child)
            self._child = None

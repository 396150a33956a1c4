"""QEMU's monitor protocol: QEMU's own asynchronous library in a thread with its own event loop.

The asynchronous half stays in this file (of the library only the LGPL part is used, not its `legacy` module).
Knows no command but what it is told to send, and judges no event.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from harness.errors import InfraError
from harness.guest.watch import Program
from harness.host.process import Stop

OnEvent = Callable[[str, Mapping[str, object]], None]

_ANSWER_S = 30.0  # a QEMU that is alive answers in milliseconds


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, however long that is: it is bound through its open directory.

    The kernel's limit is 108 bytes (unix(7), sun_path); QEMU gets round it by being started in that directory.
    """
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    server.listen(1)
    return server


def accept(server: socket.socket, program: Program, stop: Stop, timeout_s: float) -> socket.socket | None:
    """QEMU's connection; None when QEMU has ended or `timeout_s` has passed.  Raises Cancelled after a stop."""
    poll = select.poll()
    for source in (server.fileno(), program.fileno(), stop.fileno()):
        poll.register(source, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(timeout_s * 1000)}
    stop.check()
    return server.accept()[0] if server.fileno() in ready else None


class Qmp:
    """A live monitor connection.  Events are handed to `on_event` on this connection's thread."""

    def __init__(self, connection: socket.socket, on_event: OnEvent) -> None:
        self._connection = connection
        self._on_event = on_event
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient("guest")
        self._leave = asyncio.Event()
        self._ready = threading.Event()
        self._failure = ""
        self._gate = threading.Lock()
        self._over = False  # nothing may be sent any more; changes under the gate
        self._thread = threading.Thread(target=self._work, name="guest-qmp", daemon=True)

    def open(self) -> None:
        """Shake hands.  Raises InfraError when QEMU goes away or does not speak QMP."""
        self._thread.start()
        if not self._ready.wait(_ANSWER_S):
            self.close()
            raise InfraError(f"QEMU did not greet its monitor within {_ANSWER_S:.0f} s")
        if self._failure:
            self.close()
            raise InfraError(f"no monitor connection to QEMU: {self._failure}")

    def execute(
        self, command: str, arguments: dict[str, object] | None = None, *, timeout_s: float = _ANSWER_S
    ) -> object:
        """Send a command and return its answer.  Raises InfraError for an error and for a QEMU that is gone."""
        with self._gate:
            if self._over:
                raise InfraError(f"QEMU's monitor is gone: {command} was not sent")
            sent = asyncio.run_coroutine_threadsafe(self._client.execute(command, arguments), self._loop)
        try:
            return sent.result(timeout_s)
        except ExecuteError as error:
            raise InfraError(f"QEMU refused {command}: {error}") from error
        except (QMPError, TimeoutError, EOFError, OSError, CancelledError) as error:
            raise InfraError(f"QEMU's monitor did not answer {command}", detail=str(error)) from error

    def close(self) -> None:
        """Let the connection go; may be called twice."""
        with self._gate:
            if self._thread.is_alive() and not self._over:
                self._loop.call_soon_threadsafe(self._leave.set)
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._connection.close()

    # --- the thread -------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._converse())
            self._loop.run_until_complete(self._finish())
        finally:
            self._loop.close()

    async def _converse(self) -> None:
        listener = EventListener()
        self._client.register_listener(listener)
        try:
            await self._client.connect(self._connection)
        except (QMPError, OSError, AssertionError) as error:
            # The library asserts that a connection outlives its handshake.
            self._failure = str(error) or "it broke"
            await self._disconnect()
            return
        finally:
            self._ready.set()
        events = asyncio.ensure_future(self._hear(listener))
        gone = asyncio.ensure_future(self._client.runstate_changed())
        leave = asyncio.ensure_future(self._leave.wait())
        await asyncio.wait((gone, leave), return_when=asyncio.FIRST_COMPLETED)
        await self._disconnect()
        events.cancel()
        for left in listener.clear():
            self._pass_on(left)

    async def _disconnect(self) -> None:
        with suppress(QMPError, OSError, EOFError, AssertionError):
            await self._client.disconnect()

    async def _finish(self) -> None:
        """Refuse what comes from now on, and give up what was sent and has no answer."""
        with self._gate:
            self._over = True
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _hear(self, listener: EventListener) -> None:
        async for event in listener:
            self._pass_on(event)

    def _pass_on(self, event: Mapping[str, object]) -> None:
        data = event.get("data")
        self._on_event(str(event.get("event", "")), data if isinstance(data, Mapping) else {})


def forwarded_port(usernet: str) -> int | None:
    """The host's port of the SSH forward in the answer to `info usernet`; None if there is none."""
    found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\b", usernet)
    return int(found.group(1)) if found else None

"""SSH into the guest: one pinned host, one key, no agent, no configuration of the user.

A command is drained while it runs, bounded in memory, and given up at once when the guest dies, when the run is
stopped and when its deadlines pass.  Knows nothing of QEMU, and of the guest only whether it is dead (`Watch`).
"""

from __future__ import annotations

import select
import shlex
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import paramiko
from paramiko import Channel, SSHClient, SSHException, Transport

from harness.errors import GuestLost, InfraError
from harness.guest.deadlines import Deadline
from harness.guest.keys import KEY_TYPE, Keys
from harness.guest.watch import Watch
from harness.host.process import Stop
from harness.model import CommandResult

KEEP_BYTES = 4 * 1024 * 1024
"""How much of a command's output is kept, of each stream: half from its beginning, half from its end."""

LAST_WORDS_S = 1.5
"""How long the console may take to tell why a connection broke."""

_HOST = "127.0.0.1"
_PULSE_S = 5.0
_CHUNK = 256 * 1024


class Output:
    """One stream's bytes, bounded: what does not fit is cut out of the middle, and the text says so."""

    def __init__(self, on_line: Callable[[str], None] | None = None, keep_bytes: int = KEEP_BYTES) -> None:
        self._on_line = on_line
        self._half = keep_bytes // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._line = b""
        self._total = 0

    def add(self, data: bytes) -> None:
        self._total += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._half:
            self._tail_size -= len(self._tail.popleft())
        if self._on_line is not None:
            *lines, self._line = (self._line + data).split(b"\n")
            self._line = self._line[-_CHUNK:]
            for line in lines:
                self._on_line(line.decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        if self._on_line is not None and self._line:
            self._on_line(self._line.decode("utf-8", "replace").rstrip("\r"))
        self._line = b""

    def text(self) -> str:
        tail = b"".join(self._tail)[-self._half :]
        left_out = self._total - len(self._head) - len(tail)
        note = f"\n[... {left_out} bytes left out ...]\n".encode() if left_out else b""
        return (bytes(self._head) + note + tail).decode("utf-8", "replace")


def _quick_transport(sock: Any, **options: Any) -> Transport:
    """A transport that prefers what is cheap to compute in an emulated guest."""
    transport = Transport(sock, **options)
    security = transport.get_security_options()
    security.kex = [name for name in security.kex if name.startswith("curve25519")]
    security.ciphers = ["aes128-ctr"]
    security.digests = ["hmac-sha2-256"]
    security.key_types = [KEY_TYPE]
    return transport


class Session:
    """A live SSH connection to one guest."""

    def __init__(self, client: SSHClient, watch: Watch, stop: Stop) -> None:
        self._client = client
        self._watch = watch
        self._stop = stop
        self._closing = threading.Event()
        self._heard_at = time.monotonic()
        self._pulse = threading.Thread(target=self._feel_pulse, name="guest-pulse", daemon=True)
        self._pulse.start()

    def close(self) -> None:
        """End the connection and its threads."""
        transport = self._client.get_transport()
        self._closing.set()
        self._client.close()
        if transport is not None:
            transport.join(5.0)
        self._pulse.join(5.0)

    @property
    def transport(self) -> Transport:
        transport = self._client.get_transport()
        if transport is None or not transport.is_active():
            raise self._lost("the SSH connection is closed")
        return transport

    def _feel_pulse(self) -> None:
        """Ask the guest's SSH server for an answer now and then: a silent command may still run in a living guest."""
        transport = self._client.get_transport()
        while transport is not None and transport.is_active() and not self._closing.wait(_PULSE_S):
            with suppress(SSHException, EOFError, OSError):
                transport.global_request("keepalive@openssh.com", wait=True)
                if transport.is_active():
                    self._heard_at = time.monotonic()

    def _lost(self, what: str, reason: str = "ssh") -> GuestLost:
        """The guest is lost, if nothing on the console tells better within a moment.  Raises Cancelled after a stop."""
        self._stop.check()
        waited = Deadline(LAST_WORDS_S if reason == "ssh" else 0.0)
        while self._watch.death is None and not waited.expired:
            self._stop.sleep(0.02)
        return guest_lost(self._watch, reason, what)

    def _check(self) -> None:
        self._stop.check()
        if self._watch.death is not None:
            raise guest_lost(self._watch, "", "")

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        pulse_s: float,
        silence_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> CommandResult:
        """Run a command to its end; all times are wall time as it is, nothing is scaled here.

        Raises GuestLost when the guest dies or its connection breaks, when the command has no end after `timeout_s`
        seconds or no output for `silence_s`, and when the guest has shown no sign of life at all for `pulse_s`.
        """
        # A shell that has more to do stays, and turns a signal into 128+N, which SSH would tell otherwise.
        script, what = f"{shlex.join(argv)}; exit $?", shlex.join(argv)[:200]
        return self.run_script(script, what, timeout_s=timeout_s, pulse_s=pulse_s, silence_s=silence_s, on_line=on_line)

    def run_script(
        self,
        script: str,
        what: str,
        *,
        timeout_s: float,
        pulse_s: float,
        silence_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> CommandResult:
        """The same for a shell script, which is called `what`."""
        self._check()
        started = time.monotonic()
        self._heard_at = started
        channel = self._open(min(timeout_s, pulse_s))
        with channel:
            out, err = Output(on_line), Output()
            self._guarded(lambda: channel.exec_command(script))
            total = Deadline(timeout_s)
            silence = Deadline(silence_s if silence_s is not None else float("inf"))
            while not self._drain(channel, out, err, silence):
                self._check()
                if total.expired:
                    raise self._lost(f"{what}: no end after {timeout_s:.4g} s", "deadline")
                if silence.expired:
                    raise self._lost(f"{what}: no output for {silence.seconds:.4g} s", "silence")
                if time.monotonic() - self._heard_at > pulse_s:
                    raise self._lost(f"{what}: no sign of life for {pulse_s:.4g} s", "silence")
            out.end()
            code = channel.recv_exit_status() if channel.exit_status_ready() else -1
            if code == -1:
                raise self._lost(f"{what}: the connection broke without an exit status")
            return CommandResult(code, out.text(), err.text(), time.monotonic() - started)

    def _open(self, timeout_s: float) -> Channel:
        """A channel; opening it takes an answer from the guest, which is a sign of life, within `timeout_s`."""
        transport = self.transport
        opened: list[Channel] = []
        failed: list[str] = []

        def work() -> None:
            try:
                opened.append(transport.open_session(timeout=timeout_s + 5.0))
            except (SSHException, EOFError, OSError) as error:
                failed.append(str(error) or type(error).__name__)

        thread = threading.Thread(target=work, name="guest-open", daemon=True)
        thread.start()
        deadline = Deadline(timeout_s)
        while thread.is_alive():
            self._check()
            if deadline.expired:
                raise self._lost(f"no sign of life for {timeout_s:.4g} s", "silence")
            thread.join(0.02)
        if not opened:
            raise self._lost(f"no SSH channel: {failed[0]}")
        return opened[0]

    def _guarded(self, send: Callable[[], None]) -> None:
        try:
            send()
        except (SSHException, EOFError, OSError) as error:
            raise self._lost(f"the SSH connection broke: {error or type(error).__name__}") from error

    @staticmethod
    def _ended(channel: Channel) -> bool:
        return bool(channel.closed or (channel.eof_received and channel.exit_status_ready()))

    def _drain(self, channel: Channel, out: Output, err: Output, silence: Deadline) -> bool:
        """Wait for something to happen and take it; True when the command has ended and all was taken."""
        if not self._ended(channel):
            poll = select.poll()
            for source in (self._watch.fileno(), self._stop.fileno()):
                poll.register(source, select.POLLIN)
            if channel.eof_received:  # its descriptor stays readable from now on
                poll.poll(10)
            else:
                poll.register(channel.fileno(), select.POLLIN)
                poll.poll(200)
        ended = self._ended(channel)
        took = False
        with suppress(OSError):
            while channel.recv_ready():
                out.add(channel.recv(_CHUNK))
                took = True
            while channel.recv_stderr_ready():
                err.add(channel.recv_stderr(_CHUNK))
                took = True
        if took:
            silence.restart()
            self._heard_at = time.monotonic()
        return ended and not took


def guest_lost(watch: Watch, reason: str, what: str) -> GuestLost:
    """What became of the guest: its death as the watch saw it, else `reason` and `what`, which stand from then on."""
    death = watch.declare(reason, what)
    return GuestLost(death.message, reason=death.reason, detail="\n".join(death.last_lines))


def _handshake(sock: socket.socket, port: int, keys: Keys, timeout_s: float) -> SSHClient:
    """Raises SSHException, EOFError or OSError."""
    client = SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.get_host_keys().add(f"[{_HOST}]:{port}", KEY_TYPE, keys.host_public)
    try:
        client.connect(
            _HOST, port, username="root", pkey=keys.login, sock=sock, look_for_keys=False, allow_agent=False,
            banner_timeout=timeout_s, auth_timeout=timeout_s, timeout=timeout_s, channel_timeout=timeout_s,
            transport_factory=_quick_transport,
        )  # fmt: skip
    except BaseException:
        client.close()
        raise
    return client


def connect_once(port: int, keys: Keys, *, timeout_s: float, watch: Watch, stop: Stop) -> SSHClient | str:
    """One attempt: a client that is authenticated, or why not.

    Given up at once when the guest dies.  Raises Cancelled after a stop, InfraError when somebody else answers.
    """
    try:
        sock = socket.create_connection((_HOST, port), timeout=timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # many small messages, each waited for
    except OSError as error:
        return str(error)
    result: list[SSHClient | Exception] = []

    def work() -> None:
        try:
            result.append(_handshake(sock, port, keys, timeout_s))
        except (SSHException, EOFError, OSError) as error:
            result.append(error)

    thread = threading.Thread(target=work, name="guest-connect", daemon=True)
    thread.start()
    while thread.is_alive() and watch.death is None and not stop.is_set():
        thread.join(0.01)
    if thread.is_alive():
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        thread.join(timeout_s)
    outcome = result[0] if result else EOFError("given up")
    if isinstance(outcome, SSHClient):
        return outcome
    sock.close()
    stop.check()
    if isinstance(outcome, paramiko.BadHostKeyException):
        raise InfraError("something answers at the guest's SSH port that is not the guest: its host key is another")
    return str(outcome) or type(outcome).__name__

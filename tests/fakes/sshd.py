"""An SSH server in the tests' process (paramiko's), standing in for the guest's dropbear.

Takes its host key and the keys it lets in from a guest's cpio segment, as dropbear would.  Commands are Python
functions: what a command line begins with chooses one.
"""

from __future__ import annotations

import base64
import io
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.guest import cpio, keys

# From paramiko.common; the type stubs lack them.
MSG_CHANNEL_SUCCESS = 99
AUTH_SUCCESSFUL, AUTH_FAILED, OPEN_SUCCEEDED = 0, 2, 0

Handler = Callable[[paramiko.Channel, str], None]


def read_strings(data: bytes) -> list[bytes]:
    """RFC 4251 strings."""
    strings = []
    while data:
        (size,) = struct.unpack(">I", data[:4])
        strings.append(data[4 : 4 + size])
        data = data[4 + size :]
    return strings


def load_host_key(dropbear: bytes) -> paramiko.Ed25519Key:
    """A paramiko key of a dropbear host key file."""
    kind, both = read_strings(dropbear)
    assert kind == b"ssh-ed25519"
    private = Ed25519PrivateKey.from_private_bytes(both[:32])
    assert private.public_key().public_bytes_raw() == both[32:]
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return paramiko.Ed25519Key.from_private_key(io.StringIO(pem.decode()))


def finish(code: int, out: bytes = b"", err: bytes = b"") -> Handler:
    """A command that prints and ends."""

    def handler(channel: paramiko.Channel, _command: str) -> None:
        channel.sendall(out)
        channel.sendall_stderr(err)
        channel.send_exit_status(code)
        channel.close()

    return handler


def hang(channel: paramiko.Channel, _command: str) -> None:
    """A command that never ends; its thread does, its channel stays open."""


def vanish(channel: paramiko.Channel, _command: str) -> None:
    """A command whose exit status gets lost."""
    channel.sendall(b"partial")
    channel.close()


class _Server(paramiko.ServerInterface):
    def __init__(self, owner: SshServer) -> None:
        self._owner = owner

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = key.asbytes() in self._owner.authorized and username == "root"
        return AUTH_SUCCESSFUL if known else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_pty_request(self, *_: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return self.check_channel_exec_request(channel, b"-shell-")

    def check_channel_window_change_request(self, *_: object) -> bool:
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._owner.serve(channel, command.decode())
        return True


class _Transport(paramiko.Transport):
    """Lets a command begin only when its request has been answered: dropbear never does it the other way round."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.waiting: list[Callable[[], object]] = []

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if data.asbytes()[0] == MSG_CHANNEL_SUCCESS:
            while self.waiting:
                self.waiting.pop()()


class SshServer:
    """Serves on a free port of 127.0.0.1 while it is entered; `transports` are its live connections."""

    def __init__(self, segment: Callable[[], bytes]) -> None:
        """`segment` gives the guest's key segment; it is asked for when somebody connects."""
        self._segment = segment
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._listener: threading.Thread | None = None
        self.port: int = self._socket.getsockname()[1]
        self.handlers: dict[str, Handler] = {"true": finish(0)}
        self.commands: list[str] = []
        self.transports: list[paramiko.Transport] = []
        self.authorized: set[bytes] = set()
        self.host_key: paramiko.PKey | None = None  # another one than the segment's, to play an impostor
        self.mute = False  # takes connections and never says a word
        self.held: list[socket.socket] = []

    def __enter__(self) -> SshServer:
        self._listener = self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()
        for sock in self.held:
            sock.close()
        self.join()

    def hang_up(self) -> None:
        """End all connections."""
        while self.transports:
            transport = self.transports.pop()
            transport.close()
            transport.join(10)

    def join(self) -> None:
        """Wait for the commands' threads."""
        for thread in self._threads:
            if thread is not self._listener or self._socket.fileno() < 0:
                thread.join(10)

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            if self.mute:
                self.held.append(sock)
            else:
                self._greet(sock)

    def _greet(self, sock: socket.socket) -> None:
        entries = {entry.path: entry.data for entry in cpio.unpack(self._segment())}
        line = entries[keys.AUTHORIZED_KEYS_PATH].decode()
        self.authorized.add(base64.b64decode(line.split()[1]))
        transport = _Transport(sock)
        transport.add_server_key(self.host_key or load_host_key(entries[keys.HOST_KEY_PATH]))
        self.transports.append(transport)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(threading.Event(), _Server(self))

    def serve(self, channel: paramiko.Channel, command: str) -> None:
        self.commands.append(command)
        handler = next((do for start, do in self.handlers.items() if command.startswith(start)), finish(127))

        def work() -> None:
            with suppress(OSError, EOFError):
                handler(channel, command)

        transport = channel.get_transport()
        assert isinstance(transport, _Transport)
        transport.waiting.append(lambda: self._start(work))

"""An interactive shell of the guest on the user's terminal: raw mode, window size, everything put back at the end.

Knows nothing of how the connection came about.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from paramiko import Channel, Transport

from harness.guest.watch import Watch
from harness.host.process import Stop

_LOOK_MS = 250  # how soon a changed window size is noticed


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Raw mode while it lasts; nothing where `fd` is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def attach(transport: Transport, watch: Watch, stop: Stop, *, term: str, stdin: int, stdout: int) -> int:
    """A login shell between the guest and two descriptors, to the shell's end; returns its exit code.

    Returns 255 when the connection breaks; the caller finds out whether the guest is dead.
    """
    size = shutil.get_terminal_size()
    with transport.open_session() as channel:
        channel.get_pty(term, size.columns, size.lines)
        channel.invoke_shell()
        with _raw(stdin):
            _pump(channel, watch, stop, stdin, stdout)
        if watch.death is not None or not channel.exit_status_ready():
            return 255
        code = channel.recv_exit_status()
        return code if code >= 0 else 255


def _pump(channel: Channel, watch: Watch, stop: Stop, stdin: int, stdout: int) -> None:
    """Bytes both ways until the shell has ended, the guest is dead or the run is stopped."""
    poll = select.poll()
    for source in (channel.fileno(), watch.fileno(), stop.fileno(), stdin):
        poll.register(source, select.POLLIN)
    size = shutil.get_terminal_size()
    while True:
        ready = {fd for fd, _ in poll.poll(_LOOK_MS)}
        if watch.fileno() in ready or stop.fileno() in ready:
            return
        with suppress(OSError):
            while channel.recv_ready():
                os.write(stdout, channel.recv(65536))
        if channel.closed or channel.exit_status_ready():
            return
        if stdin in ready:
            typed = os.read(stdin, 4096)
            if typed:
                channel.sendall(typed)
            else:
                channel.shutdown_write()
                poll.unregister(stdin)
        if shutil.get_terminal_size() != size:
            size = shutil.get_terminal_size()
            channel.resize_pty(size.columns, size.lines)


def standard() -> tuple[int, int]:
    """The process's own standard input and output."""
    return sys.stdin.fileno(), sys.stdout.fileno()

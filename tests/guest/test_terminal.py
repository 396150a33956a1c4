"""The interactive shell: bytes both ways, the terminal put back, an exit code, and no hanging on a dead guest."""

from __future__ import annotations

import os
import pty
import termios
import threading
from collections.abc import Iterator

import paramiko
import pytest

from harness.errors import GuestLost
from harness.guest import terminal
from tests.fakes.fake_qemu_control import PANIC, PANIC_MESSAGE
from tests.guest.conftest import Bench

Ends = tuple[int, int]


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    """(our end, the harness's end) of a terminal that stands in for the user's."""
    ours, theirs = pty.openpty()
    monkeypatch.setattr(terminal, "standard", lambda: (theirs, theirs))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def read_until(fd: int, wanted: bytes) -> bytes:
    data = b""
    while wanted not in data:
        data += os.read(fd, 1024)
    return data


def shell(channel: paramiko.Channel, _command: str) -> None:
    """Says what it gets in capital letters, until it gets a q."""
    channel.sendall(b"welcome")
    while (data := channel.recv(1024)) not in (b"q", b""):
        channel.sendall(data.upper())
    channel.send_exit_status(7)
    channel.close()


def test_a_shell_on_the_terminal(bench: Bench, tty: Ends) -> None:
    bench.sshd.handlers["-shell-"] = shell
    ours, theirs = tty
    before = termios.tcgetattr(theirs)
    raw: list[list[object]] = []

    def user() -> None:
        read_until(ours, b"welcome")
        raw.append(termios.tcgetattr(theirs))
        os.write(ours, b"\x03abc")
        read_until(ours, b"\x03ABC")
        os.write(ours, b"q")

    with bench.guest() as guest:
        guest.boot()
        thread = threading.Thread(target=user)
        thread.start()
        code = guest.interactive()
        thread.join()
    assert code == 7
    assert raw[0] != before
    assert termios.tcgetattr(theirs) == before


def test_a_guest_that_dies_gives_the_terminal_back(bench: Bench, tty: Ends) -> None:
    bench.sshd.handlers["-shell-"] = shell
    ours, theirs = tty
    before = termios.tcgetattr(theirs)

    def user() -> None:
        read_until(ours, b"welcome")
        bench.qemu.play({"console": PANIC}, {"exit": 0})

    with bench.guest() as guest:
        guest.boot()
        thread = threading.Thread(target=user)
        thread.start()
        with pytest.raises(GuestLost, match=PANIC_MESSAGE):
            guest.interactive()
        thread.join()
    assert termios.tcgetattr(theirs) == before


def test_a_guest_that_the_user_powers_off_is_no_failure(bench: Bench, tty: Ends) -> None:
    bench.sshd.handlers["-shell-"] = shell
    ours, _theirs = tty

    def user() -> None:
        read_until(ours, b"welcome")
        bench.qemu.play({"console": "[    9.0][   T50] reboot: Restarting system\n"}, {"exit": 0})

    with bench.guest() as guest:
        guest.boot()
        thread = threading.Thread(target=user)
        thread.start()
        assert guest.interactive() == 0
        thread.join()


def test_input_may_be_a_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal at all: what is piped in is sent, then the end of it."""
    bench.sshd.handlers["-shell-"] = shell
    (stdin, typed), (read, stdout) = os.pipe(), os.pipe()
    monkeypatch.setattr(terminal, "standard", lambda: (stdin, stdout))
    os.write(typed, b"abc")
    os.close(typed)
    with bench.guest() as guest:
        guest.boot()
        assert guest.interactive() == 7
    os.close(stdout)
    with os.fdopen(read, "rb") as shown:
        assert shown.read() == b"welcomeABC"
    os.close(stdin)

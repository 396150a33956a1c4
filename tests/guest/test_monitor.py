"""QMP's small parts: the port in QEMU's table, sockets below long directories, events in words."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from harness.guest.qmp import forwarded_port, listen
from harness.guest.watch import shutdown_words, untimed

TABLE = """Hub -1 (net0):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   12       10.0.2.15    22       127.0.0.1 40000     0     0\r
  TCP[HOST_FORWARD]   8       127.0.0.1 41759       10.0.2.15    22     0     0\r
"""


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_port_is_read_from_qemus_table() -> None:
    assert forwarded_port(TABLE) == 41759


@pytest.mark.parametrize("text", ["", "Hub -1 (net0):", TABLE.replace("HOST_FORWARD", "SYN_SENT")])
def test_a_table_without_it_has_none(text: str) -> None:
    assert forwarded_port(text) is None


def test_a_socket_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    before = open_descriptors()
    with listen(deep / "qmp.sock") as server:
        assert (deep / "qmp.sock").is_socket()
        with socket.socket(socket.AF_UNIX) as client:
            here = os.open(deep, os.O_RDONLY)
            client.connect(f"/proc/self/fd/{here}/qmp.sock")
            os.close(here)
            server.accept()[0].close()
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"guest": True, "reason": "guest-reset"}, "the guest reset itself"),
        ({"guest": True, "reason": "guest-shutdown"}, "the guest powered itself off"),
        ({"reason": "host-signal"}, "QEMU shut down (host-signal)"),
        ({}, "QEMU shut down (no reason given)"),
    ],
)
def test_shutdown_in_words(data: dict[str, object], words: str) -> None:
    assert shutdown_words(data) == words


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("[    2.000100][   T77] Kernel panic - not syncing: x", "Kernel panic - not syncing: x"),
        ("[   12.345678] BUG: y", "BUG: y"),
        ("no stamp [here]", "no stamp [here]"),
    ],
)
def test_a_line_without_its_time(line: str, text: str) -> None:
    assert untimed(line) == text

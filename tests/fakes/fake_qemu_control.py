"""The tests' side of the fake QEMU: makes the program, tells it what to play, and reads what it was given."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Step = dict[str, Any]

INIT = "[    0.900000][    T1] vmaharness: init\r\n"
SSH = "[    1.100000][    T1] vmaharness: ssh\r\n"
PANIC = (
    "[    2.000000][   T77] BUG: kernel NULL pointer dereference, address: 0000000000000008\r\n"
    "[    2.000100][   T77] Kernel panic - not syncing: Fatal exception\r\n"
    "[    2.000200][   T77] ---[ end Kernel panic - not syncing: Fatal exception ]---\r\n"
)
PANIC_MESSAGE = "Kernel panic - not syncing: Fatal exception"
BOOTED: tuple[Step, ...] = ({"console": "[    0.000000][    T0] Linux version 6.12\r\n" + INIT + SSH},)


def is_fatal(line: str) -> bool:
    return "Kernel panic" in line


class FakeQemuControl:
    """One fake QEMU program in a directory."""

    def __init__(self, directory: Path, name: str = "qemu-system-x86_64") -> None:
        self.directory = directory
        self.program = directory / name
        directory.mkdir(parents=True, exist_ok=True)
        fake = Path(__file__).with_name("fake_qemu.py")
        self.program.write_text(
            f"#!{sys.executable} -IS\nimport runpy\n"
            f"runpy.run_path({str(fake)!r}, init_globals={{'DIRECTORY': {str(directory)!r}}}, run_name='__main__')\n"
        )
        self.program.chmod(0o755)
        os.mkfifo(directory / "orders")
        self.plan(())
        self.port(9)

    def plan(self, steps: Sequence[Step]) -> None:
        """What it plays from its start."""
        (self.directory / "steps.json").write_text(json.dumps(list(steps)))

    def port(self, number: int) -> None:
        """The SSH port that it tells of."""
        (self.directory / "port").write_text(str(number))

    def play(self, *steps: Step) -> None:
        """Tell the running program what to do next."""
        fd = os.open(self.directory / "orders", os.O_RDWR | os.O_NONBLOCK)
        try:
            os.write(fd, b"".join(json.dumps(step).encode() + b"\n" for step in steps))
            while _unread(fd):  # the FIFO forgets what nobody has read when the last one closes it
                time.sleep(0.005)
        finally:
            os.close(fd)

    def argv(self) -> list[str]:
        """What it was started with."""
        words: list[str] = json.loads((self.directory / "argv.json").read_text())
        return words

    def option(self, name: str) -> str:
        argv = self.argv()
        return argv[argv.index(name) + 1]


def _unread(fd: int) -> int:
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4), sys.byteorder)

"""A guest without a kernel: the fake QEMU, an SSH server in this process, and what a `Guest` is made of."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.guest.guest import Guest
from harness.guest.watch import Death
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Accel, Arch, GuestConfig, Rootfs
from tests.fakes.fake_qemu_control import BOOTED, FakeQemuControl, is_fatal
from tests.fakes.sshd import SshServer


class Bench:
    """Everything that a test of a guest touches."""

    def __init__(self, directory: Path, processes: Processes, cache: Cache) -> None:
        self.directory = directory
        self.processes = processes
        self.cache = cache
        self.qemu = FakeQemuControl(directory / "qemu")
        self.qemu.plan(BOOTED)
        base = gzip.compress(b"base") + b"\0" * 3
        self.base = base + b"\0" * (-len(base) % 4)
        image = directory / "rootfs"
        image.write_bytes(self.base)
        self.rootfs = Rootfs(Arch.X86_64, image, len(self.base), "digest", ())
        self.config = GuestConfig(boot_s=20.0, command_s=20.0, silence_s=20.0)
        self.is_complaint: Callable[[str], bool] | None = None
        self.is_enough: Callable[[str], bool] | None = None
        self.deaths: list[Death] = []
        self.died = threading.Event()
        self.sshd = SshServer(self.segment)
        self.qemu.port(self.sshd.port)

    def segment(self) -> bytes:
        """The key segment that the running guest was given."""
        return Path(self.qemu.option("-initrd")).read_bytes()[len(self.base) :]

    def on_death(self, death: Death) -> None:
        self.deaths.append(death)
        self.died.set()

    def guest(self, accel: Accel = Accel.KVM, program: Path | None = None) -> Guest:
        """A guest on the fake QEMU.  With KVM's pace no deadline is stretched tenfold; nothing looks at /dev/kvm."""
        return Guest(
            arch=Arch.X86_64,
            profile="lockdep",
            image=self.directory / "bzImage",
            rootfs=self.rootfs,
            config=self.config,
            console=self.directory / "out" / "console-x86_64-lockdep.log",
            processes=self.processes,
            cache=self.cache,
            is_fatal=is_fatal,
            is_complaint=self.is_complaint,
            is_enough=self.is_enough,
            say=lambda _text: None,
            on_death=self.on_death,
            accel=(accel, "a test"),
            program=program or self.qemu.program,
        )

    def left_over(self) -> list[str]:
        """Processes that still have this test's directory on their command line, and scratch files."""
        mark = str(self.directory).encode()
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                try:
                    cmdline = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if mark in cmdline:
                    found.append(cmdline.replace(b"\0", b" ").decode())
        found += [str(path) for path in (self.directory / "cache" / "scratch").glob("*/guest*")]
        return found


@pytest.fixture
def bench(tmp_path: Path, processes: Processes, cache: Cache) -> Iterator[Bench]:
    made = Bench(tmp_path, processes, cache)
    with made.sshd:
        yield made

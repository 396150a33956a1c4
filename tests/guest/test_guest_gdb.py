"""A guest with a stub for a debugger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfraError
from harness.guest.argv import debug_args
from harness.guest.guest import Guest
from harness.model import Accel, Arch, Outcome
from tests.fakes.fake_qemu_control import is_fatal
from tests.guest.conftest import Bench


def debugged(bench: Bench, gdb: str) -> Guest:
    return Guest(
        arch=Arch.X86_64, profile="lockdep", image=bench.directory / "vmlinux", rootfs=bench.rootfs,
        config=bench.config, console=bench.directory / "console.log", processes=bench.processes, cache=bench.cache,
        is_fatal=is_fatal, say=lambda _: None, accel=(Accel.KVM, "a test"), program=bench.qemu.program, gdb=gdb,
    )  # fmt: skip


def test_a_running_guest_boots_with_its_stub(bench: Bench) -> None:
    with debugged(bench, "running") as guest:
        boot = guest.boot()
        socket = guest.gdb_socket
        working_directory = Path(bench.qemu.option("-initrd")).parent
    assert boot.outcome is Outcome.PASS
    assert list(boot.argv[-4:]) == debug_args()
    assert socket == working_directory / "gdb.sock", "QEMU is started there"


def test_a_halted_guest_waits_for_the_debugger(bench: Bench) -> None:
    bench.config = replace(bench.config, boot_s=0.3)
    with debugged(bench, "halted") as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.TIMEOUT
    assert boot.init_s == 0


def test_other_guests_have_none(bench: Bench) -> None:
    with bench.guest() as guest:
        assert "-gdb" not in guest.boot().argv
        with pytest.raises(InfraError, match="not started with a stub"):
            _ = guest.gdb_socket

"""An exact guest's life, without a kernel: what it is started with, how its keys reach it, what is fetched of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.guest import cpio
from harness.guest.exact import PLACE, Job, JobList, checksum
from harness.guest.guest import Guest
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Accel, Arch, Outcome
from tests.fakes.fake_qemu_control import INIT, PANIC, SSH, is_fatal
from tests.fakes.sshd import finish
from tests.guest.conftest import Bench

LIST = JobList((Job("faults anon.1", ("faults", "anon"), 1), Job("faults anon.2", ("faults", "anon"), 1)), ("true",))
LINUX = "[    0.000000][    T0] Linux version 6.12\r\n"
FIRST = "[    1.0][   T9] vmaharness: faults anon.1\r\n[    1.1][   T9] vmaharness: end of faults anon.1\r\n"
END = "[    1.2][   T9] vmaharness: end of the exact part\r\n"
EXACT = LINUX + INIT + FIRST + END


class ExactBench(Bench):
    def segment(self) -> bytes:
        """What the guest would fetch by TFTP, relative to its QEMU's working directory."""
        (scratch,) = (self.directory / "cache" / "scratch").glob("*/guest*/keys")
        return (scratch / "keys").read_bytes()

    def exact_guest(self) -> Guest:
        return Guest(
            arch=Arch.X86_64, profile="lockdep", image=self.directory / "bzImage", rootfs=self.rootfs,
            config=replace(self.config, seed=7, accel="kvm"), jobs=LIST, console=self.directory / "console.log",
            processes=self.processes, cache=self.cache, is_fatal=is_fatal, say=lambda _: None,
            on_death=self.on_death, program=self.qemu.program,
        )  # fmt: skip


@pytest.fixture
def exact(tmp_path: Path, processes: Processes, cache: Cache) -> Iterator[ExactBench]:
    made = ExactBench(tmp_path, processes, cache)
    made.qemu.plan([{"console": EXACT + SSH}])
    with made.sshd:
        yield made


def test_a_boot_is_told_by_its_seed_and_the_checksum_of_its_exact_part(exact: ExactBench) -> None:
    with exact.exact_guest() as guest:
        boot = guest.boot()
    assert (boot.outcome, boot.accel, boot.seed) == (Outcome.PASS, Accel.TCG, 7), "KVM cannot count instructions"
    assert boot.exact_sha256 == checksum(EXACT.encode())
    assert exact.qemu.option("-icount") == "shift=0,sleep=off"
    assert exact.left_over() == []


def test_two_guests_differ_in_their_keys_and_in_nothing_that_they_are_started_with(exact: ExactBench) -> None:
    seen = []
    for _ in range(2):
        with exact.exact_guest() as guest:
            guest.boot()
            initrd = Path(exact.qemu.option("-initrd")).read_bytes()
            seen.append((exact.segment(), initrd, [w for w in exact.qemu.argv() if "scratch" not in w]))
    (one, *first), (other, *second) = seen
    assert one != other
    assert first == second
    segment = first[0][len(exact.base) :]
    assert segment == LIST.segment
    assert f"{PLACE}/run" in {entry.path for entry in cpio.unpack(segment)}


def test_nothing_but_the_keys_lies_where_the_guest_may_fetch(exact: ExactBench) -> None:
    with exact.exact_guest() as guest:
        guest.boot()
        (place,) = (exact.directory / "cache" / "scratch").glob("*/guest*/keys")
        assert [path.name for path in place.iterdir()] == ["keys"]
        assert place.stat().st_mode & 0o777 == 0o700


def test_results_are_fetched_in_one_go(exact: ExactBench) -> None:
    def section(name: str, text: str) -> str:
        return f"== {name}\n{base64.encodebytes(text.encode()).decode()}"

    said = section("0001.code", "0\n") + section("0001.time", "1.00 1.50\n") + section("0001.stdout", "ok") + "== end\n"
    exact.sshd.handlers[f"sh /{PLACE}/fetch"] = finish(0, said.encode())
    with exact.exact_guest() as guest:
        guest.boot()
        first, second = guest.fetch().results
    assert first is not None
    assert (first.result.stdout, first.result.seconds) == ("ok", 0.5)
    assert second is None


def test_results_that_come_halfway_are_refused(exact: ExactBench) -> None:
    exact.sshd.handlers[f"sh /{PLACE}/fetch"] = finish(0, b"== 0001.code\nMAo=\n")
    with exact.exact_guest() as guest:
        guest.boot()
        with pytest.raises(ValueError, match="do not come to an end"):
            guest.fetch()


def test_a_guest_that_dies_in_a_job_is_known_by_its_console_up_to_there(exact: ExactBench) -> None:
    exact.qemu.plan([{"console": LINUX + INIT + FIRST + PANIC}, {"exit": 0}])
    with exact.exact_guest() as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.CRASH
    told = (LINUX + INIT + FIRST + PANIC).encode()
    assert boot.exact_sha256 == checksum(told[: told.index(b"\n", told.index(b"Kernel panic")) + 1])


def test_a_job_that_says_nothing_is_waited_for_as_long_as_it_may_take(exact: ExactBench) -> None:
    """A silence that would end another guest is a job at work; one that is longer ends this one too."""
    exact.config = replace(exact.config, silence_s=0.01)
    exact.qemu.plan([{"console": LINUX + INIT}, {"sleep": 1.0}, {"console": FIRST + END + SSH}])
    with exact.exact_guest() as guest:
        assert guest.boot().outcome is Outcome.PASS

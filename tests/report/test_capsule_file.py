"""capsule.json: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.model import Arch, Command, Finding, Frame, GuestConfig, Outcome
from harness.report import capsule as capsule_file
from harness.report.capsule import MAX_RECORD_BYTES, RECORD, Capsule, Part, Program, directory_name, dump, load

FINDING = Finding(
    "warning", "WARNING in do_fault", "do_fault", "WARNING: …\n", 12, "0123456789abcdef",
    frames=(Frame("do_fault", 0x12, 0x34, ("mm/memory.c:12",)),),
)  # fmt: skip
COMMAND = Command("anon.1", ("/vmaharness/bin/faults", "anon", "--seed", "7"), ("anon.1",), 10.0)


def capsule() -> Capsule:
    return Capsule(
        version="0.1.0", made="2026-03-04T05:06:07+00:00", arch=Arch.ARM64, profile="lockdep", suite="faults",
        case="anon.1", outcome=Outcome.FAIL, message="kernel: WARNING in do_fault", findings=(FINDING,),
        command=COMMAND, runs="faults", seed="7", before=("vma.merge",),
        parts=(
            Part("kernel", "a" * 64, "build/0123/image", copied=False),
            Part("vmlinux", "b" * 64, "build/0123/vmlinux", copied=True),
            Part("initramfs", "c" * 64, "rootfs/0123/initramfs.gz", copied=False),
        ),
        programs=(Program("/vmaharness/bin/faults", "d" * 64),), build_key="0123", build_id="beef",
        config_digest="e" * 64, guest=GuestConfig(accel="tcg", machine="virt"), accel="tcg", machine="virt",
        qemu=("qemu-system-aarch64", "-S"), cmdline="panic=-1", tree="1" * 40, series="mm: example",
        again="vmaharness run --arch arm64",
    )  # fmt: skip


def write(directory: Path, record: bytes) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / RECORD).write_bytes(record)
    return directory


def changed(**changes: Any) -> bytes:
    """The capsule's JSON with some keys changed: `guest__smp=0` is a key of a part."""
    data = json.loads(dump(capsule()))
    for path, value in changes.items():
        at: Any = data
        *parents, last = path.split("__")
        for step in parents:
            at = at[int(step) if step.isdigit() else step]
        at[int(last) if last.isdigit() else last] = value
    return json.dumps(data).encode()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    place = write(tmp_path / "c", dump(capsule()))
    assert load(place) == (capsule(), place)
    assert load(place / RECORD) == (capsule(), place)
    bare = replace(capsule(), command=None, runs="", findings=(), parts=(), qemu=())
    assert load(write(place, dump(bare)))[0] == bare


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"[]", "no capsule"), (b"{}", "no capsule"), (b"\xff", "not UTF-8"),
        (b'{"schema": 2}', "a capsule of version '2', not 1"), (b'{"schema": 1}', "Field required"),
        (b'{"schema": ' + b"[" * 100_000, "not JSON"),
        (changed(arch="vax"), "arch"), (changed(outcome="great"), "outcome"), (changed(findings="none"), "findings"),
        (changed(profile="../../x"), "profile: not a name"), (changed(suite="a/b"), "suite: not a name"),
        (changed(runs=""), "runs: not a name"), (changed(again="a\nb"), "again: not one line"),
        (changed(parts__0__stored="build/../../etc/passwd"), "not a place in the cache"),
        (changed(parts__0__stored="/etc/passwd"), "not a place in the cache"),
        (changed(parts__0__stored="deb/0123/image"), "not a place in the cache"),
        (changed(parts__0__stored="build/0123/.hidden"), "not a place in the cache"),
        (changed(parts__0__stored="build/0123/image/x"), "not a place in the cache"),
        (changed(parts__0__stored="build/0123/image\n"), "not a place in the cache"),
        (changed(parts__0__sha256="A" * 64), "not a hash"), (changed(parts__0__name="../kernel"), "parts.0.name"),
        (changed(parts__1__name="kernel"), "each once"),
        (changed(guest__smp=0), "a size"), (changed(guest__memory_mib=1 << 40), "a size"),
        (changed(guest__boot_s=1e300), "a deadline"), (changed(guest__silence_s=-1), "a deadline"),
        (changed(guest__cmdline="a\nb"), "guest.cmdline"), (changed(guest__machine="q35,dump=x"), "guest.machine"),
        (changed(command__argv=[]), "not a command line"), (changed(command__cases=[]), "not a command line"),
        (changed(command__argv=["a\0b"]), "no program can be given"), (changed(command__timeout_s=0), "timeout_s"),
        (changed(command__argv=["x"] * 10_000), "not a command line"),
    ],
)  # fmt: skip
def test_what_is_no_capsule_of_ours_is_refused_with_its_name(tmp_path: Path, record: bytes, words: str) -> None:
    place = write(tmp_path / "c", record)
    with pytest.raises(InputError) as caught:
        load(place)
    assert words in caught.value.what
    assert caught.value.what.startswith(f"{place / RECORD}")
    assert caught.value.exit_code == 2
    assert caught.value.fix


def test_what_is_not_there_or_is_no_file(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path):
        with pytest.raises(InputError, match="is no file"):
            load(place)
    os.mkfifo(tmp_path / RECORD)
    with pytest.raises(InputError, match="is no file"):
        load(tmp_path)


def test_links_are_not_followed(tmp_path: Path) -> None:
    place = write(tmp_path / "c", dump(capsule()))
    (place / "vmlinux").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="vmlinux is no plain file"):
        load(place)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / RECORD).symlink_to(place / RECORD)
    with pytest.raises(InputError, match="is no file"):
        load(tmp_path / "d")


def test_a_capsule_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capsule_file, "MAX_RECORD_BYTES", 1 << 20)
    with pytest.raises(InputError, match="more than 1 MiB"):
        load(write(tmp_path / "c", b" " * ((1 << 20) + 1)))
    assert MAX_RECORD_BYTES > 1 << 20


@given(st.text(min_size=1, max_size=300))
def test_every_case_has_a_directory_name(case: str) -> None:
    name = directory_name("arm64", "lockdep", "faults", case)
    assert name.startswith("capsule-arm64-lockdep-faults-")
    assert Path(name).name == name
    assert len(name.encode()) <= 200


WRECK: list[Callable[[bytes, int], bytes]] = [
    lambda data, at: data[:at],
    lambda data, at: data[:at] + b"\x00" + data[at:],
    lambda data, at: data[:at] + b"9" * 40 + data[at + 1 :],
    lambda data, at: data[:at] + b'"' + data[at + 1 :],
]


@given(st.sampled_from(WRECK), st.integers(0, 3000))
def test_a_damaged_capsule_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, wreck: Callable[[bytes, int], bytes], at: int
) -> None:
    place = write(tmp_path_factory.getbasetemp() / "wrecked", wreck(dump(capsule()), at))
    try:
        load(place)
    except InputError as error:
        assert error.fix

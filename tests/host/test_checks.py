"""The checks of a machine: programs that are there, missing or odd, and resources that run short."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.host import checks
from harness.host.needs import Need
from harness.host.process import Processes
from harness.model import Arch


def _program(directory: Path, name: str, words: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("echo 'flex 2.6.4'", "2.6.4"),
        ("echo 'x86_64-gcc (Debian 12.2.0-14+deb12u1) 12.2.0'", "12.2.0-14+deb12u1"),
        ("echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'", "7.2.22"),
        ("echo 'GNU bison (GNU Bison) 3.8.2'; exit 3", "3.8.2"),
        ("echo 'tool 4.1' >&2", "4.1"),
        ("printf '\\nThis is perl 5, version 36 (v5.36.0) built\\n'", "5.36.0"),
        ("echo 'tool 12, of today'", "12"),
        ("exit 1", "{place}"),
        ("printf '\\377\\n'", "{place}"),
    ],
)
def test_the_version_of_a_program_is_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, found: str
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _program(tmp_path, "x86_64-gcc", words)
    with Processes() as processes:
        (check,) = checks.check_needs(processes, [Need("gcc", "gcc", "kernels", programs=("x86_64-gcc",))])
    assert (check.ok, check.found) == (True, found.format(place=tmp_path / "x86_64-gcc"))


def test_what_is_missing_has_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "is_debian", lambda: True)
    wanted = [
        Need("nothing", "no-such-package", "nothing", programs=("no-such-program-at-all",)),
        Need("odd", "odd-dev", "odd", files=("/no/such/file",), required=False),
    ]
    with Processes() as processes:
        first, second = checks.check_needs(processes, wanted)
    assert (first.ok, first.stops_run, first.found, first.fix) == (
        False, True, "missing", "apt-get install no-such-package",
    )  # fmt: skip
    assert (second.ok, second.stops_run, second.group) == (False, False, "library")


def test_little_disk_is_said_and_none_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(gib: float) -> tuple[bool, bool]:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, int(gib * (1 << 30))))
        found = checks.check_space(tmp_path / "not" / "yet", tmp_path)[0]
        return found.ok, found.stops_run

    assert [free(gib) for gib in (13, 5, 0.1)] == [(True, False), (False, False), (False, True)]


def test_memory_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"

    def found(gib: float) -> tuple[bool, bool, str]:
        meminfo.write_text(f"MemTotal: 99999999 kB\nMemAvailable:   {int(gib * 1048576)} kB\n")
        check = checks.check_memory(meminfo)
        return check.ok, check.stops_run, check.found

    assert found(8) == (True, False, "8.0 GiB available")
    assert found(2) == (False, False, "2.0 GiB available")
    assert found(1) == (False, True, "1.0 GiB available")
    assert checks.check_memory(tmp_path / "none").found == "unknown"


def test_a_cache_that_cannot_be_written_stops_a_run(tmp_path: Path) -> None:
    good = checks.check_cache(tmp_path / "cache")
    assert (good.ok, list((tmp_path / "cache").iterdir())) == (True, [])
    (tmp_path / "file").touch()
    bad = checks.check_cache(tmp_path / "file" / "cache")
    assert (bad.stops_run, bad.found) == (True, f"{tmp_path}/file/cache: Not a directory")


def test_a_whole_machine_is_checked(tmp_path: Path) -> None:
    with Processes() as processes:
        found = checks.check_host(processes, tmp_path / "cache", [*Arch], tmp_path)
    assert {check.group for check in found} == {"program", "library", "right", "resource"}
    assert len({check.name for check in found}) == len(found)
    assert all(check.why and (check.ok or check.fix) for check in found)

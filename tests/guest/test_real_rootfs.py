"""The real initramfs of both architectures, from Debian's archive."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import pytest

from harness.arch import ARCHES
from harness.guest import cpio
from harness.guest.rootfs import MAX_SIZE_BYTES, REQUIRED_APPLETS, build_rootfs
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.elf import is_elf, read_elf
from harness.host.process import Processes
from harness.model import Arch


@pytest.mark.network
@pytest.mark.parametrize("arch", list(Arch))
def test_it_has_what_it_takes(tmp_path: Path, arch: Arch) -> None:
    with Processes() as processes, Cache(tmp_path) as cache:
        archive = DebianArchive(processes, cache, lambda _text: None)
        made = build_rootfs(arch, [], archive=archive, cache=cache, processes=processes, say=lambda _text: None)
        with gzip.open(made.image) as image:
            entries = {entry.path: entry for entry in cpio.unpack(image.read())}
    assert made.size_bytes < MAX_SIZE_BYTES / 4, "before the suites' payloads"
    assert {"busybox-static", "dropbear-bin", "libc6"} <= {package.name for package in made.packages}
    assert {package.architecture for package in made.packages} == {ARCHES[arch].debian}
    assert entries["init"].data.startswith(b"#!/bin/sh\n")
    assert all(entries[f"bin/{name}"].data == b"busybox" for name in REQUIRED_APPLETS)
    libraries = {path.rpartition("/")[2] for path in entries}
    for entry in entries.values():
        if stat.S_ISREG(entry.mode) and is_elf(entry.data):
            elf = read_elf(entry.data)
            assert elf.machine == ARCHES[arch].elf_machine
            assert set(elf.needed) <= libraries
            assert elf.interpreter.lstrip("/") in {"", *entries}

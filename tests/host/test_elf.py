"""The ELF reader, on files made for it, on a real program and on junk."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.elf import NotElf, is_elf, read_elf
from tests.fakes.elf_file import make_elf


def test_machine_interpreter_and_libraries() -> None:
    elf = read_elf(make_elf(183, needed=("libc.so.6", "libm.so.6"), interpreter="/lib/ld.so"))
    assert (elf.machine, elf.interpreter, elf.needed) == (183, "/lib/ld.so", ("libc.so.6", "libm.so.6"))


def test_a_static_program_needs_nothing() -> None:
    elf = read_elf(make_elf(62))
    assert (elf.interpreter, elf.needed) == ("", ())


@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf here")
def test_readelf_agrees_about_python() -> None:
    program = Path(sys.executable).resolve()
    told = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    assert list(read_elf(program.read_bytes()).needed) == re.findall(r"\(NEEDED\).*\[(.+)\]", told)


@given(st.binary(max_size=300))
def test_junk_is_no_elf(junk: bytes) -> None:
    if not is_elf(junk):
        with pytest.raises(NotElf):
            read_elf(junk)
    with suppress(NotElf):
        read_elf(b"\x7fELF\x02\x01" + junk)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(at: int, damage: bytes) -> None:
    whole = make_elf(62, needed=("libc.so.6",), interpreter="/lib64/ld.so")
    with suppress(NotElf):
        read_elf(whole[:at] + damage + whole[at + len(damage) :])

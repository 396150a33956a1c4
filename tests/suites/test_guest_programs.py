"""What holds for every program of ours that runs in guests: how it is compiled, and what comes out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.arch import ARCHES, cross_prefix
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Arch
from harness.suites.programs import build_program, compile_argv, sources_of

PROGRAMS = ("faults", "hazards", "bench", "sizes")


def needs_compiler(arch: Arch) -> None:
    if shutil.which(f"{cross_prefix(arch)}gcc") is None:
        pytest.skip(f"no compiler for {arch}")


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("arch", list(Arch))
def test_no_warning_for_any_architecture(arch: Arch, program: str, processes: Processes, tmp_path: Path) -> None:
    needs_compiler(arch)
    argv = compile_argv(f"{cross_prefix(arch)}gcc", sources_of(program), tmp_path / program)
    argv.insert(1, "-Werror")
    done = processes.run(argv, cwd=sources_of(program))
    assert done.ok, done.words


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("arch", list(Arch))
def test_static_small_and_of_the_right_architecture(
    arch: Arch, program: str, processes: Processes, cache: Cache
) -> None:
    needs_compiler(arch)
    built = build_program(program, arch, processes=processes, cache=cache)
    data = built.read_bytes()
    assert int.from_bytes(data[18:20], "little") == ARCHES[arch].elf_machine
    assert b"/lib/ld-linux" not in data and b"/lib64/ld-linux" not in data
    assert len(data) < 1_000_000

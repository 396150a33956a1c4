"""Compiles the C programs of this project for a guest: static, small, once per content.

The sources are `programs/NAME/*.c`, one directory a program, and `programs/common/*.c`, which are compiled with each of
them against its own `program.h`.  They are ours, so no sandbox; they need no kernel tree.
What they do and print is none of this module's business.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.arch import ARCHES, cross_prefix, is_native
from harness.errors import InfraError, MissingTool
from harness.events import Say
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Arch

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-pthread", "-static", "-s", "-Wl,--build-id=none")
"""No -Werror: a newer compiler's new warning must not stop a run.  The tests compile with it."""

_DEADLINE_S = 300.0
_NOT_STARTED = 127


def sources_of(name: str) -> Path:
    """The directory of a program's sources."""
    return Path(__file__).with_name("programs") / name


def compile_argv(compiler: str, directory: Path, output: Path) -> list[str]:
    """The command that makes a program, to be run in its directory.  Without a program.h it shares nothing."""
    common = directory.parent / "common"
    shared = sorted(common.glob("*.c")) if (directory / "program.h").exists() else []
    names = [*sorted(file.name for file in directory.glob("*.c")), *(f"../common/{file.name}" for file in shared)]
    return [compiler, *FLAGS, "-I.", "-I../common", "-o", str(output), *names]


def build_program(
    name: str, arch: Arch, *, processes: Processes, cache: Cache, sources: Path | None = None,
    say: Say = lambda _: None,
) -> Path:  # fmt: skip
    """The program for `arch`, from the cache if its sources, compiler, C library and flags have not changed.

    `say` is told where it must be compiled.

    Raises MissingTool without a compiler or a static C library for `arch`, InfraError (with the compiler's words)
    if the program does not compile.
    """
    directory = sources or sources_of(name)
    compiler = f"{cross_prefix(arch)}gcc"
    digest = hashlib.sha256()
    for part in (name, arch, _version(compiler, arch, processes), *FLAGS):
        digest.update(part.encode() + b"\0")
    digest.update(_c_library(compiler, arch, processes).read_bytes())
    for place in (directory, directory.parent / "common"):
        for file in sorted([*place.glob("*.c"), *place.glob("*.h")]):
            digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())

    def make(into: Path) -> None:
        say(f"compiling {name} for {arch}")
        done = processes.run(compile_argv(compiler, directory, into / name), cwd=directory, deadline_s=_DEADLINE_S)
        if not done.ok:
            raise InfraError(f"{name} does not compile for {arch}", detail=done.words)

    entry, _ = cache.get("program", digest.hexdigest()[:32], make)
    return entry / name


def _version(compiler: str, arch: Arch, processes: Processes) -> str:
    asked = processes.run([compiler, "--version"])
    if asked.exit_code == _NOT_STARTED:
        raise MissingTool(compiler, "gcc" if is_native(arch) else ARCHES[arch].compiler_packages[0])
    return asked.text.partition("\n")[0]


def _c_library(compiler: str, arch: Arch, processes: Processes) -> Path:
    """libc.a, which becomes part of the program; gcc answers with the bare name if it has none."""
    path = Path(processes.run([compiler, "-print-file-name=libc.a"]).text.strip())
    if not path.is_file():
        raise MissingTool(
            f"a static C library for {arch}", "libc6-dev" if is_native(arch) else ARCHES[arch].compiler_packages[-1]
        )
    return path

"""What compiles for an architecture on this host, exactly enough to name a build by it.

The programs' versions are remembered as long as the programs are the same files, so that a run in which nothing has
changed starts no compiler.  Knows nothing of trees and configurations.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from harness.arch import ARCHES, cross_prefix, is_native
from harness.errors import InfraError, MissingTool
from harness.host.cache import Cache
from harness.host.process import SYSTEM_PATH, Processes
from harness.model import Arch, Toolchain

_FILE = "versions.json"


def toolchain(arch: Arch, *, processes: Processes, cache: Cache | None = None) -> Toolchain:
    """The compiler for `arch`.  Raises MissingTool with the package that has it."""
    prefix = cross_prefix(arch)
    package = "gcc" if is_native(arch) else ARCHES[arch].compiler_packages[0]
    programs = {
        "compiler": _program(f"{prefix}gcc", package),
        "assembler": _program(f"{prefix}as", "binutils" if is_native(arch) else package),
        "linker": _program(f"{prefix}ld", "binutils" if is_native(arch) else package),
        "host compiler": _program("gcc", "gcc"),
        "make": _program("make", "make"),
    }
    versions = _versions(programs, processes, cache)
    digest = hashlib.sha256(json.dumps([prefix, versions], sort_keys=True).encode()).hexdigest()
    return Toolchain(
        arch=arch, cross_compile=prefix, compiler=versions["compiler"], linker=versions["linker"],
        ccache=shutil.which("ccache", path=SYSTEM_PATH) is not None, digest=digest,
    )  # fmt: skip


def _program(name: str, package: str) -> Path:
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise MissingTool(name, package)
    return Path(found).resolve()


def _versions(programs: dict[str, Path], processes: Processes, cache: Cache | None) -> dict[str, str]:
    """The first line of each program's --version."""

    def ask() -> dict[str, str]:
        return {role: _version(path, processes) for role, path in programs.items()}

    if cache is None:
        return ask()
    files = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in programs.values())
    key = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    entry, _ = cache.get("toolchain", key, lambda into: _write(into / _FILE, ask()))
    known: dict[str, str] = json.loads((entry / _FILE).read_text())
    return known if known.keys() == programs.keys() else ask()


def _version(path: Path, processes: Processes) -> str:
    done = processes.run([path, "--version"], env={"PATH": SYSTEM_PATH, "LC_ALL": "C"}, deadline_s=30)
    if not done.ok or not done.text:
        raise InfraError(f"{path} --version fails", detail=done.words)
    return done.text.splitlines()[0]


def _write(path: Path, versions: dict[str, str]) -> None:
    path.write_text(json.dumps(versions, indent=1) + "\n")

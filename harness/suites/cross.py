"""What programs of a tree under test are compiled with for an architecture: the compiler, and libraries beside it.

Knows nothing of the programs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from harness.arch import ARCHES, cross_prefix, is_native
from harness.errors import MissingTool
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.process import Completed, Processes
from harness.model import Arch

_MACHINE = re.compile(
    r"No space left on device|Disk quota exceeded|Cannot allocate memory|virtual memory exhausted"
    r"|Killed signal terminated program|: fatal error: Killed|\] (?:Killed|Terminated)$",
    re.MULTILINE,
)


def is_of_the_machine(done: Completed, text: str) -> bool:
    """Whether a make that failed says nothing of the tree: killed, out of time, of memory or of disk.

    `text` is all that it has said.
    """
    return done.timed_out or done.exit_code >= 128 or (not done.ok and _MACHINE.search(text) is not None)


def compiler_version(processes: Processes, arch: Arch) -> str:
    """The compiler's own name of its version; raises MissingTool where there is none."""
    program = f"{cross_prefix(arch)}gcc"
    asked = processes.run([program, "--version"])
    if asked.exit_code == 127:
        raise MissingTool(program, "gcc" if is_native(arch) else ARCHES[arch].compiler_packages[0])
    return asked.text.partition("\n")[0]


def sysroot(packages: Sequence[str], arch: Arch, *, cache: Cache, archive: DebianArchive) -> Path:
    """Debian packages of an architecture, unpacked, without those that they depend on.  Raises InfraError.

    Their libraries are static alone: the links to shared ones lead to nothing, or, where a package has them absolute
    and the host is of this architecture, out to the host's, which a guest has not.
    """
    found = [archive.candidate(name, ARCHES[arch].debian) for name in packages]

    def make(into: Path) -> None:
        for package in found:
            archive.unpack(archive.download(package), into)
        for library in (into / "usr/lib").rglob("*.so*"):
            library.unlink()

    key = hashlib.sha256(repr(("static", found)).encode()).hexdigest()[:32]
    return cache.get("sysroot", key, make)[0]


def compiler(arch: Arch, libraries: Path | None) -> str:
    """CC= for a Makefile of the tree: the compiler, which also looks into a sysroot."""
    program = f"{cross_prefix(arch)}gcc"
    if libraries is None:
        return program
    headers, triplet = libraries / "usr/include", ARCHES[arch].gnu_triplet
    return f"{program} -isystem {headers} -isystem {headers / triplet} -L{libraries / 'usr/lib' / triplet}"

"""Builds tools/testing/vma of a tree for an architecture, confined, once per content of what it is made of.

The compiler notes which files it reads (-MD): a tree that differs from one only in others makes the same program.
A program that does not compile or link is a result of the tree, not an error of the harness: 6.12's own does not
link (mm/vma.c gained a call that the userland stubs lack).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.arch import ARCHES, is_native
from harness.errors import InfraError
from harness.events import Say
from harness.host.apt import DebianArchive
from harness.host.cache import WAY, Cache, link_entry, remove_tree
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.model import Arch, Outcome
from harness.suites.cross import compiler, compiler_version, is_of_the_machine, sysroot
from harness.suites.vma import names_of_tests

_DIRECTORY = Path("tools/testing/vma")
_SYSROOT_PACKAGES = ("liburcu-dev", "liburcu8")
_ERROR = re.compile(r"(?:error|undefined reference|No rule|No such file|\*\*\*)")
_TREE, _READS = "tree", "reads"  # of what tree it was made, and which files of it were read


class Content(Protocol):
    """The tree that a program is made of."""

    @property
    def name(self) -> str:
        """Of all that the tree has."""
        ...

    def described(self) -> str:
        """What later trees are held against."""
        ...

    def makes_what(self, described: str, reads: frozenset[str]) -> bool:
        """Whether it makes what was made of the tree `described`, of which these files were read."""
        ...


@dataclass(frozen=True, slots=True)
class VmaProgram:
    """The program for one architecture; `program` is None where it does not build, `message` says why."""

    arch: Arch
    outcome: Outcome
    program: Path | None
    tests: tuple[str, ...]
    message: str
    log: Path
    cached: bool


class VmaBuilder:
    """Builds the program."""

    def __init__(self, processes: Processes, cache: Cache, sandbox: Sandbox, archive: DebianArchive) -> None:
        self._processes = processes
        self._cache = cache
        self._sandbox = sandbox
        self._archive = archive

    def build(self, arch: Arch, content: Content, source: Callable[[], Path], *, jobs: int, say: Say) -> VmaProgram:
        """The program of a tree; `source` gives its files, which are only read.

        Raises MissingTool without a compiler or make, InfraError when libraries cannot be had.
        """
        version = compiler_version(self._processes, arch)
        libraries = self._libraries(arch)
        way = _digest(arch, version, self._sandbox.mode, libraries.name if libraries else "", "2")
        compiled = False

        def make(into: Path) -> None:
            nonlocal compiled
            if (like := self._like(way, content)) is not None:
                link_entry(like, into)
                return
            compiled = True
            tree, place = source(), self._cache.scratch("vma")
            _lay_out(tree, place)
            if self._make(arch, tree, place, into, libraries, jobs, say):
                (into / _TREE).write_text(content.described())
                (into / _READS).write_text("\0".join(sorted(_reads(place, tree))), errors="surrogateescape")
                (into / WAY).write_text(way)
            remove_tree(place)

        entry, _ = self._cache.get("vma", _digest(way, content.name), make)
        record = json.loads((entry / "record.json").read_text())
        program = entry / "vma"
        return VmaProgram(
            arch=arch,
            outcome=Outcome(record["outcome"]),
            program=program if program.exists() else None,
            tests=tuple(record["tests"]),
            message=record["message"],
            log=entry / "build.log",
            cached=not compiled,
        )

    def _like(self, way: str, content: Content) -> Path | None:
        """The entry of a program that another tree was made into, and that this one would be, too."""
        for entry in self._cache.made_alike("vma", way):
            try:
                tree, reads = (entry / _TREE).read_text(), (entry / _READS).read_text(errors="surrogateescape")
            except OSError:
                continue  # removed meanwhile
            if content.makes_what(tree, frozenset(reads.split("\0")) - {""}):
                return self._cache.find("vma", entry.name)
        return None

    def _make(
        self, arch: Arch, tree: Path, place: Path, into: Path, libraries: Path | None, jobs: int, say: Say
    ) -> bool:
        """Compile it, good or bad; whether there is a program."""
        directory, log = place / _DIRECTORY, into / "build.log"
        log.touch()
        if not (directory / "Makefile").is_file():
            self._record(into, Outcome.FAIL, (), f"the tree has no {_DIRECTORY}")
            return False
        tests = names_of_tests(directory)
        # The Makefile adds to CFLAGS; a CFLAGS= on the command line would replace what it adds. CC carries the rest.
        cc = f"{compiler(arch, libraries)} -MD"
        argv = ["make", "-C", str(directory), f"-j{jobs}", f"CC={cc}", f"ARCH={ARCHES[arch].kbuild}", "vma"]
        say(f"compiling tools/testing/vma for {arch}")
        readable = [tree] if libraries is None else [tree, libraries]
        done = self._processes.run(
            self._sandbox.wrap(argv, cwd=directory, writable=[place], readable=readable), log=log, deadline_s=1800
        )
        text = log.read_text(errors="replace")
        if is_of_the_machine(done, text):
            raise InfraError(f"tools/testing/vma could not be built for {arch}", detail=text[-2000:])
        if not done.ok:
            first = next((line for line in text.splitlines() if _ERROR.search(line)), text.strip()[-200:])
            self._record(into, Outcome.FAIL, tests, first.replace(f"{place}/", "").replace(f"{tree}/", "").strip())
            return False
        if not tests:
            self._record(into, Outcome.ERROR, (), f"{_DIRECTORY}: no TEST(…) lines were recognised in its sources")
            return False
        shutil.copy2(directory / "vma", into / "vma")
        self._record(into, Outcome.PASS, tests, "")
        return True

    @staticmethod
    def _record(into: Path, outcome: Outcome, tests: tuple[str, ...], message: str) -> None:
        record = {"outcome": outcome, "tests": tests, "message": message}
        (into / "record.json").write_text(json.dumps(record))

    def _libraries(self, arch: Arch) -> Path | None:
        """liburcu for an architecture that is not the host's, whose own is installed."""
        return None if is_native(arch) else sysroot(_SYSROOT_PACKAGES, arch, cache=self._cache, archive=self._archive)


def _lay_out(tree: Path, place: Path) -> None:
    """A directory in which only tools/testing/vma is a copy, and all that it reads a link into the tree.

    Its Makefile writes beside its sources, and the tree is shared with builds that run at the same time.
    """
    directory = Path()
    for part in _DIRECTORY.parts:
        (place / directory).mkdir(exist_ok=True)
        for entry in sorted((tree / directory).iterdir()):
            if entry.name != part:
                (place / directory / entry.name).symlink_to(entry)
        directory /= part
    if (tree / _DIRECTORY).is_dir():
        shutil.copytree(tree / _DIRECTORY, place / _DIRECTORY)


def _reads(place: Path, tree: Path) -> set[str]:
    """The files of the tree that the compiler noted; empty where it did not for every object."""
    directory, found = place / _DIRECTORY, set[str]()
    if not all(made.with_suffix(".d").is_file() for made in directory.rglob("*.o")):
        return set()
    for note in directory.rglob("*.d"):
        words = note.read_text(errors="surrogateescape").replace("\\\n", " ").split()
        for word in (word for word in words if not word.endswith(":")):
            path = os.path.normpath(directory / word)
            for root in (f"{place}/", f"{tree}/"):
                if path.startswith(root):
                    found.add(path.removeprefix(root))
    return found


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]

"""Builds the selected selftests of a tree for an architecture, confined, once per content.

The tests' own Makefiles build them, one target a program, with the tree's own UAPI headers.  They see no more of the
tree than `header_inputs` and `TEST_INPUTS`, so that what is built is named by the content of those: a series that
leaves them alone costs no build.  A program that does not build is a result of the tree, not an error of the harness.

They are linked with the guest's C library: static, thirty of them would triple the initramfs.  Other libraries become
part of them, because the sysroot has only static ones.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES, cross_prefix
from harness.errors import InfraError
from harness.events import Say
from harness.host.apt import DebianArchive
from harness.host.cache import Cache, remove_tree
from harness.host.process import Completed, Processes
from harness.host.sandbox import Sandbox
from harness.model import Arch, Outcome
from harness.suites.cross import compiler, compiler_version, is_of_the_machine, sysroot
from harness.suites.kselftest import Table

_SELFTESTS = Path("tools/testing/selftests")
_FORMAT = "3"
_DEADLINE_S = 1800
_ERROR = re.compile(r"(?:error|undefined reference|cannot find|No rule|No such file|\*\*\*)")
_OWN_TIMEOUT = re.compile(r"(#define\s+TEST_TIMEOUT_DEFAULT\s+)\d+")
_NO_TIMEOUT_S = 86_400
"""What a test of kselftest_harness.h may take: deadlines are the harness's, which knows how slow a guest is."""

_UNWINDER = "-Wl,--push-state,--no-as-needed,-lgcc_s,--pop-state"
"""pthread_cancel() loads libgcc_s when it is called, and aborts without: named here, it comes into the guest."""

_KNOWN = "vmaharness-builds "
_ASK = f"vmaharness-names: ; @printf '{_KNOWN}%s\\n' $(notdir $(TEST_GEN_FILES) $(TEST_GEN_PROGS))"
"""A rule beside the Makefile's own: which programs it builds for this architecture."""

Content = Callable[[Sequence[str]], str]
"""Names what the tree has at these paths."""


def header_inputs(arch: Arch) -> tuple[str, ...]:
    """What `make headers` reads."""
    shared = ("Makefile", "Kbuild", "scripts", "include/uapi", "include/asm-generic", "tools/include", "usr")
    return (*shared, f"arch/{ARCHES[arch].srcarch}")


TEST_INPUTS = (str(_SELFTESTS), "tools/include", "tools/scripts", "tools/build", "tools/arch", "mm/gup_test.h")
"""What the tests' Makefiles and sources read."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A program that there is not: it does not compile (FAIL), or the tree does not have it (SKIP)."""

    key: str  # COLLECTION/PROGRAM
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class Selftests:
    """The programs for one architecture, by COLLECTION/PROGRAM."""

    arch: Arch
    programs: dict[str, Path]
    missing: tuple[Missing, ...]
    log: Path
    cached: bool


class _DoesNotBuild(Exception):
    """The tree's own fault; its words."""


class KselftestBuilder:
    """Builds the programs of a table."""

    def __init__(self, processes: Processes, cache: Cache, sandbox: Sandbox, archive: DebianArchive) -> None:
        self._processes = processes
        self._cache = cache
        self._sandbox = sandbox
        self._archive = archive

    def build(
        self, table: Table, arch: Arch, content: Content, source: Callable[[], Path], *, jobs: int, say: Say
    ) -> Selftests:
        """The programs of a tree; `source` gives its files, which are only read.

        Raises MissingTool without a compiler or make, InfraError when libraries cannot be had.
        """
        libraries = sysroot(table.libraries, arch, cache=self._cache, archive=self._archive)
        tools = compiler_version(self._processes, arch)
        headers_key = _digest(arch, tools, self._sandbox.mode, content(header_inputs(arch)))
        key = _digest(headers_key, content(TEST_INPUTS), libraries.name, *table.programs)

        def make(into: Path) -> None:
            job = _Job(
                self._processes, self._sandbox, self._cache.scratch("kselftest"), arch, source(), into, jobs, say
            )
            (into / "build.log").touch()
            try:
                headers, _ = self._cache.get("uapi", headers_key, job.headers)
                missing = job.programs(table.programs, headers, libraries)
            except _DoesNotBuild as error:
                missing = [Missing(program, Outcome.FAIL, f"make headers: {error}") for program in table.programs]
            record = [[one.key, one.outcome, one.message] for one in missing]
            (into / "record.json").write_text(json.dumps(record))
            remove_tree(job.place)

        entry, cached = self._cache.get("kselftest", key, make)
        missing = tuple(
            Missing(program, Outcome(outcome), message)
            for program, outcome, message in json.loads((entry / "record.json").read_text())
        )
        absent = {one.key for one in missing}
        programs = {program: entry / "programs" / program for program in table.programs if program not in absent}
        return Selftests(arch, programs, missing, entry / "build.log", cached)


@dataclass(frozen=True, slots=True)
class _Job:
    """One build: `tree` is only read, all work is done in `place`, and what comes of it goes `into` the cache."""

    processes: Processes
    sandbox: Sandbox
    place: Path
    arch: Arch
    tree: Path
    into: Path
    jobs: int
    say: Say

    def headers(self, into: Path) -> None:
        """The tree's own UAPI headers, in usr/include."""
        self.say(f"UAPI headers of the tree for {self.arch}")
        place = self.place / "headers"
        _link(self.tree, place, header_inputs(self.arch))
        objects = self.place / "objects"
        objects.mkdir()
        done = self._make(place, [f"O={objects}", f"CROSS_COMPILE={cross_prefix(self.arch)}", "headers"])
        if not done.ok or not (objects / "usr/include/linux").is_dir():
            raise _DoesNotBuild(self._words(done))
        shutil.copytree(objects / "usr/include", into / "usr/include", symlinks=True)

    def programs(self, wanted: Sequence[str], headers: Path, libraries: Path) -> list[Missing]:
        """Build them; gives those that there are not."""
        self.say(f"compiling selftests of the tree for {self.arch}")
        _link(self.tree, self.place / "tests", TEST_INPUTS[1:])
        selftests = self.place / "tests" / _SELFTESTS
        collections = list(dict.fromkeys(key.partition("/")[0] for key in wanted))
        _copy_selftests(self.tree / _SELFTESTS, selftests, collections)
        missing: list[Missing] = []
        for collection in collections:
            names = [key.partition("/")[2] for key in wanted if key.startswith(f"{collection}/")]
            settings = [
                f"CC={compiler(self.arch, libraries)}", f"KHDR_INCLUDES=-isystem {headers / 'usr/include'}",
                f"USERLDFLAGS=-s {_UNWINDER}", f"OUTPUT={self.place / 'out' / collection}",
            ]  # fmt: skip
            missing += self._collection(selftests / collection, names, settings, [headers, libraries])
        return missing

    def _collection(
        self, directory: Path, names: list[str], settings: list[str], readable: list[Path]
    ) -> list[Missing]:
        collection = directory.name
        if not (directory / "Makefile").is_file():
            why = f"the tree has no {_SELFTESTS / collection}"
            return [Missing(f"{collection}/{name}", Outcome.SKIP, why) for name in names]
        out = self.place / "out" / collection
        out.mkdir(parents=True)
        asked = self._make(directory, [*settings, "--eval", _ASK, "vmaharness-names"], readable)
        if not asked.ok:
            return [Missing(f"{collection}/{name}", Outcome.FAIL, self._words(asked)) for name in names]
        known = {line.removeprefix(_KNOWN) for line in asked.text.splitlines() if line.startswith(_KNOWN)}
        there = [name for name in names if name in known]
        # What is missing afterwards is made once more, alone: then the compiler's words are about it and nothing else.
        self._make(directory, [*settings, "-k", f"-j{self.jobs}", *(str(out / name) for name in there)], readable)
        missing = [self._absent(directory, name) for name in names if name not in known]
        for name in there:
            if not _is_plain(out / name):
                done = self._make(directory, [*settings, str(out / name)], readable)
                if not done.ok or not _is_plain(out / name):
                    missing.append(Missing(f"{collection}/{name}", Outcome.FAIL, self._words(done)))
                    continue
            target = self.into / "programs" / collection / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / name, target)
        return missing

    def _absent(self, directory: Path, name: str) -> Missing:
        """A program that the Makefile does not build."""
        source = _SELFTESTS / directory.name / f"{name}.c"
        if (directory / f"{name}.c").is_file():
            return Missing(
                f"{directory.name}/{name}", Outcome.SKIP, f"the tree does not build {source} for {self.arch}"
            )
        return Missing(f"{directory.name}/{name}", Outcome.SKIP, f"the tree has no {source}")

    def _make(self, directory: Path, arguments: Sequence[str], readable: Sequence[Path] = ()) -> Completed:
        argv = ["make", "-C", str(directory), f"-j{self.jobs}", f"ARCH={ARCHES[self.arch].kbuild}", *arguments]
        wrapped = self.sandbox.wrap(argv, cwd=directory, writable=[self.place], readable=[self.tree, *readable])
        done = self.processes.run(wrapped, deadline_s=_DEADLINE_S)
        with (self.into / "build.log").open("a", errors="replace") as log:
            log.write(f"$ make {' '.join(arguments[-1:])}\n{done.text}\n{done.words}\n")
        if is_of_the_machine(done, f"{done.text}\n{done.words}"):
            raise InfraError(f"the tree's selftests could not be built for {self.arch}", detail=done.words[-2000:])
        return done

    def _words(self, done: Completed) -> str:
        """What went wrong first, without the places of this build."""
        lines = f"{done.words}\n{done.text}".splitlines()
        first = next((line for line in lines if _ERROR.search(line)), f"make ended with {done.exit_code}")
        for place in (self.place / "tests", self.place / "headers", self.place, self.tree):
            first = first.replace(f"{place}/", "")
        return first.strip()[:500]


def _link(tree: Path, place: Path, paths: Sequence[str]) -> None:
    """A directory with these paths of the tree, as links into it."""
    for path in paths:
        if (tree / path).exists():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).symlink_to(tree / path)


def _copy_selftests(tree: Path, place: Path, collections: Sequence[str]) -> None:
    """The collections and the files around them as copies, other directories as links.

    Makefiles write beside their sources, and lib.mk takes the place where it lies for the tree.
    """
    place.mkdir(parents=True)
    for entry in sorted(tree.iterdir()) if tree.is_dir() else ():
        if entry.is_file() and not entry.is_symlink():
            shutil.copyfile(entry, place / entry.name)
        elif entry.name in collections and not entry.is_symlink():
            shutil.copytree(entry, place / entry.name, symlinks=True)
        else:
            (place / entry.name).symlink_to(entry)
    harness = place / "kselftest_harness.h"
    if harness.is_file():
        text = harness.read_text(errors="surrogateescape")
        harness.write_text(_OWN_TIMEOUT.sub(rf"\g<1>{_NO_TIMEOUT_S}", text), errors="surrogateescape")


def _is_plain(path: Path) -> bool:
    """Whether make left a file there: a link could lead anywhere, and what it leads to would go into the guest."""
    return path.is_file() and path.resolve() == path.absolute() and path.stat().st_size > 0


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join((_FORMAT, *parts)).encode()).hexdigest()[:32]

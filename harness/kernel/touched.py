"""Objects of a tree compiled for what a compiler says of them: nothing of it is kept or booted.

Each kind of compile has a configuration and options of its own; it is done beside the checkout, through ccache,
confined like every build.  Says which files of a series it is worth doing for.  Knows no base to compare with.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES, cross_prefix
from harness.errors import InfraError
from harness.events import Say
from harness.host.cache import Cache, free_bytes, remove_tree
from harness.host.process import SYSTEM_PATH, Processes
from harness.host.sandbox import Sandbox
from harness.kernel.checkout import OBJECTS
from harness.kernel.compile import CACHED, NEEDED_BYTES, ccache_settings, make_variables
from harness.kernel.git import Git
from harness.kernel.kconfig import fragments_of, merged, read_fragments
from harness.kernel.messages import parse_messages
from harness.kernel.reads import reads_of
from harness.model import AppliedTree, Arch, CompilerMessage, PatchRole, Profile

DEADLINE_S = 3600.0
MOST_USERS = 8
"""Files compiled for one header's sake: the nearest ones."""

_NO_OBJECT = ("tools/", "Documentation/", "samples/", "scripts/", "usr/", "rust/")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of compile.  `config` is a target of the tree's kconfig; "" takes the fragments of the plan's profile."""

    name: str
    config: str = ""
    variables: tuple[str, ...] = ()
    program: str = ""  # without which it cannot be done
    package: str = ""  # Debian's, that has it
    foreign: str = ""  # make ARCH= where it is no architecture of ours
    prefix: str = ""  # and its compiler's
    objects: tuple[str, ...] = ()  # what is made; empty: the objects of the files that the series touches


KINDS = (
    Kind("w1", variables=("W=1",)),
    Kind("sparse", variables=("C=2", "CHECK=sparse"), program="sparse", package="sparse"),
    Kind("allmodconfig", config="allmodconfig"),
    # No MMU: what mm/ is without page tables. None of our architectures is without; 64-bit RISC-V can be.
    Kind(
        "nommu", config="nommu_virt_defconfig", program="riscv64-linux-gnu-gcc", package="gcc-riscv64-linux-gnu",
        foreign="riscv", prefix="riscv64-linux-gnu-", objects=("mm/", "kernel/fork.o"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of it: messages, and the objects that were asked for and are not there."""

    messages: tuple[CompilerMessage, ...]
    missing: tuple[str, ...]
    ended_well: bool
    log: str  # its end
    read: frozenset[str] = frozenset()  # the files of the tree that went into what was made


def missing_program(kind: Kind) -> str:
    """Why a kind cannot be compiled on this host; "" where it can."""
    if not kind.program or shutil.which(kind.program, path=SYSTEM_PATH) is not None:
        return ""
    return f"{kind.program} is not installed (apt-get install {kind.package})"


def version_of(kind: Kind) -> str:
    """What tells the program that a kind needs from another version of it; "" where it needs none, or there is none."""
    program = shutil.which(kind.program, path=SYSTEM_PATH) if kind.program else None
    if program is None:
        return ""
    found = Path(program).stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def touched(applied: AppliedTree) -> tuple[str, ...]:
    """The C files and headers of the kernel that the series changes or adds and leaves there."""
    paths: dict[str, None] = {}
    for patch in applied.patches:
        for change in patch.files if patch.role is PatchRole.SERIES else ():
            paths.pop(change.old_path or "", None)
            if change.new_path and change.new_path.endswith((".c", ".h")):
                paths[change.new_path] = None
    return tuple(sorted(path for path in paths if not path.startswith(_NO_OBJECT)))


def objects_for(applied: AppliedTree, paths: Sequence[str], srcarch: str, processes: Processes) -> tuple[str, ...]:
    """The objects that show the files: their own, and for a header those of some files that include it."""
    sources = {path for path in paths if path.endswith(".c")}
    git = Git(processes, applied.repo)
    for header in (path for path in paths if path.endswith(".h")):
        sources.update(_users(git, applied.commit, header)[:MOST_USERS])
    fit = (path for path in sorted(sources) if not path.startswith("arch/") or path.startswith(f"arch/{srcarch}/"))
    return tuple(f"{path.removesuffix('.c')}.o" for path in fit if "/boot/" not in path)


def _users(git: Git, commit: str, header: str) -> list[str]:
    """Sources that include a header by name, those of mm/ first."""
    directory, _, name = header.rpartition("/")
    public = header.partition("include/")[2]
    wanted = f"<{public}>" if public else f'"{name}"'
    where = ("mm/*.c", "kernel/*.c", "fs/*.c") if public else (f"{directory}/*.c",)
    done = git.run("grep", "-l", "-F", f"#include {wanted}", commit, "--", *where)
    found = [line.partition(":")[2] for line in done.text.splitlines()]
    return sorted(found, key=lambda path: (not path.startswith("mm/"), path))


class ObjectCompiler:
    """Compiles objects of checked-out trees."""

    def __init__(self, processes: Processes, cache: Cache, sandbox: Sandbox, jobs: int) -> None:
        self._processes = processes
        self._cache = cache
        self._sandbox = sandbox
        self._jobs = jobs

    def compile(
        self, kind: Kind, arch: Arch, profile: Profile, objects: Sequence[str], source: Path, say: Say
    ) -> Compiled:
        """Configure and compile, going on after errors.  Raises InfraError for a full disk or a hang."""
        if free_bytes(self._cache.root) < NEEDED_BYTES:
            raise InfraError(f"the disk of {self._cache.root} is nearly full: objects need room", fix="make room")
        place = source / f"{OBJECTS}check-{kind.name}-{arch}"
        remove_tree(place)
        place.mkdir()
        try:
            return self._compile(kind, arch, profile, objects, source, place, say)
        finally:
            remove_tree(place)

    def _compile(
        self, kind: Kind, arch: Arch, profile: Profile, objects: Sequence[str], source: Path, place: Path, say: Say
    ) -> Compiled:
        log, env = self._cache.scratch("check") / "log", {}  # where make cannot put a link in its place
        say("configuring")
        config = kind.config
        if not config:
            requested = place / "requested.config"
            requested.write_text(merged(read_fragments(fragments_of(profile, arch))))
            config, env = "allnoconfig", {"KCONFIG_ALLCONFIG": str(requested)}
        good = self._make(kind, arch, [config], source, place, log, env)
        if good:
            say(f"compiling {', '.join(objects[:3])}{' …' if len(objects) > 3 else ''}")
            log.write_bytes(b"")  # what kconfig says of a configuration is not about the files
            good = self._make(kind, arch, [*kind.variables, *objects], source, place, log, {})
        text = log.read_text(errors="replace")
        missing = tuple(name for name in objects if name.endswith(".o") and not (place / name).is_file())
        messages = parse_messages(text.splitlines(), source, place)
        return Compiled(messages, missing, good, text[-4000:], reads_of(place, source))

    def _make(
        self, kind: Kind, arch: Arch, words: Sequence[str], source: Path, place: Path, log: Path, env: dict[str, str]
    ) -> bool:
        ccache = self._cache.root / "ccache"
        ccache.mkdir(exist_ok=True)
        prefix = kind.prefix if kind.foreign else cross_prefix(arch)
        cached = place / CACHED.name if shutil.which("ccache", path=SYSTEM_PATH) is not None else None
        if cached is not None:
            remove_tree(cached)  # the last make may have put anything there
            cached.write_text(CACHED.read_text())
        make = ["make", "-k", "-C", str(source), f"O={place}", f"-j{self._jobs}", "-Otarget"]
        make += make_variables(kind.foreign or ARCHES[arch].kbuild, prefix, source, place, cached)
        argv = self._sandbox.wrap(
            [*make, *words], cwd=place, readable=[source], writable=[place, ccache],
            env={**ccache_settings(ccache), **env},
        )  # fmt: skip
        done = self._processes.run(argv, cwd=place, log=log, deadline_s=DEADLINE_S, nice=5)
        if done.timed_out or "No space left on device" in log.read_text(errors="replace"):
            raise InfraError(f"check {kind.name}: the compile did not end, or the disk is full")
        return done.ok

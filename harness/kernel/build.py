"""AppliedTree and Profile -> Build: configured, proven to be what was asked for, compiled; once for the same input.

A build is named by what goes into it: content of the tree, requested symbols, toolchain, command line.  Compilation
happens in the checkout, upon the objects of the last build of the same kind (`harness.kernel.objects`), with ccache
where there is one, confined by the sandbox.
A kernel that does not compile is a result, not an exception.  Knows nothing of guests.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.arch import ARCHES, ArchInfo
from harness.errors import InfraError
from harness.events import Say
from harness.host.cache import WAY, Cache, free_bytes, link_entry, remove_tree
from harness.host.elf import build_id
from harness.host.process import Completed, Processes
from harness.host.sandbox import Sandbox
from harness.kernel.git import Git
from harness.kernel.kconfig import Request, fragments_of, has_types, merged, read_fragments, requests_digest, verify
from harness.kernel.messages import parse_messages
from harness.kernel.objects import Objects, kept_objects
from harness.kernel.reads import Inputs, differences, from_json, inputs_of, makes_the_same, reads_of, to_json
from harness.kernel.toolchain import toolchain
from harness.model import AppliedTree, Arch, Build, CompilerMessage, Outcome, Profile, Toolchain

NEEDED_BYTES = 2 << 30
"""Free space without which no compile is begun: objects and images of one kernel, with room for debug information."""

LINES = "-g1"
"""Lines and inlined functions for frames of findings, no types: the code, and what a guest loads, are the same."""

_FORMAT = 2
_RECORD = "build.json"
_INPUTS, _READS = "inputs.json", "reads"  # of what tree it was made, and which files of it it read
CACHED = Path(__file__).with_name("cached.sh")
# The same for everyone and for ever, so that the same sources make the same kernel.
_REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "2000-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER": "vmaharness",
    "KBUILD_BUILD_HOST": "vmaharness",
    "KBUILD_BUILD_VERSION": "1",
    "LOCALVERSION": "",  # set and empty: no "+" for a tree without tags
}
_OBJECT = re.compile(r"  (?:CC|AS) ")
_OUT_OF_MEMORY = re.compile(
    r"Killed signal terminated program|: fatal error: Killed|virtual memory exhausted|out of memory allocating"
)
# What a failure does not come from the tree alone with: the next try may go well, so it is made.  A program or a
# library that the host lacks is one, a header of the kernel none.
_MACHINE = re.compile(
    r"Cannot allocate memory|Resource temporarily unavailable|Too many open files|Disk quota exceeded"
    r"|Read-only file system|Input/output error|No space left on device|internal compiler error"
    r"|\b(?:Killed|Terminated|Hangup|Interrupt|Segmentation fault|Bus error|Illegal instruction)\b"
    r"|command not found|: not found$|[Pp]lease install|cannot find -l|Permission denied"
    r"|^(?!.*fatal error: (?:linux|asm|asm-generic|generated|trace|uapi|vdso)/).*: No such file or directory",
    re.MULTILINE,
)
_BROKEN = "failed"  # the kind of cache entries of kernels that do not compile
_UNCONFIGURED = "unconfigured"  # there: the tree's own kconfig failed


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be built."""

    applied: AppliedTree
    info: ArchInfo
    profile: Profile
    requests: tuple[Request, ...]
    tools: Toolchain
    way: str  # how it is made, of whatever tree
    key: str
    inputs: Callable[[], Inputs]  # what other trees are held against; git is asked once for each tree


class Builder:
    """Makes kernels, or finds those that were made before."""

    def __init__(self, processes: Processes, cache: Cache, sandbox: Sandbox) -> None:
        self._processes = processes
        self._cache = cache
        self._sandbox = sandbox
        self._tools: dict[Arch, Toolchain] = {}
        self._known_inputs: dict[tuple[str, str], Inputs] = {}

    def find(self, applied: AppliedTree, arch: Arch, profile: Profile) -> Build | None:
        """The finished build, if there is one: needs no checkout and starts no compiler.

        Raises InputError for a bad fragment and MissingTool where there is no compiler to compare with.
        """
        return self._find(self._order(applied, arch, profile))

    def key(self, applied: AppliedTree, arch: Arch, profile: Profile) -> str:
        """The name of the build, be it there or not; raises what `find` raises."""
        return self._order(applied, arch, profile).key

    def configure(
        self, applied: AppliedTree, arch: Arch, profile: Profile, *, source: Callable[[], Path], say: Say
    ) -> tuple[Path | None, bool]:
        """The final .config, proven to keep what was asked for, and whether it was there already.

        None where the tree's own kconfig fails: `build` will fail the same way, and says how.
        Raises UserError when a requested symbol did not stick, before anything is compiled.
        """
        order = self._order(applied, arch, profile)
        if (found := self._find(order)) is not None:
            return found.config, True
        with self._cache.lock(f"config-{order.key}"):
            if (entry := self._cache.find("config", order.key)) is not None:
                return entry / "config", True
            if (broken := self._broken(order)) is not None:
                return (None if (broken.directory / _UNCONFIGURED).exists() else broken.config), True
            with self._objects(order, source) as (checkout, objects):
                log = self._cache.scratch("config") / "log"
                work = _Work(self._processes, self._cache, self._sandbox, order, checkout, objects, log, lambda: 0, say)
                if not work.configure(1).ok:
                    return None, False
                entry = self._cache.scratch("config")
                shutil.copyfile(objects.directory / ".config", entry / "config")
                return self._cache.publish("config", order.key, entry) / "config", False

    def same_config(self, applied: AppliedTree, like: AppliedTree, arch: Arch, profile: Profile) -> None:
        """Take the proven configuration of another tree for this one's, which has the same Kconfig files and tools.

        Nothing is done where it is there already, or the other has none.  Raises what `find` raises.
        """
        key = self._order(applied, arch, profile).key
        other = self._cache.find("config", self._order(like, arch, profile).key)
        if other is None or self._cache.find("config", key) is not None:
            return
        with self._cache.lock(f"config-{key}"):
            entry = self._cache.scratch("config")
            shutil.copyfile(other / "config", entry / "config")
            self._cache.publish("config", key, entry)

    def build(
        self, applied: AppliedTree, arch: Arch, profile: Profile, *,
        source: Callable[[], Path], jobs: int, nice: Callable[[], int], say: Say, log: Path,
    ) -> Build:  # fmt: skip
        """The build, good or bad, made now unless it is there already; its log is written to `log` as it comes.

        `source` gives a full checkout, which is only read but for a directory in it, where the work happens.  `jobs` 0
        uses every CPU; `nice` is asked when make starts.
        Raises UserError when the configuration does not keep what was asked for, InfraError for a full disk.
        """
        order = self._order(applied, arch, profile)
        with self._cache.lock(f"build-{order.key}"):
            if (found := self._find(order)) is not None:
                shutil.copyfile(found.log, log)
                return self._own(found, order)
            if (broken := self._broken(order)) is not None:
                shutil.copyfile(broken.log, log)
                return broken
            with self._objects(order, source) as (checkout, objects):
                log.write_bytes(b"")
                work = _Work(self._processes, self._cache, self._sandbox, order, checkout, objects, log, nice, say)
                return work.make(jobs or len(os.sched_getaffinity(0)))

    @contextmanager
    def _objects(self, order: _Order, source: Callable[[], Path]) -> Iterator[tuple[Path, Objects]]:
        """The checkout and a directory for objects in it; a full disk is an InfraError."""
        if free_bytes(self._cache.root) < NEEDED_BYTES:
            raise _disk_full(self._cache.root)
        checkout = source()
        try:
            with kept_objects(checkout, f"{order.info.arch}-{order.profile.name}", order.way) as objects:
                yield checkout, objects
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise _disk_full(self._cache.root) from error
            raise

    def _order(self, applied: AppliedTree, arch: Arch, profile: Profile) -> _Order:
        requests = read_fragments(fragments_of(profile, arch))
        if arch not in self._tools:
            self._tools[arch] = toolchain(arch, processes=self._processes, cache=self._cache)
        tools, info = self._tools[arch], ARCHES[arch]
        optional = sorted(request.symbol for request in requests if request.optional)
        way = [
            requests_digest(requests), optional, tools.digest,
            info.kbuild, info.image_target, sorted(_REPRODUCIBLE.items()),
        ]  # fmt: skip
        key = _digest([_FORMAT, applied.tree_id, *way])
        return _Order(
            applied, info, profile, requests, tools, way=_digest([_FORMAT, *way]), key=key,
            inputs=lambda: self._inputs(applied),
        )  # fmt: skip

    def _find(self, order: _Order) -> Build | None:
        """The build of this tree, or of one that differs from it only in files that no build reads."""
        entry = self._cache.find("build", order.key)
        build = _load(entry, order) if entry is not None else None
        if build is None and (entry := self._like(order)) is not None:
            build = _load(entry, order)
        return build

    def _broken(self, order: _Order) -> Build | None:
        """What became of this very tree, where it does not compile."""
        entry = self._cache.find(_BROKEN, order.key)
        return _load(entry, order) if entry is not None else None

    def _own(self, found: Build, order: _Order) -> Build:
        """The build under its own name from now on, where it was found under another tree's; the lock is held."""
        if found.directory.name == order.key:
            return found
        work = self._cache.scratch("build")
        link_entry(found.directory, work)
        return _moved(found, self._cache.publish("build", order.key, work))

    def _like(self, order: _Order) -> Path | None:
        """The entry of a build of the same kernel from another tree."""
        same = self._cache.made_alike("build", order.way)
        if not same:
            return None
        git, wanted = Git(self._processes, order.applied.repo), order.inputs()
        for entry in same:
            try:
                built = from_json((entry / _INPUTS).read_text())
                reads = frozenset((entry / _READS).read_text(errors="surrogateescape").split("\0")) - {""}
            except (OSError, ValueError, KeyError, TypeError):
                continue  # being made, or of another version
            found = differences(git, built, wanted)
            if found is not None and makes_the_same(found, reads):
                return self._cache.find("build", entry.name)
        return None

    def _inputs(self, applied: AppliedTree) -> Inputs:
        trees = applied.base.tree_id, applied.tree_id
        if trees not in self._known_inputs:
            self._known_inputs[trees] = inputs_of(Git(self._processes, applied.repo), *trees)
        return self._known_inputs[trees]


def _load(entry: Path, order: _Order) -> Build | None:
    try:
        build = _from_record(json.loads((entry / _RECORD).read_text()), entry, order)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # made by another version: made again
    whole = build.image.is_file() if build.image is not None else build.outcome is Outcome.FAIL
    return build if whole and build.log.is_file() else None


@dataclass(frozen=True, slots=True)
class _Work:
    """One compile."""

    processes: Processes
    cache: Cache
    sandbox: Sandbox
    order: _Order
    source: Path
    objects: Objects
    log: Path
    nice: Callable[[], int]
    say: Say

    def make(self, jobs: int) -> Build:
        started, config = time.monotonic(), self._config
        steps = []
        if (entry := self.cache.find("config", self.order.key)) is not None:
            self.objects.keep(config.name, (entry / "config").read_text())
        else:
            steps.append(self.configure(jobs))
            if not steps[0].ok:
                config = config if config.is_file() else self._requested
                return self._finish(config, steps, started, configured=False)
        proven = config.read_bytes()
        steps.append(self._run([self.order.info.image_target], jobs, {}))
        if config.read_bytes() != proven:  # kconfig reads it once more before compiling
            verify(self.order.requests, config.read_text(), self.source, self.order.info.arch)
        return self._finish(config, steps, started)

    @property
    def _config(self) -> Path:
        return self.objects.directory / ".config"

    @property
    def _requested(self) -> Path:
        return self.objects.directory / "requested.config"

    def configure(self, jobs: int) -> Completed:
        """Make .config of the fragments and prove it.  Raises UserError when a symbol did not stick."""
        self.objects.write(self._requested.name, merged(self.order.requests))
        remove_tree(self._config)
        self.say("configuring")
        # No olddefconfig after it: allnoconfig has answered every question, and each run of kconfig tries the compiler
        # two hundred times.
        done = self._run(["allnoconfig"], jobs, {"KCONFIG_ALLCONFIG": str(self._requested)})
        if done.ok:
            verify(self.order.requests, self._config.read_text(), self.source, self.order.info.arch)
        self.objects.good = done.ok
        return done

    def _run(self, targets: list[str], jobs: int, env: dict[str, str]) -> Completed:
        ccache = self.cache.root / "ccache"
        ccache.mkdir(exist_ok=True)
        # -Otarget: what two compilers say at the same time stays two messages.
        directory = self.objects.directory
        make = ["make", "-C", str(self.source), f"O={directory}", f"-j{jobs}", "-Otarget"]
        compiling = targets == [self.order.info.image_target]
        make += [*self._variables(), *targets]
        wrapped = self.sandbox.wrap(
            make, cwd=directory, readable=[self.source], writable=[directory, ccache],
            env={**_REPRODUCIBLE, **ccache_settings(ccache), **env},
        )  # fmt: skip
        expected, counted, said = 0 if self.objects.compiled else self._expected(), 0, 0.0

        def hear(line: str) -> None:
            nonlocal counted, said
            if _OBJECT.match(line):
                counted += 1
                if time.monotonic() - said > 0.5:
                    said = time.monotonic()
                    self.say(
                        f"compiled {counted}" + (f" of ~{max(expected, counted)}" if expected else "") + " objects"
                    )

        self.objects.good = False
        done = self.processes.run(wrapped, cwd=directory, log=self.log, on_line=hear, nice=self.nice())
        if done.ok and counted and compiling and not self.objects.compiled:
            self._expect(counted)
        return done

    def _variables(self) -> list[str]:
        tools, objects = self.order.tools, self.objects.directory
        cached = self.objects.write(CACHED.name, CACHED.read_text()) if tools.ccache else None
        lines = "" if self._config.is_file() and has_types(self._config) else LINES
        return make_variables(self.order.info.kbuild, tools.cross_compile, self.source, objects, cached, lines)

    def _expected(self) -> int:
        """How many objects the last build of this kind had; 0 if there was none."""
        entry = self.cache.find("objects", self._kind())
        return int((entry / "count").read_text()) if entry is not None else 0

    def _expect(self, count: int) -> None:
        work = self.cache.scratch("objects")
        (work / "count").write_text(str(count))
        with self.cache.lock(f"objects-{self._kind()}"):
            self.cache.publish("objects", self._kind(), work)

    def _kind(self) -> str:
        return re.sub(r"[^\w.-]", "_", f"{self.order.info.arch}-{self.order.profile.name}")

    def _finish(self, config: Path, steps: list[Completed], started: float, *, configured: bool = True) -> Build:
        """Judge the steps and keep what is of use."""
        text = self.log.read_text(errors="replace")
        if "No space left on device" in text:
            raise _disk_full(self.cache.root)
        objects = self.objects.directory
        image, good = objects / self.order.info.image_path, all(step.ok for step in steps)
        if not good and _OUT_OF_MEMORY.search(text):
            raise InfraError("the machine ran out of memory while compiling", fix="use fewer jobs: --jobs 1")
        if (killed := steps[-1].exit_code - 128) > 0:
            raise InfraError(f"make was ended by signal {killed} while compiling", detail=text[-2000:])
        messages = parse_messages(self.objects.hear(text.splitlines(), self.source), self.source, objects)
        self.objects.good = self.objects.compiled = good
        if good and not image.is_file():
            messages, good = (
                (*messages, CompilerMessage("error", "", 0, f"make made no {self.order.info.image_path}")),
                False,
            )
        elif not good and not any(message.severity == "error" for message in messages):
            last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no output")
            messages = (*messages, CompilerMessage("error", "", 0, f"make ended with {steps[-1].exit_code}: {last}"))
        entry = self.cache.scratch("build")
        shutil.copyfile(config, entry / "config")
        shutil.copyfile(self.log, entry / "build.log")
        # What is booted may be vmlinux itself: then there is one file for both.
        products = {"vmlinux": objects / "vmlinux", "System.map": objects / "System.map"}
        products[_image_name(self.order.info)] = image
        for name, path in products.items():
            if good and path.is_file():
                shutil.move(path, entry / name)
        build = Build(
            arch=self.order.info.arch, profile=self.order.profile.name, key=self.order.key,
            outcome=Outcome.PASS if good else Outcome.FAIL, directory=entry,
            image=entry / _image_name(self.order.info) if good else None,
            vmlinux=entry / "vmlinux" if (entry / "vmlinux").is_file() else None,
            config=entry / "config", config_digest=hashlib.sha256((entry / "config").read_bytes()).hexdigest(),
            build_id=build_id(entry / "vmlinux"), log=entry / "build.log", messages=messages,
            seconds=round(time.monotonic() - started, 3), cpu_seconds=round(sum(step.cpu_seconds for step in steps), 3),
            cached=False, sandbox=str(self.sandbox), toolchain=self.order.tools,
        )  # fmt: skip
        (entry / _RECORD).write_text(json.dumps(_record(build), indent=1) + "\n")
        if good:
            self._note_reads(entry)
        elif _MACHINE.search(text):
            return build
        elif not configured:
            (entry / _UNCONFIGURED).touch()
        return _moved(build, self.cache.publish("build" if good else _BROKEN, self.order.key, entry))

    def _note_reads(self, entry: Path) -> None:
        """What the next tree is held against."""
        (entry / _INPUTS).write_text(to_json(self.order.inputs()))
        reads = reads_of(self.objects.directory, self.source)
        (entry / _READS).write_text("\0".join(sorted(reads)), errors="surrogateescape")
        (entry / WAY).write_text(self.order.way)


def _image_name(info: ArchInfo) -> str:
    """The name under which the cache keeps what is booted."""
    return "vmlinux" if info.image_path == "vmlinux" else "image"


def ccache_settings(directory: Path) -> dict[str, str]:
    """ccache in `directory`.  Where the work happens makes no difference: kbuild's paths are relative."""
    return {
        "CCACHE_DIR": str(directory),
        "CCACHE_NOHASHDIR": "1",
        # The compiler lists the headers anyway (-MMD): one preprocessor run less for each object that is not there.
        "CCACHE_DEPEND": "1",
        # Most headers are read by hundreds of objects: hashed once each (a tenth of a cold build's CPU time).
        "CCACHE_INODECACHE": "1",
        # A checkout is always younger than the compile that uses it; what counts is what is in the files.
        "CCACHE_SLOPPINESS": "include_file_mtime,include_file_ctime",
        "CCACHE_MAXSIZE": "10G",
    }


def make_variables(
    kbuild: str, prefix: str, source: Path, objects: Path, cached: Path | None, flags: str = ""
) -> list[str]:
    """What make is told of the architecture and its compiler, which gets `flags`.

    `cached` is the script that asks ccache first.
    """
    # __FILE__ and debug information say mm/vma.c, wherever the checkout lies.  The last that fits counts.
    places = (f"{source}/=", "../=", f"{objects}=.", f"{objects}/=")
    given = " ".join([*(f"-ffile-prefix-map={place}" for place in places), *([flags] if flags else [])])
    variables = [f"ARCH={kbuild}", f"CROSS_COMPILE={prefix}", f"KCFLAGS={given}", f"KAFLAGS={given}"]
    if cached is not None:
        variables += [f"HOSTCC=sh {cached} gcc", f"CC=sh {cached} {prefix}gcc"]
    return variables


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _disk_full(root: Path) -> InfraError:
    return InfraError(
        f"the disk of {root} is full: {free_bytes(root) >> 20} MiB are free, a kernel build needs {NEEDED_BYTES >> 20}",
        fix="make room, or set VMAHARNESS_CACHE to another disk",
    )


def _record(build: Build) -> dict[str, object]:
    """The fields of a build that cannot be told from where it lies."""
    places = ("directory", "image", "vmlinux", "config", "log", "cached")
    return {name: value for name, value in asdict(build).items() if name not in places}


def _from_record(record: dict[str, object], entry: Path, order: _Order) -> Build:
    fields = dict(record)
    fields["arch"], fields["outcome"] = Arch(str(fields["arch"])), Outcome(str(fields["outcome"]))
    messages = fields.pop("messages")
    if not isinstance(messages, list):
        raise TypeError("messages")
    del fields["toolchain"]  # the key holds its digest: it is the one at hand
    build = Build(
        **fields,  # type: ignore[arg-type]
        messages=tuple(CompilerMessage(**message) for message in messages),
        directory=entry, image=None, vmlinux=None, config=entry / "config",
        log=entry / "build.log", cached=True, toolchain=order.tools,
    )  # fmt: skip
    # Another profile with the same requests is the same kernel.
    return replace(_moved(build, entry), profile=order.profile.name, key=order.key)


def _moved(build: Build, entry: Path) -> Build:
    vmlinux = entry / "vmlinux"
    return replace(
        build, directory=entry,
        image=entry / _image_name(ARCHES[build.arch]) if build.outcome is Outcome.PASS else None,
        vmlinux=vmlinux if vmlinux.is_file() else None, config=entry / "config", log=entry / "build.log",
    )  # fmt: skip

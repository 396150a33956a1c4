"""One compile of a kernel: make, what it says, and what is kept of it.

It happens in the checkout, upon the objects of the last build of the same kind (`harness.kernel.objects`), with ccache
where there is one, confined by the sandbox.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfraError
from harness.events import Say
from harness.host.cache import Cache, free_bytes, remove_tree
from harness.host.elf import build_id
from harness.host.process import Completed, Processes
from harness.host.sandbox import Sandbox
from harness.kernel.kconfig import has_types, merged, verify
from harness.kernel.kept_builds import BROKEN, Order, image_name, keep_reads, keep_record, moved
from harness.kernel.messages import parse_messages
from harness.kernel.objects import Objects
from harness.model import Build, CompilerMessage, Outcome

NEEDED_BYTES = 2 << 30
"""Free space without which no compile is begun: objects and images of one kernel, with room for debug information."""

LINES = "-g1"
"""Lines and inlined functions for frames of findings, no types: the code, and what a guest loads, are the same."""

CACHED = Path(__file__).with_name("cached.sh")
"""Asks ccache first."""

UNCONFIGURED = "unconfigured"
"""There, in the entry of a build: the tree's own kconfig failed."""

REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "2000-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER": "vmaharness",
    "KBUILD_BUILD_HOST": "vmaharness",
    "KBUILD_BUILD_VERSION": "1",
    "LOCALVERSION": "",  # set and empty: no "+" for a tree without tags
}
"""The same for everyone and for ever, so that the same sources make the same kernel."""

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


@dataclass(frozen=True, slots=True)
class Compile:
    """A kernel that is being made."""

    processes: Processes
    cache: Cache
    sandbox: Sandbox
    order: Order
    source: Path
    objects: Objects
    log: Path
    nice: Callable[[], int]
    say: Say

    def make(self, jobs: int) -> Build:
        """Configure and compile it, and keep what came of it."""
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
            env={**REPRODUCIBLE, **ccache_settings(ccache), **env},
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
            raise disk_full(self.cache.root)
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
        products[image_name(self.order.info)] = image
        for name, path in products.items():
            if good and path.is_file():
                shutil.move(path, entry / name)
        build = Build(
            arch=self.order.info.arch, profile=self.order.profile.name, key=self.order.key,
            outcome=Outcome.PASS if good else Outcome.FAIL, directory=entry,
            image=entry / image_name(self.order.info) if good else None,
            vmlinux=entry / "vmlinux" if (entry / "vmlinux").is_file() else None,
            config=entry / "config", config_digest=hashlib.sha256((entry / "config").read_bytes()).hexdigest(),
            build_id=build_id(entry / "vmlinux"), log=entry / "build.log", messages=messages,
            seconds=round(time.monotonic() - started, 3), cpu_seconds=round(sum(step.cpu_seconds for step in steps), 3),
            cached=False, sandbox=str(self.sandbox), toolchain=self.order.tools,
        )  # fmt: skip
        keep_record(build, entry)
        if good:
            keep_reads(entry, self.order, self.objects.directory, self.source)
        elif _MACHINE.search(text):
            return build
        elif not configured:
            (entry / UNCONFIGURED).touch()
        return moved(build, self.cache.publish("build" if good else BROKEN, self.order.key, entry))


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


def disk_full(root: Path) -> InfraError:
    """Too little room for a compile."""
    return InfraError(
        f"the disk of {root} is full: {free_bytes(root) >> 20} MiB are free, a kernel build needs {NEEDED_BYTES >> 20}",
        fix="make room, or set VMAHARNESS_CACHE to another disk",
    )

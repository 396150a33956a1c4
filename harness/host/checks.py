"""Is this machine able to do a run?  One check for each program, right and resource, with what to do if not.

Looks and measures, changes nothing (but for a file that is written to the cache and removed).  Knows nothing of guests;
what they need beyond this is for the caller to add.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfraError
from harness.host.cache import free_bytes
from harness.host.needs import Need, is_debian, needs
from harness.host.process import Processes
from harness.model import Arch

DISK_NEED_GIB = 12
"""A tree, two builds with their objects, the compiler's cache and the results of a first run."""

TMP_NEED_GIB = 1
MEMORY_NEED_GIB = 4
"""Two guests of the default plan, a compile on all cores beside them, and the harness."""

_VERSIONS = (re.compile(r"\d+(?:\.\d+)+[^\s,;)]*"), re.compile(r"\d+[^\s,;)]*"))
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    group: str  # program, library, right, resource
    ok: bool
    required: bool  # a run cannot work without it
    found: str  # version, place or amount; what is there instead
    why: str  # what it is for
    fix: str = ""  # what to do when it is not ok
    asked_for: bool = False  # only a plan that asks for it needs it: without it every other run works as well

    @property
    def stops_run(self) -> bool:
        return self.required and not self.ok

    @property
    def state(self) -> str:
        """`ok`, `missing` (no run works), `lacking` (runs work, but not as well), `optional` (some plans do not)."""
        if self.ok:
            return "ok"
        return "missing" if self.required else "optional" if self.asked_for else "lacking"


def check_host(processes: Processes, cache_root: Path, arches: Iterable[Arch], out: Path) -> tuple[Check, ...]:
    """Everything a run for these architectures needs, with its cache and results in the given places."""
    return (
        check_python(),
        *check_needs(processes, needs(arches)),
        check_cache(cache_root),
        *check_space(cache_root, out),
        check_memory(),
        check_cpus(),
    )


def check_python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check(
        "python", "program", sys.version_info >= (3, 11), True, found, "the harness", "install Python 3.11 or newer"
    )


def check_needs(processes: Processes, wanted: Iterable[Need]) -> list[Check]:
    """The programs, headers and modules of the table, with their versions."""
    listed = list(wanted)
    packages = _package_versions(processes, [need.package for need in listed if not need.programs])
    return [_check_need(processes, need, packages) for need in listed]


def _check_need(processes: Processes, need: Need, packages: dict[str, str]) -> Check:
    place = need.find()
    found = "missing"
    if place:
        found = _program_version(processes, place) if need.programs else packages.get(need.package, place)
    return Check(
        name=need.name, group="program" if need.programs else "library", ok=bool(place), required=need.required,
        found=found, why=need.why, fix=need.fix(debian=is_debian()), asked_for=need.asked_for,
    )  # fmt: skip


def _program_version(processes: Processes, program: str) -> str:
    """The version of a program from its own words; where it is if it does not say."""
    try:
        done = processes.run([program, "--version"], deadline_s=10)
    except InfraError:
        return program
    head = "\n".join((done.text.strip() or done.words).splitlines()[:2]).removeprefix(Path(program).name)
    matches = (pattern.search(head) for pattern in _VERSIONS)
    return next((match[0] for match in matches if match), program)


def _package_versions(processes: Processes, packages: list[str]) -> dict[str, str]:
    """Versions of installed Debian packages; empty elsewhere."""
    try:
        done = processes.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n", *packages])
    except InfraError:
        return {}
    rows = (line.split() for line in done.text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def check_cache(root: Path) -> Check:
    """Whether the cache can be written and locked."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=root, prefix=".doctor-"):
            problem = ""
    except OSError as error:
        problem = f"{root}: {error.strerror}"
    why = "trees, builds and packages, shared by all runs"
    fix = "make it writable, or set VMAHARNESS_CACHE to a directory that is"
    return Check("cache directory", "right", not problem, True, problem or str(root), why, fix)


def check_space(cache_root: Path, out: Path) -> list[Check]:
    """Free space where a run writes much."""
    places = (
        ("disk for the cache", cache_root, DISK_NEED_GIB, "set VMAHARNESS_CACHE to a directory with more"),
        ("disk for results", out, TMP_NEED_GIB, "choose another --out"),
        ("disk for temporary files", Path(tempfile.gettempdir()), TMP_NEED_GIB, "set TMPDIR to a directory with more"),
    )
    return [_space(name, path, need, fix) for name, path, need, fix in places]


def _space(name: str, path: Path, need_gib: int, fix: str) -> Check:
    why = f"{need_gib} GiB for a first run"
    try:
        free = free_bytes(path)
    except OSError as error:
        return Check(name, "resource", False, True, f"{path}: {error.strerror}", why, fix)
    found = f"{free / _GIB:.1f} GiB free in {path}"
    # What the cache holds already need not be made again: too little space is certain to fail only when it is tiny.
    return Check(name, "resource", free >= need_gib * _GIB, free < _GIB // 2, found, why, f"free some, or {fix}")


def check_memory(meminfo: Path = Path("/proc/meminfo")) -> Check:
    """Memory that is free or can be freed."""
    why = f"{MEMORY_NEED_GIB} GiB: two guests of 1 GiB and a compile beside them"
    try:
        available = re.search(r"^MemAvailable:\s*(\d+) kB", meminfo.read_text(), re.MULTILINE)
    except OSError:
        available = None
    if available is None:
        return Check("memory", "resource", True, False, "unknown", why)
    gib = int(available[1]) / (1 << 20)
    fix = "stop other programs, or give guests less with --mem"
    return Check("memory", "resource", gib >= MEMORY_NEED_GIB, gib < 1.5, f"{gib:.1f} GiB available", why, fix)


def check_cpus() -> Check:
    count = len(os.sched_getaffinity(0))
    return Check("CPUs", "resource", True, False, str(count), "a build uses all of them")

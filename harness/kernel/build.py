"""AppliedTree and Profile -> Build: configured, proven to be what was asked for, compiled; once for the same input.

A build is named by what goes into it: content of the tree, requested symbols, toolchain, command line.
A kernel that does not compile is a result, not an exception.  Knows nothing of guests.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.arch import ARCHES
from harness.events import Say
from harness.host.cache import Cache, free_bytes, link_entry
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.kernel.compile import NEEDED_BYTES, REPRODUCIBLE, UNCONFIGURED, Compile, disk_full
from harness.kernel.git import Git
from harness.kernel.kconfig import fragments_of, read_fragments, requests_digest
from harness.kernel.kept_builds import BROKEN, Order, load, load_reads, moved
from harness.kernel.objects import Objects, kept_objects
from harness.kernel.reads import Inputs, differences, inputs_of, makes_the_same
from harness.kernel.toolchain import toolchain
from harness.model import AppliedTree, Arch, Build, Profile, Toolchain

_FORMAT = 2


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
                return (None if (broken.directory / UNCONFIGURED).exists() else broken.config), True
            with self._objects(order, source) as (checkout, objects):
                log = self._cache.scratch("config") / "log"
                work = self._compile(order, checkout, objects, log, lambda: 0, say)
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
                work = self._compile(order, checkout, objects, log, nice, say)
                return work.make(jobs or len(os.sched_getaffinity(0)))

    def _compile(
        self, order: Order, checkout: Path, objects: Objects, log: Path, nice: Callable[[], int], say: Say
    ) -> Compile:  # fmt: skip
        return Compile(self._processes, self._cache, self._sandbox, order, checkout, objects, log, nice, say)

    @contextmanager
    def _objects(self, order: Order, source: Callable[[], Path]) -> Iterator[tuple[Path, Objects]]:
        """The checkout and a directory for objects in it; a full disk is an InfraError."""
        if free_bytes(self._cache.root) < NEEDED_BYTES:
            raise disk_full(self._cache.root)
        checkout = source()
        try:
            with kept_objects(checkout, f"{order.info.arch}-{order.profile.name}", order.way) as objects:
                yield checkout, objects
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise disk_full(self._cache.root) from error
            raise

    def _order(self, applied: AppliedTree, arch: Arch, profile: Profile) -> Order:
        requests = read_fragments(fragments_of(profile, arch))
        if arch not in self._tools:
            self._tools[arch] = toolchain(arch, processes=self._processes, cache=self._cache)
        tools, info = self._tools[arch], ARCHES[arch]
        optional = sorted(request.symbol for request in requests if request.optional)
        way = [
            requests_digest(requests), optional, tools.digest,
            info.kbuild, info.image_target, sorted(REPRODUCIBLE.items()),
        ]  # fmt: skip
        key = _digest([_FORMAT, applied.tree_id, *way])
        return Order(
            applied, info, profile, requests, tools, way=_digest([_FORMAT, *way]), key=key,
            inputs=lambda: self._inputs(applied),
        )  # fmt: skip

    def _find(self, order: Order) -> Build | None:
        """The build of this tree, or of one that differs from it only in files that no build reads."""
        entry = self._cache.find("build", order.key)
        build = load(entry, order) if entry is not None else None
        if build is None and (entry := self._like(order)) is not None:
            build = load(entry, order)
        return build

    def _broken(self, order: Order) -> Build | None:
        """What became of this very tree, where it does not compile."""
        entry = self._cache.find(BROKEN, order.key)
        return load(entry, order) if entry is not None else None

    def _own(self, found: Build, order: Order) -> Build:
        """The build under its own name from now on, where it was found under another tree's; the lock is held."""
        if found.directory.name == order.key:
            return found
        work = self._cache.scratch("build")
        link_entry(found.directory, work)
        return moved(found, self._cache.publish("build", order.key, work))

    def _like(self, order: Order) -> Path | None:
        """The entry of a build of the same kernel from another tree."""
        same = self._cache.made_alike("build", order.way)
        if not same:
            return None
        git, wanted = Git(self._processes, order.applied.repo), order.inputs()
        for entry in same:
            if (made := load_reads(entry)) is None:
                continue
            built, reads = made
            found = differences(git, built, wanted)
            if found is not None and makes_the_same(found, reads):
                return self._cache.find("build", entry.name)
        return None

    def _inputs(self, applied: AppliedTree) -> Inputs:
        trees = applied.base.tree_id, applied.tree_id
        if trees not in self._known_inputs:
            self._known_inputs[trees] = inputs_of(Git(self._processes, applied.repo), *trees)
        return self._known_inputs[trees]


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]

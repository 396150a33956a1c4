"""Checks that compile: the series' tree, and the tree without it where there is anything to compare."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES
from harness.events import Say
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.git import Git, blobs_at
from harness.kernel.touched import Compiled, Kind, ObjectCompiler, missing_program, objects_for, touched
from harness.model import AppliedTree, Arch, Case, CompilerMessage, Outcome, Profile, Series
from harness.run.sources import Checkout
from harness.verdict.checks import SUITE, case_of, new_messages


class Base:
    """The tree without the series, applied and written when something first asks for it."""

    def __init__(self, processes: Processes, cache: Cache, *, kept: bool) -> None:
        self._processes = processes
        self._cache = cache
        self._checkout = Checkout(processes, cache, kept=kept)
        self._lock = threading.Lock()
        self._applied: AppliedTree | None = None

    def applied(self, of: AppliedTree, base_fix: Series | None, say: Say) -> AppliedTree:
        with self._lock:
            if self._applied is None:
                self._applied = apply_series(
                    of.base, base_fix, None, processes=self._processes, cache=self._cache, say=say
                )
            return self._applied

    def source(self, applied: AppliedTree, say: Say) -> Path:
        return self._checkout.get(applied, say)

    def close(self) -> None:
        self._checkout.close()


@dataclass(frozen=True, slots=True)
class ObjectCheck:
    """One kind of compile on one architecture."""

    kind: Kind
    arch: Arch
    profile: Profile
    strict: bool
    compiler: ObjectCompiler
    processes: Processes

    def run(
        self, applied: AppliedTree, source: Callable[[], Path], base: Callable[[], tuple[AppliedTree, Path]], say: Say
    ) -> list[Case]:
        """The cases of the files that the series touches.  `base` is asked only where there is something to compare."""
        if trouble := missing_program(self.kind):
            return [self._skip(trouble)]
        srcarch = ARCHES[self.arch].srcarch
        paths = [
            path for path in touched(applied) if not path.startswith("arch/") or path.startswith(f"arch/{srcarch}/")
        ]
        objects = self.kind.objects or objects_for(applied, paths, srcarch, self.processes)
        if not paths or not objects:
            return [self._skip("the series touches no C file that this would compile")]
        started = time.monotonic()
        here = self.compiler.compile(self.kind, self.arch, self.profile, objects, source(), say)
        there = Compiled((), (), True, "")
        if here.messages or here.missing or not here.ended_well:
            say("the same without the series")
            tree, files = base()
            known = self._known_to(tree, objects)
            there = self.compiler.compile(self.kind, self.arch, self.profile, known, files, say)
        cases = 1 if self.kind.objects else len(paths)
        return self._cases(paths, here, there, round((time.monotonic() - started) / cases, 3))

    @property
    def _place(self) -> str:
        return "" if self.kind.foreign else f"{self.arch}."

    def _skip(self, why: str) -> Case:
        name = f"{self.kind.name}.{self._place}".rstrip(".")
        return Case(SUITE, name, Outcome.SKIP, message=why)

    def _known_to(self, tree: AppliedTree, objects: Sequence[str]) -> list[str]:
        """The objects that the base has a source of."""
        sources = {name: f"{name.removesuffix('.o')}.c" for name in objects if name.endswith(".o")}
        there = blobs_at(Git(self.processes, tree.repo), tree.commit, sources.values())
        return [name for name in objects if name not in sources or there.get(sources[name])]

    def _cases(self, paths: Sequence[str], here: Compiled, there: Compiled, seconds: float) -> list[Case]:
        new = new_messages(here.messages, there.messages)
        if self.kind.objects:
            return [self._whole(new, here, there, seconds)]
        cases = [self._of_file(path, new, here, there, seconds) for path in paths]
        others = [message for message in new if message.path not in paths]
        if others:
            cases.append(case_of(self.kind.name, f"{self._place}elsewhere", others, strict=self.strict))
        return cases

    def _of_file(
        self, path: str, new: Sequence[CompilerMessage], here: Compiled, there: Compiled, seconds: float
    ) -> Case:
        name = f"{self._place}{path}"
        own = [message for message in new if message.path == path]
        if path.endswith(".h") and not own and path not in here.read:
            why = "no file that was compiled includes it"
            return Case(SUITE, f"{self.kind.name}.{name}", Outcome.SKIP, message=why)
        made = f"{path.removesuffix('.c')}.o"
        if made in here.missing and not any(message.severity == "error" for message in own):
            if made in there.missing and not own:
                why = "it does not compile in this configuration without the series either"
                return Case(SUITE, f"{self.kind.name}.{name}", Outcome.SKIP, message=why)
            if made not in there.missing:
                own.append(CompilerMessage("error", path, 0, "no object was made of it"))
        return case_of(self.kind.name, name, own, strict=self.strict, seconds=seconds)

    def _whole(self, new: Sequence[CompilerMessage], here: Compiled, there: Compiled, seconds: float) -> Case:
        """One case for all of it."""
        if not here.ended_well and not there.ended_well and not new:
            why = "it does not compile in this configuration without the series either"
            return Case(SUITE, self.kind.name, Outcome.SKIP, message=why, detail=here.log)
        messages = list(new)
        if not here.ended_well and there.ended_well and not any(one.severity == "error" for one in new):
            messages.append(CompilerMessage("error", "", 0, "make failed, and does not without the series"))
        return case_of(self.kind.name, "objects", messages, strict=self.strict, seconds=seconds)

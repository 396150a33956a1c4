"""Kernels side by side in one graph: base, series, its patches and the controls, each counted at each seed.

The same seed is the same guest but for its kernel.  What a kernel counts at a seed it counts always, so it is kept in
the cache and not booted again, whatever patch makes it; only the A/A control always boots.  A guest runs while the next
kernel compiles.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.costs import Mode, Side
from harness.errors import InfraError
from harness.events import Emit
from harness.guest.qemu import find_program
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.git import Git
from harness.kernel.moved import moving
from harness.model import AppliedTree, Arch, Outcome, Patch, Series, TargetResult
from harness.plan.model import Plan
from harness.run import by_patch, kept
from harness.run.bench.plan import MEASURED, checked, priced
from harness.run.exact import AllSeeds
from harness.run.goal import Goal
from harness.run.graph import Node, Report
from harness.run.kernels import keeps_config
from harness.run.outcomes import done, target_result
from harness.run.steps import Steps
from harness.run.suites import Prepared
from harness.run.targets import Target, image_digest
from harness.run.tasks import Task

KIND = "cost"  # of cache entries

DIRECTORIES = {Side.SERIES: "", Side.BASE: "baseline", Side.AGAIN: "bench-again", Side.MOVED: "bench-moved"}
"""Where logs and consoles of each lie, below those of the series."""


@dataclass(slots=True)
class Counting:
    """A tree, its steps, and what it counted, by target and seed."""

    side: Side
    steps: Steps
    counted: dict[tuple[str, int], Node[TargetResult]] = field(default_factory=dict)

    @property
    def results(self) -> list[tuple[Target, int, TargetResult]]:
        """What it counted, as far as it came."""
        targets = {one.name: one for one in self.steps.targets}
        found = ((targets[name], seed, done(node)) for (name, seed), node in self.counted.items())
        return [(target, seed, result) for target, seed, result in found if result is not None]


class BenchSteps:
    """The steps of one comparison."""

    def __init__(
        self, plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit
    ) -> None:  # fmt: skip
        """Raises UserError for a plan that cannot be priced."""
        self._directory = directory
        self._processes = processes
        self._cache = cache
        self.mode = Mode(plan.bench.mode)
        self.plan = checked(plan)
        self.steps = Steps(self.plan, directory=directory, goal=Goal.RUN, processes=processes, cache=cache, emit=emit)
        self.steps.follow_each_other()
        if self.mode is not Mode.EXACT:
            self.steps.graph.limit("guest", 1)  # time is that of whoever has the machine for itself
        self.sides: dict[Side, Counting] = {}
        self.patches: list[Counting] = []  # the trees that end with each patch before the last, where they are priced
        self.steps.graph.add("kernels", self._add, needs=[self.steps.applied])
        self._qemu: dict[Arch, str] = {}
        self._taking = threading.Lock()
        self._counting: dict[str, threading.Lock] = {}  # by what the result of a guest is kept as

    def close(self) -> None:
        for one in (*self.sides.values(), *self.patches):
            one.steps.close()
        self.steps.close()

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of guests; in the modes that take time, of the programs in the pairs of boots."""
        return self.plan.guest_seeds or tuple(range(1, self.plan.bench.boots + 1))

    def scratch(self, name: str) -> Path:
        """A new empty directory, gone at the end of the process."""
        return self._cache.scratch(name)

    @property
    def title(self) -> str:
        series = done(self.steps.trees.series)
        return series.title if series is not None else ""

    # --- the steps --------------------------------------------------------------------------------------------

    def _add(self, report: Report) -> None:
        """All other steps, now that the series is read."""
        series = self.steps.trees.series.value
        base = self._open(Side.BASE, None if series is None else self.steps.trees.without_series)
        base.steps.add_programs()
        base.steps.check_cases()
        self._add_kernels(base, before=None, same_config=False)
        if series is not None and self.plan.per_patch:
            before = self._add_patches(series)
            self._follow(self._open(Side.SERIES, None), before, series.patches[-1:])
        elif series is not None:
            self._follow(self._open(Side.SERIES, None), base, series.patches)
        self._add_again()
        if self.plan.bench.moved:
            self._follow(self._open(Side.MOVED, self._tree_moved), base, ())
        for target in self.steps.targets:
            self._add_boots(target)
        one_by_one = [f"{len(self.chain) - 1} patches one by one"] if self.patches else []
        report.text = ", ".join([*(side.value for side in self.sides), *one_by_one])

    @property
    def chain(self) -> list[Counting]:
        """The base, and the trees that end with each patch: as many as there are, the series' own the last."""
        first, last = self.sides.get(Side.BASE), self.sides.get(Side.SERIES)
        return [one for one in (first, *self.patches, last) if one is not None]

    def _open(self, side: Side, make: Callable[[Report], AppliedTree] | None) -> Counting:
        """A side; `make` gives its tree, None: it is that of the run's own steps."""
        place = self._directory / DIRECTORIES[side]
        place.mkdir(exist_ok=True)
        prefix = "" if side is Side.SERIES else f"{side.value}: "
        applied: Node[AppliedTree] = self.steps.applied
        if make is not None:
            applied = self.steps.add_after(f"{prefix}tree", make, needs=[self.steps.applied, self.steps.trees.base_fix])
        opened = Counting(side, self.steps.of_tree(applied, prefix=prefix, directory=place))
        self.sides[side] = opened
        return opened

    def _add_patches(self, series: Series) -> Counting:
        """The trees that end with each patch but the last, whose tree is the series' own; the one before that."""
        before, total = self.sides[Side.BASE], len(series.patches)
        commits = by_patch.of_series(self.steps.applied.value)
        for number, (patch, commit) in enumerate(zip(series.patches[:-1], commits[:-1], strict=True), 1):
            opened = Counting(Side.SERIES, by_patch.steps_of(self.steps, number, total, commit))
            self._follow(opened, before, [patch])
            self.patches.append(opened)
            before = opened
        return before

    def _follow(self, opened: Counting, before: Counting, patches: Sequence[Patch]) -> None:
        """A tree that differs from one before it by patches, or (none) by moved code."""
        opened.steps.share_programs(self.sides[Side.BASE].steps)
        files = [change for patch in patches for change in patch.changes]
        self._add_kernels(opened, before=before.steps, same_config=keeps_config(files))

    @staticmethod
    def _add_kernels(side: Counting, *, before: Steps | None, same_config: bool) -> None:
        """Configurations come in the order of the trees, and so do kernels: each is made from the objects before it."""
        for target in side.steps.targets:
            if before is not None and same_config:
                target.config = side.steps.add_same_config(target, before)
            after = before.target(target.name).config if before is not None else None
            side.steps.add_build(target, like=target.config, after=after)

    def _add_again(self) -> None:
        """The base's kernels once more."""
        base = self.sides[Side.BASE]
        place = self._directory / DIRECTORIES[Side.AGAIN]
        place.mkdir(exist_ok=True)
        own = copy.copy(base.steps)
        own.prefix, own.layout = f"{Side.AGAIN.value}: ", replace(base.steps.layout, directory=place)
        own.tester = replace(own.tester, prefix=own.prefix, layout=own.layout)
        self.sides[Side.AGAIN] = Counting(Side.AGAIN, own)

    def _add_boots(self, target: Target) -> None:
        """All boots of a target.

        Where time is taken they follow each other, there and back: base, series, series, base.
        """
        before: list[Node[Any]] = []
        base, *others = self.sides.values()
        for at, seed in enumerate(self.seeds):
            sides = [one for one in self.sides if not self._is_spared(one, at)]
            if self.mode is Mode.EXACT:
                first = self._add_count(base, target, seed, ())  # the others are held against it
                for one in (*self.patches, *others):
                    if one.side in sides:
                        self._add_count(one, target, seed, [first])
                continue
            for side in sides if at % 2 == 0 else reversed(sides):
                builds = [self.sides[one].steps.target(target.name).build for one in self.sides]
                needs = before or [build for build in builds if build is not None]
                before = [self._add_count(self.sides[side], target, seed, needs)]

    def _is_spared(self, side: Side, at: int) -> bool:
        """Whether a side is not counted at a seed: an exact guest is the same again or it is not."""
        return side is Side.AGAIN and self.mode is Mode.EXACT and at >= self.plan.bench.again

    def _add_count(
        self, side: Counting, of: Target, seed: int, before: Sequence[Node[Any]]
    ) -> Node[TargetResult]:  # fmt: skip
        own, target = side.steps, side.steps.target(of.name)
        assert target.build is not None
        assert target.rootfs is not None

        def count(report: Report) -> TargetResult:
            return self._count(side, target, seed, report)

        needs: list[Node[Any]] = [*before, target.build, target.rootfs, *own.prepared[target.arch]]
        node = own.add(f"count {target.name} seed {seed}", count, needs=needs, uses="guest")
        side.counted[target.name, seed] = node
        return node

    def _count(self, side: Counting, target: Target, seed: int, report: Report) -> TargetResult:
        assert target.build is not None
        build = target.build.value
        if build.outcome is not Outcome.PASS:
            report.good, report.text = False, "the kernel was not built"
            return target_result(target)
        own = self._at(side.steps, seed)
        prepared = self._prepared(own, target, seed)
        if self.mode is not Mode.EXACT:
            own.layout.directory.mkdir(exist_ok=True)
            return target_result(target, own.tester.perform(target, prepared, report))
        key = kept.key(own, image_digest(build), target, prepared, self._qemu_of(target.arch))
        if side.side is Side.AGAIN:
            return self._boot(own, target, seed, prepared, report)
        with self._alone(key):
            found = kept.load(self._cache, KIND, key, own.layout.directory)
            if found is not None:
                report.cached = True
                return replace(found, build=build)
            result = self._boot(own, target, seed, prepared, report)
            kept.keep(self._cache, KIND, key, result, own.layout.directory)
            return result

    @staticmethod
    def _boot(own: Steps, target: Target, seed: int, prepared: list[Prepared], report: Report) -> TargetResult:
        return target_result(target, AllSeeds([own.tester.run_seed(seed, target, prepared, report)]))

    def _alone(self, key: str) -> threading.Lock:
        """Where two patches make the same kernel, the second waits, and takes what the first has counted."""
        with self._taking:
            return self._counting.setdefault(key, threading.Lock())

    def _at(self, steps: Steps, seed: int) -> Steps:
        """The same steps for one seed; where time is taken, in a directory of their own."""
        own = copy.copy(steps)
        if self.mode is Mode.EXACT:
            own.plan = steps.plan.model_copy(update={"seeds": (seed,)})
            own.tester = replace(steps.tester, plan=own.plan)
        else:
            own.layout = replace(steps.layout, directory=steps.layout.directory / f"bench-boot-{seed}")
            own.tester = replace(steps.tester, layout=own.layout)
        return own

    def _prepared(self, own: Steps, target: Target, seed: int) -> list[Prepared]:
        """The suites as they are run to be priced."""
        seeded = seed if self.mode is not Mode.EXACT else None
        items = [node.value for node in own.prepared[target.arch]]
        return [priced(item, seeded) for item in items if item.name not in MEASURED or seed == self.seeds[0]]

    def tasks(self, side: Side, target: Target, seed: int) -> list[Task]:
        """What a guest of a side works through at a seed."""
        own = self._at(self.sides[side].steps, seed)
        return own.tester.tasks(target, self._prepared(own, target, seed))

    def _qemu_of(self, arch: Arch) -> str:
        """Names the QEMU that counts: another one may translate, and so count, in another way."""
        if arch not in self._qemu:
            program = find_program(arch)
            said = self._processes.run([str(program), "--version"], deadline_s=30)
            if not said.ok:
                raise InfraError(f"{program} --version failed", detail=said.words)
            self._qemu[arch] = said.text.strip()
        return self._qemu[arch]

    # --- trees ------------------------------------------------------------------------------------------------

    def _tree_moved(self, report: Report) -> AppliedTree:
        """The same with a patch that moves code."""
        tree = self.steps.applied.value.base
        found = apply_series(
            tree, self.steps.trees.base_fix.value, moving(Git(self._processes, tree.repo), tree.commit),
            processes=self._processes, cache=self._cache, say=report.say,
        )  # fmt: skip
        report.text = f"{found.commit[:12]}, with code and data moved"
        return found

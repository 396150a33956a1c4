"""Kernels side by side in one graph: base, series and the controls, each counted at each seed.

The same seed is the same guest but for its kernel.  What a kernel counts at a seed it counts always, so it is kept in
the cache and not booted again; only the A/A control always boots.  A guest runs while the next kernel compiles.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.costs import Mode, Side
from harness.errors import InfraError, UserError
from harness.events import Emit
from harness.guest.accel import choose_accel
from harness.guest.qemu import find_program
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.git import Git
from harness.kernel.moved import moving
from harness.model import Accel, AppliedTree, Arch, FileChange, Outcome, Series, TargetResult
from harness.plan.model import Plan
from harness.run import kept
from harness.run.exact import AllSeeds
from harness.run.goal import Goal
from harness.run.graph import Node, Report
from harness.run.outcomes import done, target_result
from harness.run.steps import Steps, keeps_config
from harness.run.suites import Prepared
from harness.run.targets import Target, image_digest
from harness.run.tasks import Task
from harness.suites.faults import FaultsSuite
from harness.suites.suite import ExactSuite

KIND = "cost"  # of cache entries

PRICED = ("bench", "faults")
"""Suites whose cases count what their operations cost, with programs that are made of no tree."""

MEASURED = ("sizes",)
"""Suites of which one guest of each kernel says all: they are run at the first seed alone."""

DIRECTORIES = {Side.SERIES: "", Side.BASE: "baseline", Side.AGAIN: "bench-again", Side.MOVED: "bench-moved"}
"""Where logs and consoles of each lie, below those of the series."""

_WORDS = "norandmaps randomize_kstack_offset=off"
"""Random numbers follow from the seed and from when interrupts come: another kernel would draw other addresses."""


@dataclass(slots=True)
class Counting:
    """A tree, its steps, and what it counted, by target and seed."""

    side: Side
    steps: Steps
    counted: dict[tuple[str, int], Node[TargetResult]] = field(default_factory=dict)


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
        self.steps.graph.add("kernels", self._add, needs=[self.steps.applied])
        self._qemu: dict[Arch, str] = {}

    def close(self) -> None:
        for side in self.sides.values():
            side.steps.close()
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
        series = done(self.steps.series)
        return series.title if series is not None else ""

    # --- the steps --------------------------------------------------------------------------------------------

    def _add(self, report: Report) -> None:
        """All other steps, now that the series is read."""
        series = self.steps.series.value
        base = self._open(Side.BASE, None if series is None else self.steps.without_series)
        base.steps.add_programs()
        base.steps.check_cases()
        self._add_kernels(base, like=None)
        if series is not None:
            self._follow(Side.SERIES, None, series)
        self._add_again()
        if self.plan.bench.moved:
            self._follow(Side.MOVED, self._tree_moved, None)
        for target in self.steps.targets:
            self._add_boots(target)
        report.text = ", ".join(side.value for side in self.sides)

    def _open(self, side: Side, make: Callable[[Report], AppliedTree] | None) -> Counting:
        """A side; `make` gives its tree, None: it is that of the run's own steps."""
        place = self._directory / DIRECTORIES[side]
        place.mkdir(exist_ok=True)
        prefix = "" if side is Side.SERIES else f"{side.value}: "
        applied: Node[AppliedTree] = self.steps.applied
        if make is not None:
            applied = self.steps.add_after(f"{prefix}tree", make, needs=[self.steps.applied, self.steps.base_fix])
        opened = Counting(side, self.steps.of_tree(applied, prefix=prefix, directory=place))
        self.sides[side] = opened
        return opened

    def _follow(
        self, side: Side, make: Callable[[Report], AppliedTree] | None, series: Series | None
    ) -> None:  # fmt: skip
        """A tree that differs from the base's by a series, or (None) by moved code."""
        base = self.sides[Side.BASE]
        opened = self._open(side, make)
        opened.steps.share_programs(base.steps)
        files = [] if series is None else [change for patch in series.patches for change in _files_of(patch)]
        self._add_kernels(opened, like=base.steps if keeps_config(files) else None)

    def _add_kernels(self, side: Counting, *, like: Steps | None) -> None:
        for target in side.steps.targets:
            if like is not None:
                target.config = side.steps.add_same_config(target, like)
            side.steps.add_build(target, like=target.config)

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
        for at, seed in enumerate(self.seeds):
            sides = [one for one in self.sides if not self._is_spared(one, at)]
            if self.mode is Mode.EXACT:
                for side in sides:  # the base comes first: the others are held against it, and may be the same kernel
                    needs = [] if side is Side.BASE else [self.sides[Side.BASE].counted[target.name, seed]]
                    self._add_count(self.sides[side], target, seed, needs)
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
        found = kept.load(self._cache, KIND, key, own.layout.directory) if side.side is not Side.AGAIN else None
        if found is not None:
            report.cached = True
            return replace(found, build=build)
        result = target_result(target, AllSeeds([own.tester.run_seed(seed, target, prepared, report)]))
        if side.side is not Side.AGAIN:
            kept.keep(self._cache, KIND, key, result, own.layout.directory)
        return result

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
            tree, self.steps.base_fix.value, moving(Git(self._processes, tree.repo), tree.commit),
            processes=self._processes, cache=self._cache, say=report.say,
        )  # fmt: skip
        report.text = f"{found.commit[:12]}, with code and data moved"
        return found

    # --- what they gave ---------------------------------------------------------------------------------------

    def results(self, side: Side) -> list[tuple[Target, int, TargetResult]]:
        """What a side counted, as far as it came."""
        if side not in self.sides:
            return []
        counted, targets = self.sides[side].counted, {one.name: one for one in self.sides[side].steps.targets}
        found = ((targets[name], seed, done(node)) for (name, seed), node in counted.items())
        return [(target, seed, result) for target, seed, result in found if result is not None]


def checked(plan: Plan) -> Plan:
    """The plan as guests that count are run.  Raises UserError."""
    if missing := [name for name in plan.suites if name not in (*PRICED, *MEASURED)]:
        raise UserError(
            f"the suite {missing[0]} counts nothing that could be priced",
            fix=f"suites: {', '.join((*PRICED, *MEASURED))}",
        )
    if plan.merged or plan.per_patch:
        raise UserError("a price is that of a whole series", fix="leave --merged and --per-patch out")
    mode = Mode(plan.bench.mode)
    cmdline = " ".join(word for word in (_WORDS, plan.guest.cmdline) if word)
    accel = "tcg" if mode is Mode.RELATIVE else plan.guest.accel
    guest = plan.guest.model_copy(update={"cmdline": cmdline, "accel": accel})
    if mode is Mode.CLOCK:
        for arch in plan.arch:
            found, why = choose_accel(guest.accel, arch)
            if found is not Accel.KVM:
                raise UserError(
                    f"--mode clock takes KVM for {arch} guests: {why}",
                    fix="--mode exact needs none; --mode relative gives orders of magnitude",
                )
    exact = mode is Mode.EXACT
    return plan.model_copy(update={"exact": exact, "seeds": plan.seeds if exact else (), "retries": 0, "guest": guest})


def priced(item: Prepared, seed: int | None = None) -> Prepared:
    """A suite with many short repetitions; `seed`: of its programs, where the guest has none."""
    suite = item.suite.priced() if isinstance(item.suite, FaultsSuite) else item.suite
    if seed is not None and isinstance(suite, ExactSuite):
        suite = suite.at_seed(seed)
    return replace(item, suite=suite)


def _files_of(patch: Any) -> Sequence[FileChange]:
    return (*patch.files, *(change for fixup in patch.fixups for change in fixup.files))

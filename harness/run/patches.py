"""The patches of a series one by one: the tree that ends with each, built and tested beside that of the whole series.

Trees follow each other through one work copy in the order of the series, so that each compiles what its patch changes;
while one's guests run the next compiles.  Where a patch makes the kernel of an earlier one, bit for bit, that one's
results are its results, and what an earlier run has found out about a kernel is not found out again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from harness.host.cache import Cache
from harness.model import (
    AppliedPatch,
    Baseline,
    Blame,
    Case,
    KnownFailure,
    Outcome,
    PatchResult,
    SameKernel,
    TargetResult,
)
from harness.plan.model import Plan
from harness.report.files import Layout
from harness.run import by_patch, kept
from harness.run.by_patch import ON_HOST, Tested
from harness.run.goal import Goal
from harness.run.graph import Node, Report
from harness.run.kernels import keeps_config
from harness.run.outcomes import done, no_result, target_result
from harness.run.standing import Standing
from harness.run.steps import Steps
from harness.run.targets import Target, image_digest
from harness.verdict.patches import BUILD_CASES

KIND = "patch"  # of cache entries

_OF_TREE = "kselftest"  # whose programs are made of each tree

Ask = Callable[[Target, TargetResult], None]
"""Told of each result, with the target that it is of: whether the base has to be seen."""

LeaveCapsules = Callable[[Sequence[TargetResult], Layout, Sequence[Target]], Sequence[TargetResult]]
"""Writes the capsules of results into a directory; the same results, with the capsules named."""


@dataclass(slots=True)
class _Rung:
    """A patch before the last of the series, and its steps."""

    number: int
    patch: AppliedPatch
    steps: Steps
    found: dict[str, Node[_Found]] = field(default_factory=dict)  # by target
    tested: dict[str, Node[TargetResult]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """Whether a kernel is an earlier patch's, or an earlier run has its result; the test's step is there then."""

    same: int = 0
    cached: bool = False


class PatchSteps:
    """The steps of all patches of the series, its last included."""

    def __init__(self, steps: Steps, ask: Ask, *, cache: Cache) -> None:
        self._steps = steps
        self._ask = ask
        self._cache = cache
        self._rungs: list[_Rung] = []
        self._first: dict[tuple[str, str], _Rung] = {}  # that has a result, by target and what the result comes from

    def add(self, then: Callable[[], None]) -> None:
        """A step that adds all others, once it is known how many patches there are; `then` adds what comes last."""
        self._steps.follow_each_other()
        self._steps.take_what_is_known()

        def add(report: Report) -> None:
            patches = by_patch.of_series(self._steps.applied.value)
            report.text = f"{len(patches)} of them"
            self._add(patches)
            then()

        self._steps.graph.add("patches", add, needs=[self._steps.applied])

    @property
    def targets(self) -> tuple[Target, ...]:
        """Those of all patches but the last."""
        return tuple(target for rung in self._rungs for target in rung.steps.targets)

    def close(self) -> None:
        for rung in self._rungs:
            rung.steps.close()

    # --- the steps --------------------------------------------------------------------------------------------

    def _add(self, patches: Sequence[AppliedPatch]) -> None:
        """What costs least first: the host's own tests of all patches, then kernels in order, the series' own last.

        With a budget that of the series comes before those of its patches.
        """
        plan, total = self._steps.plan, len(patches)
        for number, patch in enumerate(patches[:-1], 1):
            self._rungs.append(_Rung(number, patch, self._steps_of(number, total, patch)))
        tested = self._steps.goal is Goal.RUN
        if "vma" in plan.suites and tested:
            for rung in self._rungs:
                rung.steps.add_host_vma()
        for rung in self._rungs if tested else ():
            if rung is self._rungs[0] or _OF_TREE in plan.suites:
                rung.steps.add_programs()
            else:
                rung.steps.share_programs(self._rungs[0].steps)
        if plan.budget is not None:  # the series as a whole tells most
            self._steps.add_targets()
        for rung in self._rungs:
            for target in rung.steps.targets:
                rung.steps.add_build(target, like=self._like(rung, target))
                if tested:
                    self._add_test(rung, target)
        if plan.budget is None:
            self._steps.add_targets()

    def _steps_of(self, number: int, total: int, patch: AppliedPatch) -> Steps:
        own = by_patch.steps_of(self._steps, number, total, patch)
        suites = tuple(name for name in own.plan.suites if name not in ON_HOST)
        own.plan = own.plan.model_copy(update={"suites": suites})
        own.tester = replace(own.tester, plan=own.plan)
        return own

    def _like(self, rung: _Rung, target: Target) -> Node[Outcome] | None:
        """The configuration of the patch before, where this one says nothing to kconfig."""
        if rung.number == 1 or not keeps_config(rung.patch.files):
            return None
        target.config = rung.steps.add_same_config(target, self._rungs[rung.number - 2].steps)
        return target.config

    def _add_test(self, rung: _Rung, target: Target) -> None:
        """A step that looks whether the kernel has been tested, and adds the test where it has not."""
        own = rung.steps
        assert target.build is not None
        assert target.rootfs is not None
        needs: list[Node[Any]] = [target.build, target.rootfs, *own.prepared[target.arch]]
        if rung.number > 1:
            needs.append(self._rungs[rung.number - 2].found[target.name])

        def look(report: Report) -> _Found:
            found, rung.tested[target.name] = self._look(rung, target, report)
            report.cached = bool(found.same or found.cached)
            return found

        rung.found[target.name] = own.add(f"lookup {target.name}", look, needs=needs, always=True)

    def _look(self, rung: _Rung, target: Target, report: Report) -> tuple[_Found, Node[TargetResult]]:
        own = rung.steps
        assert target.build is not None
        build = target.build.value
        name = f"result {target.name}"
        if build.image is None:
            return _Found(), own.add(name, lambda _: self._told(target, target_result(target)), always=True)
        prepared = [node.value for node in own.prepared[target.arch]]
        key = kept.key(own, image_digest(build), target, prepared)
        earlier = self._first.setdefault((target.name, key), rung)
        if earlier is not rung:
            node = earlier.tested[target.name]
            report.text = f"the kernel of patch {earlier.number}"
            return _Found(earlier.number), own.add(
                name, lambda _: _borrowed(node.value, target), needs=[node], always=True
            )
        result = kept.load(self._cache, KIND, key, own.layout.directory)
        if result is not None:
            known = _borrowed(result, target)
            return _Found(cached=True), own.add(name, lambda _: self._told(target, known), always=True)
        own.add_test(target)
        assert target.test is not None

        def keep(_: Report) -> TargetResult:
            found = target_result(target)
            if not own.tester.budget.spent():  # what failed may not have been tried again
                kept.keep(self._cache, KIND, key, found, own.layout.directory)
            return self._told(target, found)

        return _Found(), own.add(name, keep, needs=[target.test], always=True)

    def _told(self, target: Target, result: TargetResult) -> TargetResult:
        self._ask(target, result)
        return result

    # --- what they gave ---------------------------------------------------------------------------------------

    def results(
        self, whole: Standing, baseline: Baseline | None, *, plan: Plan, known: Sequence[KnownFailure], today: date
    ) -> tuple[tuple[PatchResult, ...], tuple[Blame, ...]]:
        """All patches with their stages, and which of them broke what; `whole` is what came of the series' own tree."""
        patches = by_patch.of_series(done(self._steps.applied))
        if not patches or len(self._rungs) != len(patches) - 1:
            return (), ()
        tested = [_tested(rung) for rung in self._rungs]
        return by_patch.judged(
            patches, tested, whole, self._steps.layout, baseline, plan=plan, known=known, today=today
        )  # fmt: skip

    def with_capsules(self, found: Sequence[PatchResult], leave: LeaveCapsules) -> tuple[PatchResult, ...]:
        """The same with a capsule for each failure that this run has seen itself."""
        made = []
        for rung, patch in zip(self._rungs, found, strict=False):
            fresh = [target for target in rung.steps.targets if target.test is not None]
            names = {target.name for target in fresh}
            left = leave([one for one in patch.targets if one.name in names], rung.steps.layout, fresh)
            by_name = {one.name: one for one in left}
            made.append(replace(patch, targets=tuple(by_name.get(one.name, one) for one in patch.targets)))
        return (*made, *found[len(made) :])


def _tested(rung: _Rung) -> Tested:
    host = tuple(suite for suite in (done(rung.steps.host_vma),) if suite is not None)
    targets = tuple(_result_of(rung, target) for target in rung.steps.targets)
    return Tested(rung.steps.layout, host, targets, same=_same(rung), cached=_cached(rung))


def _result_of(rung: _Rung, target: Target) -> TargetResult:
    """What is known of a kernel: its own result, or why there is none."""
    node = rung.tested.get(target.name)
    result = done(node)
    if result is not None:
        return result
    bare = target_result(target)
    lookup = rung.found.get(target.name)
    built = done(target.build)
    if lookup is None or built is None or built.outcome is not Outcome.PASS:
        return bare  # its build says it
    error = next((one.error for one in (node, lookup) if one is not None and one.error is not None), None)
    case = no_result("kernel", "boot", error)
    return _with_kernel_cases(bare, (case,))


def _with_kernel_cases(result: TargetResult, cases: Sequence[Case]) -> TargetResult:
    suites = tuple(
        replace(suite, cases=(*suite.cases, *cases)) if suite.suite == "kernel" else suite for suite in result.suites
    )
    return replace(result, suites=suites)


def _borrowed(result: TargetResult, target: Target) -> TargetResult:
    """What another run, or another patch, has found out about the kernel that this target has, too."""
    own = target_result(target)
    tested = [case for suite in result.suites if suite.suite == "kernel" for case in suite.cases]
    own = _with_kernel_cases(own, [case for case in tested if case.name not in BUILD_CASES])
    others = tuple(suite for suite in result.suites if suite.suite != "kernel")
    return replace(result, build=own.build, rootfs=own.rootfs, suites=(*own.suites, *others))


def _same(rung: _Rung) -> tuple[SameKernel, ...]:
    found = ((target, done(rung.found.get(target.name))) for target in rung.steps.targets)
    return tuple(
        SameKernel(target.arch, target.profile.name, its.same) for target, its in found if its is not None and its.same
    )


def _cached(rung: _Rung) -> tuple[str, ...]:
    found = ((name, done(node)) for name, node in rung.found.items())
    return tuple(name for name, its in found if its is not None and its.cached)

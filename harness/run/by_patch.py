"""A series patch by patch: the tree that ends with each of its patches, and what is said of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from harness.model import (
    AppliedPatch,
    AppliedTree,
    Baseline,
    Blame,
    KnownFailure,
    PatchResult,
    PatchRole,
    SameKernel,
    SuiteResult,
    TargetResult,
)
from harness.plan.model import Plan
from harness.report.files import Layout
from harness.run.graph import Report
from harness.run.standing import Standing, stand
from harness.run.steps import Steps
from harness.verdict.patches import Patch, new_warnings, trace

ON_HOST = ("vma",)
"""Suites that the host runs of each patch: in guests of the whole series alone."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of the tree that ends with a patch before the last."""

    layout: Layout
    host_suites: tuple[SuiteResult, ...]
    targets: tuple[TargetResult, ...]
    same: tuple[SameKernel, ...] = ()
    cached: tuple[str, ...] = ()


def of_series(applied: AppliedTree | None) -> list[AppliedPatch]:
    """The patches of the series itself, in order."""
    return [patch for patch in applied.patches if patch.role is PatchRole.SERIES] if applied is not None else []


def steps_of(steps: Steps, number: int, total: int, patch: AppliedPatch) -> Steps:
    """The steps of the tree that ends with a patch: in the graph of the series' own, with results in `patch-N`.

    Nothing but the tree is added.
    """
    directory = steps.layout.directory / f"patch-{number:0{len(str(total))}}"
    directory.mkdir(exist_ok=True)
    prefix = f"patch {number}/{total}: "

    def tree(report: Report) -> AppliedTree:
        report.text = patch.subject
        return _tree_at(steps.applied.value, patch)

    applied = steps.add_after(f"{prefix}tree", tree, needs=[steps.applied])
    return steps.of_tree(applied, prefix=prefix, directory=directory)


def _tree_at(applied: AppliedTree, patch: AppliedPatch) -> AppliedTree:
    """The tree that ends with one of its patches."""
    until = applied.patches.index(patch) + 1
    return replace(applied, patches=applied.patches[:until], commit=patch.commit, tree_id=patch.tree_id)


def judged(
    patches: Sequence[AppliedPatch], tested: Sequence[Tested], whole: Standing, layout: Layout,
    baseline: Baseline | None, *, plan: Plan, known: Sequence[KnownFailure], today: date,
) -> tuple[tuple[PatchResult, ...], tuple[Blame, ...]]:  # fmt: skip
    """All patches with their stages, and which of them broke what.

    `tested` has all but the last; `whole` is what came of that one's tree, the series' own, with its logs in `layout`.
    """
    found, traced = [], []
    before = {target.name: target.build for target in baseline.targets} if baseline else {}
    for number, patch in enumerate(patches, 1):
        its = tested[number - 1] if number < len(patches) else None
        if its is not None:
            own = stand(its.host_suites, its.targets, baseline, plan=plan, known=known, today=today)
            hosts, results = own.host_suites[: len(its.host_suites)], own.targets
        else:
            hosts, results = tuple(suite for suite in whole.host_suites if suite.suite == "vma"), whole.targets
        suites = (*_checks_of(whole, number), *hosts, *(suite for one in results for suite in one.suites))
        traced.append(Patch(number, patch.subject, _without(suites, ON_HOST)))
        builds = {one.name: one.build for one in results}
        warnings = tuple(
            f"{name}: {message.path}:{message.line}: {message.text}"
            for name, build in builds.items()
            for message in new_warnings(build, before.get(name))
        )
        before = builds
        one = PatchResult(
            number, patch.subject, patch.commit, hosts if its else (), tuple(results) if its else (),
            stages=SuiteResult("patch", "host", "", ()), same=its.same if its else (), warnings=warnings,
            cached=its.cached if its else (),
        )  # fmt: skip
        found.append(one)
    stages, blames = trace(traced, baseline.suites if baseline else ())
    layouts = [*(one.layout for one in tested), layout]
    return tuple(_with_stages(*one) for one in zip(found, stages, layouts, strict=True)), blames


def _with_stages(result: PatchResult, stages: SuiteResult, layout: Layout) -> PatchResult:
    """A patch with its stages; what explains a kernel that was not built is the log of its build."""
    logs = {f"{one.arch}.{one.profile}.build": layout.build_log(one.arch, one.profile) for one in result.targets}
    cases = (replace(case, log=case.log or logs.get(case.name)) if case.fails else case for case in stages.cases)
    return replace(result, stages=replace(stages, cases=tuple(cases)))


def _checks_of(whole: Standing, number: int) -> tuple[SuiteResult, ...]:
    """The checks of one patch."""
    suites = (suite for suite in whole.host_suites if suite.suite == "checks")
    found = ((suite, tuple(case for case in suite.cases if case.name.endswith(f".{number}"))) for suite in suites)
    return tuple(replace(suite, cases=cases) for suite, cases in found if cases)


def _without(suites: Sequence[SuiteResult], names: Sequence[str]) -> tuple[SuiteResult, ...]:
    """Without these suites of guests; those of the host stay."""
    return tuple(suite for suite in suites if suite.arch == "host" or suite.suite not in names)

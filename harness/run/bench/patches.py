"""The patches of a series one by one: what each costs against the one before it, and what else came of its tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from harness.costs import PatchCost, PatchKernel, Price, Samples
from harness.model import AppliedPatch, Arch, Blame, Build, Outcome, PatchResult, SameKernel
from harness.run import by_patch
from harness.run.bench import samples
from harness.run.bench.samples import Counted
from harness.run.bench.steps import BenchSteps, Counting
from harness.run.by_patch import Tested
from harness.run.outcomes import done
from harness.run.standing import Standing
from harness.run.targets import Target, first_error, same_kernel
from harness.verdict import cost
from harness.verdict.groups import Group, followed, grouped


@dataclass(frozen=True, slots=True)
class _Link:
    """A kernel that counted: the base's (0) or a patch's."""

    number: int
    build: Build
    samples: tuple[Samples, ...]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A patch on one target, and what it is to be priced by."""

    number: int
    kernel: PatchKernel
    groups: tuple[Group, ...] = ()


def costs(bench: BenchSteps, counted: Sequence[Samples], void: str) -> tuple[PatchCost, ...]:
    """What each patch of the series costs; nothing where that was not asked for, or it did not come to it.

    `counted` has what the base and the controls counted; `void` says why nothing counts.
    """
    patches = _patches(bench)
    if not patches:
        return ()
    whole = grouped(counted)
    compared = [one for target in bench.steps.targets for one in _compared(bench, target.name, whole)]
    prices = iter(
        cost.priced([group for one in compared for group in one.groups], same_percent=bench.plan.bench.same, void=void)
    )
    priced = [(one, tuple(next(prices) for _ in one.groups)) for one in compared]
    return tuple(_cost(number, patch, priced) for number, patch in enumerate(patches, 1))


def _patches(bench: BenchSteps) -> list[AppliedPatch]:
    """The patches of the series, where their trees have steps."""
    patches = by_patch.of_series(done(bench.steps.applied))
    return patches if bench.plan.per_patch and len(bench.chain) == len(patches) + 1 else []


def _cost(number: int, patch: AppliedPatch, priced: Sequence[tuple[_Compared, tuple[Price, ...]]]) -> PatchCost:
    mine = [(one.kernel, prices) for one, prices in priced if one.number == number]
    return PatchCost(
        number, patch.subject, patch.commit, tuple(kernel for kernel, _ in mine),
        tuple(price for _, prices in mine for price in prices),
    )  # fmt: skip


# --- one target -------------------------------------------------------------------------------------------------


def _compared(bench: BenchSteps, name: str, whole: Sequence[Group]) -> list[_Compared]:
    """All patches on one target, each held against the last kernel before it that counted anything."""
    found: list[_Compared] = []
    base, *chain = bench.chain
    before = _link(bench, base, 0, name)
    for number, counting in enumerate(chain, 1):
        target = counting.steps.target(name)
        build, link = done(target.build), _link(bench, counting, number, name)
        kernel = PatchKernel(
            target.arch, target.profile.name, build.key if build is not None else "",
            against=before.number if before is not None else 0,
        )  # fmt: skip
        if before is None:
            found.append(_Compared(number, replace(kernel, why="the base counted nothing")))
        elif build is not None and same_kernel(build, before.build):
            groups = followed(whole, before.samples, (), same_kernel=True)
            found.append(_Compared(number, replace(kernel, same=True), groups))
            before = replace(before, number=number)
        elif link is None:
            found.append(_Compared(number, replace(kernel, why=_why(counting, target))))
        else:
            found.append(_Compared(number, kernel, followed(whole, before.samples, link.samples)))
            before = link
    return found


def _link(bench: BenchSteps, counting: Counting, number: int, name: str) -> _Link | None:
    """What a kernel counted on a target; None where that is nothing."""
    results = [(seed, result) for target, seed, result in counting.results if target.name == name]
    found = [
        one
        for boot, (seed, result) in enumerate(results, 1)
        for one in samples.of(Counted(counting.side, seed, result), bench.mode, boot)
    ]
    build = done(counting.steps.target(name).build)
    return _Link(number, build, tuple(found)) if found and build is not None else None


def _why(counting: Counting, target: Target) -> str:
    """Why a patch has no prices on a target."""
    build = done(target.build)
    if build is not None and build.outcome is not Outcome.PASS:
        return f"it does not build: {first_error(build)}"
    counted = [node for (name, _), node in counting.counted.items() if name == target.name]
    if error := next((node.error for node in counted if node.error is not None), None):
        return error.what
    return "its guests counted nothing" if all(map(done, counted)) else "the run ended before"


# --- what else came of them -------------------------------------------------------------------------------------


def results(
    bench: BenchSteps, prices: Sequence[PatchCost], whole: Standing, today: date
) -> tuple[tuple[PatchResult, ...], tuple[Blame, ...]]:
    """All patches with their stages, and which of them broke what; `whole` is what came of the series' own tree."""
    patches = _patches(bench)
    if not patches:
        return (), ()
    tested = [
        Tested(one.steps.layout, (), samples.targets_of(one), same=_same(its))
        for one, its in zip(bench.patches, prices, strict=False)
    ]
    return by_patch.judged(
        patches, tested, whole, bench.steps.layout, whole.baseline, plan=bench.plan, known=(), today=today
    )  # fmt: skip


def _same(one: PatchCost) -> tuple[SameKernel, ...]:
    """The earlier patches whose kernels it makes."""
    return tuple(
        SameKernel(Arch(kernel.arch), kernel.profile, kernel.against)
        for kernel in one.kernels
        if kernel.same and kernel.against
    )

"""`vmaharness bench`: a plan in, a result with prices out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from harness import __version__
from harness.costs import Control, CostReport, Kernel, Mode, Price, Samples, Side
from harness.errors import HarnessError
from harness.events import Emit
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Baseline, Outcome, RunResult, SuiteResult, TargetResult
from harness.plan.model import Plan
from harness.run import history
from harness.run.bench import patches, samples
from harness.run.bench.samples import Counted
from harness.run.bench.sizes import Sizing
from harness.run.bench.steps import BenchSteps
from harness.run.bench.where import Watching
from harness.run.ending import published
from harness.run.outcomes import done
from harness.run.reading import (
    base_of,
    checkers_of,
    describe_host,
    host_suites_of,
    notes_of,
    patches_of,
    series_title,
    times_of,
    tree_of,
)
from harness.run.standing import stand
from harness.run.targets import same_kernel
from harness.verdict import cost, limits
from harness.verdict.judge import overall

RULE = "what the programs discard to warm up; base and series are compared repetition by repetition at the same seed"


def run_bench(
    plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit, command: tuple[str, ...],
    publish: Callable[[RunResult], None],
) -> RunResult:  # fmt: skip
    """Price the plan's series; `publish` gets the result even when an error ends the run.

    Raises UserError, InfraError or Cancelled; what hits one kernel only leaves its metrics without a price.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    steps = BenchSteps(plan, directory=directory, processes=processes, cache=cache, emit=emit)

    watching: Watching | None = None
    sizing: Sizing | None = None

    def work() -> None:
        nonlocal watching, sizing
        steps.steps.graph.run()
        if plan.bench.where:
            watching = Watching(steps, report_of(steps, _all_counted(steps)))
        sizing = Sizing(steps, steps.steps.layout)
        steps.steps.graph.run()

    def account_for(error: HarnessError | None) -> RunResult:
        result = _account(steps, watching, sizing, error, started.date())
        history.save(cache.root / "times.json", result.steps)
        return replace(
            result, command=command, started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - clock, 3),
        )  # fmt: skip

    return published(work, account_for, publish, close=steps.close)


def _account(
    bench: BenchSteps, watching: Watching | None, sizing: Sizing | None, error: HarnessError | None, today: date
) -> RunResult:  # fmt: skip
    """What was found out; `watching` and `sizing` are None where it did not come to them."""
    steps, plan = bench.steps, bench.plan
    counted = _all_counted(bench)
    report = watching.report(steps.layout) if watching is not None else report_of(bench, counted)
    report = sizing.report(report) if sizing is not None else report
    tested = Side.SERIES if Side.SERIES in bench.sides else Side.BASE
    targets = samples.targets_of(bench.sides[tested]) if tested in bench.sides else ()
    standing = stand(
        host_suites_of(steps, None, error), targets, _baseline(bench) if tested is Side.SERIES else None,
        plan=plan, known=(), today=today,
    )  # fmt: skip
    per_patch, blames = patches.results(bench, report.patches, standing, today)
    targets = tuple(_with_prices(target, report, bench) for target in standing.targets)
    result = RunResult(
        version=__version__, command=(), started="", seconds=0.0, host=describe_host(),
        plan=plan.model_dump(mode="json"), tree=tree_of(steps), series=series_title(steps), patches=patches_of(steps),
        host_suites=standing.host_suites, targets=targets, steps=times_of(steps),
        notes=(*notes_of(steps), *standing.notes), outcome=Outcome.ERROR, message="", base=base_of(steps),
        baseline=standing.baseline, checkers=checkers_of(steps), per_patch=per_patch, blames=blames,
        cost=report,
    )  # fmt: skip
    outcome, message = overall(result.suites, strict=plan.strict)
    if error is not None:
        outcome, message = Outcome.ERROR, error.what
    elif report.void:
        outcome, message = Outcome.ERROR, f"void: {report.void}"
    return replace(result, outcome=outcome, message=message)


def report_of(bench: BenchSteps, counted: dict[Side, list[Counted]]) -> CostReport:
    """All that is said of costs."""
    plan = bench.plan
    found = _samples(bench.mode, counted)
    controls = _controls(bench.mode, counted, found)
    void = "" if bench.mode is Mode.RELATIVE else _void(controls)
    prices = limits.held(cost.prices(found, same_percent=plan.bench.same, void=void), plan.bench.limits)
    accels = sorted({boot.accel.value for one in counted[Side.BASE] for boot in one.result.boots})
    return CostReport(
        bench.mode, ", ".join(accels), void, RULE, bench.seeds, prices, tuple(controls), _kernels(bench), tuple(found),
        patches=patches.costs(bench, found, void),
    )  # fmt: skip


def _all_counted(bench: BenchSteps) -> dict[Side, list[Counted]]:
    return {side: _counted(bench, side) for side in Side}


def _counted(bench: BenchSteps, side: Side) -> list[Counted]:
    results = bench.sides[side].results if side in bench.sides else []
    return [Counted(side, seed, result) for _, seed, result in results]


def _samples(mode: Mode, counted: dict[Side, list[Counted]]) -> list[Samples]:
    return [
        one
        for side in Side
        for number, what in enumerate(counted[side], 1)
        for one in samples.of(what, mode, number)
    ]  # fmt: skip


def _controls(mode: Mode, counted: dict[Side, list[Counted]], found: Sequence[Samples]) -> list[Control]:
    if mode is Mode.EXACT:
        again = samples.again(counted[Side.BASE], counted[Side.AGAIN], found)
    else:
        again = samples.alike(found)
    return [*again, *samples.moved(found)]


def _void(controls: Sequence[Control]) -> str:
    """Why nothing counts: without the A/A control nobody knows whether anything was counted right."""
    again = [one for one in controls if one.side is Side.AGAIN]
    if not again:
        return "there is no A/A control"
    return "; ".join(f"A/A on {one.arch} {one.profile}: {one.words}" for one in again if not one.good)


def _kernels(bench: BenchSteps) -> tuple[Kernel, ...]:
    """Those that were counted on; the A/A control is on the base's."""
    found = []
    for side, counting in bench.sides.items():
        applied = done(counting.steps.applied)
        for target in counting.steps.targets if side is not Side.AGAIN else ():
            build, base = done(target.build), done(bench.sides[Side.BASE].steps.target(target.name).build)
            if applied is not None and build is not None:
                same = side is not Side.BASE and base is not None and same_kernel(build, base)
                found.append(Kernel(side, target.arch, target.profile.name, applied.commit, build.key, same))
    return tuple(found)


def _baseline(bench: BenchSteps) -> Baseline | None:
    base = bench.sides.get(Side.BASE)
    applied = done(base.steps.applied) if base is not None else None
    if base is None or applied is None:
        return None
    return Baseline(applied.commit, applied.tree_id, samples.targets_of(base), ())


def _with_prices(target: TargetResult, report: CostReport, bench: BenchSteps) -> TargetResult:
    prices: list[Price] = [
        price for price in report.prices if (price.arch, price.profile) == (target.arch, target.profile)
    ]
    cases = limits.cases(prices, bench.plan.bench.limits, report.void)
    if not cases:
        return target
    return replace(
        target, suites=(*target.suites, SuiteResult(limits.SUITE, target.arch, target.profile, cases))
    )  # fmt: skip

"""What guests printed as samples, and the controls that say whether they can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.costs import Control, Mode, Repetition, Samples, Side
from harness.model import Boot, Case, Exact, Outcome, SuiteResult, TargetResult
from harness.run.bench.steps import Counting
from harness.run.exact import unseeded
from harness.run.outcomes import target_result
from harness.suites import samples as printed
from harness.verdict import cost
from harness.verdict.amounts import number
from harness.verdict.groups import differences, grouped, identical, pairs

_COUNTERS = "events"  # the unit of what is counted beside a cost


@dataclass(frozen=True, slots=True)
class Counted:
    """What a kernel gave at a seed."""

    side: Side
    seed: int
    result: TargetResult

    @property
    def boot(self) -> Boot | None:
        """The one guest that did it all; None where there was none, or several: a second one has another history."""
        return self.result.boots[0] if len(self.result.boots) == 1 else None


def of(counted: Counted, mode: Mode, number: int) -> list[Samples]:
    """The samples of all cases that passed; `number` is the boot's, from 1."""
    boot = counted.boot
    if boot is None:
        return []
    cases = [case for suite in counted.result.suites for case in suite.cases if case.outcome is Outcome.PASS]
    return [one for case in cases for one in _of_case(case, counted, boot, mode, number)]


def _of_case(case: Case, counted: Counted, boot: Boot, mode: Mode, number: int) -> list[Samples]:
    name = f"{case.suite}.{unseeded(case.name)}"
    beside = {metric.name: int(metric.value) for metric in case.metrics if metric.unit == _COUNTERS}
    try:
        found = printed.parse(case.detail)
    except ValueError:
        return []
    return [
        Samples(
            metric=f"{name}.{one.name}" if one.name else name, operation=one.operation, arch=counted.result.arch,
            profile=counted.result.profile, side=counted.side, mode=mode, accel=boot.accel, cpus=boot.smp, boot=number,
            seed=counted.seed, repetitions=one.repetitions, counters=beside,
        )
        for one in found
    ]  # fmt: skip


def repetitions_of(suites: Sequence[SuiteResult], metric: str) -> tuple[Repetition, ...]:
    """What the results of one guest have of a metric; nothing where its case did not pass."""
    for suite in suites:
        for case in (case for case in suite.cases if case.outcome is Outcome.PASS):
            name = f"{suite.suite}.{unseeded(case.name)}"
            if metric != name and not metric.startswith(f"{name}."):
                continue
            try:
                found = printed.parse(case.detail)
            except ValueError:
                continue
            for one in found:
                if metric == (f"{name}.{one.name}" if one.name else name):
                    return one.repetitions
    return ()


def targets_of(counting: Counting) -> tuple[TargetResult, ...]:
    """Each target of a tree with what it came to at all seeds; one that nothing was counted on with its build alone."""
    found = []
    for target in counting.steps.targets:
        results = [result for of, _, result in counting.results if of is target]
        found.append(merged(results) if results else target_result(target))
    return tuple(found)


def merged(results: Sequence[TargetResult]) -> TargetResult:
    """What one target came to at all of its seeds.  What is said of its kernel at each is said once."""
    first = results[0]
    suites: dict[str, dict[str, Case]] = {}
    for result in results:
        for suite in result.suites:
            suites.setdefault(suite.suite, {}).update({case.name: case for case in suite.cases})
    exact = [result.exact for result in results if result.exact is not None]
    return TargetResult(
        arch=first.arch, profile=first.profile, build=first.build, rootfs=first.rootfs,
        boots=tuple(boot for result in results for boot in result.boots),
        suites=tuple(
            SuiteResult(name, first.arch, first.profile, (*cases.values(),), sum(one.seconds for one in cases.values()))
            for name, cases in suites.items()
        ),
        infra=tuple(what for result in results for what in result.infra),
        exact=_together(exact) if exact else None,
    )  # fmt: skip


def _together(exact: Sequence[Exact]) -> Exact:
    return Exact(
        tuple(seed for one in exact for seed in one.seeds), sum(one.aborts for one in exact),
        sum(one.retries for one in exact), sum(one.misses for one in exact),
        tuple(proof for one in exact for proof in one.proofs),
    )  # fmt: skip


# --- controls -------------------------------------------------------------------------------------------------


def again(first: Sequence[Counted], second: Sequence[Counted], samples: Sequence[Samples]) -> list[Control]:
    """The A/A control of each target: the same kernel at the same seed must be the same run, to the last digit."""
    found = []
    for arch, profile in dict.fromkeys((one.result.arch, one.result.profile) for one in second):
        there = {one.seed: one for one in first if (one.result.arch, one.result.profile) == (arch, profile)}
        here = [one for one in second if (one.result.arch, one.result.profile) == (arch, profile)]
        apart = [one.seed for one in here if not _same_run(there.get(one.seed), one)]
        groups = [one for one in grouped(samples) if (one.first.arch, one.first.profile) == (arch, profile)]
        differing, worst, metric, compared = 0, 0.0, "", 0
        for group in groups:
            for before, after in pairs(group.base, group.again):
                compared += 1
                differing += not identical(before, after)
                most = max((abs(value) for value in differences(before, after)), default=0.0)
                if most > worst:
                    worst, metric = most, group.first.metric
        good = bool(compared) and not differing and not apart
        if good:
            words = f"{compared} of {compared} metrics the same to the last digit, the consoles bit for bit"
        elif not compared:
            words = "nothing could be compared"
        else:
            seeds = f", and the console at seed {', '.join(map(str, apart))} is another" if apart else ""
            words = f"{differing} of {compared} metrics differ between two boots of the same kernel{seeds}"
        found.append(Control(Side.AGAIN, arch, profile, compared, worst, metric, good, words))
    return found


def _same_run(before: Counted | None, after: Counted) -> bool:
    one, two = before.boot if before is not None else None, after.boot
    return one is not None and two is not None and one.exact_sha256 == two.exact_sha256


def moved(samples: Sequence[Samples]) -> list[Control]:
    """The control of each target for mere movement of code: the largest shift that it makes."""
    by_target: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for group in grouped(samples):
        for pair in pairs(group.base, group.moved):
            shift = abs(cost.shift_of(*pair).shift)
            by_target.setdefault((group.first.arch, group.first.profile), []).append((shift, group.first.metric))
    found = []
    for (arch, profile), shifts in by_target.items():
        worst, metric = max(shifts)
        words = f"{len(shifts)} comparisons, the largest shift {number(worst)} ({metric})"
        found.append(Control(Side.MOVED, arch, profile, len(shifts), worst, metric, True, words))
    return found


def alike(samples: Sequence[Samples]) -> list[Control]:
    """The A/A control of each target where time is taken: the two boots of a pair may differ, but not on the whole."""
    found = []
    groups = [group for group in grouped(samples) if pairs(group.base, group.again)]
    for arch, profile in dict.fromkeys((group.first.arch, group.first.profile) for group in groups):
        here = [group for group in groups if (group.first.arch, group.first.profile) == (arch, profile)]
        shifts = [cost.estimate(pairs(group.base, group.again)) for group in here]
        doubts = cost.holm([shift.p for shift in shifts])
        apart = sum(p < 1 - cost.CONFIDENCE for p in doubts)
        worst, metric = max((abs(shift.value), group.first.metric) for shift, group in zip(shifts, here, strict=True))
        words = f"{len(here) - apart} of {len(here)} metrics alike, the largest shift {number(worst)} ns ({metric})"
        found.append(Control(Side.AGAIN, arch, profile, len(here), worst, metric, not apart, words))
    return found

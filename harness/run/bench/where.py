"""Where the change of a metric went: the guests that were priced, once more, with every instruction counted.

Base and series of a target are booted at one seed with the very job list that was priced, and watched by a plugin of
QEMU.  That they are the guests that were priced is proven by their consoles, bit for bit; all metrics that changed on
the target come from the same two boots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.costs import Attribution, CostReport, Mode, Price, Profile, Samples, Side, unit_of
from harness.errors import InfraError
from harness.guest.counting import Counting, build_plugin, entries_of, read_counts
from harness.guest.qemu import find_program
from harness.host.elf import NotElf
from harness.host.symbols import Symbols, read_symbols
from harness.model import Outcome, TargetResult
from harness.report.files import Layout, write_atomic
from harness.report.flame import difference, folded
from harness.run.bench.plan import PRICED
from harness.run.bench.steps import BenchSteps
from harness.run.exact import job_list
from harness.run.graph import Node, Report
from harness.run.outcomes import done
from harness.run.targets import Target
from harness.run.tasks import Task
from harness.verdict.attribution import both, function_shifts

_SIDES = (Side.BASE, Side.SERIES)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a kernel executed at a seed, by metric."""

    profiles: dict[str, Profile]


class Watching:
    """The steps that attribute what changed; they are worked through by the graph that priced."""

    def __init__(self, bench: BenchSteps, report: CostReport) -> None:
        self._bench = bench
        self._report = report
        self._nodes: dict[tuple[str, Side], Node[Watched]] = {}
        for target in dict.fromkeys(price.target for price in self._changed):
            for side in _SIDES:
                self._add(target, side)

    @property
    def _changed(self) -> tuple[Price, ...]:
        """What is worth it: only an exact guest is the same again."""
        return self._report.changed if self._report.mode is Mode.EXACT and not self._report.void else ()

    def _seed(self, target: str) -> int:
        """The seed at which most of what changed was counted on both sides, the first of several."""
        counted = [one.seed for price in self._changed if price.target == target for one in price.seeds]
        return max(self._bench.seeds, key=counted.count)

    def _add(self, name: str, side: Side) -> None:
        steps, seed = self._bench.sides[side].steps, self._seed(name)
        target = steps.target(name)
        counted: Node[TargetResult] = self._bench.sides[side].counted[name, seed]

        def watch(report: Report) -> Watched:
            return self._watch(target, side, seed, counted.value, report)

        needs: list[Node[Any]] = [counted]
        self._nodes[name, side] = steps.add(f"where {name} seed {seed}", watch, needs=needs, uses="guest")

    # --- a guest ----------------------------------------------------------------------------------------------

    def _watch(self, target: Target, side: Side, seed: int, counted: TargetResult, report: Report) -> Watched:
        bench = self._bench
        tasks = [task for task in bench.tasks(side, target, seed) if not task.skip]
        tester, layout = bench.sides[side].steps.tester, bench.sides[side].steps.layout
        symbols = _symbols_of(target)
        qemu = find_program(target.arch)
        output = bench.scratch("where") / "counts"
        counting = Counting(
            build_plugin(qemu, processes=tester.processes, cache=tester.cache), entries_of(target.arch, symbols), output
        )
        console = layout.watched_console(target.arch, target.profile.name, seed)
        guest = tester.guest(
            target, 1, report.say, seed=seed, jobs=job_list(tasks), console=console, counting=counting
        )  # fmt: skip
        with guest:
            boot = guest.boot()
        if boot.outcome is not Outcome.PASS:
            raise InfraError(f"{target.name} could not be watched: {boot.message}")
        if boot.exact_sha256 != counted.boots[0].exact_sha256:
            raise InfraError(
                f"{target.name} at seed {seed}: the guest that was watched is not the run that was priced",
                fix=f"compare {console} with {counted.boots[0].console}",
            )
        profiles = _by_metric(tasks, read_counts(output, symbols), self._samples(target, side, seed))
        output.unlink()
        whole = sum(one.instructions for one in profiles.values())
        report.text = f"{whole:,} instructions have an address; the same run, bit for bit"
        return Watched(profiles)

    def _samples(self, target: Target, side: Side, seed: int) -> list[Samples]:
        wanted = (target.arch, target.profile.name, side, seed)
        return [one for one in self._report.samples if (one.arch, one.profile, one.side, one.seed) == wanted]

    # --- what they say ----------------------------------------------------------------------------------------

    def report(self, layout: Layout) -> CostReport:
        """The same report with what was found out; where it could not be, a note says why."""
        found, notes = [], []
        for price in self._changed:
            watched = [done(self._nodes[price.target, side]) for side in _SIDES]
            base, series = (one.profiles.get(price.metric) if one is not None else None for one in watched)
            if None in watched:
                errors = [self._nodes[price.target, side].error for side in _SIDES]
                notes += [f"where {price.target}: {error.what}" for error in errors if error is not None]
            elif self._seed(price.target) not in [one.seed for one in price.seeds]:
                notes.append(f"where {price.metric}: it was not counted at seed {self._seed(price.target)}")
            elif base is None or series is None:
                notes.append(f"where {price.metric}: its program does not mark what it times")
            else:
                found.append(self._attribution(price, base, series, layout))
        return replace(
            self._report, where=tuple(found), notes=(*self._report.notes, *dict.fromkeys(notes))
        )  # fmt: skip

    def _attribution(self, price: Price, base: Profile, series: Profile, layout: Layout) -> Attribution:
        seed = self._seed(price.target)
        samples = [self._of_metric(price, side, seed) for side in _SIDES]
        operations = _operations(samples[0]), _operations(samples[1])
        functions, same = function_shifts(base, series, operations)
        stacks = both(base, series)
        flame = layout.flame(price.arch, price.profile, price.metric)
        title = f"{price.metric}, {price.target}, seed {seed}"
        write_atomic(flame, difference(title, unit_of(Mode.EXACT, price.operation), stacks, operations).encode())
        lines = layout.stacks(price.arch, price.profile, price.metric)
        write_atomic(lines, folded(stacks).encode())
        return Attribution(
            metric=price.metric, operation=price.operation, arch=price.arch, profile=price.profile, seed=seed,
            operations=operations[0], base=base.instructions / operations[0],
            series=series.instructions / operations[1], functions=functions, same=same,
            proof=proof((base, series), samples), flame=flame, stacks=lines,
        )  # fmt: skip

    def _of_metric(self, price: Price, side: Side, seed: int) -> Samples:
        wanted = (price.metric, price.arch, price.profile, side, seed)
        return next(
            one for one in self._report.samples if (one.metric, one.arch, one.profile, one.side, one.seed) == wanted
        )


def proof(profiles: Sequence[Profile], samples: Sequence[Samples]) -> str:
    """How far what was counted is what was priced, repetition by repetition."""
    apart = [
        abs(repetition.cost - counted)
        for profile, sample in zip(profiles, samples, strict=True)
        for repetition, counted in zip(sample.repetitions, profile.repetitions, strict=False)
    ]
    counts = [(len(one.repetitions), len(other.repetitions)) for one, other in zip(profiles, samples, strict=True)]
    words = "the guests that were priced, bit for bit"
    if any(one != other for one, other in counts) or not apart:
        return f"{words}; the repetitions cannot be told apart"
    return f"{words}; each of {len(apart)} repetitions within {max(apart):,} instructions of what the guest measured"


def _operations(samples: Samples) -> int:
    return sum(one.operations for one in samples.repetitions)


def _symbols_of(target: Target) -> Symbols:
    assert target.build is not None
    build = target.build.value
    if build.vmlinux is None:
        raise InfraError(f"{target.name}: there is no vmlinux to tell functions by")
    try:
        return read_symbols(build.vmlinux)
    except (NotElf, OSError) as error:
        raise InfraError(f"{target.name}: the functions of the kernel cannot be read", detail=str(error)) from error


def _by_metric(
    tasks: Sequence[Task], cases: Sequence[dict[int, Profile]], samples: Sequence[Samples]
) -> dict[str, Profile]:
    """The profiles by metric: a command marks its case once, and times the metrics that it prints in their order."""
    tasks = [task for task in tasks if task.suite.name in PRICED]
    if len(cases) != len(tasks):
        raise InfraError(f"{len(cases)} of {len(tasks)} commands mark what they time")
    found = {}
    for task, lanes in zip(tasks, cases, strict=True):
        name = f"{task.suite.name}.{task.command.name}"
        metrics = [one.metric for one in samples if one.metric == name or one.metric.startswith(f"{name}.")]
        found.update({metric: lanes[lane] for lane, metric in enumerate(metrics) if lane in lanes})
    return found

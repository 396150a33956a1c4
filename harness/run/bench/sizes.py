"""What base and series take: code by function, and what their guests measured, on each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.costs import CostReport, Side, Sizes
from harness.errors import InfraError
from harness.host.elf import NotElf
from harness.host.symbols import Symbols, read_symbols
from harness.kernel.bloat import bloat
from harness.kernel.structures import structures
from harness.model import Build, Metric, Outcome, TargetResult
from harness.report.files import Layout, write_atomic
from harness.run.bench.steps import BenchSteps
from harness.run.graph import Node, Report
from harness.run.outcomes import done
from harness.suites import sizes as suite
from harness.verdict.sizes import measures, text_sizes

_SUITE = suite.SizesSuite().name


class Sizing:
    """The steps that hold the kernels of each target against each other; worked through by the graph that priced."""

    def __init__(self, bench: BenchSteps, layout: Layout) -> None:
        self._bench = bench
        self._layout = layout
        self._nodes: list[Node[Sizes]] = []
        if Side.SERIES in bench.sides:
            for target in bench.steps.targets:
                self._add(target.name)

    def _add(self, name: str) -> None:
        sides = [self._bench.sides[side].steps.target(name) for side in (Side.BASE, Side.SERIES)]
        builds = [done(side.build) for side in sides]

        def compare(report: Report) -> Sizes:
            base, series = builds
            assert base is not None
            assert series is not None
            return self._compare(name, base, series, report)

        if all(build is not None and build.vmlinux is not None for build in builds):
            self._nodes.append(self._bench.steps.add(f"sizes {name}", compare))

    def _compare(self, name: str, base: Build, series: Build, report: Report) -> Sizes:
        text = text_sizes(_symbols(base), _symbols(series))
        found = Sizes(series.arch, series.profile, text)
        if text.functions:
            found = replace(found, bloat=self._bloat(base, series))
        found = self._with_structures(found, base, series)
        metrics = [self._metrics(side, name) for side in (Side.BASE, Side.SERIES)]
        report.text = f"code {text.series - text.base:+,} bytes"
        return replace(found, measures=measures(*metrics)) if all(metrics) else found

    def _with_structures(self, found: Sizes, base: Build, series: Build) -> Sizes:
        """The structures of both kernels, or of none: one alone would be a change that is none."""
        tester = self._bench.sides[Side.SERIES].steps.tester
        tools: dict[str, Any] = {"processes": tester.processes, "cache": tester.cache, "sandbox": tester.sandbox}
        before = structures(base, **tools)
        after = structures(series, **tools) if before.found else before
        if not (before.found and after.found):
            return replace(found, unknown=before.reason or after.reason)
        return replace(found, before=before.found, after=after.found)

    def _bloat(self, base: Build, series: Build) -> Path | None:
        steps = self._bench.sides[Side.SERIES].steps
        tester = steps.tester
        said = bloat(
            steps.applied.value, base, series, processes=tester.processes, cache=tester.cache, sandbox=tester.sandbox
        )
        if not said:
            return None
        path = self._layout.bloat(series.arch, series.profile)
        write_atomic(path, said.encode())
        return path

    def _metrics(self, side: Side, name: str) -> Sequence[Metric]:
        """What the guest of a side measured, at the first seed at which it did."""
        for target, _, result in self._bench.sides[side].results:
            found = _measured(result) if target.name == name else ()
            if found:
                return found
        return ()

    def report(self, report: CostReport) -> CostReport:
        """The same report with the sizes; a target that has none says why in a note."""
        found = [done(node) for node in self._nodes]
        notes = [f"{node.name}: {node.error.what}" for node in self._nodes if node.error is not None]
        return replace(
            report, sizes=tuple(one for one in found if one is not None), notes=(*report.notes, *notes)
        )  # fmt: skip


def _measured(result: TargetResult) -> Sequence[Metric]:
    cases = [case for one in result.suites if one.suite == _SUITE for case in one.cases]
    return next((case.metrics for case in cases if case.outcome is Outcome.PASS), ())


def _symbols(build: Build) -> Symbols:
    assert build.vmlinux is not None
    try:
        return read_symbols(build.vmlinux)
    except (NotElf, OSError) as error:
        raise InfraError(f"{build.arch} {build.profile}: the functions cannot be read", detail=str(error)) from error

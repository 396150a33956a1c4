"""Reads what our guest programs print: KTAP version 1 with metric lines.  Says what was read, judges nothing.

Grammar, one line each; other lines are diagnostics, and foreign lines may stand between ours::

    KTAP version 1
    1..COUNT
    # metric NAME VALUE UNIT COUNT          belongs to the next result
    # samples NAME TOTAL/COUNT ...          of a metric before it that is a mean: of each repetition
    # samples NAME TOTAL ...                of one that is a sum
    ok NUMBER - NAME
    ok NUMBER - NAME # SKIP REASON
    not ok NUMBER - NAME # REASON
    Bail out! REASON                        the program cannot go on

Source: Documentation/dev-tools/ktap.rst of the kernel; metrics, samples and `Bail out!` (from TAP) are ours.
A line that begins like one of these and does not match is a defect, and a report with defects proves nothing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from harness.model import Metric

_HEADER = "KTAP version 1"
_PLAN = re.compile(r"1\.\.(\d{1,6})")
_METRIC = re.compile(r"# metric (\S+) (\d+(?:\.\d+)?) (\S+) (\d{1,20})")
_SAMPLES = re.compile(r"# samples (\S+)((?: \d{1,20}/\d{1,20})+|(?: \d{1,20})+)")
_RESULT = re.compile(r"(not ok|ok) (\d{1,6}) - (\S+)(?: # (.+))?")
_BAIL = re.compile(r"Bail out!\s*(.*)")
_OURS = ("KTAP ", "1..", "# metric ", "# samples ", "ok ", "not ok ")

_ROUNDING = 0.00051
"""Metrics are printed with three decimals."""


@dataclass(frozen=True, slots=True)
class Result:
    """One result line, with the metrics that stood before it."""

    name: str
    good: bool
    skipped: bool
    reason: str
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole output; `defects` say where it is not what its grammar allows."""

    started: bool  # the header was seen
    results: tuple[Result, ...]
    defects: tuple[str, ...]
    bail_out: str | None  # the program's reason for giving up; None if it did not


class _Reader:
    """The state between lines."""

    def __init__(self) -> None:
        self.headers = 0
        self.plan: int | None = None
        self.results: list[Result] = []
        self.metrics: list[Metric] = []
        self.defects: list[str] = []
        self.bail_out: str | None = None

    def line(self, text: str) -> None:
        if text == _HEADER:
            self.headers += 1
        elif match := _PLAN.fullmatch(text):
            self._plan(int(match[1]))
        elif match := _METRIC.fullmatch(text):
            self._metric(match[1], float(match[2]), match[3], int(match[4]))
        elif match := _SAMPLES.fullmatch(text):
            self._samples(match[1], [tuple(map(int, one.split("/"))) for one in match[2].split()])
        elif match := _RESULT.fullmatch(text):
            self._result(match[1] == "ok", int(match[2]), match[3], match[4] or "")
        elif match := _BAIL.fullmatch(text):
            self.bail_out = match[1] or "no reason given"
        elif text.startswith(_OURS):
            self.defects.append(f"malformed line {text[:80]!r}")

    def _plan(self, count: int) -> None:
        if self.plan is not None:
            self.defects.append("two plans")
        elif self.results:
            self.defects.append("the plan comes after a result")
        self.plan = count

    def _metric(self, name: str, value: float, unit: str, count: int) -> None:
        if not math.isfinite(value) or count == 0:
            self.defects.append(f"metric {name} is {value} over {count} operations")
        elif any(metric.name == name for metric in self.metrics):
            self.defects.append(f"metric {name} comes twice")
        else:
            self.metrics.append(Metric(name, value, unit, count))

    def _samples(self, name: str, parts: list[tuple[int, ...]]) -> None:
        """Totals, or totals and counts, of repetitions: the metric's value must follow from them."""
        index = next((at for at, metric in enumerate(self.metrics) if metric.name == name), None)
        if index is None:
            self.defects.append(f"samples of {name}, which is no metric before them")
            return
        metric = self.metrics[index]
        counts = [part[1] for part in parts if len(part) > 1]
        if 0 in counts:
            self.defects.append(f"a sample of {name} is over 0 operations")
            return
        value = sum(part[0] for part in parts) / (sum(counts) or 1)
        if metric.samples:
            self.defects.append(f"samples of {name} come twice")
        elif not math.isclose(value, metric.value, rel_tol=1e-12, abs_tol=_ROUNDING):
            self.defects.append(f"metric {name} is {metric.value}, and its samples make {value:.3f}")
        samples = tuple(part[0] / part[1] if len(part) > 1 else float(part[0]) for part in parts)
        self.metrics[index] = replace(metric, samples=samples)

    def _result(self, ok: bool, number: int, name: str, directive: str) -> None:
        if number != len(self.results) + 1:
            self.defects.append(f"result {number} ({name}) comes as number {len(self.results) + 1}")
        word, _, rest = directive.partition(" ")
        skipped = ok and word.upper() == "SKIP"
        if ok and directive and not skipped:
            self.defects.append(f"result {number} ({name}) is ok with the unknown directive {word}")
        reason = rest if skipped else directive
        self.results.append(Result(name, ok, skipped, reason.strip(), tuple(self.metrics)))
        self.metrics = []


def parse(text: str) -> Report:
    """Read an output, whole or cut off anywhere; never raises."""
    reader = _Reader()
    # Only newlines end a line: splitlines() would also cut at form feeds and the like within a reason.
    for line in text.split("\n"):
        reader.line(line.rstrip("\r"))
    started = reader.headers > 0
    defects = list(reader.defects)
    if reader.headers > 1:
        defects.append("two headers")
    if reader.results and not started:
        defects.append(f"no {_HEADER!r} line")
    if started and reader.plan is None:
        defects.append("no plan")
    if reader.plan is not None and len(reader.results) > reader.plan:
        defects.append(f"{len(reader.results)} results for a plan of {reader.plan}")
    return Report(started, tuple(reader.results), tuple(defects), reader.bail_out)

"""RunResult -> metrics.txt and metrics.csv: the few numbers that CI servers keep from run to run.

metrics.txt is OpenMetrics text as GitLab's `artifacts:reports:metrics` reads it: a line is cut at `#`, split like a
shell's, the first word is the name and the second the value.  So labels hold neither blanks nor `#`.  GitLab compares
values as text with those of the target branch: no more digits are written than mean something.  metrics.csv is what
Jenkins' plot plugin draws: a row of names, a row of numbers.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.costs import CostReport, Mode, Price
from harness.model import Outcome, RunResult
from harness.report.text import one_line

_UNFIT = re.compile(r"[^A-Za-z0-9_.:@/+-]+")


@dataclass(frozen=True, slots=True)
class _Number:
    """A value with the labels that tell it from others of its family."""

    family: str
    labels: tuple[tuple[str, str], ...]
    value: str

    @property
    def column(self) -> str:
        """`cost x86_64.release.faults.anon.1`."""
        return " ".join([self.family, ".".join(value for _, value in self.labels)]).rstrip()


_FAMILIES = {
    "failures": "Cases that fail the run.",
    "beyond_limit": "Metrics that are beyond a limit of the plan.",
    "void": "1: the prices of this run do not count.",
    "cases": "Cases by outcome.",
    "cost_instructions": "Instructions of an operation, with the series.",
    "cost_ns": "Nanoseconds of an operation, with the series.",
    "change_instructions": "Instructions of an operation, the series against its base.",
    "change_ns": "Nanoseconds of an operation, the series against its base.",
    "seconds": "How long the run took.",
}


def openmetrics(result: RunResult) -> str:
    """The numbers of a run in the text format of OpenMetrics 1.0, all of them gauges."""
    numbers = list(_numbers(result))
    lines = []
    for family, words in _FAMILIES.items():
        here = [number for number in numbers if number.family == family]
        if not here:
            continue
        name = f"vmaharness_{family}"
        unit = next((unit for unit in ("instructions", "ns", "seconds") if family.endswith(unit)), "")
        lines += [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {words}"]
        for number in here:
            labels = ",".join(f'{key}="{value}"' for key, value in number.labels)
            lines.append(f"{name}{f'{{{labels}}}' if labels else ''} {number.value}")
    return "\n".join([*lines, "# EOF", ""])


def table(result: RunResult) -> str:
    """The numbers of a run as CSV: names, then values."""
    numbers = list(_numbers(result))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([number.column for number in numbers])
    writer.writerow([number.value for number in numbers])
    return out.getvalue()


def _numbers(result: RunResult) -> Iterator[_Number]:
    cases = [case for suite in result.suites for case in suite.cases]
    yield _Number("failures", (), str(sum(case.fails or case.outcome is Outcome.ERROR for case in cases)))
    if result.cost is not None:
        yield from _costs(result.cost)
    for outcome, number in sorted(Counter(case.outcome for case in cases).items()):
        yield _Number("cases", (("outcome", _label(outcome.value)),), str(number))
    yield _Number("seconds", (), f"{result.seconds:.0f}")


def _costs(report: CostReport) -> Iterator[_Number]:
    """What a void run counted is not among them."""
    yield _Number("beyond_limit", (), str(len(report.exceeded)))
    yield _Number("void", (), str(int(bool(report.void))))
    if report.void:
        return
    for price in report.prices:
        labels = (("arch", _label(price.arch)), ("profile", _label(price.profile)), ("metric", _label(price.metric)))
        yield _Number(f"cost_{price.mode.unit}", labels, _cost(price))
        if price.series is not None:
            yield _Number(f"change_{price.mode.unit}", labels, _digits(price.shift, price.mode))


def _cost(price: Price) -> str:
    return _digits(price.base if price.series is None else price.series, price.mode)


def _digits(value: float, mode: Mode) -> str:
    """A tenth of an instruction where they are counted; three digits of what a clock said."""
    text = f"{value:.1f}" if mode is Mode.EXACT else f"{float(f'{value:.3g}'):.10g}"
    return "0" if float(text) == 0 else text  # no -0.0


def _label(text: str) -> str:
    return _UNFIT.sub("_", one_line(text))

"""A cost as something that fails: a tree whose operation costs more than the base's at the same seed, by a limit.

The base's costs are in the log of the search; a case that is slower fails, and the search takes it like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from harness.arch import host_arch
from harness.costs import Limit, Mode, Repetition
from harness.errors import UserError
from harness.model import Case, Outcome, Rung, Sought, SuiteResult
from harness.plan.model import Plan
from harness.plan.values import parse_limit
from harness.run.bench.plan import PRICED, checked
from harness.run.bench.samples import repetitions_of
from harness.run.bisect.log import Log
from harness.verdict.amounts import number
from harness.verdict.bisect import arches_first, plain

_BASE = "00-"  # begins the name of the base's probe


def planned(plan: Plan, metric: str, slower: str) -> Plan:
    """The plan of a search for what made a metric slower: in exact guests, of one architecture.  Raises UserError."""
    limit_of(metric, slower)
    suite, _, case = metric.partition(".")
    if suite not in PRICED or not case:
        raise UserError(
            f"--metric {metric}: no such metric", fix=f"give one as bench shows them; suites: {', '.join(PRICED)}"
        )
    if plan.bench.mode != Mode.EXACT.value:
        raise UserError("costs are searched by in exact guests alone", fix="leave --mode out")
    arch = arches_first(plan.arch, host_arch())[0]
    return checked(plan.model_copy(update={"arch": (arch,), "suites": (suite,), "cases": (f"{suite}.*",)}))


def limit_of(metric: str, slower: str) -> Limit:
    """What is too slow: `0.2%`, or `5` instructions.  Raises UserError."""
    try:
        return parse_limit(f"{metric}: slower > {slower}")
    except ValueError as error:
        raise UserError(
            f"--slower {slower}: not an amount", fix="give per cent, such as 0.2%, or instructions, such as 5"
        ) from error


class Pricing:
    """What the base costs, and what is said of all others."""

    def __init__(self, metric: str, slower: str, log: Log) -> None:
        self._metric, self._limit, self._log = metric, limit_of(metric, slower), log

    def sought(self, arch: str, profile: str, cases: Sequence[str]) -> Sought:
        """The metric's case, of those that there are, as a failure.  Raises UserError."""
        suite, _, rest = self._metric.partition(".")
        case = max((name for name in cases if rest == name or rest.startswith(f"{name}.")), key=len, default="")
        if not case:
            raise UserError(
                f"--metric {self._metric}: the suite {suite} has no such case", fix=f"cases: {', '.join(cases)}"
            )
        return Sought(
            Rung.GUEST,
            arch,
            profile,
            suite,
            case,
            f"{self._metric}: slower than the base by {self._limit.text.rpartition('> ')[2]}",
        )

    def judged(self, suites: Sequence[SuiteResult], probe: str, seed: int) -> tuple[SuiteResult, ...]:
        """The results of a tree at a seed, in which the case fails if it is too slow; of the base they are noted."""
        found = repetitions_of(suites, self._metric)
        name = f"cost {self._metric} seed {seed}"
        if probe.startswith(_BASE) and found:
            self._log.once(name, lambda: {"costs": [[one.cost, one.operations] for one in found]})
        step = self._log.find(name)
        if not found or step is None:
            return tuple(suites)
        base = [Repetition(*pair) for pair in step["costs"]]
        shift = median(two.each - one.each for one, two in zip(base, found, strict=False))
        cost = median(one.each for one in base)
        most = self._limit.most * cost / 100 if self._limit.in_percent else self._limit.most
        words = (
            f"{number(shift, signed=True)} instructions ({100 * shift / cost:+.3f} %) of {number(cost)} at seed {seed}"
        )
        return tuple(
            replace(suite, cases=tuple(self._case(case, suite, shift > most, words) for case in suite.cases))
            for suite in suites
        )

    def _case(self, case: Case, suite: SuiteResult, is_slow: bool, words: str) -> Case:
        name = f"{suite.suite}.{plain(case.name)}"
        if case.outcome is not Outcome.PASS or not (self._metric == name or self._metric.startswith(f"{name}.")):
            return case
        return replace(case, outcome=Outcome.FAIL if is_slow else Outcome.PASS, message=words, detail="")

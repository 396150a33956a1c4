"""A trial of a tree: what is asked, what it gave, and the steps that it takes in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.errors import InfraError
from harness.model import AppliedTree, Outcome, Rung, SuiteResult, TargetResult
from harness.run.graph import Node
from harness.run.outcomes import done
from harness.run.tasks import wanted


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one tree."""

    name: str  # of the directory of the tree's results
    make: Callable[[], AppliedTree]
    rung: Rung
    target: str = ""  # "x86_64 lockdep"
    suites: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()  # globs
    number: int = 1  # of the run
    seed: int = 0  # of an exact guest
    command: str = ""
    part: str = "run"  # begins the names of what the runs leave
    said: tuple[str, ...] = ()  # fingerprints, or as --finding names them: where the kernel says it, a guest may end


@dataclass(frozen=True, slots=True)
class Given:
    """What a trial gave; `unfit` says why the tree cannot be tried at all."""

    suites: tuple[SuiteResult, ...] = ()
    boots: int = 0
    unfit: str = ""
    error: InfraError | None = None


Finished = Callable[[Trial, Given], None]
"""Told of each trial that has ended, at once, from any thread."""


@dataclass(slots=True)
class End:
    """The nodes of a trial, in order; the last that was added by `add` gives what it came to."""

    tell: Callable[[Given], Given]
    nodes: list[Node[Any]]
    last: Node[Given] | None = None

    def add(self, node: Node[Given]) -> None:
        self.nodes.append(node)
        self.last = node

    def given(self) -> Given:
        """What the trial came to, none of its steps having failed."""
        return done(self.last) or Given(error=InfraError("it was not come to"))


def tells(result: TargetResult, trial: Trial) -> bool:
    """Whether an earlier result has an answer to what a trial asks."""
    if result.build is not None and result.build.outcome is not Outcome.PASS:
        return True
    cases = [case for suite in result.suites for case in suite.cases if wanted(trial.cases, suite.suite, case.name)]
    return (
        trial.number == 1
        and not trial.seed
        and bool(cases)
        and all(case.outcome is Outcome.PASS or case.outcome.blames_kernel for case in cases)
    )


def dash(number: int) -> str:
    return "" if number == 1 else f"-{number}"

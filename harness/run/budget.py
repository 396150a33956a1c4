"""A run that is given so much time: what is begun first, and when nothing more is.

The order is that of the quickest answers: a step's own time and that of the quickest step that waits for it alone, as
they were measured before.  Kernels of trees that follow each other through one work copy keep their order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from harness.events import Outlook
from harness.run.estimate import outlook
from harness.run.graph import Node, Report
from harness.run.history import History
from harness.verdict.judge import LEFT_OUT


class Account(Protocol):
    """Whoever keeps account of the steps of a run."""

    def same(self, name: str, identity: str) -> None:
        """A step is made of this.  What it raises is the step's error."""
        ...

    def done(self, node: Node[Any], report: Report) -> None:
        """A step has done its work."""
        ...


class Budget:
    """Seconds in which new work may be begun; None: as many as it takes."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._began = clock()

    def spent(self) -> str:
        """Why nothing more is to be begun; "" while there is time."""
        if self.seconds is None or self._clock() - self._began < self.seconds:
            return ""
        return f"{LEFT_OUT}: the budget of {self.words} is used up"

    @property
    def words(self) -> str:
        """`20 min`, `90 s`."""
        seconds = self.seconds or 0.0
        return f"{seconds / 60:g} min" if seconds >= 60 and not seconds % 60 else f"{seconds:g} s"


class Advice:
    """What a run's graph is told: what `harness.run.graph.Advice` asks for."""

    def __init__(self, history: History, budget: Budget, account: Account | None = None) -> None:
        self.history = history
        self.budget = budget
        self.in_order: frozenset[str] = frozenset()  # resources whose steps keep the order in which they were added
        self._account = account

    def last_s(self, name: str) -> float:
        return self.history.last_s(name)

    def spent(self) -> str:
        return self.budget.spent()

    def rank(self, node: Node[Any], nodes: Sequence[Node[Any]]) -> float:
        """How long it takes until the step, or one that waits for it, says something; all alike without a budget.

        What was never measured comes last: nobody knows whether there is time for it.
        """
        if self.budget.seconds is None or not node.uses or node.uses in self.in_order:
            return 0.0
        own = self.history.expected_s(node.name)
        if own is None:
            return math.inf
        after = [self.history.expected_s(other.name) for other in nodes if node in other.needs and other.uses]
        return own + min((seconds for seconds in after if seconds is not None), default=0.0)

    def outlook(self, nodes: Sequence[Node[Any]], limits: Mapping[str, int]) -> Outlook:
        return outlook(nodes, limits, self.history.expected_s)

    def check(self, node: Node[Any], identity: str) -> None:
        if self._account is not None:
            self._account.same(node.name, identity)

    def done(self, node: Node[Any], report: Report) -> None:
        if self._account is not None:
            self._account.done(node, report)

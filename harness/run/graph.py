"""A graph of steps, worked through by threads: each step starts as soon as what it needs is there.

Typed data flow: `graph.add(...)` gives a Node, and a later step reads `node.value`.  A step that fails with an
InfraError fails those that need it and nobody else; any other error stops the whole graph and is raised.
Knows nothing of what the steps do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

from harness.errors import Cancelled, HarnessError, InfraError
from harness.events import Emit, Event, EventKind, Say
from harness.host.process import Stop

T = TypeVar("T")


class State(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Report:
    """What a step can say about itself while it works; handed to its function."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.cached = False
        self.good = True
        self.text = ""


class Node(Generic[T]):
    """One step.  `value` is there once it is done; asking for it after a failure raises that failure."""

    def __init__(self, name: str, work: Callable[[Report], T], needs: Sequence[Node[Any]], uses: str) -> None:
        self.name = name
        self.needs = tuple(needs)
        self.uses = uses
        self.state = State.WAITING
        self.seconds = 0.0
        self.cached = False
        self.error: HarnessError | None = None
        self._work = work
        self._value: T | None = None

    @property
    def value(self) -> T:
        if self.error is not None:
            raise self.error
        if self.state is not State.DONE:
            raise RuntimeError(f"step {self.name} was asked for its value before it was done")
        return self._value  # type: ignore[return-value]

    def perform(self, report: Report) -> None:
        """Do the work (in the calling thread)."""
        self._value = self._work(report)


class Graph:
    """Steps and the limits on what runs at once: `limits` maps a resource to how many steps may use it together."""

    def __init__(self, *, stop: Stop, emit: Emit, limits: Mapping[str, int], last_s: Mapping[str, float]) -> None:
        self._stop = stop
        self._emit = emit
        self._limits = dict(limits)
        self._last_s = last_s
        self._nodes: list[Node[Any]] = []
        self._changed = threading.Condition()
        self._fatal: BaseException | None = None

    def limit(self, resource: str, places: int) -> None:
        """How many steps may use a resource together from now on."""
        self._limits[resource] = places

    def places(self, resource: str) -> int:
        """How many steps may use a resource together."""
        return self._limits.get(resource, 1)

    @property
    def nodes(self) -> tuple[Node[Any], ...]:
        return tuple(self._nodes)

    def add(
        self, name: str, work: Callable[[Report], T], *, needs: Sequence[Node[Any]] = (), uses: str = ""
    ) -> Node[T]:
        """A step that starts when all of `needs` are done and `uses` has a place free; earlier added goes first.

        A step that runs may add steps.
        """
        node = Node(name, work, needs, uses)
        with self._changed:
            self._nodes.append(node)
        return node

    def run(self) -> None:
        """Work through all steps.  Raises the error that stopped it, after every running step has ended."""
        threads: list[threading.Thread] = []
        with self._changed:
            while True:
                if self._fatal is None and not self._stop.is_set():
                    threads.extend(self._start_ready())
                if not any(node.state is State.RUNNING for node in self._nodes):
                    break
                self._changed.wait(0.2)
        for thread in threads:
            thread.join()
        if self._fatal is not None:
            raise self._fatal
        self._stop.check()

    def _start_ready(self) -> list[threading.Thread]:
        """Start what can start; steps whose needs have failed fail with them."""
        started: list[threading.Thread] = []
        for node in self._nodes:
            if node.state is not State.WAITING:
                continue
            broken = next((need for need in node.needs if need.state is State.FAILED), None)
            if broken is not None:
                node.state, node.error = State.FAILED, broken.error
                return self._start_ready() + started
            if all(need.state is State.DONE for need in node.needs) and self._has_place(node.uses):
                node.state = State.RUNNING
                thread = threading.Thread(target=self._perform, args=(node,), name=node.name)
                thread.start()
                started.append(thread)
        return started

    def _has_place(self, resource: str) -> bool:
        taken = sum(node.uses == resource and node.state is State.RUNNING for node in self._nodes)
        return not resource or taken < self._limits.get(resource, 1)

    def _perform(self, node: Node[Any]) -> None:
        started = time.monotonic()
        report = Report(lambda text: self._emit(Event(EventKind.PROGRESS, node.name, text)))
        self._emit(Event(EventKind.STARTED, node.name, last_s=self._last_s.get(node.name, 0.0)))
        state = State.DONE
        fatal: BaseException | None = None
        try:
            node.perform(report)
        except InfraError as error:
            node.error, state = error, State.FAILED
        except HarnessError as error:
            node.error, state, fatal = error, State.FAILED, error
        except BaseException as error:  # noqa: BLE001 - the border of a thread: carried to the caller of run()
            state, fatal = State.FAILED, error
        node.seconds, node.cached = time.monotonic() - started, report.cached
        if state is State.DONE:
            event = Event(
                EventKind.FINISHED, node.name, report.text, node.seconds, cached=report.cached, good=report.good
            )
            self._emit(event)
        elif not isinstance(fatal, Cancelled):
            self._emit(Event(EventKind.FAILED, node.name, str(node.error or fatal), node.seconds))
        with self._changed:
            node.state = state
            if fatal is not None and (self._fatal is None or isinstance(self._fatal, Cancelled)):
                self._fatal = fatal
                self._stop.set(f"{node.name} failed")
            self._changed.notify_all()

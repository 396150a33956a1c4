"""A graph of steps, worked through by threads: each step starts as soon as what it needs is there.

Typed data flow: `graph.add(...)` gives a Node, and a later step reads `node.value`.  A step that fails with an
InfraError, or for a full disk and the like, fails those that need it and nobody else; any other error stops the whole
graph and is raised.  A budget of time may keep steps from being begun.  Knows nothing of what the steps do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from harness.errors import Cancelled, HarnessError, InfraError, LeftOut, machine_problem
from harness.events import Emit, Event, EventKind, Outlook, Say
from harness.host.process import Stop

T = TypeVar("T")

OUTLOOK_S = 0.25
"""How often it is said at most how far the work is."""


class State(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Report:
    """What a step can say about itself while it works; handed to its function."""

    def __init__(
        self, say: Say, check: Callable[[str], None] = lambda _: None, expect: Callable[[float], None] = lambda _: None
    ) -> None:
        """`check` is asked about what the step says that it makes its value of; `expect` is told how long it takes."""
        self.say = say
        self.expect = expect
        self._check = check
        self.cached = False
        self.good = True
        self.text = ""
        self.identity = ""  # names what it was made of, where that must not change while a run is continued

    def made_of(self, identity: str) -> None:
        """Name what the value is made of, as early as it is known.  Raises what the check raises."""
        self.identity = identity
        self._check(identity)


class Node(Generic[T]):
    """One step.  `value` is there once it is done; asking for it after a failure raises that failure."""

    def __init__(
        self, name: str, work: Callable[[Report], T], needs: Sequence[Node[Any]], uses: str, always: bool = False,
        beside: object = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.needs = tuple(needs)
        self.uses = uses
        self.beside = beside  # of steps that use the same resource only those may run together that say the same here
        self.always = always  # it costs nothing, and others' work would be lost without it
        self.state = State.WAITING
        self.began = 0.0  # of time.monotonic()
        self.seconds = 0.0
        self.expected_s: float | None = None  # where the step itself knows better than its history
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


def has_place(node: Node[Any], others: Sequence[Node[Any]], limits: Mapping[str, int]) -> bool:
    """Whether a step may run beside others that use the same resource now."""
    if not node.uses:
        return True
    return len(others) < limits.get(node.uses, 1) and all(one.beside == node.beside for one in others)


class Advice(Protocol):
    """What the graph asks while it works: about time, and whoever keeps account of the steps."""

    def last_s(self, name: str) -> float:
        """How long a step took last time; 0 if never."""
        ...

    def spent(self) -> str:
        """Why nothing more is to be begun; "" while there is time."""
        ...

    def rank(self, node: Node[Any], nodes: Sequence[Node[Any]]) -> float:
        """Of steps that wait for the same resource the one with the least goes first; the earlier added of equals."""
        ...

    def outlook(self, nodes: Sequence[Node[Any]], limits: Mapping[str, int]) -> Outlook:
        """How far the work is."""
        ...

    def check(self, node: Node[Any], identity: str) -> None:
        """What a step is made of.  What this raises is the step's error."""
        ...

    def done(self, node: Node[Any], report: Report) -> None:
        """A step has done its work.  What this raises is the step's error."""
        ...


class Graph:
    """Steps and the limits on what runs at once: `limits` maps a resource to how many steps may use it together."""

    def __init__(self, *, stop: Stop, emit: Emit, limits: Mapping[str, int], advice: Advice) -> None:
        self._stop = stop
        self._emit = emit
        self._limits = dict(limits)
        self._advice = advice
        self._spent = ""  # why nothing is begun any more
        self._news, self._told = False, -OUTLOOK_S
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
        self, name: str, work: Callable[[Report], T], *, needs: Sequence[Node[Any]] = (), uses: str = "",
        always: bool = False, beside: object = None,
    ) -> Node[T]:  # fmt: skip
        """A step that starts when all of `needs` are done and `uses` has a place free; earlier added goes first.

        `always`: also when there is no time for others.  `beside`: steps that use the same and say another thing here
        do not run at the same time.  A step that runs may add steps.
        """
        node = Node(name, work, needs, uses, always, beside)
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
                self._tell()
                self._changed.wait(0.2)
        for thread in threads:
            thread.join()
        if self._fatal is not None:
            raise self._fatal
        self._stop.check()

    def _start_ready(self) -> list[threading.Thread]:
        """Start what can start; steps whose needs have failed fail with them, and what there is no time for, too."""
        started: list[threading.Thread] = []
        failed = True
        while failed:
            failed, full = False, set[str]()
            waiting = [node for node in self._nodes if node.state is State.WAITING]
            for node in sorted(waiting, key=lambda node: self._advice.rank(node, self._nodes)):
                broken = next((need.error for need in node.needs if need.state is State.FAILED), None)
                if broken is None and not node.always and self._is_spent():
                    broken = LeftOut(self._spent)
                if broken is not None or any(need.state is State.FAILED for need in node.needs):
                    node.state, node.error, failed = State.FAILED, broken, True
                elif all(need.state is State.DONE for need in node.needs):
                    if node.uses in full or not self._has_place(node):
                        full.add(node.uses)  # nobody overtakes it
                        continue
                    node.state, node.began = State.RUNNING, time.monotonic()
                    thread = threading.Thread(target=self._perform, args=(node,), name=node.name)
                    thread.start()
                    started.append(thread)
            self._news = self._news or failed or bool(started)
        return started

    def _is_spent(self) -> bool:
        if not self._spent and (why := self._advice.spent()):
            self._spent = why
            self._emit(Event(EventKind.NOTE, text=f"{why}: what has not begun does not begin any more"))
        return bool(self._spent)

    def _tell(self) -> None:
        """Say how far it is, if anything has changed; not for each of many steps that come from the cache."""
        now = time.monotonic()
        if not self._news or now - self._told < OUTLOOK_S:
            return
        self._news, self._told = False, now
        self._emit(Event(EventKind.OUTLOOK, outlook=self._advice.outlook(self._nodes, self._limits)))

    def _has_place(self, node: Node[Any]) -> bool:
        others = [one for one in self._nodes if one.uses == node.uses and one.state is State.RUNNING]
        return has_place(node, others, self._limits)

    def _expect(self, node: Node[Any], seconds: float) -> None:
        with self._changed:
            node.expected_s, self._news = seconds, True

    def _perform(self, node: Node[Any]) -> None:
        report = Report(
            lambda text: self._emit(Event(EventKind.PROGRESS, node.name, text)),
            lambda identity: self._advice.check(node, identity),
            lambda seconds: self._expect(node, seconds),
        )
        self._emit(Event(EventKind.STARTED, node.name, last_s=self._advice.last_s(node.name)))
        state = State.DONE
        fatal: BaseException | None = None
        try:
            node.perform(report)
            node.seconds, node.cached = time.monotonic() - node.began, report.cached
            self._advice.done(node, report)
        except InfraError as error:
            node.error, state = error, State.FAILED
        except HarnessError as error:
            node.error, state, fatal = error, State.FAILED, error
        except BaseException as error:  # noqa: BLE001 - the border of a thread: carried to the caller of run()
            problem = machine_problem(error) if isinstance(error, OSError) else None
            node.error, state, fatal = problem, State.FAILED, None if problem else error
        node.seconds, node.cached = time.monotonic() - node.began, report.cached
        if state is State.DONE:
            event = Event(
                EventKind.FINISHED, node.name, report.text, node.seconds, cached=report.cached, good=report.good
            )
            self._emit(event)
        elif not isinstance(fatal, Cancelled):
            # One that ends the run is said with all that belongs to it at its end.
            fix = f"\nfix: {node.error.fix}" if fatal is None and node.error is not None and node.error.fix else ""
            self._emit(Event(EventKind.FAILED, node.name, f"{node.error or fatal}{fix}", node.seconds))
        with self._changed:
            node.state = state
            if fatal is not None and (self._fatal is None or isinstance(self._fatal, Cancelled)):
                self._fatal = fatal
                self._stop.set(f"{node.name} failed")
            self._news = True
            self._changed.notify_all()

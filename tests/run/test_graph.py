"""The graph of steps: order, limits, and whose failure stops whom."""

from __future__ import annotations

import errno
import threading

import pytest

from harness.errors import Cancelled, InfraError, LeftOut, UserError
from harness.events import Event, EventKind
from harness.host.process import Stop
from harness.run.budget import Advice, Budget
from harness.run.graph import Graph, Node, Report, State
from harness.run.history import History


def make_graph(events: list[Event] | None = None, stop: Stop | None = None, **limits: int) -> Graph:
    advice = Advice(History({}), Budget(None))
    return Graph(stop=stop or Stop(), emit=(events if events is not None else []).append, limits=limits, advice=advice)


def fail(error: Exception) -> int:
    raise error


def test_values_flow_along_the_edges() -> None:
    graph = make_graph()
    two = graph.add("two", lambda _: 2)
    six = graph.add("six", lambda _: two.value * 3, needs=[two])
    graph.run()
    assert six.value == 6


def test_independent_steps_overlap() -> None:
    graph = make_graph()
    meeting = threading.Barrier(2, timeout=10)
    for name in ("a", "b"):
        graph.add(name, lambda _: meeting.wait())
    graph.run()
    assert all(node.state is State.DONE for node in graph.nodes)


def test_a_resource_is_shared_by_as_many_as_its_limit_and_given_in_order() -> None:
    graph = make_graph(compile=1)
    lock, order = threading.Lock(), []

    def work(name: str) -> None:
        assert lock.acquire(blocking=False), "two at once"
        order.append(name)
        lock.release()

    for name in ("a", "b", "c"):
        graph.add(name, lambda _, name=name: work(name), uses="compile")  # type: ignore[misc]
    graph.run()
    assert order == ["a", "b", "c"]


def test_steps_with_the_same_resource_run_beside_their_like_alone_and_nobody_overtakes() -> None:
    graph = make_graph(compile=2)
    lock, order = threading.Lock(), list[str]()
    running: set[str] = set()
    meeting = {tree: threading.Barrier(2, timeout=10) for tree in ("one", "two")}

    def work(tree: str) -> None:
        with lock:
            order.append(tree)
            running.add(tree)
            assert running == {tree}, "two trees at once"
        meeting[tree].wait()
        with lock:
            running.discard(tree)

    for tree in ("one", "one", "two", "two"):
        graph.add(tree, lambda _, tree=tree: work(tree), uses="compile", beside=tree)  # type: ignore[misc]
    graph.run()
    assert order == ["one", "one", "two", "two"]


def test_a_step_that_could_run_beside_waits_for_an_earlier_one_that_cannot() -> None:
    graph = make_graph(compile=2)
    order, began = list[str](), threading.Event()

    def first(_: Report) -> None:
        began.wait(timeout=10)
        order.append("first of one")

    graph.add("first of one", first, uses="compile", beside="one")
    graph.add("two", lambda _: order.append("two"), uses="compile", beside="two")
    graph.add("second of one", lambda _: order.append("second of one"), uses="compile", beside="one")
    graph.add("free", lambda _: began.set())
    graph.run()
    assert order == ["first of one", "two", "second of one"]


def test_an_infrastructure_error_fails_those_that_need_it_and_nobody_else() -> None:
    graph = make_graph()
    broken = graph.add("broken", lambda _: fail(InfraError("no disk")))
    child = graph.add("child", lambda _: broken.value, needs=[broken])
    grandchild = graph.add("grandchild", lambda _: child.value, needs=[child])
    other = graph.add("other", lambda _: 1)
    graph.run()
    assert other.value == 1
    with pytest.raises(InfraError, match="no disk"):
        _ = grandchild.value


def test_a_full_disk_is_an_infrastructure_error_wherever_it_strikes() -> None:
    graph = make_graph()
    broken = graph.add("broken", lambda _: fail(OSError(errno.ENOSPC, "No space left on device", "/cache/x")))
    other = graph.add("other", lambda _: 1)
    graph.run()
    assert other.value == 1
    with pytest.raises(InfraError, match="/cache/x: No space left on device"):
        _ = broken.value


def test_a_user_error_stops_everything_and_is_raised() -> None:
    stop = Stop()
    graph = make_graph(stop=stop)

    def slow(_: Report) -> None:
        stop.sleep(30)

    graph.add("slow", slow)
    bad = graph.add("bad", lambda _: fail(UserError("no such tree")))
    never = graph.add("never", lambda _: 1, needs=[bad])
    with pytest.raises(UserError, match="no such tree"):
        graph.run()
    assert never.state in (State.WAITING, State.FAILED)


def test_a_bug_is_raised_as_it_is() -> None:
    graph = make_graph()
    graph.add("bug", lambda _: fail(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        graph.run()


def test_a_stop_from_outside_is_cancelled_not_failed() -> None:
    stop, events = Stop(), list[Event]()
    graph = make_graph(events, stop)
    graph.add("slow", lambda _: stop.sleep(30))
    threading.Timer(0.1, stop.set, ["interrupted"]).start()
    with pytest.raises(Cancelled, match="interrupted"):
        graph.run()
    assert EventKind.FAILED not in {event.kind for event in events}


def test_steps_say_what_they_do() -> None:
    events: list[Event] = []
    advice = Advice(History({"build": 12.0}), Budget(None))
    graph = Graph(stop=Stop(), emit=events.append, limits={}, advice=advice)

    def work(report: Report) -> None:
        report.say("half")
        report.cached, report.good, report.text = True, False, "it was there"

    graph.add("build", work)
    graph.run()
    started, progress, finished = (event for event in events if event.kind is not EventKind.OUTLOOK)
    assert (started.kind, started.last_s) == (EventKind.STARTED, 12.0)
    assert (progress.kind, progress.text) == (EventKind.PROGRESS, "half")
    assert (finished.kind, finished.cached, finished.good, finished.text) == (
        EventKind.FINISHED,
        True,
        False,
        "it was there",
    )


def test_a_value_before_its_time_is_a_bug() -> None:
    graph = make_graph()
    with pytest.raises(RuntimeError):
        _ = graph.add("later", lambda _: 1).value


def test_a_step_may_add_steps_while_others_run() -> None:
    graph = make_graph()
    added: list[Node[int]] = []
    meeting = threading.Barrier(2, timeout=10)

    def decide(_: Report) -> None:
        added.append(graph.add("late", lambda _: 1 + meeting.wait() * 0, needs=[first]))

    first = graph.add("first", lambda _: 0)
    graph.add("decision", decide, needs=[first])
    graph.add("slow", lambda _: meeting.wait())  # ends only when the late one has begun
    graph.run()
    assert added[0].value == 1


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_when_the_budget_is_used_up_nothing_is_begun_but_what_costs_nothing() -> None:
    clock, events, ran = Clock(), list[Event](), list[str]()
    graph = Graph(stop=Stop(), emit=events.append, limits={"x": 1}, advice=Advice(History({}), Budget(60.0, clock)))

    def work(name: str, takes_s: float) -> int:
        ran.append(name)
        clock.now += takes_s
        return len(ran)

    first = graph.add("first", lambda _: work("first", 40), uses="x")
    second = graph.add("second", lambda _: work("second", 40), uses="x")  # begun in time: comes to its end
    third = graph.add("third", lambda _: work("third", 1), uses="x")
    after = graph.add("after third", lambda _: work("after", 1), needs=[third])
    account = graph.add("account", lambda _: work("account", 0), needs=[second], always=True)
    missing = graph.add("missing", lambda _: work("missing", 0), needs=[third], always=True)
    graph.run()
    assert ran == ["first", "second", "account"]
    assert [node.state for node in (first, second, account)] == [State.DONE] * 3
    for node in (third, after, missing):
        assert isinstance(node.error, LeftOut)
    (note,) = [event.text for event in events if event.kind is EventKind.NOTE]
    assert note.startswith("left out: the budget of 1 min is used up")


def test_with_a_budget_the_quickest_answers_come_first() -> None:
    past = {"build slow": 100.0, "test slow": 300.0, "build quick": 110.0, "test quick": 20.0, "test newer": 1.0}
    order: list[str] = []
    graph = Graph(stop=Stop(), emit=lambda _: None, limits={"compile": 1, "guest": 1},
                  advice=Advice(History(past), Budget(3600.0)))  # fmt: skip
    for name in ("new", "newer", "slow", "quick"):
        built = graph.add(f"build {name}", lambda _, name=name: order.append(name), uses="compile")  # type: ignore[misc]
        graph.add(f"test {name}", lambda _: None, needs=[built], uses="guest")
    graph.run()
    assert order == ["quick", "slow", "new", "newer"], "and what was never measured last"


def test_it_says_how_far_it_is() -> None:
    events: list[Event] = []
    graph = make_graph(events)
    first = graph.add("first", lambda _: 1)
    graph.add("second", lambda _: first.value, needs=[first])
    graph.run()
    outlooks = [event.outlook for event in events if event.outlook is not None]
    assert (outlooks[0].done, outlooks[0].running, outlooks[0].left, outlooks[0].unknown) == (0, 1, 1, 2)

"""How long the rest takes: the critical path, limits, what has begun, and what was never measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.run.estimate import outlook
from harness.run.graph import Node, State


def node(name: str, *needs: Node[Any], uses: str = "", state: State = State.WAITING, began: float = 0.0) -> Node[Any]:
    made: Node[Any] = Node(name, lambda _: None, needs, uses, always=False)
    made.state, made.began = state, began
    return made


def seconds(nodes: Sequence[Node[Any]], times: dict[str, float], **limits: int) -> float:
    return outlook(nodes, limits, times.get, now=lambda: 100.0).seconds


def test_the_critical_path_where_there_is_room() -> None:
    build, other = node("build"), node("other")
    test = node("test", build)
    assert seconds([build, other, test], {"build": 10, "other": 12, "test": 5}) == 15


def test_steps_wait_for_places_in_the_order_in_which_they_were_added() -> None:
    nodes = [node(name, uses="compile") for name in ("a", "b", "c")]
    times = {"a": 10.0, "b": 20.0, "c": 30.0}
    assert seconds(nodes, times, compile=1) == 60
    assert seconds(nodes, times, compile=2) == 40
    assert seconds(nodes, times, compile=3) == 30


def test_what_has_begun_is_nearer_to_its_end_and_never_behind_it() -> None:
    running = node("a", state=State.RUNNING, began=94.0)
    late = node("b", state=State.RUNNING, began=10.0)
    after = node("c", running)
    assert seconds([running, late, after], {"a": 10, "b": 10, "c": 3}) == 7


def test_a_step_that_knows_better_is_believed() -> None:
    running = node("a", state=State.RUNNING, began=94.0)
    running.expected_s = 30.0
    assert seconds([running], {"a": 10}) == 24


def test_what_is_done_counts_for_nothing_and_what_is_unknown_is_counted() -> None:
    done, unknown = node("done", state=State.DONE), node("new")
    found = outlook([done, unknown, node("known", done)], {}, {"known": 4.0}.get)
    assert (found.done, found.running, found.left, found.seconds, found.unknown) == (1, 0, 2, 4.0, 1)
    assert found.text == "1 of 3 steps done, 0 running, 2 left"


def test_what_waits_for_what_will_never_be_ends_the_reckoning() -> None:
    failed = node("failed", state=State.FAILED)
    assert seconds([failed, node("child", failed)], {"child": 5}) == 5


def test_three_hundred_steps_are_no_work() -> None:
    nodes: list[Node[Any]] = []
    for number in range(300):
        nodes.append(node(f"n{number}", *nodes[-1:], uses="compile"))
    assert seconds(nodes, {f"n{number}": 1.0 for number in range(300)}, compile=1) == 300

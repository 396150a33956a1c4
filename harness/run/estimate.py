"""How long the rest of a graph will take: its steps played through with the times that they took before.

The same rules as when they are done: a step begins when all that it needs is there and its resource has a place.  So it
is the critical path where there is room for everything, and longer where steps must wait for each other.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from harness.events import Outlook
from harness.run.graph import Node, State, has_place


def outlook(
    nodes: Sequence[Node[Any]], limits: Mapping[str, int], expected_s: Callable[[str], float | None],
    now: Callable[[], float] = time.monotonic,
) -> Outlook:  # fmt: skip
    """How far the work is; a step that was never measured counts for nothing, and is counted as unknown."""
    running = [node for node in nodes if node.state is State.RUNNING]
    waiting = [node for node in nodes if node.state is State.WAITING]
    known = {
        node.name: expected_s(node.name) if node.expected_s is None else node.expected_s
        for node in (*running, *waiting) if not node.always
    }  # fmt: skip
    return Outlook(
        done=len(nodes) - len(running) - len(waiting), running=len(running), left=len(waiting),
        seconds=_play(running, waiting, limits, known, now()), unknown=sum(took is None for took in known.values()),
    )  # fmt: skip


def _play(
    running: Sequence[Node[Any]], waiting: Sequence[Node[Any]], limits: Mapping[str, int],
    known: Mapping[str, float | None], began: float,
) -> float:  # fmt: skip
    waits = dict.fromkeys(waiting, 0)  # how many of its needs are not done
    after: dict[Node[Any], list[Node[Any]]] = {}
    for node in waiting:
        for need in node.needs:
            if need.state in (State.WAITING, State.RUNNING):
                waits[node] += 1
                after.setdefault(need, []).append(node)
    at_work: dict[str, list[Node[Any]]] = {}  # by resource
    for node in running:
        at_work.setdefault(node.uses, []).append(node)
    ready: dict[str, deque[Node[Any]]] = {}
    order = count()  # nodes cannot be compared
    ends = [(max(0.0, (known.get(node.name) or 0.0) - (began - node.began)), next(order), node) for node in running]
    heapq.heapify(ends)
    clock = 0.0

    def start(resource: str) -> None:
        queue, others = ready.get(resource, deque()), at_work.setdefault(resource, [])
        while queue and has_place(queue[0], others, limits):
            node = queue.popleft()
            others.append(node)
            heapq.heappush(ends, (clock + (known.get(node.name) or 0.0), next(order), node))

    for node, number in waits.items():
        if not number:
            ready.setdefault(node.uses, deque()).append(node)
    for resource in list(ready):
        start(resource)
    while ends:
        clock, _, ended = heapq.heappop(ends)
        at_work[ended.uses].remove(ended)
        for node in after.get(ended, ()):
            waits[node] -= 1
            if not waits[node]:
                ready.setdefault(node.uses, deque()).append(node)
                start(node.uses)
        start(ended.uses)
    return clock

"""How many runs are done, at which seeds, and what an error of the machine costs: with runs that end as told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import InfraError
from harness.events import Event
from harness.model import AppliedTree, Case, Outcome, ProbeRole, Rung, Sought, SuiteResult, Tree, Tries, Verdict
from harness.run.bisect.answers import Answers, Probe
from harness.run.bisect.log import Log
from harness.run.bisect.trials import Finished, Given, Trial
from harness.verdict.bisect import is_measured

SOUGHT = Sought(Rung.GUEST, "x86_64", "lockdep", "hazards", "same.unmap.2", "wrong")
P, F, B = Outcome.PASS, Outcome.FAIL, Outcome.ERROR


@dataclass
class FakeBench:
    """Ends runs of a tree as told, by number or by seed; ERROR is the machine's, once."""

    outcomes: dict[int, Outcome]
    directory: Path
    guests_at_once: int = 1
    asked: list[int] = field(default_factory=list)

    def perform(self, trials: Sequence[Trial], finished: Finished) -> list[Given]:
        found = []
        for trial in trials:
            label = trial.seed or trial.number
            self.asked.append(label)
            outcome = self.outcomes.get(label, P)
            if outcome is B:
                self.outcomes[label] = P
                found.append(Given(error=InfraError("no QEMU")))
                continue
            case = Case("hazards", "same.unmap.2", outcome, message="" if outcome is P else "wrong")
            found.append(Given((SuiteResult("hazards", "x86_64", "lockdep", (case,)),), 1))
            finished(trial, found[-1])
        return found


def tree() -> AppliedTree:
    return AppliedTree(Tree("t", "6.12", Path("/r"), "0" * 40, "1" * 40), (), Path("/r"), "0" * 40, "1" * 40)


PROBE = Probe(ProbeRole.SEARCH, 5, "5" * 40, "mm: five", tree)


def answers(tmp_path: Path, outcomes: dict[int, Outcome], seeds: Sequence[int] = (), at_once: int = 1) -> Any:
    bench = FakeBench(outcomes, tmp_path, at_once)
    events: list[Event] = []
    made = Answers(
        SOUGHT, command="", seeds=seeds, bench=cast(Any, bench), log=Log(tmp_path / "bisect.jsonl"), emit=events.append,
        resume="vmaharness bisect --resume DIR",
    )  # fmt: skip
    return made, bench


def test_a_commit_is_good_after_all_runs_and_bad_after_the_first_failure(tmp_path: Path) -> None:
    made, bench = answers(tmp_path, {3: F})
    (bad,) = made.ask([PROBE], 8)
    assert (bad.verdict, bad.runs, bench.asked) == (Verdict.BAD, Tries(1, 3), [1, 2, 3])
    other = replace(PROBE, commit="6" * 40)
    bench.outcomes.clear()
    (good,) = made.ask([other], 8)
    assert (good.verdict, good.runs) == (Verdict.GOOD, Tries(0, 8))


def test_as_many_runs_at_once_as_guests_do(tmp_path: Path) -> None:
    made, bench = answers(tmp_path, {}, at_once=4)
    other = replace(PROBE, commit="6" * 40)
    made.ask([PROBE, other], 3)
    assert bench.asked == [1, 2, 1, 2, 3, 3], "two of each, then what is left"


def test_what_the_machine_broke_is_done_again_and_never_counted(tmp_path: Path) -> None:
    made, bench = answers(tmp_path, {1: B, 2: B})
    (good,) = made.ask([PROBE], 2)
    assert (good.verdict, good.runs, bench.asked) == (Verdict.GOOD, Tries(0, 2), [1, 1, 2, 2])


def test_a_broken_machine_stops_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, bench = answers(tmp_path, {})
    monkeypatch.setattr(bench, "perform", lambda trials, _: [Given(error=InfraError("no QEMU"))] * len(trials))
    with pytest.raises(InfraError, match="3 times: no QEMU") as caught:
        made.ask([PROBE], 1)
    assert "--resume DIR" in caught.value.fix
    assert made.known(PROBE) == []


def test_a_tree_that_cannot_be_tried_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, bench = answers(tmp_path, {})

    def unfit(trials: Sequence[Trial], finished: Finished) -> list[Given]:
        finished(trials[0], Given(unfit="the base fix does not apply"))
        return [Given(unfit="the base fix does not apply")]

    monkeypatch.setattr(bench, "perform", unfit)
    (skipped,) = made.ask([PROBE], 1)
    assert (skipped.verdict, skipped.why, skipped.runs) == (Verdict.SKIP, "the base fix does not apply", Tries(0, 0))


@pytest.mark.parametrize(
    ("outcomes", "tries"),
    [({1: F, 2: F, 3: F}, Tries(3, 3)), ({3: F, 6: F, 9: F}, Tries(3, 9)), ({}, Tries(0, 12)), ({12: F}, Tries(1, 12))],
)
def test_the_rate_is_measured(tmp_path: Path, outcomes: dict[int, Outcome], tries: Tries) -> None:
    made, _ = answers(tmp_path, outcomes)
    assert made.measure(PROBE, lambda found: is_measured(found, 0.95)) == tries


def test_seeds_are_asked_once_each_those_that_fail_first(tmp_path: Path) -> None:
    made, bench = answers(tmp_path, {7: F, 9: F}, seeds=(3, 7, 8, 9))
    assert made.measure(PROBE, lambda found: is_measured(found, 0.95, 4)) == Tries(2, 4)
    assert bench.asked == [3, 7, 8, 9]
    made.failing_first(PROBE)
    assert made.seeds == [7, 9, 3, 8]
    bench.asked.clear()
    made.ask([replace(PROBE, commit="6" * 40)], 2)
    assert bench.asked == [7]
    bench.outcomes.clear()
    (good,) = made.ask([replace(PROBE, commit="7" * 40)], 4)
    assert (good.runs, bench.asked) == (Tries(0, 4), [7, 7, 9, 3, 8])

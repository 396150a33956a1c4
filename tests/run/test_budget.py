"""Runs that are given so much time: what they leave out is said, and never called a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from harness.events import EventKind
from harness.model import Against, CommandResult, Outcome, StepTime, Tries
from harness.plan.model import Plan
from harness.plan.values import duration_s
from harness.report.terminal import summary
from harness.run import history
from harness.run.budget import Budget
from harness.run.probe import PROBE
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, ImageGuest, cases


class Clocked(ImageGuest):
    """A guest whose commands take ten seconds each, of a clock of our own."""

    now: ClassVar[float] = 0.0
    ran: ClassVar[list[str]] = []

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        if tuple(argv) != PROBE and argv[0] != "sh":
            Clocked.now += 10
            self.ran.append(argv[0])
        return super().run(argv, timeout_s=timeout_s)


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "bench" in request.fixturenames:
        request.getfixturevalue("bench")  # which has guests of its own
    Clocked.now = 0.0
    Clocked.ran.clear()
    monkeypatch.setattr("harness.run.tester.Guest", Clocked)
    monkeypatch.setattr("harness.run.steps.Budget", lambda seconds: Budget(seconds, lambda: Clocked.now))


@pytest.mark.parametrize(
    ("text", "seconds"), [("20m", 1200), ("90s", 90), ("1h30m", 5400), ("2h", 7200), ("1h1m1s", 3661)]
)
def test_times(text: str, seconds: float) -> None:
    assert Plan.model_validate({"budget": text}).budget_s == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "1.5h", "-1m", "20 m", "30s1m", "1d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time such as 20m, 90s or 1h30m"):
        duration_s(text)
    with pytest.raises(ValidationError):
        Plan.model_validate({"budget": text})


def test_a_guest_ends_between_two_commands_and_the_rest_is_left_out(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    result = bench.run(budget="15s", checks=())
    assert Clocked.ran == ["anon", "cow"], "what had begun came to its end"
    assert {name: case.outcome for name, case in cases(result).items()} == {
        "anon": Outcome.PASS, "cow": Outcome.PASS, "fork": Outcome.NOT_RUN,
    }  # fmt: skip
    assert cases(result)["fork"].message == "left out: the budget of 15 s is used up"
    assert result.outcome is Outcome.NOT_RUN, "never a pass"
    assert result.left_out == (f"1 of 3 cases of {ARCH} plain",)
    assert result.message.startswith("incomplete: ")
    said = summary(result)
    assert said.startswith("INCOMPLETE  incomplete: ")
    assert f"No time was left for: 1 of 3 cases of {ARCH} plain" in said


def test_a_failure_is_one_whatever_was_left_out(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails")
    result = bench.run(budget="15s", retries=2, checks=())
    assert Clocked.ran == ["anon", "cow"]
    assert result.outcome is Outcome.FAIL
    assert any("was not tried again: left out: the budget" in note for note in result.notes)
    assert "baseline tree" in result.left_out


def test_base_tries_that_there_is_no_time_for_are_said(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_flakes")
    # 30 s for the series, 20 for its tries again, 30 for the base, which is not kept where they end too late
    none = bench.run(budget="75s", retries=2, checks=())
    why = "what failed with the series was not tried as often without it: left out: the budget of"
    assert f"{ARCH} plain: {why} 75 s is used up" in none.notes
    assert cases(none)["anon"].against == Against(Tries(0, 1), 0.75)
    assert none.left_out == (f"baseline tries {ARCH} plain",)
    assert none.outcome is Outcome.FAIL

    Clocked.now = 0.0
    some = bench.run(budget="115s", retries=2, checks=())
    assert cases(some)["anon"].against == Against(Tries(0, 5), 0.375)
    assert f"{ARCH} plain: {why} 115 s is used up" in some.notes
    assert some.left_out == ()

    Clocked.now = 0.0
    every = bench.run(retries=2, checks=())
    assert cases(every)["anon"].against == Against(Tries(0, 12), 0.2), "half of them are not kept as all"


def test_enough_time_is_as_none(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    result = bench.run(budget="1h", retries=1, checks=())
    assert (result.outcome, result.left_out) == (Outcome.FAIL, ())
    assert result.baseline is not None


def test_no_time_at_all_is_nothing_tested(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    Clocked.now = 0.0

    class Late(Budget):
        def spent(self) -> str:
            return "left out: the budget of 1 s is used up"

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("harness.run.steps.Budget", Late)
        result = bench.run(budget="1s", checks=())
    assert result.outcome is Outcome.NOT_RUN
    assert "tree" in result.left_out
    assert all(case.outcome is Outcome.NOT_RUN for suite in result.suites for case in suite.cases)


def test_the_quickest_commands_come_first(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    times = {"anon": 30.0, "cow": 20.0, "fork": 0.1}
    history.save(bench.cache.root / "times.json", [
        StepTime(history.name_of_command(f"{ARCH} plain", f"faults.{name}"), seconds, cached=False)
        for name, seconds in times.items()
    ])  # fmt: skip
    bench.run(budget="1h", checks=())
    assert Clocked.ran == ["fork", "cow", "anon"]
    Clocked.ran.clear()
    bench.run(checks=())
    assert Clocked.ran == ["anon", "cow", "fork"], "without a budget as the suite has them"


def series(bench: Bench, patches: int, **plan: Any) -> Any:
    git(bench.clone, "tag", "-f", "start", f"HEAD~{patches}")
    mailbox = bench.directory / "series.mbox"
    mailbox.write_text(git(bench.clone, "format-patch", "--stdout", f"HEAD~{patches}..HEAD"))
    return bench.run(
        tree=f"{bench.clone}@start", series=str(mailbox), per_patch=True, checks=(), baseline="never", **plan
    )


def test_patch_by_patch_the_whole_series_is_first_and_what_was_found_stays(bench: Bench) -> None:
    bench.commit()
    for text in ("one", "two", "three"):
        bench.commit(text=f"int {text};\n")
    result = series(bench, 3, budget="35s")  # of the series three commands, and one of a patch
    tests = [event.step for event in bench.events if event.kind is EventKind.FINISHED and "test " in event.step]
    assert tests[0] == f"test {ARCH} plain"
    assert result.outcome is Outcome.NOT_RUN
    assert all(case.outcome is Outcome.PASS for case in cases(result).values())
    stages = [{case.name: case for case in patch.stages.cases} for patch in result.per_patch]
    left = [case for one in stages for case in one.values() if case.outcome is Outcome.NOT_RUN]
    assert left
    assert all(case.message.startswith("left out: the budget of 35 s") for case in left)
    assert all(case.outcome is Outcome.PASS for case in stages[-1].values())
    again = series(bench, 3)
    assert again.outcome is Outcome.PASS
    assert [patch.cached for patch in again.per_patch] == [(), (), ()], "what was cut short is not kept"

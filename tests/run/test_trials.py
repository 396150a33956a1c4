"""Commands that are run so often, each time in a fresh guest, and what is made of all tries together."""

from __future__ import annotations

from pathlib import Path

from harness.model import Arch, Case, Outcome, SuiteResult, TargetResult, Tries
from harness.run.answers import Answers
from harness.run.tasks import select
from harness.run.trials import BOOT, TrialRunner, tasks_of, titles_of, with_tries
from tests.run.test_target import DIGEST, TwoCases, outcomes
from tests.run.test_target_retries import Bench, tries


def runner(bench: Bench, often: dict[str, int], *, enough: int = 99, answers: Answers | None = None) -> TrialRunner:
    """`enough`: there is no time any more after so many guests."""
    tasks = tasks_of(select([TwoCases(("a", "b", "c"))], (), Arch.ARM64, 2), often)
    made = TrialRunner(
        Arch.ARM64, "lockdep", tasks, start=bench.start, config_digest=DIGEST, say=lambda _: None, often=often,
        enough=lambda _: "left out: no time" if bench.started >= enough else "", keep=answers.save if answers else None,
    )  # fmt: skip
    if answers is not None and (answered := answers.load()) is not None:
        made.go_on(answered)
    made.run()
    return made


def test_each_command_is_run_so_often_whatever_it_comes_to() -> None:
    bench = Bench({"a": ["good"] * 3 + ["wrong"] + ["good"] * 8})
    found = runner(bench, {"faults.a": 12, "faults.b": 3})
    assert (tries(found, "a"), tries(found, "b")) == (Tries(1, 12), Tries(0, 3))
    assert (outcomes(found)["a"], outcomes(found)["b"]) == (Outcome.FAIL, Outcome.PASS)
    assert "c" not in outcomes(found)
    assert (bench.started, found.cut_short) == (12, "")


def test_a_boot_is_tried_without_any_command() -> None:
    bench = Bench({})
    bench.boot_messages = ["", "", "panic: no init", ""]
    found = runner(bench, {BOOT: 4})
    assert (tries(found, "boot"), bench.started) == (Tries(1, 4), 4)


def test_what_there_was_no_time_for_is_no_try() -> None:
    found = runner(Bench({}), {"faults.a": 12}, enough=5)
    assert (tries(found, "a"), outcomes(found)["a"]) == (Tries(0, 4), Outcome.PASS), "the fifth guest came too late"
    assert found.cut_short == "left out: no time"


def test_they_go_on_where_they_were(tmp_path: Path) -> None:
    bench, answers = Bench({}), Answers(tmp_path, "arm64-lockdep", "key")
    runner(bench, {"faults.a": 12}, enough=5, answers=answers)
    bench.started = 0
    found = runner(bench, {"faults.a": 12}, answers=answers)
    assert (tries(found, "a"), bench.started) == (Tries(0, 12), 8)


def test_a_command_is_tried_as_often_as_the_one_of_its_cases_that_wants_it_most() -> None:
    tasks = select([TwoCases(("a", "b"))], (), Arch.ARM64, 2)
    wanted = {("faults", "a"): 3, ("kernel", "boot"): 11, ("kernel", "after-faults.b"): 2, ("vma", "a"): 1}
    assert titles_of(tasks, wanted) == {"faults.a": 3, BOOT: 11}


def test_tries_are_added_to_what_is_known() -> None:
    def result(*suites: SuiteResult) -> TargetResult:
        return TargetResult(Arch.ARM64, "lockdep", None, None, (), suites)

    def suite(*cases: Case) -> SuiteResult:
        return SuiteResult("faults", "arm64", "lockdep", cases, seconds=2.0)

    first = result(suite(Case("faults", "a", Outcome.PASS), Case("faults", "b", Outcome.FAIL, message="wrong")))
    later = [
        result(suite(Case("faults", "a", Outcome.PASS, tries=Tries(0, 2)))),
        result(suite(Case("faults", "a", Outcome.FAIL, message="wrong", tries=Tries(1, 9)))),
    ]
    (both,) = with_tries(first, later).suites
    assert [(case.name, case.outcome, case.tries) for case in both.cases] == [
        ("a", Outcome.FAIL, Tries(1, 12)), ("b", Outcome.FAIL, None),
    ]  # fmt: skip
    assert both.seconds == 2.0

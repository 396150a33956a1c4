"""Several tries of one case: what is shown, what is counted, and that no failure is lost."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Against, Case, Finding, Outcome, Tries
from harness.verdict.infra import clock_ahead, may_be
from harness.verdict.tries import against, merged, of_case

SPLAT = Finding("warning", "WARNING in f", "f", "the text", 12, "a" * 16)


def case(outcome: Outcome, *findings: Finding, log: str = "console.log", name: str = "anon") -> Case:
    return Case("faults", name, outcome, message=f"as {outcome}", findings=findings, log=Path("/out") / log)


def joined(*outcomes: Outcome) -> Case:
    (found,) = merged(*([case(outcome)] for outcome in outcomes))
    return found


def test_one_of_three_is_flaky_and_keeps_its_failure() -> None:
    found = joined(Outcome.FAIL, Outcome.PASS, Outcome.PASS)
    assert (found.outcome, found.tries, found.flaky) == (Outcome.FAIL, Tries(1, 3), True)


def test_three_of_three_is_not() -> None:
    found = joined(Outcome.CRASH, Outcome.FAIL, Outcome.CRASH)
    assert (found.outcome, found.tries, found.flaky) == (Outcome.CRASH, Tries(3, 3), False)


def test_a_pass_that_fails_later_has_failed() -> None:
    found = joined(Outcome.PASS, Outcome.FAIL)
    assert (found.outcome, found.tries) == (Outcome.FAIL, Tries(1, 2))


def test_a_try_without_an_answer_is_none() -> None:
    assert joined(Outcome.FAIL, Outcome.NOT_RUN, Outcome.ERROR).tries is None
    assert joined(Outcome.FAIL, Outcome.NOT_RUN, Outcome.PASS).tries == Tries(1, 2)
    assert joined(Outcome.NOT_RUN, Outcome.FAIL).outcome is Outcome.FAIL


def test_findings_of_a_later_try_are_kept_and_say_where_they_are() -> None:
    (found,) = merged([case(Outcome.FAIL)], [case(Outcome.FAIL, SPLAT, log="console.2.log")])
    assert [(one.title, one.line) for one in found.findings] == [("WARNING in f", 0)]
    assert found.log == Path("/out/console.log")
    assert "console.2.log:12: WARNING in f" in found.detail
    (again,) = merged([found], [case(Outcome.FAIL, SPLAT, log="console.3.log")])
    assert len(again.findings) == 1


def test_cases_that_only_a_later_try_has_come_last() -> None:
    found = merged([case(Outcome.FAIL)], [case(Outcome.FAIL, name="late"), case(Outcome.PASS)])
    assert [(one.name, one.tries) for one in found] == [("anon", Tries(1, 2)), ("late", None)]


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=6))
def test_a_failure_is_never_lost_nor_a_try_miscounted(outcomes: list[Outcome]) -> None:
    found = joined(*outcomes)
    answers = [outcome for outcome in outcomes if outcome is Outcome.PASS or outcome.blames_kernel]
    failed = [outcome for outcome in answers if outcome.blames_kernel]
    assert found.outcome is (failed[0] if failed else Outcome.PASS if answers else outcomes[0])
    assert found.tries == (Tries(len(failed), len(answers)) if len(answers) > 1 else None)


def test_what_may_be_the_machine_s_fault() -> None:
    assert may_be("ssh", "the SSH connection is closed", (), "[ 1.0] quiet\n")
    assert may_be("exit", "QEMU ended with exit code 137", (), "")
    assert not may_be("exit", "the guest reset itself: QEMU ended with exit code 0", (), "")
    assert not may_be("panic", "Kernel panic", (), "")
    assert not may_be("deadline", "no end after 5 s", (), "")
    assert not may_be("ssh", "closed", (SPLAT,), "")
    assert not may_be("ssh", "closed", (), "[ 9.0][ T70] dropbear[70]: segfault at 10 ip 0 sp 0 error 4\n")
    assert not may_be("ssh", "closed", (), "[ 9.0] Out of memory: Killed process 70 (dropbear)\n")


def test_a_clock_that_ran_away_from_the_host_s() -> None:
    console = "[    0.000000][    T0] Linux version 7.2.12\n[  715.291989][    C0] ----[ cut here ]----\n"
    assert clock_ahead(console, 71.0).startswith("its clock was at 715 s when 71 s had passed")
    assert clock_ahead(console, 716.0) == "", "a slow boot"
    assert clock_ahead(console, 400.0) == "", "no more than a clock that is measured badly"
    assert clock_ahead("[    9.000000][    T1] late\n", 2.0) == "", "too little to say anything"
    assert clock_ahead("[ 0.5] no stamp of printk\nalso [  715.291989] in the middle\n", 2.0) == ""


def test_how_probable_a_split_is() -> None:
    assert against(Tries(1, 3), Tries(0, 3)) == Against(Tries(0, 3), 0.5)
    assert against(Tries(1, 3), Tries(0, 12)).chance == 0.2
    assert against(Tries(3, 3), Tries(0, 3)).chance == 0.05
    assert against(Tries(3, 3), Tries(1, 3)).chance == 0.2
    assert against(Tries(2, 3), Tries(0, 1)).text == "base 0 of 1, p 0.5"
    assert of_case(case(Outcome.PASS)) == Tries(0, 1)
    assert of_case(case(Outcome.CRASH)) == Tries(1, 1)


_TRIES = st.integers(1, 30).flatmap(lambda of: st.integers(0, of).map(lambda failed: Tries(failed, of)))


@given(_TRIES, _TRIES)
def test_it_is_fisher_s_exact_test(series: Tries, base: Tries) -> None:
    from scipy.stats import fisher_exact

    table = [[series.failed, series.of - series.failed], [base.failed, base.of - base.failed]]
    wanted = float(fisher_exact(table, alternative="greater").pvalue)
    assert abs(against(series, base).chance - wanted) <= 0.006 * wanted

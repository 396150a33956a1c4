"""Judging cases: what turns a suite's PASS into something else, and what a run comes to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Accel, Arch, Boot, Case, Command, Counter, Finding, Outcome, SuiteResult
from harness.verdict.judge import guest_is_spent, judge_boot, judge_cases, overall
from harness.verdict.taint import describe, new_bits

SPLAT = Finding("lockdep", "held lock freed in f", "f", "the whole report", 12, "abc")
STALL = Finding("rcu-stall", "RCU stall", "", "stalled", 40, "def", timing=True)
PANIC = Finding("panic", "kernel panic: x", "", "panic text", 50, "fed")
OFF = Finding("lockdep-off", "lockdep is off", "", "off", 60, "cba")
FAULTS = Command("anon", ("faults", "anon"), ("anon-1", "anon-2"), 10, exercises_vma_locks=True)
GREW = (Counter("vma_lock_success", 10, 500), Counter("pgfault", 10, 600))


def case(name: str = "anon-1", outcome: Outcome = Outcome.PASS, message: str = "") -> Case:
    return Case("faults", name, outcome, message=message)


PASSED = (case(), case("anon-2"))


def judge(
    cases: tuple[Case, ...] = PASSED, findings: tuple[Finding, ...] = (), *, accel: Accel = Accel.TCG,
    taint: tuple[int, int | None] = (0, 0), counters: tuple[Counter, ...] = GREW,
    lockdep: tuple[bool | None, bool | None] = (True, True), lost: str | None = None, lost_message: str = "",
    exact: bool = False, has_lockdep: bool = False, dropped: int = 0,
) -> tuple[Case, ...]:  # fmt: skip
    return judge_cases(
        cases, findings, command=FAULTS, accel=accel, taint_before=taint[0], taint_after=taint[1], counters=counters,
        lockdep_before=lockdep[0], lockdep_after=lockdep[1], lost=lost, lost_message=lost_message, exact=exact,
        has_lockdep=has_lockdep, dropped=dropped,
    )  # fmt: skip


def outcomes(cases: tuple[Case, ...]) -> list[Outcome]:
    return [case.outcome for case in cases]


def test_clean_cases_pass_and_keep_their_counters() -> None:
    judged = judge()
    assert outcomes(judged) == [Outcome.PASS, Outcome.PASS]
    assert judged[0].counters == GREW
    assert judged[0].message == ""


def test_report_fails_every_pass_and_is_kept_once() -> None:
    judged = judge(findings=(OFF, SPLAT))
    assert outcomes(judged) == [Outcome.FAIL, Outcome.FAIL]
    assert judged[0].message == "kernel: held lock freed in f and 1 more"
    assert "the whole report" in judged[0].detail
    assert judged[0].findings == (OFF, SPLAT)
    assert judged[1].findings == ()


def test_what_the_suite_said_is_not_lost() -> None:
    judged = judge(
        (case(outcome=Outcome.FAIL, message="wrong byte"), case("anon-2", Outcome.SKIP, "no uffd")), (SPLAT,)
    )
    assert outcomes(judged) == [Outcome.FAIL, Outcome.SKIP]
    assert judged[0].message == "wrong byte; kernel: held lock freed in f"


def test_report_under_skipped_cases_is_a_failure() -> None:
    judged = judge((case(outcome=Outcome.SKIP, message="no uffd"),), (SPLAT,))
    assert outcomes(judged) == [Outcome.FAIL]


def test_stall_counts_on_hardware_and_is_kept_under_emulation() -> None:
    assert outcomes(judge(findings=(STALL,), accel=Accel.KVM)) == [Outcome.FAIL, Outcome.FAIL]
    judged = judge(findings=(STALL,), accel=Accel.TCG)
    assert outcomes(judged) == [Outcome.PASS, Outcome.PASS]
    assert judged[0].findings == (STALL,)
    assert "stalled" in judged[0].detail


def test_new_taint_fails_and_old_taint_does_not() -> None:
    judged = judge(taint=(1 << 12, 1 << 12 | 1 << 9 | 1 << 14), accel=Accel.KVM)
    assert judged[0].outcome is Outcome.FAIL
    assert judged[0].message == "new taint: W (warning), L (soft lockup)"
    assert outcomes(judge(taint=(1 << 9, 1 << 9))) == [Outcome.PASS, Outcome.PASS]


def test_the_taint_of_a_soft_lockup_is_no_more_than_its_report() -> None:
    assert outcomes(judge(findings=(STALL,), taint=(0, 1 << 14))) == [Outcome.PASS, Outcome.PASS]
    assert outcomes(judge(findings=(STALL,), taint=(0, 1 << 14), accel=Accel.KVM)) == [Outcome.FAIL, Outcome.FAIL]
    assert judge(taint=(0, 1 << 14 | 1 << 7))[0].message == "new taint: D (oops)"


def test_in_an_exact_guest_nothing_is_slowness() -> None:
    assert judge(taint=(0, 1 << 14), exact=True)[0].message == "new taint: L (soft lockup)"


def test_unread_taint_is_no_pass() -> None:
    assert outcomes(judge(taint=(0, None))) == [Outcome.ERROR, Outcome.ERROR]


def test_what_printk_dropped_may_have_been_a_report() -> None:
    judged = judge((*PASSED, case("anon-3", Outcome.SKIP, "no uffd")), dropped=7)
    assert outcomes(judged) == [Outcome.ERROR, Outcome.ERROR, Outcome.SKIP]
    assert judged[0].message == "not covered: printk dropped 7 messages before the console had them"
    assert outcomes(judge(findings=(SPLAT,), dropped=7)) == [Outcome.FAIL, Outcome.FAIL]


def test_lockdep_that_switched_itself_off() -> None:
    judged = judge(lockdep=(True, False))
    assert outcomes(judged) == [Outcome.FAIL, Outcome.FAIL]
    assert "lockdep switched itself off" in judged[0].message
    assert outcomes(judge(lockdep=(False, False))) == [Outcome.NOT_RUN, Outcome.NOT_RUN]
    assert outcomes(judge(lockdep=(None, None))) == [Outcome.PASS, Outcome.PASS]


def test_a_kernel_with_lockdep_that_does_not_show_it_passes_nothing() -> None:
    judged = judge(lockdep=(None, None), has_lockdep=True)
    assert outcomes(judged) == [Outcome.ERROR, Outcome.ERROR]
    assert judged[0].message == "not covered: lockdep's state could not be read"
    assert outcomes(judge(has_lockdep=True)) == [Outcome.PASS, Outcome.PASS]


@pytest.mark.parametrize("counters", [(), (Counter("vma_lock_success", 7, 7),), (Counter("pgfault", 1, 9),)])
def test_path_that_was_not_taken(counters: tuple[Counter, ...]) -> None:
    judged = judge(counters=counters)
    assert outcomes(judged) == [Outcome.NOT_EXERCISED, Outcome.NOT_EXERCISED]
    assert "vma_lock_success" in judged[0].message


def test_command_that_need_not_take_the_path() -> None:
    command = Command("vma", ("vma",), ("a",), 10)
    judged = judge_cases([case("a")], [], command=command, accel=Accel.KVM, taint_before=0, taint_after=0)
    assert outcomes(judged) == [Outcome.PASS]


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("panic", Outcome.CRASH),
        ("exit", Outcome.CRASH),
        ("ssh", Outcome.CRASH),
        ("silence", Outcome.TIMEOUT),
        ("deadline", Outcome.TIMEOUT),
        ("complaint", Outcome.FAIL),
    ],
)
def test_lost_guest_ends_the_running_case_and_the_rest_never_ran(reason: str, outcome: Outcome) -> None:
    cases = (case("a"), case("b", Outcome.CRASH, "no result"), case("c", Outcome.CRASH, "no result"))
    judged = judge(cases, lost=reason, lost_message="gone", taint=(0, None), lockdep=(True, None))
    assert outcomes(judged) == [Outcome.PASS, outcome, Outcome.NOT_RUN]
    assert judged[1].message == "gone"
    assert judged[2].message == "the guest was lost in b"


def test_panic_is_named_and_no_pass_beside_it_is_believed() -> None:
    cases = (case("a"), case("b", Outcome.CRASH, "no result"))
    judged = judge(cases, (PANIC,), lost="panic", taint=(0, None))
    assert outcomes(judged) == [Outcome.FAIL, Outcome.CRASH]
    assert judged[1].message.startswith("the guest was lost (panic): kernel panic: x")


def test_guest_that_dies_after_its_last_result() -> None:
    assert outcomes(judge(PASSED, lost="exit", taint=(0, None))) == [Outcome.PASS, Outcome.CRASH]


def test_command_without_cases_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no cases"):
        judge(())


def test_when_a_guest_is_used_up() -> None:
    assert guest_is_spent((), True) == ""
    assert guest_is_spent((STALL,), None) == ""
    assert guest_is_spent((), False) == "lockdep is off"
    assert guest_is_spent((SPLAT,), None) == "held lock freed in f"
    assert guest_is_spent((Finding("hung-task", "hung task in f", "f", "", 1, "a"),), True) == "hung task in f"


def boot(outcome: Outcome = Outcome.PASS, message: str = "ok") -> Boot:
    return Boot(
        arch=Arch.ARM64, profile="lockdep", outcome=outcome, message=message, accel=Accel.TCG, accel_reason="",
        machine="virt", smp=2, memory_mib=512, argv=(), cmdline="", init_s=1, ssh_s=2, total_s=3, console=Path("/c"),
    )  # fmt: skip


def test_boots() -> None:
    assert judge_boot("boot", boot(), ()) == Case("kernel", "boot", Outcome.PASS, seconds=3)
    assert judge_boot("boot", boot(), (STALL,)).outcome is Outcome.PASS
    failed = judge_boot("boot", boot(), (SPLAT,))
    assert (failed.outcome, failed.message) == (Outcome.FAIL, "kernel: held lock freed in f")
    dead = judge_boot("boot", boot(Outcome.CRASH, "panicked"), (PANIC,))
    assert (dead.outcome, dead.message) == (Outcome.CRASH, "panicked; kernel: kernel panic: x")
    assert "panic text" in dead.detail


def suite(*cases: Case) -> SuiteResult:
    return SuiteResult("faults", "x86_64", "lockdep", cases)


@pytest.mark.parametrize(
    ("cases", "outcome", "words"),
    [
        ((case(),), Outcome.PASS, "1 cases passed"),
        ((case(), case("b", Outcome.SKIP)), Outcome.PASS, "1 skipped"),
        ((case(), case("b", Outcome.FAIL), case("c", Outcome.ERROR)), Outcome.FAIL, "x86_64.lockdep.faults.b (fail)"),
        ((case("b", Outcome.NOT_EXERCISED),), Outcome.FAIL, "not-exercised"),
        ((case("b", Outcome.CRASH), case("c", Outcome.NOT_RUN)), Outcome.FAIL, "1 of 2 cases failed"),
        ((case(), case("b", Outcome.ERROR, "no ssh")), Outcome.ERROR, "no ssh"),
        ((case(), case("b", Outcome.NOT_RUN, "why")), Outcome.ERROR, "why"),
        ((case("b", Outcome.SKIP),), Outcome.NOT_RUN, "nothing ran"),
        ((case("b", Outcome.NOT_RUN),), Outcome.NOT_RUN, "nothing ran"),
        ((), Outcome.NOT_RUN, "nothing ran"),
    ],
)
def test_what_a_run_comes_to(cases: tuple[Case, ...], outcome: Outcome, words: str) -> None:
    found, message = overall([suite(*cases)])
    assert found is outcome
    assert words in message


def test_a_kernel_that_no_suite_had_anything_to_say_of_is_not_tested() -> None:
    def target(profile: str, *outcomes: Outcome, excused: str = "") -> list[SuiteResult]:
        booted = SuiteResult("kernel", "x86_64", profile, (Case("kernel", "boot", Outcome.PASS),))
        cases = tuple(
            replace(case(f"c{at}", one, "why"), excused=excused if one is Outcome.NOT_RUN else "")
            for at, one in enumerate(outcomes)
        )
        return [booted, SuiteResult("faults", "x86_64", profile, cases)]

    host = SuiteResult("vma", "host", "", (Case("vma", "merge", Outcome.PASS),))
    tested, skipped = target("lockdep", Outcome.PASS, Outcome.SKIP), target("numa", Outcome.SKIP)
    assert overall([host, *tested, *skipped]) == (Outcome.PASS, "4 cases passed, 2 skipped")
    outcome, message = overall([host, *skipped])
    assert (outcome, message) == (
        Outcome.NOT_RUN, "nothing was tested on x86_64 numa: none of 1 cases has a result: faults.c0: why",
    )  # fmt: skip
    uncovered = target("kasan", Outcome.SKIP, Outcome.NOT_RUN, excused="the same without the series")
    assert overall([host, *tested, *uncovered])[0] is Outcome.NOT_RUN
    partly = target("kasan", Outcome.PASS, Outcome.NOT_RUN, excused="the same without the series")
    assert overall([host, *partly]) == (Outcome.PASS, "3 cases passed, 1 not run without the series either")
    assert overall([host, tested[0]])[0] is Outcome.PASS


def test_long_lists_of_failures_are_cut() -> None:
    cases = [case(f"c{number}", Outcome.FAIL) for number in range(9)]
    assert "and 4 more" in overall([suite(*cases)])[1]


def test_taint_bits_by_letter() -> None:
    assert describe(0) == ""
    assert describe(512 | 128 | 32 | 16384) == "B (bad page), D (oops), W (warning), L (soft lockup)"
    assert describe(1 << 25) == "bit 25 (unknown)"
    assert new_bits(0b0101, 0b0110) == 0b0010

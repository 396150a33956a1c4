"""How many runs an answer takes, and what one run says of a failure."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Arch, Case, Finding, Outcome, Rung, Sought, SuiteResult, Tries, Verdict
from harness.verdict import bisect as rules

WARNING = Finding("warning", "WARNING in do_fault", "do_fault", "the whole report", 7, "aa" * 32)
SPLAT = Finding("kasan", "BUG: KASAN: use-after-free in x", "x", "another report", 9, "bb" * 32)
FAILED = Case("hazards", "same.unmap.2", Outcome.FAIL, message="wrong data")
WARNED = replace(FAILED, findings=(WARNING,), said=Outcome.PASS, message="kernel: WARNING")
PASSED = Case("hazards", "same.unmap.2", Outcome.PASS)
BOOTED = Case("kernel", "boot", Outcome.PASS)
BUILT = Case("kernel", "build", Outcome.PASS)
UNBUILT = Case(
    "kernel", "build", Outcome.FAIL, message="mm/vma.c:3: no", detail="mm/vma.c:3: error: no\nmm/x.c:1: error: y"
)


def results(*cases: Case, kernel: tuple[Case, ...] = (BUILT, BOOTED)) -> list[SuiteResult]:
    return [SuiteResult("kernel", "x86_64", "lockdep", kernel), SuiteResult("hazards", "x86_64", "lockdep", cases)]


def sought(*cases: Case, kernel: tuple[Case, ...] = (BUILT, BOOTED)) -> Sought:
    found = rules.sought_in(results(*cases, kernel=kernel), (), "")
    assert found is not None
    return found


# --- how many runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "confidence", "runs"), [(1, 0.95, 1), (0.5, 0.95, 5), (1 / 3, 0.95, 8), (0.1, 0.95, 29), (0.1, 0.99, 44)]
)
def test_the_runs_that_a_rate_needs(rate: float, confidence: float, runs: int) -> None:
    assert rules.runs_needed(rate, confidence) == runs


@given(st.floats(0.01, 0.99), st.floats(0.5, 0.999))
def test_so_many_runs_are_enough_and_one_less_is_not(rate: float, confidence: float) -> None:
    runs = rules.runs_needed(rate, confidence)
    assert rules.confidence_of(rate, runs) >= confidence - 1e-6
    assert runs == 1 or rules.confidence_of(rate, runs - 1) < confidence + 1e-6


@pytest.mark.parametrize(("rate", "confidence"), [(0, 0.9), (1.1, 0.9), (0.5, 0), (0.5, 1)])
def test_what_is_no_rate_or_confidence_is_refused(rate: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="no rate"):
        rules.runs_needed(rate, confidence)


@pytest.mark.parametrize(
    ("failed", "of", "measured"),
    [(0, 1, False), (0, 12, True), (1, 1, False), (2, 2, False), (3, 3, True), (1, 2, False), (2, 7, False),
     (3, 8, True), (1, 12, True)],
)  # fmt: skip
def test_when_a_rate_is_measured(failed: int, of: int, measured: bool) -> None:
    assert rules.is_measured(Tries(failed, of), 0.95) is measured


def test_a_rare_failure_is_not_taken_for_one_that_is_always_there() -> None:
    assert rules.RARE ** rules.runs_to_trust(0.95) <= 0.05
    assert rules.RARE ** rules.runs_to_trust(0.99) <= 0.01


@given(st.integers(1, 5000))
def test_the_fewest_trees_of_a_search(commits: int) -> None:
    assert rules.steps_left(commits) == math.ceil(math.log2(commits))
    assert rules.minimum(commits) == rules.steps_left(commits) + 1


# --- what to look for -----------------------------------------------------------------------------------------


def test_a_failure_is_looked_for_by_what_the_kernel_said() -> None:
    found = sought(WARNED)
    assert (found.rung, found.where) == (Rung.GUEST, "x86_64.lockdep.hazards.same.unmap.2")
    assert (found.title, found.fingerprints) == ("WARNING in do_fault", (WARNING.fingerprint,))
    assert rules.globs_of(found) == ("hazards.same.unmap.2",)


def test_a_failure_by_itself_is_looked_for_by_its_case() -> None:
    assert (sought(FAILED).title, sought(FAILED).fingerprints) == ("wrong data", ())


def test_a_build_is_looked_for_by_its_errors_without_their_lines() -> None:
    found = sought(kernel=(UNBUILT,))
    assert (found.rung, found.errors) == (Rung.BUILD, ("mm/vma.c: no", "mm/x.c: y"))


def test_what_the_host_shows_is_looked_for_there() -> None:
    case = Case("vma", "merge_a", Outcome.FAIL, message="no")
    found = rules.sought_in([SuiteResult("vma", "host", "", (case,))], ("vma.*",), "")
    assert found is not None
    assert (found.rung, found.where) == (Rung.HOST, "host.vma.merge_a")


def test_what_was_said_after_a_command_is_seen_by_running_that_command() -> None:
    late = Case("kernel", "after-hazards.same.unmap.2", Outcome.FAIL, findings=(WARNING,))
    assert rules.globs_of(sought(kernel=(BUILT, BOOTED, late))) == ("hazards.same.unmap.2",)


@pytest.mark.parametrize("wanted", ["aaaaaaaa", "aa" * 32, "warning: *", "warning: WARNING in do_fault"])
def test_a_finding_can_be_named(wanted: str) -> None:
    found = rules.sought_in(results(replace(WARNED, findings=(SPLAT, WARNING))), (), wanted)
    assert found is not None
    assert found.fingerprints == (WARNING.fingerprint,)
    assert rules.sought_in(results(WARNED), (), "cccccccc") is None


def test_a_seed_is_no_part_of_a_case_s_name() -> None:
    found = rules.sought_in(results(replace(FAILED, name="same.unmap.2@7")), ("hazards.same.unmap.2@7",), "")
    assert found is not None
    assert found.case == "same.unmap.2"


# --- what a run says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looked", "cases", "kernel", "verdict", "why"),
    [
        (WARNED, (WARNED,), (BUILT, BOOTED), Verdict.BAD, "WARNING in do_fault"),
        (WARNED, (PASSED,), (BUILT, BOOTED), Verdict.GOOD, "it passes"),
        (WARNED, (FAILED,), (BUILT, BOOTED), Verdict.SKIP, "it fails by something else"),
        (WARNED, (replace(WARNED, findings=(SPLAT,)),), (BUILT, BOOTED), Verdict.SKIP, "by something else"),
        (WARNED, (PASSED, replace(WARNED, name="other")), (BUILT, BOOTED), Verdict.BAD, "hazards.other"),
        (FAILED, (FAILED,), (BUILT, BOOTED), Verdict.BAD, "wrong data"),
        (FAILED, (replace(FAILED, findings=(SPLAT,), said=Outcome.PASS),), (BUILT, BOOTED), Verdict.SKIP, "else"),
        (FAILED, (replace(FAILED, outcome=Outcome.TIMEOUT),), (BUILT, BOOTED), Verdict.SKIP, "else (timeout)"),
        (FAILED, (replace(FAILED, outcome=Outcome.SKIP, message="no NUMA"),), (BUILT, BOOTED), Verdict.SKIP, "no NUMA"),
        (FAILED, (replace(FAILED, outcome=Outcome.NOT_RUN),), (UNBUILT,), Verdict.SKIP, "it does not build: mm/vma.c"),
        (FAILED, (), (BUILT, replace(BOOTED, outcome=Outcome.CRASH, message="panic")), Verdict.SKIP, "boot: panic"),
        (FAILED, (replace(PASSED, name="other"),), (BUILT, BOOTED), Verdict.GOOD, "no such case yet"),
        (FAILED, (PASSED,), (BUILT, BOOTED, Case("kernel", "running-config", Outcome.ERROR, message="another")), None,
         "running-config: another"),
        (FAILED, (replace(FAILED, outcome=Outcome.ERROR, message="ssh"),), (BUILT, BOOTED), None, "ssh"),
    ],
)  # fmt: skip
def test_what_a_run_says(
    looked: Case, cases: tuple[Case, ...], kernel: tuple[Case, ...], verdict: Verdict | None, why: str
) -> None:
    said = rules.judge(sought(looked), results(*cases, kernel=kernel))
    assert (said.verdict, why in said.why) == (verdict, True), said


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (BUILT, Verdict.GOOD), (UNBUILT, Verdict.BAD), (replace(UNBUILT, detail="mm/y.c:1: error: z"), Verdict.SKIP),
        (replace(UNBUILT, detail="mm/vma.c:99: error: no"), Verdict.BAD),
        (replace(UNBUILT, outcome=Outcome.ERROR), None),
    ],
)  # fmt: skip
def test_what_a_build_says(case: Case, verdict: Verdict | None) -> None:
    assert rules.judge(sought(kernel=(UNBUILT,)), results(kernel=(case,))).verdict is verdict


def test_what_the_kernel_said_outside_of_any_case_is_gone_where_it_is_not_said() -> None:
    late = Case("kernel", "after-boot-1", Outcome.FAIL, findings=(WARNING,))
    looked = sought(kernel=(BUILT, BOOTED, late))
    assert rules.judge(looked, results(kernel=(BUILT, BOOTED))).verdict is Verdict.GOOD
    assert rules.judge(looked, results(kernel=(BUILT, BOOTED, late))).verdict is Verdict.BAD


def test_results_may_have_no_answer() -> None:
    missing = rules.without_answer(results(replace(FAILED, outcome=Outcome.NOT_RUN), kernel=(UNBUILT,)), (), Rung.GUEST)
    assert missing.startswith("it does not build")
    assert rules.without_answer(results(PASSED), ("hazards.*",), Rung.GUEST) == ""
    assert rules.without_answer(results(PASSED), ("faults.*",), Rung.GUEST) == "no case that was asked for is there"


def test_the_host_s_architecture_comes_first() -> None:
    assert rules.arches_first([Arch.X86_64, Arch.ARM64], Arch.ARM64) == [Arch.ARM64, Arch.X86_64]
    assert rules.arches_first([Arch.X86_64, Arch.ARM64], None) == [Arch.X86_64, Arch.ARM64]


def test_which_suites_a_glob_can_be_about() -> None:
    assert rules.might_be((), "vma")
    assert rules.might_be(("haz*.same",), "hazards")
    assert not rules.might_be(("hazards.*",), "vma")

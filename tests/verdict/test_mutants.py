"""What catches a mutant, and what does not."""

from __future__ import annotations

import pytest

from harness.model import Case, Fate, Finding, Metric, MutantResult, MutantTarget, Outcome, SuiteResult
from harness.verdict.mutants import Clean, base_is_clean, in_order, judge, operations, overall, sightings

PASS, FAIL = Outcome.PASS, Outcome.FAIL
SPLAT = Finding("lockdep", "lock held when returning to user space", "f", "text", 9, "abc")
STALL = Finding("rcu-stall", "RCU stall", "", "stalled", 40, "def", timing=True)


def case(name: str, outcome: Outcome = PASS, *findings: Finding, ops: int = 0, suite: str = "hazards") -> Case:
    metrics = (Metric("operations", ops, "ops", ops),) if ops else ()
    return Case(suite, name, outcome, message="why", findings=findings, metrics=metrics)


def suites(*cases: Case, arch: str = "arm64") -> tuple[SuiteResult, ...]:
    names = dict.fromkeys(case.suite for case in cases)
    return tuple(SuiteResult(n, arch, "lockdep", tuple(c for c in cases if c.suite == n)) for n in names)


BOOT = case("boot", suite="kernel")
CLEAN = suites(BOOT, case("a"), case("b"), case("c"))


def fate(*cases: Case, clean: tuple[SuiteResult, ...] = CLEAN) -> MutantTarget:
    return judge(suites(*cases), clean, arch="arm64", profile="lockdep", stopped=False)


@pytest.mark.parametrize("outcome", [FAIL, Outcome.CRASH, Outcome.TIMEOUT, Outcome.NOT_EXERCISED])
def test_a_case_that_fails_only_with_it_catches_it(outcome: Outcome) -> None:
    found = fate(BOOT, case("a", ops=100), case("b", outcome, SPLAT, ops=40), case("c", Outcome.NOT_RUN))
    (seen,) = found.sightings
    assert (found.fate, found.ran, found.left_out) == (Fate.CAUGHT, 3, 1)
    assert (seen.case, seen.outcome, seen.type, seen.title) == ("hazards.b", outcome, "lockdep", SPLAT.title)
    assert (seen.operations, seen.before, seen.cases_before) == (40, 100, 2)


def test_a_boot_that_fails_catches_it() -> None:
    found = fate(case("boot", Outcome.CRASH, suite="kernel"), case("a", Outcome.NOT_RUN))
    assert (found.fate, found.sightings[0].case) == (Fate.CAUGHT, "kernel.boot")


def test_what_passes_does_not() -> None:
    assert fate(BOOT, case("a"), case("b")).fate is Fate.SURVIVED


def test_what_fails_without_it_too_does_not_unless_the_kernel_says_more() -> None:
    clean = suites(BOOT, case("a", FAIL, SPLAT), case("b"))
    assert fate(BOOT, case("a", FAIL, SPLAT), case("b"), clean=clean).fate is Fate.SURVIVED
    other = Finding("warning", "WARNING in g", "g", "text", 9, "fed")
    found = fate(BOOT, case("a", FAIL, SPLAT, other), case("b"), clean=clean)
    assert (found.fate, found.sightings[0].title) == (Fate.CAUGHT, "WARNING in g")
    assert fate(BOOT, case("a", FAIL, SPLAT, STALL), clean=clean).fate is Fate.SURVIVED


def test_what_was_never_seen_to_pass_does_not() -> None:
    clean = suites(BOOT, case("a", Outcome.NOT_RUN), case("b"))
    assert fate(BOOT, case("a", FAIL), case("b"), clean=clean).fate is Fate.SURVIVED


def test_what_the_kernel_says_between_two_cases_counts_after_the_first_of_them() -> None:
    late = case("after-hazards.a", FAIL, SPLAT, suite="kernel")
    ran = suites(BOOT, late, case("a", ops=7), case("b"))
    assert [one.name for one in in_order(ran)] == ["boot", "a", "after-hazards.a", "b"]
    found = judge(ran, CLEAN, arch="arm64", profile="lockdep", stopped=True)
    assert (found.sightings[0].case, found.sightings[0].before) == ("kernel.after-hazards.a", 7)


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.NOT_RUN])
def test_without_a_result_it_has_neither_survived_nor_been_caught(outcome: Outcome) -> None:
    found = fate(BOOT, case("a"), case("b", outcome))
    assert found.fate is Fate.UNKNOWN
    assert "hazards.b" in found.message


def test_a_build_that_fails_is_no_sighting() -> None:
    clean = Clean.of(CLEAN)
    assert not clean.catches(case("build", FAIL, suite="kernel"))
    assert sightings([case("build", FAIL, suite="kernel")], clean) == ()


def test_operations_are_the_case_s_own_count() -> None:
    assert operations(case("a", ops=12)) == 12
    faults = Case("faults", "anon-1", PASS, metrics=(Metric("ns", 5.0, "ns/fault", 300), Metric("x", 1.0, "y", 1)))
    assert operations(faults) == 300
    assert operations(case("a")) is None


def mutant(*fates: Fate) -> MutantResult:
    targets = tuple(MutantTarget(arch, "lockdep", fate) for arch, fate in zip(("x86_64", "arm64"), fates, strict=True))
    return MutantResult("m", "mm: m", "family", (), "", "m.patch", targets)


C, S, B, U, N = Fate.CAUGHT, Fate.SURVIVED, Fate.BROKEN, Fate.UNKNOWN, Fate.SAME


@pytest.mark.parametrize(
    ("fates", "outcome", "words"),
    [
        ((C, C), PASS, "2 of 2 caught, the unmutated kernel is clean"),
        ((C, N), PASS, "1 of 1 caught, the unmutated kernel is clean; not in the kernel: m on arm64 lockdep"),
        ((C, S), FAIL, "1 of 2 caught; survived: m on arm64 lockdep"),
        ((S, U), FAIL, "0 of 1 caught; survived: m on x86_64 lockdep"),
        ((C, B), Outcome.ERROR, "1 of 1 caught; without a verdict: m on arm64 lockdep"),
        ((U, C), Outcome.ERROR, "1 of 1 caught; without a verdict: m on x86_64 lockdep"),
        ((N, N), Outcome.NOT_RUN, "no mutant was tried"),
    ],
)
def test_the_outcome_of_all(fates: tuple[Fate, ...], outcome: Outcome, words: str) -> None:
    assert overall(CLEAN, [mutant(*fates)]) == (outcome, words)


def test_an_unmutated_kernel_that_is_not_clean_fails_all() -> None:
    outcome, words = overall(suites(BOOT, case("a", FAIL)), [mutant(C, C)])
    assert outcome is FAIL
    assert words.startswith("the unmutated kernel is not clean: arm64.lockdep.hazards.a: why")
    assert base_is_clean(suites(BOOT, case("a", Outcome.ERROR)))[0] is Outcome.ERROR
    assert base_is_clean(suites(BOOT, case("a", Outcome.SKIP)))[0] is PASS
    assert base_is_clean(())[0] is Outcome.NOT_RUN

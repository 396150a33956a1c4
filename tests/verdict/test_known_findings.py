"""Known findings: what an entry excuses, until when, and what is said of those that excuse nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from harness.model import Case, Finding, KnownFailure, Outcome, Relation, SuiteResult
from harness.verdict.judge import overall
from harness.verdict.known import account_for, expired_cases, has_expired, unused

TODAY = date(2026, 12, 1)
SPLAT = Finding("lockdep", "possible circular locking in f", "f", "text", 3, "0123456789abcdef")
OTHER = Finding("warning", "WARNING in g", "g", "text", 9, "f" * 16)


def entry(
    finding: str = "", case: str = "", *, expires: str = "2026-12-31", arch: str = "", line: int = 2
) -> KnownFailure:
    return KnownFailure(f"/src/known.yaml:{line}", finding, case, arch, "", "the fix is in review", expires)


def suite(*findings: Finding, outcome: Outcome = Outcome.FAIL, said: Outcome | None = Outcome.PASS) -> SuiteResult:
    bad = Case("faults", "anon.1", outcome, message="kernel: x", findings=findings, said=said)
    return SuiteResult("faults", "arm64", "lockdep", (bad, Case("faults", "cow.1", Outcome.PASS)))


def judged(suite: SuiteResult, *entries: KnownFailure, strict: bool = False) -> Case:
    (found,), _ = account_for([suite], entries, TODAY, strict=strict)
    return found.cases[0]


@pytest.mark.parametrize(
    "wanted", ["0123456789abcdef", "lockdep: possible circular locking in f", "lockdep: possible circular*", "*: *in f"]
)
def test_a_finding_by_its_fingerprint_or_its_type_and_title(wanted: str) -> None:
    case = judged(suite(SPLAT), entry(wanted))
    assert not case.fails
    assert case.findings[0].known == "the fix is in review (until 2026-12-31, /src/known.yaml:2)"
    assert case.excused == f"known: {case.findings[0].known}"


@pytest.mark.parametrize("wanted", ["0123456789abcdee", "warning: possible circular*", "possible circular*"])
def test_another_finding_is_not_meant(wanted: str) -> None:
    assert judged(suite(SPLAT), entry(wanted)).fails


def test_a_case_by_a_glob() -> None:
    assert not judged(suite(), entry(case="faults.anon.*")).fails
    assert judged(suite(), entry(case="anon.*")).fails


def test_every_finding_of_a_case_must_be_known_or_the_base_s() -> None:
    known = entry("lockdep: *")
    assert judged(suite(SPLAT, OTHER), known).fails
    assert not judged(suite(SPLAT, OTHER), known, entry("warning: *", line=5)).fails
    assert not judged(suite(SPLAT, replace(OTHER, relation=Relation.SAME)), known).fails
    assert judged(suite(SPLAT, replace(OTHER, relation=Relation.NEW)), known).fails


def test_a_wrong_result_is_not_excused_by_a_known_finding_beside_it() -> None:
    assert judged(suite(SPLAT, said=None), entry("lockdep: *")).fails


@pytest.mark.parametrize("outcome", [Outcome.CRASH, Outcome.TIMEOUT])
def test_an_end_is_excused_by_what_can_end_a_guest_alone(outcome: Outcome) -> None:
    known = [entry("lockdep: *"), entry("panic: *", line=5)]
    assert judged(suite(SPLAT, outcome=outcome, said=None), *known).fails
    panic = Finding("panic", "kernel panic: x", "", "text", 12, "e" * 16)
    assert not judged(suite(SPLAT, panic, outcome=outcome, said=None), *known).fails


def test_a_silent_failure_is_not_excused_by_a_known_finding_of_its_guest() -> None:
    beside = Case("faults", "cow.1", Outcome.FAIL, message="new taint: B (bad page)", said=Outcome.PASS)
    (found,), _ = account_for(
        [replace(suite(SPLAT), cases=(suite(SPLAT).cases[0], beside))], [entry("*: *")], TODAY, strict=False
    )
    assert [case.fails for case in found.cases] == [False, True]


def test_only_there_where_it_is_known() -> None:
    assert judged(suite(SPLAT), entry("lockdep: *", arch="x86_64")).fails
    assert not judged(suite(SPLAT), entry("lockdep: *", arch="arm64")).fails


def test_a_strict_run_says_that_it_is_known_and_fails() -> None:
    case = judged(suite(SPLAT), entry("lockdep: *"), strict=True)
    assert case.fails
    assert case.known


def test_the_last_day_counts_and_the_next_does_not() -> None:
    assert not has_expired(entry(case="x", expires="2026-12-01"), TODAY)
    assert has_expired(entry(case="x", expires="2026-11-30"), TODAY)
    assert judged(suite(), entry(case="faults.*", expires="2026-11-30")).fails


def test_an_expired_entry_fails_the_run_and_names_its_line() -> None:
    good = SuiteResult("faults", "arm64", "lockdep", (Case("faults", "cow.1", Outcome.PASS),))
    expired = expired_cases([entry(case="faults.*", expires="2026-11-30"), entry(case="faults.*")], TODAY)
    assert [case.name for case in expired.cases] == ["known.yaml:2"]
    assert expired.cases[0].message.startswith("/src/known.yaml:2: faults.* was allowed until 2026-11-30 (the fix is")
    assert overall([good, expired])[0] is Outcome.FAIL


def test_entries_that_matched_nothing_are_said_where_they_could_have() -> None:
    entries = [
        entry(case="faults.anon.*"), entry("lockdep: *", line=5), entry(case="vma.*", line=8, arch="x86_64"),
        entry(case="vma.*", line=11, expires="2026-11-30"),
    ]  # fmt: skip
    suites, used = account_for([suite()], entries, TODAY, strict=False)
    assert unused(entries, used, suites, TODAY) == [
        "/src/known.yaml:5: matched nothing: lockdep: * (the fix is in review)"
    ]


def test_the_run_says_how_many_are_known() -> None:
    suites, _ = account_for([suite(SPLAT)], [entry("lockdep: *")], TODAY, strict=False)
    assert overall(suites) == (Outcome.PASS, "1 cases passed, 1 known")

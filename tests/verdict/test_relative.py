"""What the series did and what was there before it, case by case and finding by finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Case, Difference, Finding, Outcome, Relation, SuiteResult, Tries
from harness.verdict.judge import overall, tally
from harness.verdict.relative import compare, excuse, vanished

PASS, FAIL, CRASH, TIMEOUT = Outcome.PASS, Outcome.FAIL, Outcome.CRASH, Outcome.TIMEOUT
NEW, FIXED, SAME, GONE = Relation.NEW, Relation.FIXED, Relation.SAME, Relation.GONE
LOG = Path("/results/console-arm64-lockdep.log")


def finding(name: str = "w", type_: str = "warning", *, timing: bool = False) -> Finding:
    return Finding(type_, f"WARNING in {name}", name, f"text of {name}", 7, name.rjust(16, "0"), timing)


def case(
    outcome: Outcome, *findings: Finding, name: str = "anon", said: Outcome | None = None, message: str = "why"
) -> Case:
    return Case("faults", name, outcome, message=message, findings=findings, said=said, log=LOG)


def complained(*findings: Finding, name: str = "anon") -> Case:
    """A case whose test passed and whose kernel complained."""
    return case(FAIL, *findings, name=name, said=PASS, message="kernel: WARNING in w")


def suite(*cases: Case, arch: str = "arm64", name: str = "faults") -> SuiteResult:
    return SuiteResult(name, arch, "lockdep", cases)


def relation(series: Case, base: Case) -> Relation | None:
    ((judged,), _) = compare([suite(series)], [suite(base)])
    return judged.cases[0].relation


def differences(series: list[Case], base: list[Case]) -> tuple[Difference, ...]:
    return compare([suite(*series)], [suite(*base)])[1]


@pytest.mark.parametrize(
    ("series", "base", "expected"),
    [
        (PASS, PASS, SAME),
        (FAIL, PASS, NEW),
        (PASS, FAIL, FIXED),
        (FAIL, FAIL, SAME),
        (CRASH, FAIL, NEW),
        (FAIL, CRASH, SAME),
        (TIMEOUT, CRASH, SAME),
        (CRASH, TIMEOUT, SAME),
        (Outcome.NOT_EXERCISED, PASS, NEW),
        (Outcome.NOT_EXERCISED, FAIL, NEW),
        (FAIL, Outcome.NOT_EXERCISED, NEW),
        (Outcome.NOT_EXERCISED, Outcome.NOT_EXERCISED, SAME),
        (Outcome.SKIP, FAIL, GONE),
        (Outcome.NOT_RUN, CRASH, GONE),
        (Outcome.SKIP, PASS, GONE),
        (Outcome.SKIP, Outcome.SKIP, SAME),
        (Outcome.NOT_RUN, Outcome.NOT_RUN, SAME),
        (FAIL, Outcome.SKIP, NEW),
        (FAIL, Outcome.ERROR, NEW),
        (PASS, Outcome.ERROR, None),
        (PASS, Outcome.SKIP, None),
        (Outcome.ERROR, PASS, None),
        (Outcome.ERROR, FAIL, None),
    ],
)
def test_the_relation_of_a_case(series: Outcome, base: Outcome, expected: Relation | None) -> None:
    assert relation(case(series), case(base)) is expected


def test_a_failure_with_a_finding_that_the_base_has_not_is_new_though_the_base_fails_too() -> None:
    assert relation(complained(finding("a"), finding("b")), complained(finding("a"))) is NEW
    assert relation(complained(finding("a")), complained(finding("a"), finding("b"))) is SAME


def test_a_warning_that_came_in_another_case_of_the_base_is_the_base_s() -> None:
    series, base = [complained(finding(), name="b"), case(PASS, name="a")], [complained(finding(), name="a")]
    (judged,), _ = compare([suite(*series)], [suite(*base)])
    assert [one.relation for one in judged.cases] == [SAME, FIXED]
    assert judged.cases[0].findings[0].relation is SAME


def test_a_wrong_result_is_not_explained_by_an_old_warning_beside_it() -> None:
    assert relation(case(FAIL, finding(), name="b"), complained(finding(), name="a")) is NEW


def test_a_crash_that_the_base_has_in_another_case_is_the_base_s() -> None:
    panic = finding("p", "panic")
    assert relation(case(CRASH, panic, name="b"), case(CRASH, panic, name="a")) is SAME
    assert relation(case(CRASH, name="b"), case(CRASH, panic, name="a")) is NEW


@pytest.mark.parametrize("outcome", [CRASH, TIMEOUT])
def test_a_guest_or_a_program_does_not_end_of_an_old_warning(outcome: Outcome) -> None:
    assert relation(case(outcome, finding()), complained(finding())) is NEW
    assert relation(case(outcome, finding()), case(outcome, finding())) is SAME
    oops = finding("o", "oops")
    assert relation(case(outcome, finding(), oops), complained(finding(), oops)) is SAME


def test_a_hung_task_of_the_base_explains_a_deadline_and_no_crash() -> None:
    hung = finding("h", "hung-task")
    assert relation(case(TIMEOUT, hung, name="b"), complained(hung, name="a")) is SAME
    assert relation(case(CRASH, hung, name="b"), complained(hung, name="a")) is NEW


def test_the_neighbours_in_a_program_whose_kernel_complained_follow_its_finding() -> None:
    series = [complained(finding(), name="first"), complained(name="second")]
    base = [complained(finding(), name="first"), case(PASS, name="second")]
    (judged,), _ = compare([suite(*series)], [suite(*base)])
    assert [one.relation for one in judged.cases] == [SAME, SAME]


@pytest.mark.parametrize("message", ["new taint: B (bad page)", "lockdep switched itself off"])
def test_what_another_command_s_kernel_said_explains_no_silent_failure(message: str) -> None:
    silent = case(FAIL, name="second", said=PASS, message=message)
    series, base = [complained(finding(), name="first"), silent], [complained(finding(), name="first")]
    (judged,), _ = compare([suite(*series)], [suite(*base, case(PASS, name="second"))])
    assert [one.relation for one in judged.cases] == [SAME, NEW]
    (judged,), _ = compare([suite(*series)], [suite(*base, silent)])
    assert [one.relation for one in judged.cases] == [SAME, SAME]


def test_a_wrong_result_is_new_where_only_the_kernel_complained() -> None:
    assert relation(case(FAIL), complained(finding())) is NEW
    assert relation(case(FAIL, finding()), complained(finding())) is NEW
    assert relation(case(FAIL, finding()), case(FAIL, finding())) is SAME


def test_stalls_decide_only_where_nothing_else_does() -> None:
    stall = finding("s", "rcu-stall", timing=True)
    assert relation(complained(finding("a"), stall), complained(finding("a"))) is SAME
    assert relation(complained(stall), case(PASS)) is NEW


def test_a_finding_is_fixed_only_if_something_looked_for_it() -> None:
    def of_finding(*series: Case) -> Relation:
        found = differences(list(series), [complained(finding("a", "lockdep"))])
        return next(one.relation for one in found if one.fingerprint.endswith("a"))

    assert of_finding(case(PASS)) is FIXED
    for cut_off in (Outcome.SKIP, Outcome.NOT_RUN, Outcome.NOT_EXERCISED, CRASH, TIMEOUT):
        assert of_finding(case(cut_off)) is GONE
    assert of_finding() is GONE
    assert of_finding(complained(finding("w"))) is FIXED


def test_behind_a_lockdep_report_lockdep_sees_nothing() -> None:
    found = differences([complained(finding("b", "lockdep"))], [complained(finding("a", "lockdep"))])
    assert [(one.relation, one.fingerprint[-1]) for one in found if one.fingerprint] == [(NEW, "b"), (GONE, "a")]


def test_a_case_that_failed_and_is_no_longer_there_is_gone() -> None:
    (found,) = differences([], [case(FAIL)])
    assert (found.relation, found.where, found.base, found.series) == (GONE, "arm64.lockdep.faults.anon", "fail", "")


def test_another_architecture_is_not_compared() -> None:
    (judged,), found = compare([suite(case(FAIL), arch="x86_64")], [suite(case(FAIL))])
    assert judged.cases[0].relation is None
    assert [one.relation for one in found] == [GONE]


def test_a_case_that_fails_always_where_it_failed_now_and_then_is_new() -> None:
    flaky, always = replace(case(FAIL), tries=Tries(1, 3)), replace(case(FAIL), tries=Tries(3, 3))
    assert relation(always, flaky) is NEW
    assert relation(flaky, always) is SAME
    assert relation(flaky, flaky) is SAME
    assert relation(case(FAIL), flaky) is SAME, "run once, it may be as it was"


def test_guests_are_numbered_as_they_are_lost() -> None:
    series = suite(Case("kernel", "boot-3", CRASH, message="panic"), name="kernel")
    base = suite(Case("kernel", "boot-2", CRASH, message="panic"), Case("kernel", "boot", PASS), name="kernel")
    (judged,), _ = compare([series], [base])
    assert judged.cases[0].relation is SAME


def test_what_is_the_base_s_does_not_count_unless_all_does() -> None:
    judged, _ = compare([suite(case(FAIL), case(PASS, name="b"))], [suite(case(FAIL), case(PASS, name="b"))])
    assert overall(excuse(judged, strict=False, allow_flaky=False)) == (
        Outcome.PASS, "1 cases passed, 1 same as the base",
    )  # fmt: skip
    outcome, message = overall(excuse(judged, strict=True, allow_flaky=False), strict=True)
    assert outcome is FAIL
    assert message.startswith("1 same as the base; 1 of 2 cases failed: arm64.lockdep.faults.anon (fail)")


def test_lost_coverage_fails_a_strict_run_alone() -> None:
    judged, _ = compare([suite(case(Outcome.SKIP), case(PASS, name="b"))], [suite(case(PASS), case(PASS, name="b"))])
    assert overall(judged)[0] is Outcome.PASS
    assert overall(judged, strict=True)[0] is FAIL


def test_a_case_that_is_no_longer_there_fails_a_strict_run() -> None:
    base = [suite(case(PASS), case(PASS, name="b")), suite(case(CRASH, name="after-b"), name="kernel")]
    judged, found = compare([suite(case(PASS))], base)
    assert vanished(found) == ["arm64.lockdep.faults.b"]
    assert overall(judged, vanished=vanished(found))[0] is Outcome.PASS
    assert overall(judged, strict=True, vanished=vanished(found)) == (
        FAIL, "gone with coverage: arm64.lockdep.faults.b, which the tree without the series has",
    )  # fmt: skip


def test_what_did_not_run_without_the_series_either_is_no_riddle() -> None:
    cases = (case(PASS, name="b"), case(CRASH), case(Outcome.NOT_RUN, name="c"))
    judged, _ = compare([suite(*cases)], [suite(*cases)])
    assert overall(excuse(judged, strict=False, allow_flaky=False))[0] is Outcome.PASS


def test_flaky_counts_unless_it_is_allowed() -> None:
    flaky = replace(case(FAIL), tries=Tries(1, 3))
    suites = [suite(flaky, case(PASS, name="b"))]
    assert overall(excuse(suites, strict=False, allow_flaky=False))[0] is FAIL
    assert overall(excuse(suites, strict=False, allow_flaky=True)) == (Outcome.PASS, "1 cases passed, 1 flaky")
    assert overall(excuse(suites, strict=True, allow_flaky=True))[0] is FAIL
    always = replace(flaky, tries=Tries(3, 3))
    assert overall(excuse([suite(always)], strict=False, allow_flaky=True))[0] is FAIL


def test_the_tally() -> None:
    cases = [
        replace(case(FAIL), relation=NEW), replace(case(CRASH), relation=NEW, tries=Tries(2, 3)),
        replace(case(FAIL), relation=SAME), replace(case(FAIL), relation=SAME, known="k"),
        replace(case(PASS), relation=FIXED), replace(case(PASS), relation=SAME), case(FAIL),
    ]  # fmt: skip
    assert tally(cases) == "2 new, 1 same as the base, 1 known, 1 flaky, 1 fixed"
    assert tally([case(FAIL), case(PASS)]) == ""


_FINDINGS = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(
    lambda names: tuple(finding(name) for name in names)
)
_CASES = st.builds(
    lambda outcome, findings, said: case(outcome, *findings, said=said),
    st.sampled_from(list(Outcome)), _FINDINGS, st.sampled_from([None, PASS]),
)  # fmt: skip
_SUITES = st.lists(_CASES, max_size=4).map(
    lambda cases: [suite(*(replace(one, name=f"c{at}") for at, one in enumerate(cases)))]
)


@given(_SUITES)
def test_a_tree_held_against_itself_has_nothing_new_and_nothing_fixed(suites: list[SuiteResult]) -> None:
    judged, found = compare(suites, suites)
    assert {one.relation for one in found} <= {SAME, GONE}
    assert not [one for one in found if one.relation is GONE]
    assert not [one for one in judged[0].cases if one.relation in (NEW, FIXED, GONE)]


@given(_SUITES, _SUITES)
def test_only_relations_are_added_and_every_failure_has_one(series: list[SuiteResult], base: list[SuiteResult]) -> None:
    judged, _ = compare(series, base)
    for before, after in zip(series[0].cases, judged[0].cases, strict=True):
        findings = tuple(replace(one, relation=None) for one in after.findings)
        assert replace(after, relation=None, findings=findings) == before
        assert after.relation is not None or not after.outcome.blames_kernel
        if after.relation is SAME and after.outcome.blames_kernel:
            assert not [one for one in after.findings if one.relation is NEW and not one.timing]

"""The reader of the kernel's own KTAP: what the document allows, what kselftest prints, and every way to be cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.suites.kernel_ktap import MOST_RESULTS, Result, Verdict, parse

NESTED = """KTAP version 1
1..2
  KTAP version 1
  1..3
    KTAP version 1
    1..2
    # touching
    not ok 1 write
    ok 2 read
  not ok 1 faults
  ok 2 moves # SKIP no mremap
# somebody else's line
  ok 3 merges
not ok 1 one
ok 2 two
"""


def verdicts(text: str) -> dict[str, Verdict]:
    return {result.name: result.verdict for result in parse(text).results}


def test_nested_reports() -> None:
    report = parse(NESTED)
    assert (report.plan, report.defects, report.bail_out) == (2, (), None)
    faults = Result(
        "faults", Verdict.FAIL, "", (),
        (Result("write", Verdict.FAIL, "", ("    # touching",)), Result("read", Verdict.PASS, "")),
    )  # fmt: skip
    moves = Result("moves", Verdict.SKIP, "SKIP no mremap")
    merges = Result("merges", Verdict.PASS, "", ("# somebody else's line",))
    assert report.results == (
        Result("one", Verdict.FAIL, "", (), (faults, moves, merges)), Result("two", Verdict.PASS, ""),
    )  # fmt: skip


def test_carriage_returns_do_not_matter() -> None:
    assert parse(NESTED.replace("\n", "\r\n")) == parse(NESTED)


@pytest.mark.parametrize("indent", ["  ", "# ", "\t"])
def test_nesting_by_two_spaces_or_as_diagnostics_of_the_old_runner(indent: str) -> None:
    inner = ["TAP version 13", "1..1", "ok 1 inside"]
    report = parse("\n".join(["TAP version 13", "1..1", *(f"{indent}{line}" for line in inner), "ok 1 outside"]))
    assert [(one.name, [child.name for child in one.children]) for one in report.results] == [("outside", ["inside"])]


def test_a_result_in_a_diagnostic_is_none_where_no_report_was_opened_there() -> None:
    assert verdicts("TAP version 13\n1..1\n# ok 1 not mine\n  ok 2 nor this\nok 1 mine\n") == {"mine": Verdict.PASS}


@pytest.mark.parametrize(
    ("line", "name", "verdict"),
    [
        ("ok 1 a name", "a name", Verdict.PASS),
        ("ok 1 - a name", "a name", Verdict.PASS),
        ("ok 1", "", Verdict.PASS),
        ("ok 1 a name # rcode=0", "a name", Verdict.PASS),
        ("not ok 1 a name", "a name", Verdict.FAIL),
        ("ok 1 a name # SKIP no such option", "a name", Verdict.SKIP),
        ("not ok 1 a name # skip no such option", "a name", Verdict.SKIP),
        ("ok 1 # SKIP a name (no such option)", "a name", Verdict.SKIP),
        ("ok 1 # XFAIL a name (of size 1)", "a name (of size 1)", Verdict.PASS),
        ("not ok 1 a name # TODO not written", "a name", Verdict.SKIP),
        ("not ok 1 a name # XFAIL known", "a name", Verdict.SKIP),
        ("ok 1 a name # XPASS", "a name", Verdict.PASS),
        ("not ok 1 a name # TIMEOUT 30 seconds", "a name", Verdict.FAIL),
        ("not ok 1 # error a name", "a name", Verdict.FAIL),
        ("not ok 1 a name # WHATEVER", "a name", Verdict.FAIL),
    ],
)
def test_a_result_line(line: str, name: str, verdict: Verdict) -> None:
    assert verdicts(f"TAP version 13\n1..1\n{line}\n") == {name: verdict}


@pytest.mark.parametrize("line", ["okay 1 a", "ok one", "ok", "not 1 a", " ok 1 a", "nok 1 a", "1 ok a"])
def test_what_is_no_result(line: str) -> None:
    assert parse(f"TAP version 13\n{line}\n").results == ()


def test_nothing_is_run() -> None:
    report = parse("TAP version 13\n1..0 # SKIP userfaultfd is missing\n")
    assert (report.plan, report.plan_skip, report.results) == (0, "userfaultfd is missing", ())


def test_bail_out_and_totals() -> None:
    report = parse("1..9\nok 1 a\nBail out! no memory\n# Totals: pass:1 fail:0 xfail:2 xpass:0 skip:3 error:0\n")
    assert (report.bail_out, report.totals, report.plan) == ("no memory", 6, 9)


def test_a_report_that_is_cut_off_inside() -> None:
    report = parse(NESTED[: NESTED.index("  not ok 1 faults")])
    assert report.plan == 2
    assert [result.name for result in report.results] == [""]
    (one,) = report.results
    assert one.verdict is Verdict.FAIL
    assert "the output ends before its result" in report.defects
    (level,) = one.children
    assert [child.name for child in level.children] == ["write", "read"]


def test_a_subtest_line_names_a_report_without_a_result() -> None:
    (one,) = parse("KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: mine\n  1..2\n  ok 1 a\n").results
    assert (one.name, one.verdict) == ("mine", Verdict.FAIL)


def test_numbers_that_jump_are_told() -> None:
    assert parse("1..2\nok 1 a\nok 3 b\n").defects == ("result 3 (b) comes as number 2",)


def test_a_nested_report_that_is_not_whole_is_told() -> None:
    text = "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 a\nok 1 b\n"
    assert parse(text).defects == ("a nested report has 1 results for a plan of 2",)


def test_a_program_cannot_fill_the_memory() -> None:
    report = parse("\n".join(f"ok {number} {number}" for number in range(1, MOST_RESULTS + 100)))
    assert len(report.results) == MOST_RESULTS
    assert report.defects == (f"more than {MOST_RESULTS} results",)
    deep = "\n".join(f"{'  ' * depth}KTAP version 1" for depth in range(100))
    assert parse(deep).results == ()


LINES = st.sampled_from(
    [*NESTED.splitlines(), "Bail out!", "1..x", "ok", "# ok 1 a", "    1..1", "      KTAP version 1"]
)


@given(st.lists(LINES | st.text(max_size=12), max_size=40))
def test_never_raises(lines: list[str]) -> None:
    report = parse("\n".join(lines))
    assert all(isinstance(result.verdict, Verdict) for result in report.results)
    assert report.started or not report.results


@given(st.integers(0, len(NESTED)))
def test_a_cut_report_never_has_a_pass_that_was_none(cut: int) -> None:
    def leaves(results: tuple[Result, ...]) -> dict[str, Verdict]:
        found: dict[str, Verdict] = {}
        for one in results:
            found |= leaves(one.children) if one.children else {one.name: one.verdict}
        return found

    whole = leaves(parse(NESTED).results)
    for name, verdict in leaves(parse(NESTED[:cut]).results).items():
        # A line that is cut in its directive may be read as the pass that it was going to qualify, or in its name.
        assert verdict is not Verdict.PASS or name in ("", "m", "mo", "moves") or whole.get(name, verdict) is verdict

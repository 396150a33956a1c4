"""The vma suite: names from both layouts of its sources, and no pass without a full account."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.model import Arch, Case, CommandResult, Outcome
from harness.suites.vma import VmaSuite, names_of_tests

SUITE = VmaSuite(("merge", "split", "copy"))
(COMMAND,) = SUITE.commands(Arch.ARM64, 2)


def parse(stdout: str, stderr: str = "", exit_code: int = 0) -> list[Case]:
    return list(SUITE.parse(COMMAND, CommandResult(exit_code, stdout, stderr, 3.0)))


def outcomes(stdout: str, stderr: str = "", exit_code: int = 0) -> list[Outcome]:
    return [case.outcome for case in parse(stdout, stderr, exit_code)]


def test_names_of_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "vma.c").write_text(
        "#define TEST(name) \\\n\tdo { run(test_##name); } while (0)\n"
        "\tTEST(merge);\n\t/* TEST(old); */\n\t// TEST(older);\n\n\tTEST( split );\n"
    )
    assert names_of_tests(tmp_path) == ("merge", "split")


def test_names_of_the_split_layout(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "main.c").write_text('#include "tests/merge.c"\nint main(void) { }\n')
    (tmp_path / "tests" / "merge.c").write_text("static void run(void)\n{\n\tTEST(merge);\n\tTEST(split);\n}\n")
    (tmp_path / "tests" / "vma.c").write_text("\tTEST(copy);\n\tTEST(merge);\n")
    assert names_of_tests(tmp_path) == ("merge", "split", "copy")


def test_no_sources_no_names(tmp_path: Path) -> None:
    assert names_of_tests(tmp_path) == ()


def test_all_pass() -> None:
    assert outcomes("3 tests run, 3 passed, 0 failed.\n") == [Outcome.PASS] * 3


def test_a_failure_is_named_with_its_assertion() -> None:
    said = "Assert FAILED at vma.c:12:test_split(): x == y is FALSE.\nTest split FAILED\n"
    cases = parse("3 tests run, 2 passed, 1 failed.\n", said, 1)
    assert [case.outcome for case in cases] == [Outcome.PASS, Outcome.FAIL, Outcome.PASS]
    assert cases[1].message == "vma.c:12:test_split(): x == y is FALSE."


def test_each_failure_gets_its_own_assertion() -> None:
    said = "Assert FAILED at vma.c:1: a\nTest merge FAILED\nAssert FAILED at vma.c:2: b\nTest split FAILED\n"
    cases = parse("3 tests run, 1 passed, 2 failed.\n", said, 1)
    assert [case.message for case in cases] == ["vma.c:1: a", "vma.c:2: b", ""]


def test_without_a_summary_nothing_has_passed() -> None:
    assert outcomes("", "Test merge FAILED\n", 139) == [Outcome.FAIL, Outcome.CRASH, Outcome.CRASH]


def test_a_count_that_disagrees_with_the_sources_is_an_error() -> None:
    assert outcomes("4 tests run, 4 passed, 0 failed.\n") == [Outcome.ERROR] * 3


def test_a_failure_that_is_not_named_spoils_the_rest() -> None:
    assert outcomes("3 tests run, 2 passed, 1 failed.\n", "", 1) == [Outcome.ERROR] * 3


def test_success_with_a_bad_exit_code_is_no_success() -> None:
    assert outcomes("3 tests run, 3 passed, 0 failed.\n", "", 1) == [Outcome.ERROR] * 3


def test_leaks_are_looked_for_apart() -> None:
    assert "ASAN_OPTIONS=detect_leaks=0" in COMMAND.argv
    assert "ASAN_OPTIONS=detect_leaks=0" not in SUITE.leak_check().argv
    clean = SUITE.parse_leak_check(CommandResult(0, "3 tests run, 3 passed, 0 failed.\n", "", 0.1))
    assert clean.outcome is Outcome.PASS
    leaky = SUITE.parse_leak_check(CommandResult(1, "", "==7==ERROR: LeakSanitizer: detected memory leaks\n", 0.1))
    assert (leaky.outcome, leaky.message) == (Outcome.FAIL, "ERROR: LeakSanitizer: detected memory leaks")
    assert SUITE.parse_leak_check(CommandResult(1, "", "", 0.1)).outcome is Outcome.FAIL


def test_an_early_end_by_a_sanitizer_hides_no_name() -> None:
    said = "Test split FAILED\n==7==ERROR: AddressSanitizer: SEGV\n"
    assert outcomes("", said, 1) == [Outcome.CRASH, Outcome.FAIL, Outcome.CRASH]


def test_a_sanitizer_report_is_a_failure() -> None:
    said = "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
    assert outcomes("3 tests run, 3 passed, 0 failed.\n", said, 1) == [Outcome.FAIL] * 3
    assert "heap-use-after-free" in parse("", said, 1)[0].message


@given(st.text(), st.text(), st.integers(0, 255))
def test_whatever_it_prints_every_case_is_accounted_for(stdout: str, stderr: str, exit_code: int) -> None:
    cases = parse(stdout, stderr, exit_code)
    assert [case.name for case in cases] == list(COMMAND.cases)
    assert all(case.outcome is Outcome.PASS or case.message for case in cases)
    if "3 tests run" not in stdout:
        assert Outcome.PASS not in {case.outcome for case in cases}

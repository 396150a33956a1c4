"""The kselftest suite: its table, its command lines, and what it makes of what programs print."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Arch, Case, Command, CommandResult, Outcome
from harness.suites import testing_lines
from harness.suites.kselftest import KselftestSuite, Selftest, payload, slug, table
from tests.conftest import Golden

DATA = Path(__file__).parents[1] / "data" / "ktap"
SUITE = KselftestSuite(table().programs)
COMMAND = Command("mine", ("mine",), ("mine",), 1.0, further_cases=True)
SKIPS_SILENTLY = Command("proc-pid-vm", ("x",), ("proc-pid-vm",), 1.0, further_cases=True)


def parse(stdout: str, stderr: str = "", exit_code: int = 0, command: Command = COMMAND) -> tuple[Case, ...]:
    return SUITE.parse(command, CommandResult(exit_code, stdout, stderr, 3.0))


def own(stdout: str, stderr: str = "", exit_code: int = 0, command: Command = COMMAND) -> tuple[Outcome, str]:
    case = parse(stdout, stderr, exit_code, command)[0]
    return case.outcome, case.message


# --- the table ------------------------------------------------------------------------------------------------


def test_the_table_is_one() -> None:
    tests = table().tests
    names = [test.name for test in tests]
    assert len(set(names)) == len(names)
    assert all("." not in name and slug(name) == name for name in names), "cases of results stand behind a dot"
    assert {test.collection for test in tests} == {"mm", "proc"}
    assert all(test.why and 0 < test.timeout_s <= 120 for test in tests)


def test_only_what_was_built_is_run() -> None:
    commands = KselftestSuite(("mm/uffd-stress", "proc/proc-tid0")).commands(Arch.ARM64, 2)
    assert [command.name for command in commands] == ["uffd-stress-anon", "uffd-stress-shmem", "proc-tid0"]
    assert all(command.cases == (command.name,) and command.further_cases for command in commands)
    assert commands[0].argv == ("/vmaharness/bin/kselftest/mm/uffd-stress", "anon", "4", "4")


def test_a_command_line_with_everything(tmp_path: Path) -> None:
    test = Selftest(
        "a", "mm", "b", 1.0, "because", arguments=("-x",), environment=(("DURATION", "2"),), user=65534,
        sysctl=(("vm.overcommit_memory", "1"),),
    )  # fmt: skip
    assert test.argv[:2] == ("sh", "-c")
    assert test.argv[3:] == (
        "sh", "env", "DURATION=2", "busybox", "start-stop-daemon", "-S", "-c", "65534:65534", "-x",
        "/vmaharness/bin/kselftest/mm/b", "--", "-x",
    )  # fmt: skip
    setting = tmp_path / "overcommit_memory"
    setting.write_text("0\n")
    script = test.argv[2].replace("/proc/sys/vm", str(tmp_path))
    done = subprocess.run(
        ["sh", "-c", script, "sh", "sh", "-c", f"cat {setting}; exit 3"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, setting.read_text()) == (3, b"1\n", "0\n")


def test_the_guest_gets_what_is_run(tmp_path: Path) -> None:
    (file,) = payload({"mm/good": tmp_path}).files
    assert file.guest_path == Selftest("x", "mm", "good", 1.0, "").guest_path


# --- programs that speak KTAP ---------------------------------------------------------------------------------


def test_each_result_is_a_case_after_the_programs_own() -> None:
    cases = parse("TAP version 13\n1..2\nok 1 holes at 0x7f00\n# why\nnot ok 2 the end\n", exit_code=1)
    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("mine", Outcome.FAIL, "1 of 2 failed: the-end"),
        ("mine.holes-at-0x", Outcome.PASS, ""),
        ("mine.the-end", Outcome.FAIL, "why"),
    ]
    assert cases[2].detail == "# why"
    assert "TAP version 13" in cases[0].detail


def test_results_of_one_name_are_told_apart() -> None:
    names = [case.name for case in parse("1..3\nok 1 a\nok 2 b\nok 3 a\n")]
    assert names == ["mine", "mine.a", "mine.b", "mine.a-2"]


def test_a_name_has_no_line_of_its_source() -> None:
    cases = parse("1..2\nok 1 # SKIP on_pkey: line:1669\nok 2 test_seal_start: line:12\n")
    assert [case.name for case in cases] == ["mine", "mine.on_pkey", "mine.test_seal_start"]


def test_a_nested_report_is_its_leaves() -> None:
    nested = "KTAP version 1\n1..{}\n  KTAP version 1\n  1..1\n  ok 1 in\n{}\n"
    assert [case.name for case in parse(nested.format(1, "ok 1 out"))] == ["mine", "mine.out.in"]
    cases = parse(nested.format(1, "not ok 1 out"), exit_code=1)
    assert [(case.name, case.outcome) for case in cases[1:]] == [
        ("mine.out.in", Outcome.PASS), ("mine.out", Outcome.FAIL),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stdout", "stderr", "exit_code", "outcome", "message"),
    [
        ("1..2\nok 1 a\nok 2 b\n", "", 0, Outcome.PASS, ""),
        ("1..2\nok 1 a\n", "", 0, Outcome.CRASH, "exit code 0 after 1 of 2 results"),
        ("1..2\nok 1 a\n", "", 139, Outcome.CRASH, "died of SIGSEGV after 1 of 2 results"),
        ("1..2\nok 1 a\nok 2 b\n", "", 139, Outcome.CRASH, "died of SIGSEGV after its last result"),
        ("1..2\nok 1 a\nnot ok 2 b\n", "", 137, Outcome.CRASH, "died of SIGKILL after its last result"),
        ("1..2\nok 1 a\nBail out! no memory\n", "", 1, Outcome.CRASH,
         "exit code 1 after 1 of 2 results; it gave up: no memory"),
        ("Bail out! no memory\n", "", 1, Outcome.CRASH, "exit code 1 after 0 results; it gave up: no memory"),
        ("1..2\nok 1 a\nnot ok 2 b\nBail out! 1 of 2 failed\n", "", 1, Outcome.FAIL, "1 of 2 failed: b"),
        ("1..1\nok 1 a\nBail out! why\n", "", 1, Outcome.FAIL, "exit code 1, although no result is bad"),
        ("ok 1 a\nBail out! why\n", "", 1, Outcome.CRASH, "exit code 1 after 1 results; it gave up: why"),
        ("TAP version 13\n", "", 0, Outcome.CRASH, "exit code 0 after 0 results"),
        ("1..2\nok 1 a\nok 2 b\nok 3 c\n", "", 0, Outcome.FAIL, "3 results for a plan of 2"),
        ("1..2\nok 1 a\nok 2 b\n", "", 1, Outcome.FAIL, "exit code 1, although no result is bad"),
        ("1..1\nok 1 a\n# Totals: pass:0 fail:1 xfail:1 xpass:0 skip:0 error:0\n", "", 0, Outcome.FAIL,
         "the program counts 2 results and printed 1"),
        ("1..1\nnot ok 1 a\n", "", 0, Outcome.FAIL, "1 of 1 failed: a"),
        ("1..0 # SKIP not here\n", "", 4, Outcome.SKIP, "not here"),
        ("1..0 # SKIP not here\n", "", 0, Outcome.SKIP, "not here"),
        ("1..2\nok 1 # SKIP a (not here)\nok 2 # SKIP b (nor there)\n", "", 0, Outcome.SKIP, "b (nor there)"),
        ("1..2\nok 1 a\nok 2 # SKIP not here\n", "", 4, Outcome.SKIP, "not here"),
        ("1..2\nok 1 a\nok 2 # SKIP b\n", "", 0, Outcome.PASS, ""),
        ("1..2\nnot ok 1 a\nok 2 b\n", "", 4, Outcome.FAIL, "1 of 2 failed: a"),
        ("TAP version 13\n# Totals: pass:0 fail:0 xfail:0 xpass:0 skip:0 error:0\n", "", 0, Outcome.SKIP,
         "it gives no reason"),
        ("TAP version 13\n# Totals: pass:0 fail:0 xfail:0 xpass:0 skip:0 error:0\n", "", 1, Outcome.CRASH,
         "exit code 1 after 0 results"),
    ],
)  # fmt: skip
def test_the_programs_own_case(stdout: str, stderr: str, exit_code: int, outcome: Outcome, message: str) -> None:
    assert own(stdout, stderr, exit_code) == (outcome, message)


# --- programs that speak by their exit code -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stderr", "exit_code", "outcome", "message"),
    [
        ("", 0, Outcome.PASS, ""),
        ("", 1, Outcome.FAIL, "exit code 1"),
        ("x: mmap: no memory\n", 1, Outcome.FAIL, "exit code 1: x: mmap: no memory"),
        ("", 2, Outcome.SKIP, "it is expected to fail"),
        ("", 3, Outcome.PASS, ""),
        ("no option\n", 4, Outcome.SKIP, "no option"),
        ("", 4, Outcome.SKIP, "it gives no reason"),
        ("sh: not found\n", 127, Outcome.ERROR, "the program did not start (exit code 127): sh: not found"),
        ("a: a.c:7: main: Assertion `x == y' failed.\n", 134, Outcome.FAIL,
         "a: a.c:7: main: Assertion `x == y' failed."),
        ("", 134, Outcome.CRASH, "died of SIGABRT"),
        ("", 139, Outcome.CRASH, "died of SIGSEGV"),
    ],
)  # fmt: skip
def test_exit_codes(stderr: str, exit_code: int, outcome: Outcome, message: str) -> None:
    assert parse("", stderr, exit_code)[1:] == ()
    assert own("", stderr, exit_code) == (outcome, message)


def test_a_reason_for_those_that_skip_in_silence() -> None:
    assert own("", "", 4, SKIPS_SILENTLY) == (Outcome.SKIP, "it is written for x86_64 alone")
    assert own("", "no /proc\n", 4, SKIPS_SILENTLY) == (Outcome.SKIP, "no /proc")


# --- uffd-unit-tests of old -----------------------------------------------------------------------------------

UFFD = """Testing UFFDIO_API (with syscall)... done
Testing register-ioctls on anon... done
Testing wp-fork on hugetlb... skipped [reason: huge page size is 0, feature missing?]
Testing move on anon... failed [reason: wrong contents]
Userfaults unit tests: pass=2, skip=1, fail=1 (total=4)
"""


def test_testing_lines() -> None:
    cases = parse(UFFD, exit_code=1)
    assert [(case.name, case.outcome, case.message) for case in cases] == [
        ("mine", Outcome.FAIL, "1 of 4 failed: move-on-anon"),
        ("mine.UFFDIO_API-with-syscall", Outcome.PASS, ""),
        ("mine.register-ioctls-on-anon", Outcome.PASS, ""),
        ("mine.wp-fork-on-hugetlb", Outcome.SKIP, "huge page size is 0, feature missing?"),
        ("mine.move-on-anon", Outcome.FAIL, "wrong contents"),
    ]


def test_testing_lines_that_are_cut_are_no_pass() -> None:
    good = (
        UFFD.replace("failed [reason: wrong contents]", "done").replace("pass=2", "pass=3").replace("fail=1", "fail=0")
    )
    assert own(good) == (Outcome.PASS, "")
    cut = good[: good.index("Userfaults")]
    assert own(cut) == (Outcome.CRASH, "exit code 0 after 4 of 5 results")
    open_line = good[: good.index("move on anon") + len("move on anon... ")]
    assert own(open_line, exit_code=1)[0] is Outcome.CRASH
    assert parse(open_line, exit_code=1)[-1].outcome is Outcome.FAIL
    assert own(good.replace("pass=3", "pass=4"))[0] is not Outcome.PASS


# --- whatever they print --------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", sorted(DATA.glob("*.txt")), ids=lambda path: path.stem)
def test_what_real_kernels_gave(output: Path, golden: Golden) -> None:
    head, _, text = output.read_text().partition("\n")
    exit_code = int(head.rpartition("exit ")[2])
    cases = parse(text, exit_code=exit_code)
    lines = "".join(f"{case.outcome:5} {case.name}{f'  ({case.message})' if case.message else ''}\n" for case in cases)
    assert golden(output.with_suffix(".cases"), lines) == lines


TEXT = st.lists(
    st.sampled_from(
        [*UFFD.splitlines(), "1..2", "ok 1 a", "not ok 2 b # x", "ok 2 # SKIP c", "Bail out!", "KTAP version 1"]
    )
    | st.text(max_size=20),
    max_size=20,
).map("\n".join)


@given(TEXT, st.text(max_size=40), st.integers(0, 255))
def test_whatever_it_prints_there_is_a_sound_account(stdout: str, stderr: str, exit_code: int) -> None:
    cases = parse(stdout, stderr, exit_code)
    assert cases[0].name == "mine"
    assert all(COMMAND.reports(case.name) for case in cases)
    assert len({case.name for case in cases}) == len(cases)
    assert all(case.outcome is Outcome.PASS or case.message.strip() for case in cases)
    if cases[0].outcome is Outcome.PASS:
        assert exit_code in (0, 3)
        assert all(case.outcome in (Outcome.PASS, Outcome.SKIP) for case in cases)


@given(TEXT)
def test_testing_lines_never_raise(text: str) -> None:
    assert testing_lines.parse(text).started == bool(testing_lines.parse(text).results)

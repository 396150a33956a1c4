"""The faults suite: its commands, and no pass without a sound report of contents, metrics and locks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Arch, Case, Command, CommandResult, Metric, Outcome
from harness.suites.faults import GUEST_PROGRAM, PRICED_REPEAT, WORKLOADS, FaultsSuite, payload
from harness.suites.programs import sources_of
from harness.suites.suite import Suite

SUITE: Suite = FaultsSuite()
COMMANDS = {command.name: command for command in SUITE.commands(Arch.X86_64, 2)}

GOOD = """KTAP version 1
1..1
# anon.2: 2 threads, 4096 ops
# metric fault_time 1421.963 ns/fault 32768
# metric vma_lock_success 32770.000 events 32768
ok 1 - anon.2
"""


def case(stdout: str, exit_code: int = 0, stderr: str = "", command: str = "anon.2") -> Case:
    (only,) = SUITE.parse(COMMANDS[command], CommandResult(exit_code, stdout, stderr, 0.5))
    return only


def test_one_command_a_case() -> None:
    for command in COMMANDS.values():
        assert command.cases == (command.name,)
        assert command.argv[0] == GUEST_PROGRAM
    assert COMMANDS["cow.2"].argv[1:] == ("cow", "--threads", "2", "--seed", "1")
    assert [name for name in COMMANDS if name.startswith("anon")] == ["anon.1", "anon.2"]


def test_threads_follow_the_cpus_of_the_guest() -> None:
    names = [command.name for command in SUITE.commands(Arch.ARM64, 8)]
    assert names[:2] == ["anon.1", "anon.8"]
    race = SUITE.commands(Arch.ARM64, 8)[-1]
    assert race.argv[1:] == ("race.mremap", "--threads", "7", "--seed", "1")
    single = [command.name for command in SUITE.commands(Arch.ARM64, 1)]
    assert len(single) == len(set(single)) == len(WORKLOADS)


def test_what_is_priced_is_many_short_repetitions_and_no_race() -> None:
    commands = {one.name: one.argv[1:] for one in FaultsSuite().priced().at_seed(7).commands(Arch.ARM64, 1)}
    for name, ops in (("anon", "128"), ("uffd", "32"), ("file-read", "1024")):
        work = ("--ops", ops, "--repeat", str(PRICED_REPEAT))
        assert commands[f"{name}.1"] == (name, "--threads", "1", *work, "--clock", "counter", "--seed", "7")
    assert not any(name.startswith("race.") for name in commands)


def test_workloads_that_cannot_take_the_per_vma_path_do_not_claim_it() -> None:
    assert {name for name, command in COMMANDS.items() if not command.exercises_vma_locks} == {
        "stack.1", "stack.2", "uffd.1", "uffd.2",
    }  # fmt: skip


def test_the_program_has_every_workload_of_the_suite() -> None:
    text = "".join(path.read_text() for path in sources_of("faults").glob("*.c"))
    for workload in WORKLOADS:
        assert f'.name = "{workload.name}",' in text
    assert text.count("\t.name = ") == len(WORKLOADS)


def test_a_good_report_passes_with_its_metrics() -> None:
    found = case(GOOD)
    assert (found.outcome, found.message, found.seconds) == (Outcome.PASS, "", 0.5)
    assert found.metrics[0] == Metric("fault_time", 1421.963, "ns/fault", 32768)


@pytest.mark.parametrize(
    ("stdout", "exit_code", "outcome", "message"),
    [
        (GOOD.replace("ok 1 - anon.2", "not ok 1 - anon.2 # page 3 is wrong"), 1, Outcome.FAIL, "page 3 is wrong"),
        (GOOD.replace("ok 1 - anon.2", "not ok 1 - anon.2"), 1, Outcome.FAIL, "no reason given"),
        (GOOD.replace("anon.2\n", "anon.2 # SKIP not in this kernel\n"), 0, Outcome.SKIP, "not in this kernel"),
        (GOOD.partition("ok 1")[0], 139, Outcome.CRASH, "died of SIGSEGV without a result"),
        (GOOD.partition("ok 1")[0], 0, Outcome.CRASH, "exit code 0 without a result"),
        (GOOD, 139, Outcome.CRASH, "died of SIGSEGV after its result"),
        (GOOD, 1, Outcome.CRASH, "exit code 1 after its result"),
        ("", 127, Outcome.ERROR, "the program did not start (exit code 127): it said nothing"),
        ("", 137, Outcome.CRASH, "died of SIGKILL without a result"),
        ("KTAP version 1\n1..1\nBail out! no threads\n", 3, Outcome.ERROR, "the program gave up: no threads"),
        (GOOD.replace("1..1", "1..0"), 0, Outcome.ERROR, "not sound: 1 results for a plan of 0"),
        (f"{GOOD}ok 2 - anon.2\n", 0, Outcome.ERROR, "reported 2 times"),
        (GOOD.replace("1..1", "1..2") + "ok 2 - cow.2\n", 0, Outcome.ERROR, "a result for cow.2, which was not"),
        ("KTAP version 1\n1..1\nok 1 - anon.2\n", 0, Outcome.ERROR, "no metrics"),
        (GOOD.replace("32770.000", "3000.000"), 0, Outcome.NOT_EXERCISED, "3000 of 32768 faults took a VMA lock alone"),
        (GOOD.replace("32770.000", "0.000"), 0, Outcome.NOT_EXERCISED, "0 of 32768 faults took a VMA lock alone"),
    ],
)
def test_outcomes(stdout: str, exit_code: int, outcome: Outcome, message: str) -> None:
    found = case(stdout, exit_code)
    assert found.outcome is outcome
    assert message in found.message


def test_a_crash_says_where() -> None:
    found = case(GOOD.partition("ok 1")[0] + "\n# unexpected signal 11 (code 1) at address 0x7f00\n", 139)
    assert found.message == "died of SIGSEGV without a result; unexpected signal 11 (code 1) at address 0x7f00"


def test_a_usage_error_is_the_harness_s_fault() -> None:
    found = case("", 2, "faults: no workload anon; see --list\n")
    assert found.outcome is Outcome.ERROR
    assert "faults: no workload anon" in found.message


def test_a_kernel_without_statistics_is_not_judged_by_them() -> None:
    without = "".join(line for line in GOOD.splitlines(keepends=True) if "vma_lock" not in line)
    assert case(without).outcome is Outcome.PASS


def test_stack_growth_is_not_expected_to_take_vma_locks() -> None:
    text = GOOD.replace("anon.2", "stack.2").replace("32770.000", "0.000")
    assert case(text, command="stack.2").outcome is Outcome.PASS


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_output_that_was_cut_off_passes(length: int, exit_code: int) -> None:
    text = GOOD[:length]
    if text.endswith("ok 1 - anon.2"):
        return  # only the newline is missing
    assert case(text, exit_code).outcome is not Outcome.PASS


@given(st.text(), st.text(), st.integers(0, 255), st.sampled_from(sorted(COMMANDS)))
def test_any_output_gives_every_case_and_a_reason(stdout: str, stderr: str, exit_code: int, name: str) -> None:
    command: Command = COMMANDS[name]
    cases = SUITE.parse(command, CommandResult(exit_code, stdout, stderr, 1.0))
    assert tuple(one.name for one in cases) == command.cases
    assert all(one.message and one.outcome is not Outcome.PASS for one in cases)


def test_payload_needs_no_packages() -> None:
    found = payload(sources_of("faults"))
    assert (found.files[0].guest_path, found.packages) == (GUEST_PROGRAM, ())

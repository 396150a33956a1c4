"""The hazards suite: its commands, and no pass without a sound report of contents, metrics and locks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Arch, Case, Command, CommandResult, Outcome
from harness.run.suites import DESCRIPTIONS
from harness.suites.hazards import GUEST_PROGRAM, WORKLOADS, HazardsSuite, payload
from harness.suites.programs import sources_of
from harness.suites.suite import Suite

SUITE: Suite = HazardsSuite()
COMMANDS = {command.name: command for command in SUITE.commands(Arch.X86_64, 2)}

GOOD = """KTAP version 1
1..1
# near.merge.2: 2 threads, 40 ops, seed 1, pages of 4096 bytes
# metric operations 174.000 ops 174
# metric writer_max 2020000.000 ns/op 80
# metric vma_lock_success 3289.000 events 3500
ok 1 - near.merge.2
"""


def case(stdout: str, exit_code: int = 0, stderr: str = "", command: str = "near.merge.2") -> Case:
    (only,) = SUITE.parse(COMMANDS[command], CommandResult(exit_code, stdout, stderr, 0.5))
    return only


def test_one_command_a_case() -> None:
    for command in COMMANDS.values():
        assert command.cases == (command.name,)
        assert command.argv[0] == GUEST_PROGRAM
    assert COMMANDS["storm.1"].argv[1:] == ("storm", "--threads", "1", "--own-machine", "--seed", "1")
    assert "hazards" in DESCRIPTIONS


def test_threads_follow_the_cpus_of_the_guest() -> None:
    names = [command.name for command in SUITE.commands(Arch.ARM64, 8)]
    assert {"storm.1", "storm.8", "same.unmap.8", "slab.1"} <= set(names)
    single = [command.name for command in SUITE.commands(Arch.ARM64, 1)]
    assert "same.unmap.2" in single  # a writer and one thread would be no storm
    assert len(names) == len(set(names)) == len(single) == len(set(single))


def test_there_are_more_readers_of_one_vma_than_cpus() -> None:
    assert {name: command.argv[-2:] for name, command in COMMANDS.items() if name.endswith(".16")} == {
        "flags.16": ("--ops", "10"), "uffd.copy.16": ("--ops", "2"), "uffd.move.16": ("--ops", "2")
    }  # fmt: skip
    large = [command.name for command in SUITE.commands(Arch.ARM64, 16)]
    assert len(large) == len(set(large))


def test_a_machine_that_is_not_ours_is_left_as_it_is() -> None:
    commands = HazardsSuite(own_machine=False).commands(Arch.X86_64, 2)
    assert not any("--own-machine" in command.argv for command in commands)


def test_what_cannot_take_the_per_vma_path_does_not_claim_it() -> None:
    assert {name.rpartition(".")[0] for name, command in COMMANDS.items() if not command.exercises_vma_locks} == {
        "uffd.copy", "uffd.zero", "uffd.move", "uffd.within", "uffd.refuse", "pointers", "stack", "slab", "kill.fork",
        "ambush.maps", "ambush.query",
    }  # fmt: skip


def test_the_program_has_every_workload_of_the_suite() -> None:
    text = "".join(path.read_text() for path in sources_of("hazards").glob("*.c"))
    for workload in WORKLOADS:
        assert f'.name = "{workload.name}",' in text
    assert text.count("\t.summary = ") == len(WORKLOADS)


def test_every_workload_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hazards.md").read_text()
    described = {
        name for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }  # fmt: skip
    assert {workload.name for workload in WORKLOADS} <= described


def test_a_good_report_passes_with_its_metrics() -> None:
    found = case(GOOD)
    assert (found.outcome, found.message, found.seconds) == (Outcome.PASS, "", 0.5)
    assert [metric.name for metric in found.metrics] == ["operations", "writer_max", "vma_lock_success"]


@pytest.mark.parametrize(
    ("stdout", "exit_code", "outcome", "message"),
    [
        (
            GOOD.replace("ok 1 - near.merge.2", "not ok 1 - near.merge.2 # no progress for 40 s after 7 operations"),
            1, Outcome.FAIL, "no progress for 40 s",
        ),
        (GOOD.replace("near.merge.2\n", "near.merge.2 # SKIP not here\n"), 0, Outcome.SKIP, "not here"),
        (GOOD.partition("ok 1")[0], 139, Outcome.CRASH, "died of SIGSEGV without a result"),
        (GOOD.replace("3289.000", "0.000"), 0, Outcome.NOT_EXERCISED, "0 of 3500 faults took a VMA lock alone"),
        (GOOD.replace("3289.000", "0.000").replace("3500", "5"), 0, Outcome.NOT_EXERCISED, "0 of 5 faults"),
        ("KTAP version 1\n1..1\nok 1 - near.merge.2\n", 0, Outcome.ERROR, "no metrics"),
        ("KTAP version 1\n1..1\nBail out! UFFDIO_MOVE of page 3: Bad\n", 3, Outcome.ERROR, "the program gave up"),
    ],
)  # fmt: skip
def test_outcomes(stdout: str, exit_code: int, outcome: Outcome, message: str) -> None:
    found = case(stdout, exit_code)
    assert found.outcome is outcome
    assert message in found.message


@pytest.mark.parametrize(
    ("updates", "outcome", "message"),
    [("12.000", Outcome.PASS, ""), ("0.000", Outcome.NOT_EXERCISED, "numa_pte_updates did not grow")],
)
def test_a_case_about_what_did_not_happen_is_not_exercised(updates: str, outcome: Outcome, message: str) -> None:
    """NUMA balancing that never scanned: no defect could have shown."""
    line = f"# metric numa_pte_updates {updates} events 9\n"
    text = GOOD.replace("near.merge.2", "numab.2").replace("ok 1", f"{line}ok 1")
    found = case(text, command="numab.2")
    assert (found.outcome, found.message) == (outcome, message)
    failed = case(text.replace("ok 1 - numab.2", "not ok 1 - numab.2 # why"), 1, command="numab.2")
    assert (failed.outcome, failed.message) == (Outcome.FAIL, "why")


def test_faults_that_cannot_take_vma_locks_need_none() -> None:
    text = GOOD.replace("near.merge.2", "stack.2").replace("3289.000", "0.000")
    assert case(text, command="stack.2").outcome is Outcome.PASS


@given(st.text(), st.text(), st.integers(0, 255), st.sampled_from(sorted(COMMANDS)))
def test_any_output_gives_every_case_and_a_reason(stdout: str, stderr: str, exit_code: int, name: str) -> None:
    command: Command = COMMANDS[name]
    cases = SUITE.parse(command, CommandResult(exit_code, stdout, stderr, 1.0))
    assert tuple(one.name for one in cases) == command.cases
    assert all(one.message and one.outcome is not Outcome.PASS for one in cases)


def test_payload_needs_no_packages() -> None:
    found = payload(sources_of("hazards"))
    assert (found.files[0].guest_path, found.packages) == (GUEST_PROGRAM, ())

"""The bench suite: its commands, and no pass without a sound report of contents, costs and locks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Arch, Case, CommandResult, Outcome
from harness.run.suites import DESCRIPTIONS
from harness.suites.bench import CLOCK_FACTOR, GUEST_PROGRAM, WORKLOADS, BenchSuite, payload
from harness.suites.programs import sources_of
from harness.suites.suite import ExactSuite, Suite

SUITE: ExactSuite = BenchSuite()
COMMANDS = {command.name: command for command in SUITE.commands(Arch.X86_64, 2)}

GOOD = """KTAP version 1
1..1
# page_fault1.threads.2: 256 ops, 4 repetitions, seed 1, pages of 4096 bytes, clock of 1 ns, fixed layout
# metric page_cost 950.000 ns/page 1024
# samples page_cost 512000/512 460800/512
# metric pgfault 1025.000 events 1024
# samples pgfault 512 513
# metric vma_lock_success 1020.000 events 1025
# samples vma_lock_success 510 510
ok 1 - page_fault1.threads.2
"""


def case(stdout: str, exit_code: int = 0, command: str = "page_fault1.threads.2") -> Case:
    (only,) = SUITE.parse(COMMANDS[command], CommandResult(exit_code, stdout, "", 0.5))
    return only


def test_one_command_a_case() -> None:
    for command in COMMANDS.values():
        assert command.cases == (command.name,)
        assert command.argv[0] == GUEST_PROGRAM
    assert COMMANDS["mmap1.processes.2"].argv[1:4] == ("mmap1", "--processes", "2")
    assert "bench" in DESCRIPTIONS


def test_each_shape_in_threads_and_processes_one_and_many() -> None:
    for name in ("page_fault1", "page_fault2", "page_fault3", "mmap1"):
        for tasks in ("threads", "processes"):
            assert {f"{name}.{tasks}.1", f"{name}.{tasks}.2"} <= set(COMMANDS)
    assert {"malloc.threads.1", "malloc.threads.2"} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("smp", "counts"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 4]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])],
)
def test_pft_climbs_to_all_cpus(smp: int, counts: list[int]) -> None:
    names = [command.name for command in SUITE.commands(Arch.ARM64, smp)]
    assert [int(name.rpartition(".")[2]) for name in names if name.startswith("pft")] == counts
    assert len(names) == len(set(names))


def test_an_exact_guest_counts_little_work_and_others_time_much() -> None:
    exact = {one.name: one.argv[1:] for one in SUITE.at_seed(7).commands(Arch.ARM64, 4)}
    options = ("--clock", "counter", "--seed", "7")
    assert exact["pft.threads.1"] == ("pft", "--threads", "1", "--ops", "256", *options)
    assert exact["pft.threads.4"] == ("pft", "--threads", "4", "--ops", "64", *options)
    assert COMMANDS["pft.threads.2"].argv[1:] == ("pft", "--threads", "2", "--ops", str(256 * CLOCK_FACTOR))


def test_tasks_meet_by_noise_in_exact_guests_of_several_cpus() -> None:
    def noisy(suite: Suite, smp: int) -> dict[str, tuple[str, ...]]:
        return {one.name: one.argv for one in suite.commands(Arch.ARM64, smp) if "--noise" in one.argv}

    exact = SUITE.at_seed(7)
    assert list(noisy(exact, 2)) == [f"{name}.threads.2.noise" for name in ("page_fault1", "mmap1", "malloc")]
    assert noisy(exact, 2)["mmap1.threads.2.noise"][-2:] == ("--noise", "7")
    assert not noisy(exact, 1) and not noisy(SUITE, 2)


def test_what_does_not_fault_does_not_claim_to_take_vma_locks() -> None:
    assert {name.partition(".")[0] for name, command in COMMANDS.items() if not command.exercises_vma_locks} == {
        "mmap1"
    }


def test_the_program_has_every_workload_of_the_suite() -> None:
    text = "".join(path.read_text() for path in sources_of("bench").glob("*.c"))
    for workload in WORKLOADS:
        assert f'.name = "{workload.name}",' in text
        assert f".ops = {workload.ops}," in text
    assert text.count("\t.summary = ") == len(WORKLOADS)


def test_a_good_report_has_what_each_repetition_cost() -> None:
    found = case(GOOD)
    assert (found.outcome, found.message) == (Outcome.PASS, "")
    cost, faults, locks = found.metrics
    assert (cost.name, cost.value, cost.unit, cost.samples) == ("page_cost", 950.0, "ns/page", (1000.0, 900.0))
    assert (faults.value, faults.samples) == (1025.0, (512.0, 513.0))
    assert (locks.name, locks.count) == ("vma_lock_success", 1025)


@pytest.mark.parametrize(
    ("stdout", "outcome", "message"),
    [
        (GOOD.replace("ok 1 - page_fault1.threads.2", "not ok 1 - page_fault1.threads.2 # marked page 3"),
         Outcome.FAIL, "marked page 3"),
        (GOOD.replace("1020.000", "100.000").replace("510 510", "50 50"),
         Outcome.NOT_EXERCISED, "100 of 1025 faults took a VMA lock alone"),
        (GOOD.replace("512000/512", "512001/512"), Outcome.ERROR, "its samples make 950.001"),
        (GOOD.partition("ok 1")[0], Outcome.CRASH, "without a result"),
    ],
)  # fmt: skip
def test_outcomes(stdout: str, outcome: Outcome, message: str) -> None:
    found = case(stdout, 0 if outcome is not Outcome.FAIL else 1)
    assert found.outcome is outcome
    assert message in found.message


@given(st.text(), st.integers(0, 255), st.sampled_from(sorted(COMMANDS)))
def test_any_output_gives_every_case_and_a_reason(stdout: str, exit_code: int, name: str) -> None:
    command = COMMANDS[name]
    cases = SUITE.parse(command, CommandResult(exit_code, stdout, "", 1.0))
    assert tuple(one.name for one in cases) == command.cases
    assert all(one.message and one.outcome is not Outcome.PASS for one in cases)


def test_payload_needs_no_packages() -> None:
    found = payload(sources_of("bench"))
    assert (found.files[0].guest_path, found.packages) == (GUEST_PROGRAM, ())

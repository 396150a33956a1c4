"""The bench program itself: run on the host's kernel, and made to fail."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.process import Completed, Processes
from harness.model import Arch, CommandResult, Metric, Outcome
from harness.suites import ktap
from harness.suites.bench import WORKLOADS, BenchSuite
from harness.suites.programs import build_program, sources_of
from tests.suites.conftest import native

PROGRAM = "bench"


def run(processes: Processes, program: Path, *arguments: str) -> Completed:
    return processes.run([program, *arguments], deadline_s=120)


def metrics(done: Completed) -> dict[str, Metric]:
    (result,) = ktap.parse(done.text).results
    assert result.good, done.text
    return {metric.name: metric for metric in result.metrics}


@pytest.mark.parametrize("name", [command.name for command in BenchSuite().commands(Arch.X86_64, 2)])
def test_every_case_on_this_kernel(name: str, program: Path, processes: Processes) -> None:
    suite = BenchSuite(program=str(program))
    command = next(one for one in suite.commands(Arch.X86_64, 2) if one.name == name)
    done = run(processes, program, *command.argv[1:], "--ops", "150", "--repeat", "4", "--seed", "3")
    assert not done.timed_out
    (case,) = suite.parse(command, CommandResult(done.exit_code, done.text, done.words, done.seconds))
    assert case.outcome is Outcome.PASS, f"{case.message}\n{case.detail}"
    cost, rate, *_ = case.metrics
    assert rate.name == "rate" and rate.unit.endswith("/s/task")
    assert cost.name.endswith("_cost") and cost.unit.startswith("ns/") and len(cost.samples) == 2


def test_repetitions_do_the_same_work_and_the_first_two_are_in_no_metric(program: Path, processes: Processes) -> None:
    done = run(processes, program, "malloc", "--threads", "2", "--repeat", "5", "--seed", "9")
    assert done.text.count("(discarded)") == 2
    found = metrics(done)
    assert found["op_cost"].count == 3 * 2 * 32
    faults = found["pgfault"].samples
    assert len(faults) == 3 and faults[0] > 100 and max(faults) - min(faults) < 0.02 * faults[0]


def test_a_rate_is_that_of_each_task(program: Path, processes: Processes) -> None:
    found = metrics(run(processes, program, "pft", "--threads", "2", "--repeat", "4"))
    assert found["rate"].unit == "faults/s/task" and found["rate"].samples == ()
    assert found["rate"].value == pytest.approx(1e9 / found["fault_cost"].value / 2, rel=1e-3)


@pytest.mark.parametrize("workload", [workload.name for workload in WORKLOADS])
def test_as_in_an_exact_guest(workload: str, program: Path, processes: Processes) -> None:
    """The counter is no clock of this host, but it can be read, ticks be waited for, and noise be made."""
    options = ("--clock", "counter", "--noise", "5", "--threads", "2", "--ops", "16", "--repeat", "3")
    done = run(processes, program, workload, *options)
    assert f"ok 1 - {workload}.threads.2.noise" in done.text
    assert "rate" not in metrics(done)


def test_another_seed_is_the_same_work(program: Path, processes: Processes) -> None:
    done = [run(processes, program, "malloc", "--seed", str(seed), "--repeat", "3") for seed in range(3)]
    first, *others = (metrics(one)["pgfault"].value for one in done)
    assert all(abs(other - first) < 0.02 * first for other in others)


def test_processes_have_no_mapping_in_common(program: Path, processes: Processes) -> None:
    done = run(processes, program, "pft", "--processes", "2")
    assert done.exit_code == 0 and "ok 1 - pft.processes.2 # SKIP processes have no mapping" in done.text


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonesuch",),
        ("mmap1", "--ops", "0"),
        ("mmap1", "--repeat", "2"),
        ("mmap1", "--processes", "0"),
        ("mmap1", "--threads", "257"),
        ("mmap1", "--clock", "sun"),
        ("mmap1", "--own-machine"),
    ],
)
def test_a_bad_command_line_is_refused(arguments: tuple[str, ...], program: Path, processes: Processes) -> None:
    done = run(processes, program, *arguments)
    assert (done.exit_code, done.text) == (2, "")
    assert done.words


def test_a_file_that_cannot_be_made_is_a_failed_case(program: Path, processes: Processes) -> None:
    done = run(processes, program, "page_fault2", "--dir", "/nonexistent")
    assert done.exit_code == 1
    assert "not ok 1 - page_fault2.threads.1 # cannot make a file in /nonexistent: No such file" in done.text


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def works(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def started(program: Path, *arguments: str) -> int:
    """The process id of the program, once its three processes work."""
    pid = os.posix_spawn(program, [str(program), *arguments], os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    ])  # fmt: skip
    deadline = time.monotonic() + 20
    while len(children_of(pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(children_of(pid)) == 3
    return pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_the_program_s_own_end(number: signal.Signals, program: Path) -> None:
    pid = started(program, "mmap1", "--processes", "3", "--repeat", "100000")
    os.kill(children_of(pid)[1], number)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -number


def test_processes_do_not_outlive_the_program(program: Path) -> None:
    pid = started(program, "mmap1", "--processes", "3", "--repeat", "100000")
    children = children_of(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 20
    while any(map(works, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(works, children))


@dataclass(frozen=True)
class Mutant:
    """The program with one line changed so that it meets what a broken kernel would do."""

    workload: str
    source: str
    old: str
    new: str
    message: str
    outcome: Outcome = Outcome.FAIL


MUTANTS = (
    Mutant("pft", "place.c", "flags | MAP", "flags | MAP_POPULATE | MAP", "the kernel counted"),
    Mutant("page_fault1", "page_fault.c", "n < count; n++)\n\t\tt", "n + 1 < count; n++)\n\t\tt", "marked page"),
    Mutant(
        "page_fault1",
        "../common/pattern.c",
        "word[mark_place(run, number)] =",
        "word[0] = 1, word[1] =",
        "touched page",
    ),
    Mutant("page_fault2", "page_fault.c", "workload->mapping, task", "workload->mapping ^ 3, task", "filled page"),
    Mutant("page_fault3", "page_fault.c", "workload->mapping, task", "workload->mapping ^ 3, task", "written page"),
    Mutant("mmap1", "mmap.c", "(run, gone, SIZE);", "(run, gone, SIZE / 4);", "is there after munmap"),
    Mutant("mmap1", "mmap.c", "(run, gone, SIZE);", "(run, gone, 2 * SIZE);", "unexpected signal 11", Outcome.CRASH),
    Mutant(
        "pft",
        "pft.c",
        "touch_page(run, page_at(run, run->area, n), n)",
        "touch_page(run, run->area, n)",
        "touched page",
    ),
    Mutant("malloc", "malloc.c", "MADV_DONTNEED))", "MADV_NORMAL))", "touched page"),
    Mutant("malloc", "malloc.c", "block->first + n);\n}", "block->first);\n}", "marked page"),
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.workload}-{Path(mutant.source).name}")
def test_wrong_contents_are_found(mutant: Mutant, processes: Processes, cache: Cache, tmp_path: Path) -> None:
    shutil.copytree(sources_of("bench").parent, tmp_path / "programs")
    sources = tmp_path / "programs" / "bench"
    text = (sources / mutant.source).read_text()
    assert mutant.old in text
    (sources / mutant.source).write_text(text.replace(mutant.old, mutant.new))
    program = build_program("bench", native(), processes=processes, cache=cache, sources=sources)
    suite = BenchSuite(program=str(program))
    command = next(one for one in suite.commands(native(), 1) if one.argv[1] == mutant.workload)
    done = run(processes, program, *command.argv[1:], "--ops", "256", "--repeat", "4")
    (case,) = suite.parse(command, CommandResult(done.exit_code, done.text, done.words, done.seconds))
    assert case.outcome is mutant.outcome, case
    assert mutant.message in case.message

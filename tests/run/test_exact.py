"""A target at one seed: what guests kept is judged as over SSH, what they took with them is run again, and failures
are proven by a second boot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import GuestLost, InfraError
from harness.guest.exact import JobList, JobResult, Kept, exact_part
from harness.model import Accel, Arch, Boot, Case, Command, CommandResult, Metric, Outcome
from harness.run.answers import Answers
from harness.run.exact import AllSeeds, ExactRunner, cut, job_list, unseeded
from harness.run.suites import Prepared, unseedable
from harness.run.tasks import select
from harness.suites.faults import FaultsSuite
from harness.suites.hazards import HazardsSuite
from tests.run.test_target import DIGEST, WARNING

LOCKDEP = WARNING.replace("CPU: 0 PID: 77 at mm/memory.c:12 do_fault+0x12/0x34", "bad unlock balance detected!")
STALLS = {
    "locks-up": "[   40.000000][   T77] watchdog: BUG: soft lockup - CPU#0 stuck for 33s! [anon:77]\n",
    "stalls": "[   70.000000][   T77] rcu: INFO: rcu_preempt self-detected stall on CPU\n",
}
PANIC = "[    6.000000][   T77] Kernel panic - not syncing: on purpose\n"


@dataclass(frozen=True)
class Named:
    """A suite of commands named after what they do to the guest; it reports one abort for each digit in its name."""

    names: tuple[str, ...]
    name: str = "faults"

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        return tuple(Command(name, (name,), (name,), 1.0, exercises_vma_locks=name != "idle") for name in self.names)

    def at_seed(self, seed: int) -> Named:
        return self

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        if result.exit_code == 143:
            return (Case(self.name, command.name, Outcome.CRASH, message="no result"),)
        outcome = Outcome.PASS if result.exit_code == 0 else Outcome.FAIL
        metrics = (Metric("vma_lock_abort", 3, "events", 10), Metric("fault_time", 1.5, "ns", 10))
        message = "" if outcome is Outcome.PASS else "wrong"
        return (Case(self.name, command.name, outcome, result.seconds, message, metrics=metrics),)


@dataclass
class FakeExact:
    """A guest that works through its list when it is booted.

    Commands: good, wrong, warns, warns-late, kills-lockdep, locks-up, stalls, hangs, dies, dies-late, vanishes.
    """

    path: Path
    jobs: JobList
    ssh: bool = True
    noise: str = ""  # host-dependent text, which must not be there
    boots: bool = True
    state: dict[str, Any] = field(default_factory=lambda: {"taken": 10, "locks": 1})
    results: list[JobResult | None] = field(default_factory=list)
    console: str = "Linux version 6.12\n"
    ended: bool = False

    def _probe(self) -> str:
        mark = "--vmaharness--\n"
        locks = f" debug_locks: {self.state['locks']}\n"
        return f"vma_lock_success {self.state['taken']}\n{mark}0\n{mark}{locks}{mark}armed\n{mark}"

    def _job(self, name: str) -> JobResult:
        self.state["taken"] += 5
        said = {"warns": WARNING, "kills-lockdep": LOCKDEP} | STALLS
        self.console += said.get(name, "")
        if name == "kills-lockdep":
            self.state["locks"] = 0
        if name == "dies":
            raise GuestLost("Kernel panic - not syncing: on purpose", reason="panic")
        if name == "vanishes":
            raise GuestLost("QEMU ended with exit code -9", reason="exit")
        code = {"wrong": 1, "hangs": 143}.get(name, 0)
        return JobResult(CommandResult(code, "", "", 3.0 if name == "hangs" else 0.5), name == "hangs", self._probe())

    def boot(self) -> Boot:
        boot = Boot(
            Arch.ARM64, "lockdep", Outcome.PASS, "", Accel.TCG, "", "virt", 2, 1024, (), "", 1.0, 1.5, 2.0, self.path,
            seed=7,
        )  # fmt: skip
        try:
            self._play()
        except GuestLost as lost:
            self.console += PANIC if lost.reason == "panic" else ""
            self.ended = True
            boot = replace(boot, outcome=Outcome.CRASH, message=f"{lost.reason}: {lost.what}")
        self.path.write_text(self.console)
        return boot

    def _play(self) -> None:
        if not self.boots:
            raise GuestLost("Kernel panic - not syncing: no init", reason="panic")
        self.console += f"[    1.0] vmaharness: init\n{self.noise}"
        self.before = self._probe()
        for job in self.jobs.jobs:
            name = job.mark.split()[-1]
            self.console += f"[    1.0] vmaharness: {job.mark}\n"
            result = self._job(name)
            self.console += f"[    1.5] vmaharness: end of {job.mark}\n"
            self.console += WARNING if name == "warns-late" else ""
            if name == "dies-late":
                raise GuestLost("Kernel panic - not syncing: on purpose", reason="panic")
            self.results.append(result)
            if name == "kills-lockdep":
                break
        self.console += "[    9.0] vmaharness: end of the exact part\n"
        if not self.ssh:
            raise GuestLost("SSH did not come", reason="ssh")

    def fetch(self) -> Kept:
        none = [None] * (len(self.jobs.jobs) - len(self.results))
        return Kept(self.before, (*self.results, *none))

    def run(self, argv: Any, *, timeout_s: float) -> CommandResult:
        return CommandResult(0, f"{DIGEST}  -\n", "", 0.1)

    @property
    def exact_part(self) -> bytes:
        return exact_part(self.console.encode(), ended=self.ended)

    def run_marked(self, argv: Any, name: str, then: str, *, timeout_s: float) -> tuple[CommandResult, str]:
        raise AssertionError("marks are the guest's own")

    def console_text(self) -> str:
        return self.console

    def settle(self) -> None:
        return None


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lists: list[list[str]] = []  # of the guests that were started, those for proof apart
        self.proven: list[list[str]] = []
        self.how: dict[int, dict[str, Any]] = {}  # what is odd about the N-th start
        self._starts = 0

    @contextmanager
    def start(self, number: int, jobs: JobList, again: bool) -> Iterator[FakeExact]:
        self._starts += 1
        (self.proven if again else self.lists).append([job.argv[0] for job in jobs.jobs])
        odd = dict(self.how.get(self._starts, {}))
        if odd.pop("broken", False):
            raise InfraError("no QEMU")
        yield FakeExact(self.directory / f"console.{number}{'.again' if again else ''}.log", jobs, **odd)

    def runner(self, *names: str, answers: Answers | None = None) -> ExactRunner:
        tasks = select([Named(names)], (), Arch.ARM64, 2, seed=7)
        runner = ExactRunner(
            Arch.ARM64, "lockdep", tasks, seed=7, start=self.start, config_digest=DIGEST, say=lambda _: None,
            keep=answers.save if answers else None,
        )  # fmt: skip
        if answers is not None and (answered := answers.load()) is not None:
            runner.go_on(answered)
        runner.run()
        return runner


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def outcomes(runner: ExactRunner) -> dict[str, Outcome]:
    return {case.name: case.outcome for case in (*runner.kernel_cases, *runner.cases)}


def test_a_seed_that_is_done_is_not_done_again(bench: Bench) -> None:
    answers = Answers(bench.directory, "arm64-lockdep-seed7", "key")
    first = bench.runner("good", "wrong", "dies", answers=answers)
    guests = len(bench.lists) + len(bench.proven)
    again = bench.runner("good", "wrong", "dies", answers=answers)
    assert len(bench.lists) + len(bench.proven) == guests
    assert (again.kernel_cases, again.cases, again.boots) == (first.kernel_cases, first.cases, first.boots)
    one, two = AllSeeds([first]), AllSeeds([again])
    assert one.exact == two.exact
    assert [one.list_of(boot) for boot in one.boots] == [two.list_of(boot) for boot in two.boots]


def test_a_seed_that_was_interrupted_begins_anew(bench: Bench) -> None:
    answers = Answers(bench.directory, "arm64-lockdep-seed7", "key")
    bench.how = {number: {"broken": True} for number in range(2, 9)}
    with pytest.raises(InfraError):
        bench.runner("dies", "good", answers=answers)
    assert answers.load() is None


def test_a_good_kernel_takes_one_guest_and_no_proof(bench: Bench) -> None:
    runner = bench.runner("good", "also-good")
    assert outcomes(runner) == dict.fromkeys(("boot", "running-config", "good", "also-good"), Outcome.PASS)
    assert (bench.lists, bench.proven) == ([["good", "also-good"]], [])
    assert runner.good
    assert runner.cases[0].seconds == 0.5, "the guest's own time"


def test_a_wrong_result_is_proven_by_the_same_list_at_the_same_seed(bench: Bench) -> None:
    runner = bench.runner("good", "wrong", "also-good")
    assert outcomes(runner)["wrong"] is Outcome.FAIL
    assert outcomes(runner)["proof"] is Outcome.PASS
    assert bench.proven == bench.lists == [["good", "wrong", "also-good"]]
    (proof,) = runner.proofs
    assert proof.same
    assert "again at seed 7: the same, bit for bit" in runner.cases[1].detail
    assert "again" not in runner.cases[0].detail
    assert runner.cases[1].tries is None, "there are no flakes"


def test_a_run_that_is_not_the_same_is_an_error_of_ours_and_no_flake(bench: Bench) -> None:
    bench.how[2] = {"noise": "[    1.0] of the host\n"}
    runner = bench.runner("wrong")
    assert outcomes(runner)["wrong"] is Outcome.FAIL
    assert outcomes(runner)["proof"] is Outcome.ERROR
    assert not runner.proofs[0].same
    assert "NOT the same again at seed 7, from line 3 on" in runner.cases[0].detail


def test_a_machine_that_cannot_prove_it_says_so(bench: Bench) -> None:
    bench.how[2] = {"broken": True}
    runner = bench.runner("wrong")
    assert outcomes(runner)["proof"] is Outcome.ERROR
    assert "no QEMU" in runner.proofs[0].words


def test_a_guest_that_dies_takes_results_with_it_and_they_are_had_from_the_next(bench: Bench) -> None:
    runner = bench.runner("good", "dies", "wrong")
    assert bench.lists == [["good", "dies", "wrong"], ["good", "wrong"]]
    assert {name: outcomes(runner)[name] for name in ("boot", "good", "dies", "wrong", "boot-2")} == {
        "boot": Outcome.PASS, "good": Outcome.PASS, "dies": Outcome.CRASH, "wrong": Outcome.FAIL,
        "boot-2": Outcome.PASS,
    }  # fmt: skip
    dead = next(case for case in runner.cases if case.name == "dies")
    assert "Kernel panic" in dead.message
    assert dead.findings[0].type == "panic"
    assert [proof.same for proof in runner.proofs] == [True, True], "the dead guest is proven too"


def test_what_the_kernel_said_before_the_death_is_not_lost(bench: Bench) -> None:
    """The result of the command is; what it did to the kernel is on the console."""
    runner = bench.runner("warns", "good", "dies")
    assert outcomes(runner)["warns"] is Outcome.CRASH
    (case,) = [case for case in runner.cases if case.name == "warns"]
    assert "result was lost" in case.message
    assert case.findings[0].type == "warning"
    assert bench.lists[1] == ["good"]


def test_a_death_between_two_commands_is_the_earlier_one_s(bench: Bench) -> None:
    runner = bench.runner("good", "dies-late", "also-good")
    assert outcomes(runner)["dies-late"] is Outcome.CRASH
    assert bench.lists[1] == ["good", "also-good"]
    assert {outcomes(runner)[name] for name in ("good", "also-good")} == {Outcome.PASS}


def test_a_splat_is_the_command_s_in_which_it_came_or_nobody_s(bench: Bench) -> None:
    runner = bench.runner("good", "warns", "warns-late", "also-good")
    result = outcomes(runner)
    assert (result["warns"], result["good"], result["also-good"]) == (Outcome.FAIL, Outcome.PASS, Outcome.PASS)
    assert (result["warns-late"], result["after-faults.warns-late"]) == (Outcome.PASS, Outcome.FAIL)
    (finding,) = next(case for case in runner.cases if case.name == "warns").findings
    console = (bench.directory / "console.1.log").read_text().split("\n")
    assert "WARNING" in "".join(console[finding.line - 1 : finding.line + 1])


@pytest.mark.parametrize("command", list(STALLS))
def test_no_stall_is_slowness_where_time_is_instructions(bench: Bench, command: str) -> None:
    runner = bench.runner(command, "good")
    (case,) = [case for case in runner.cases if case.name == command]
    (finding,) = case.findings
    assert (case.outcome, finding.timing) == (Outcome.FAIL, False)
    assert finding.title in case.message
    assert outcomes(runner)["good"] is Outcome.PASS
    assert runner.proofs[0].same


def test_after_lockdep_died_a_fresh_guest_is_taken(bench: Bench) -> None:
    runner = bench.runner("kills-lockdep", "good")
    assert outcomes(runner)["kills-lockdep"] is Outcome.FAIL
    assert outcomes(runner)["good"] is Outcome.PASS
    assert bench.lists == [["kills-lockdep", "good"], ["good"]]


def test_a_command_without_an_end_times_out_in_the_guests_time(bench: Bench) -> None:
    runner = bench.runner("hangs", "good")
    (case,) = [case for case in runner.cases if case.name == "hangs"]
    assert (case.outcome, case.message) == (Outcome.TIMEOUT, "no end after 3 s of the guest's time")
    assert bench.lists == [["hangs", "good"], ["good"]]
    assert outcomes(runner)["good"] is Outcome.PASS


def test_a_kernel_that_does_not_boot_runs_nothing_and_is_proven(bench: Bench) -> None:
    bench.how = {1: {"boots": False}, 2: {"boots": False}}
    runner = bench.runner("good")
    assert outcomes(runner) == {"boot": Outcome.CRASH, "good": Outcome.NOT_RUN, "proof": Outcome.PASS}


def test_results_that_cannot_be_had_are_no_pass(bench: Bench) -> None:
    bench.how = {number: {"ssh": False} for number in range(1, 9)}
    runner = bench.runner("good", "also-good")
    assert {outcomes(runner)[name] for name in ("good", "also-good")} == {Outcome.CRASH}
    assert len(bench.lists) == 3, "the machine has had its chance"


def test_a_qemu_that_ended_for_no_reason_is_the_machines_until_it_does_so_always(bench: Bench) -> None:
    runner = bench.runner("good", "vanishes")
    assert outcomes(runner)["vanishes"] is Outcome.CRASH
    assert bench.lists == [["good", "vanishes"]] * 3 + [["good"]]


# --- names, lists, sums -----------------------------------------------------------------------------------------


def test_the_console_is_cut_at_its_marks() -> None:
    text = (
        "a\n[ 1.0][ T1] vmaharness: x y\nb\n[ 1.1] vmaharness: end of x y\nc\n[ 1.2] vmaharness: x z\nvmaharness: x y"
    )
    found = cut(text, ["x y", "x z"])
    (first, rest), (second, none) = found.jobs
    assert rest is not None
    assert (found.boot.text, first.lines[1:], rest.lines[1:]) == ("a", ["b"], ["c"])
    assert (second.first_line, len(second.lines), none, found.complete) == (6, 2, None, False)


def test_all_seeds_have_names_of_their_own_and_their_races_are_summed(bench: Bench) -> None:
    runners = [bench.runner("good", "wrong", "idle"), bench.runner("good")]
    runners[1].seed = 8
    found = AllSeeds(runners)
    assert [case.name for case in found.cases] == ["good@7", "wrong@7", "idle@7", "good@8"]
    assert {"boot@7", "boot@8", "proof@7"} <= {case.name for case in found.kernel_cases}
    assert found.exact is not None
    assert found.exact.races == "abort 9, retry 0, miss 0 over 2 seeds", "not of what takes no VMA locks"
    task = found.task_of("faults", "wrong@7")
    assert task is not None
    assert task.command.name == "wrong"
    assert found.task_of("faults", "wrong@8") is None
    assert [task.command.name for task in found.list_of(runners[0].boots[0])] == ["good", "wrong", "idle"]
    assert (unseeded("same.unmap.2@7"), unseeded("boot")) == ("same.unmap.2", "boot")


@pytest.mark.parametrize(
    ("pattern", "seed", "names"),
    [("faults.anon.1", 7, ["anon.1"]), ("faults.anon.1@7", 7, ["anon.1"]), ("faults.anon.1@7", 8, []),
     ("faults.anon.*", 8, ["anon.1", "anon.2"])],
)  # fmt: skip
def test_globs_choose_commands_with_or_without_a_seed(pattern: str, seed: int, names: list[str]) -> None:
    tasks = select([Named(("anon.1", "anon.2", "cow.1"))], [pattern], Arch.ARM64, 2, seed=seed)
    assert [task.command.name for task in tasks] == names


def test_the_programs_are_told_the_seed_and_only_races_are_disturbed() -> None:
    faults = {command.name: command.argv for command in FaultsSuite().at_seed(7).commands(Arch.ARM64, 2)}
    assert faults["anon.1"][-2:] == ("--seed", "7")
    assert faults["race.mmap"][-4:] == ("--seed", "7", "--noise", "7")
    assert all("--noise" in command.argv for command in HazardsSuite().at_seed(7).commands(Arch.ARM64, 2))
    assert all(command.argv[-2:] == ("--seed", "1") for command in FaultsSuite().commands(Arch.ARM64, 2))
    exact, free = (
        {command.name: command.argv for command in suite.commands(Arch.ARM64, 2)}
        for suite in (HazardsSuite().at_seed(7), HazardsSuite())
    )
    assert exact["exit.2"][-2:] == ("--ops", "8"), "less work where one CPU runs at a time"
    assert {name for name, argv in free.items() if "--ops" in argv} == {"flags.16", "uffd.copy.16", "uffd.move.16"}


def test_a_list_gives_each_command_its_time_in_the_guests_seconds() -> None:
    tasks = select([HazardsSuite().at_seed(7)], ["hazards.storm.*"], Arch.ARM64, 2, seed=7)
    jobs = job_list(tasks).jobs
    assert [job.mark for job in jobs] == ["hazards storm.1", "hazards storm.2"]
    assert {job.guest_s for job in jobs} == {36}


def test_a_suite_that_cannot_be_exact_says_so_and_one_that_was_not_made_why() -> None:
    class OverSsh:
        name = "kselftest"

    prepared = (
        Prepared("faults", FaultsSuite()), Prepared("kselftest", OverSsh()),  # type: ignore[arg-type]
        Prepared("vma", None, cases=(Case("vma", "build", Outcome.FAIL, message="does not compile"),)),
    )  # fmt: skip
    told = {(case.suite, case.name): case.outcome for case in unseedable(prepared)}
    assert told == {("kselftest", "exact"): Outcome.SKIP, ("vma", "build"): Outcome.FAIL}

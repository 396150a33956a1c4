"""A target's guests: what is judged, when a fresh guest is taken, and what is never called a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.errors import GuestLost, UserError
from harness.guest.watch import begin_mark, end_mark
from harness.model import Accel, Arch, Boot, Case, Command, CommandResult, Outcome, Profile
from harness.run.hearing import lines_after
from harness.run.probe import PROBE, READING
from harness.run.target import MAX_BOOTS, TargetRunner
from harness.run.targets import targets_of
from harness.run.tasks import Task, by_suite, select
from harness.suites.vma import VmaSuite

DIGEST = "d" * 64
WARNING = (
    "[    5.000000][   T77] ------------[ cut here ]------------\n"
    "[    5.000001][   T77] WARNING: CPU: 0 PID: 77 at mm/memory.c:12 do_fault+0x12/0x34\n"
    "[    5.000002][   T77] ---[ end trace 0000000000000000 ]---\n"
)


@dataclass(frozen=True)
class TwoCases:
    """A suite of single-case commands named after what they do to the guest."""

    names: tuple[str, ...]
    name: str = "faults"

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        return tuple(Command(name, (name,), (name,), 1.0, exercises_vma_locks=True) for name in self.names)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        outcome = Outcome.PASS if result.exit_code == 0 else Outcome.FAIL
        return (Case(self.name, command.name, outcome, message="" if outcome is Outcome.PASS else "wrong"),)


@dataclass
class FakeGuest:
    """A kernel made of counters; commands are: good, wrong, warns, floods, idle, taints, dies, kills-lockdep."""

    boots_well: bool = True
    console: str = "Linux version 6.12\n"
    tainted: int = 0
    debug_locks: int = 1
    taken: int = 10
    tables: str = " lock-classes:  412 [max: 8192]\n"
    armed: str = "armed"
    nodes: str = "0\n"  # that have memory
    probe: str = ""  # what is read instead of the above
    late: dict[str, str] = field(default_factory=dict)  # what the kernel says just before a mark
    marks: list[str] = field(default_factory=list)

    def boot(self) -> Boot:
        outcome = Outcome.PASS if self.boots_well else Outcome.CRASH
        return Boot(
            Arch.ARM64, "lockdep", outcome, "" if self.boots_well else "panic: no init", Accel.TCG, "", "virt", 2, 1024,
            (), "", 1.0, 1.5, 2.0, Path("console.log"),
        )  # fmt: skip

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        name = argv[0]
        if tuple(argv) == PROBE and self.probe:
            return CommandResult(0, self.probe, "", 0.1)
        if tuple(argv) == PROBE:
            mark = "--vmaharness--\n"
            locks = f"{self.tables} debug_locks: {self.debug_locks}\n"
            said = f"vma_lock_success {self.taken}\n{mark}{self.tainted}\n{mark}{locks}{mark}{self.armed}\n{mark}"
            return CommandResult(0, said, "", 0.1)
        if argv[-1].endswith("/node/has_memory"):
            return CommandResult(0, self.nodes, "", 0.1)
        if "config.gz" in argv[-1]:
            return CommandResult(0, f"{DIGEST}  -\n", "", 0.1)
        if name != "idle":
            self.taken += 5
        if name == "warns":
            self.console += WARNING
        if name == "floods":
            self.console += "** 7 printk messages dropped **\n"
        if name == "taints":
            self.tainted |= 512
        if name == "kills-lockdep":
            self.debug_locks = 0
        if name == "hides-lockdep":
            said = f"vma_lock_success {self.taken}\n--vmaharness--\n0\n--vmaharness--\n--vmaharness--\n"
            self.probe = said
        if name == "dies":
            self.console += "[    6.000000][   T77] Kernel panic - not syncing: on purpose\n"
            raise GuestLost("the kernel panicked", reason="panic")
        return CommandResult(1 if name == "wrong" else 0, "", "", 0.1)

    def run_marked(self, argv: Sequence[str], name: str, then: str, *, timeout_s: float) -> tuple[CommandResult, str]:
        assert then == READING
        self._mark(begin_mark(name))
        result = self.run(argv, timeout_s=timeout_s)
        self._mark(end_mark(name))
        return result, self.run(PROBE, timeout_s=timeout_s).stdout

    def _mark(self, text: str) -> None:
        self.console += f"{self.late.pop(text, '')}[    4.900000][   T60] {text}\n"
        self.marks.append(text)

    def console_text(self) -> str:
        return self.console

    def settle(self) -> None:
        return None


def run(
    *names: str, guests: list[FakeGuest] | None = None, digest: str = DIGEST, has_lockdep: bool = False
) -> TargetRunner:
    tasks = select([TwoCases(names)], (), Arch.ARM64, 2)
    return run_tasks(tasks, guests=guests, digest=digest, has_lockdep=has_lockdep)


def run_tasks(
    tasks: Sequence[Task], *, guests: list[FakeGuest] | None = None, digest: str = DIGEST, nodes: int = 1,
    has_lockdep: bool = False,
) -> TargetRunner:  # fmt: skip
    given = iter(guests or [FakeGuest() for _ in range(MAX_BOOTS)])

    @contextmanager
    def start(_: int) -> Iterator[FakeGuest]:
        yield next(given)

    runner = TargetRunner(
        Arch.ARM64, "lockdep", tasks, start=start, config_digest=digest, say=lambda _: None, nodes=nodes,
        has_lockdep=has_lockdep,
    )  # fmt: skip
    runner.run()
    return runner


def outcomes(runner: TargetRunner) -> dict[str, Outcome]:
    return {case.name: case.outcome for case in (*runner.kernel_cases, *runner.cases)}


def test_a_good_kernel() -> None:
    guest = FakeGuest()
    runner = run("good", "also-good", guests=[guest])
    assert set(outcomes(runner).values()) == {Outcome.PASS}
    assert list(outcomes(runner)) == ["boot", "running-config", "good", "also-good"]
    assert len(runner.boots) == 1
    assert runner.good
    assert guest.marks == [
        "vmaharness: faults good", "vmaharness: end of faults good",
        "vmaharness: faults also-good", "vmaharness: end of faults also-good",
    ]  # fmt: skip


def test_a_wrong_result_and_a_path_that_was_not_taken() -> None:
    assert outcomes(run("wrong", "idle", "good")) == {
        "boot": Outcome.PASS, "running-config": Outcome.PASS,
        "wrong": Outcome.FAIL, "idle": Outcome.NOT_EXERCISED, "good": Outcome.PASS,
    }  # fmt: skip


def test_a_splat_fails_the_case_in_which_it_came_and_names_its_line() -> None:
    runner = run("good", "warns", "also-good")
    assert outcomes(runner)["warns"] is Outcome.FAIL
    assert outcomes(runner)["also-good"] is Outcome.PASS
    (finding,) = next(case for case in runner.cases if case.name == "warns").findings
    assert finding.type == "warning"
    assert finding.line == 5


def test_what_the_kernel_says_late_is_still_the_case_s() -> None:
    """A console that lags behind SSH: the report comes after the result, and before the mark of the case's end."""
    guest = FakeGuest(late={"vmaharness: end of faults good": WARNING})
    result = outcomes(run("good", "also-good", guests=[guest]))
    assert (result["good"], result["also-good"]) == (Outcome.FAIL, Outcome.PASS)


def test_what_the_kernel_says_between_two_commands_is_not_the_next_one_s() -> None:
    guest = FakeGuest(late={"vmaharness: faults also-good": WARNING})
    runner = run("good", "also-good", guests=[guest])
    assert outcomes(runner)["also-good"] is Outcome.PASS
    assert outcomes(runner)["after-faults.good"] is Outcome.FAIL


def test_a_lockdep_report_between_two_commands_costs_the_guest_and_not_the_next_command() -> None:
    report = WARNING.replace("CPU: 0 PID: 77 at mm/memory.c:12 do_fault+0x12/0x34", "bad unlock balance detected!")
    first = FakeGuest(late={"vmaharness: faults also-good": report})
    runner = run("good", "also-good", guests=[first, FakeGuest()])
    assert outcomes(runner)["also-good"] is Outcome.PASS
    assert outcomes(runner)["after-faults.good"] is Outcome.FAIL
    assert len(runner.boots) == 2


def test_where_lockdep_is_off_from_the_start_nothing_passes_and_no_guest_is_wasted() -> None:
    runner = run("good", "wrong", "also-good", guests=[FakeGuest(debug_locks=0)])
    result = outcomes(runner)
    assert (result["good"], result["wrong"], result["also-good"]) == (Outcome.NOT_RUN, Outcome.FAIL, Outcome.NOT_RUN)
    assert "not covered" in next(case for case in runner.cases if case.name == "good").message
    assert not runner.good


def test_a_lockdep_that_cannot_be_read_any_more_is_no_pass() -> None:
    assert outcomes(run("hides-lockdep"))["hides-lockdep"] is Outcome.ERROR


def test_a_lockdep_that_could_never_be_read_is_no_pass() -> None:
    unread = "vma_lock_success 5\n--vmaharness--\n0\n--vmaharness--\n--vmaharness--\n"
    guest = FakeGuest(probe=unread)
    assert outcomes(run("good", guests=[guest], has_lockdep=True))["good"] is Outcome.ERROR


def test_a_console_that_lost_messages_is_no_pass() -> None:
    result = outcomes(run("floods", "good"))
    assert (result["boot"], result["floods"], result["good"]) == (Outcome.PASS, Outcome.ERROR, Outcome.PASS)
    drowned = FakeGuest(console="Linux version 6.12\n** 9 printk messages dropped **\n")
    assert outcomes(run("good", guests=[drowned]))["boot"] is Outcome.ERROR
    between = FakeGuest(late={"vmaharness: faults good": "** 9 printk messages dropped **\n"})
    result = outcomes(run("good", guests=[between]))
    assert (result["after-boot-1"], result["good"]) == (Outcome.ERROR, Outcome.PASS)


def test_a_boot_that_tainted_the_kernel_in_silence_has_failed() -> None:
    runner = run(
        "good", "kills-lockdep", "also-good", guests=[FakeGuest(tainted=512 | 1 << 11), FakeGuest(tainted=512)]
    )
    (told,) = (case for case in runner.kernel_cases if case.name == "boot-taint")
    assert (told.outcome, told.message) == (
        Outcome.FAIL, "tainted by its boot, without a word on the console: W (warning)",
    )  # fmt: skip
    assert outcomes(runner)["good"] is Outcome.PASS
    assert "boot-taint" not in outcomes(run("good", guests=[FakeGuest(tainted=1 << 11)]))
    warned = FakeGuest(tainted=512, console=f"Linux version 6.12\n{WARNING}")
    assert "boot-taint" not in outcomes(run("good", guests=[warned]))


def test_nearly_full_tables_are_noted_once() -> None:
    full = " lock-classes:  7400 [max: 8192]\n stack-trace entries:  1 [max: 10]\n"
    runner = run("good", "also-good", guests=[FakeGuest(tables=full)])
    (note,) = runner.notes
    assert note.startswith("arm64 lockdep: lockdep is nearly full: 7400 of 8192 lock-classes are used after the boot")
    assert run("good", guests=[FakeGuest(tables=full.replace("7400", "7372"))]).notes == []


def test_warnings_that_come_once_a_boot_are_noted() -> None:
    (note,) = run("good", "also-good", guests=[FakeGuest(armed="")]).notes
    assert "WARN_ONCE" in note


def test_a_new_taint_without_words_is_a_failure() -> None:
    result = outcomes(run("taints", "good"))
    assert result["taints"] is Outcome.FAIL
    assert result["good"] is Outcome.PASS, "a taint that was there before is not this case's"


def test_a_crash_hides_nothing() -> None:
    runner = run("good", "dies", "also-good")
    assert outcomes(runner)["dies"] is Outcome.CRASH
    assert outcomes(runner)["also-good"] is Outcome.PASS
    assert len(runner.boots) == 2


def test_after_lockdep_died_a_fresh_guest_is_taken() -> None:
    runner = run("kills-lockdep", "good")
    assert outcomes(runner)["kills-lockdep"] is Outcome.FAIL
    assert outcomes(runner)["good"] is Outcome.PASS
    assert len(runner.boots) == 2


def test_a_kernel_that_does_not_boot_runs_nothing() -> None:
    runner = run("good", guests=[FakeGuest(boots_well=False)])
    assert outcomes(runner) == {"boot": Outcome.CRASH, "good": Outcome.NOT_RUN}
    assert not runner.good


def test_a_kernel_that_always_dies_is_given_up() -> None:
    names = [f"x{number}" for number in range(3)]
    runner = run(*["dies"] * (MAX_BOOTS), *names)
    assert len(runner.boots) == MAX_BOOTS
    assert outcomes(runner)["x0"] is Outcome.NOT_RUN


def test_a_splat_during_the_boot_is_the_boots() -> None:
    runner = run("good", guests=[FakeGuest(console="Linux version\n" + WARNING)])
    assert outcomes(runner)["boot"] is Outcome.FAIL
    assert outcomes(runner)["good"] is Outcome.PASS


def test_another_configuration_than_was_built_is_an_error() -> None:
    assert outcomes(run("good", digest="e" * 64))["running-config"] is Outcome.ERROR


def test_globs_choose_commands() -> None:
    tasks = select([TwoCases(("anon.1", "anon.2", "cow.1"))], ["faults.anon.*"], Arch.ARM64, 2)
    assert [task.command.name for task in tasks] == ["anon.1", "anon.2"]
    assert isinstance(tasks[0], Task)


def test_lines_after_a_number() -> None:
    assert lines_after("a\nb\nc", 0) == "a\nb\nc"
    assert lines_after("a\nb\nc", 2) == "c"
    assert lines_after("a\n", 1) == ""
    assert lines_after("a", 3) == ""


def test_cases_are_grouped_by_suite() -> None:
    cases = [Case(suite, name, Outcome.PASS, 1.0) for suite, name in (("vma", "a"), ("faults", "b"), ("vma", "c"))]
    first, second = by_suite("arm64", "lockdep", cases)
    assert (first.classname, [case.name for case in first.cases], first.seconds) == (
        "arm64.lockdep.vma",
        ["a", "c"],
        2.0,
    )
    assert second.suite == "faults"


def test_a_kernel_without_vma_locks_is_not_asked_to_take_them() -> None:
    (task,) = select([TwoCases(("idle",))], (), Arch.ARM64, 1)
    assert task.command.exercises_vma_locks
    slow = task.on_kernel(pace=3.0, has_vma_locks=True).command
    assert (slow.timeout_s, slow.exercises_vma_locks) == (3.0, True)
    assert not task.on_kernel(pace=1.0, has_vma_locks=False).command.exercises_vma_locks


def test_what_has_no_place_on_such_a_kernel_is_skipped_with_its_reason() -> None:
    (task,) = select([VmaSuite(("merge", "split"))], (), Arch.X86_64, 1)
    assert not task.on_kernel(pace=1.0, has_vma_locks=True).skip
    unfit = task.on_kernel(pace=1.0, has_vma_locks=False)
    guest = FakeGuest()
    runner = run_tasks([unfit, *select([TwoCases(("good",))], (), Arch.X86_64, 1)], guests=[guest])
    assert [(case.suite, case.name, case.outcome) for case in runner.cases] == [
        ("vma", "merge", Outcome.SKIP), ("vma", "split", Outcome.SKIP), ("faults", "good", Outcome.PASS),
    ]  # fmt: skip
    assert "CONFIG_PER_VMA_LOCK" in runner.cases[0].message
    assert guest.marks == ["vmaharness: faults good", "vmaharness: end of faults good"]


@pytest.mark.parametrize(("shown", "outcome"), [("0-1\n", Outcome.PASS), ("0\n", Outcome.ERROR), ("", Outcome.ERROR)])
def test_a_kernel_that_has_not_the_nodes_it_was_to_have_is_no_pass(shown: str, outcome: Outcome) -> None:
    runner = run_tasks(select([TwoCases(("good",))], (), Arch.ARM64, 2), guests=[FakeGuest(nodes=shown)], nodes=2)
    assert outcomes(runner) == {
        "boot": Outcome.PASS, "running-config": Outcome.PASS, "nodes": outcome, "good": Outcome.PASS,
    }  # fmt: skip
    assert "nodes" not in outcomes(run("good"))


def test_a_profile_has_targets_where_there_is_such_a_kernel() -> None:
    every, up = Profile("lockdep", ()), Profile("up", (), arches=(Arch.X86_64,))
    targets, notes = targets_of([every, up], [Arch.X86_64, Arch.ARM64])
    assert [target.name for target in targets] == ["x86_64 lockdep", "arm64 lockdep", "x86_64 up"]
    assert notes == ["profile up is for x86_64: none on arm64"]
    targets, notes = targets_of([every, up], [Arch.ARM64])
    assert [target.name for target in targets] == ["arm64 lockdep"]
    with pytest.raises(UserError, match="profile up is for x86_64: none on arm64"):
        targets_of([up], [Arch.ARM64])


@dataclass(frozen=True)
class Further:
    """A suite of a command that reports cases which nobody knew."""

    name: str = "tests"

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        return tuple(Command(name, (name,), (name,), 1.0, further_cases=True) for name in ("good", "dies"))

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        return tuple(Case(self.name, name, Outcome.PASS) for name in (command.name, f"{command.name}.part"))


def test_cases_that_nobody_knew_are_kept_and_a_lost_guest_is_the_programs_own() -> None:
    tasks = select([Further()], [], Arch.ARM64, 2)
    guests = iter([FakeGuest(), FakeGuest()])

    @contextmanager
    def start(number: int) -> Iterator[FakeGuest]:
        yield next(guests)

    runner = TargetRunner(Arch.ARM64, "lockdep", tasks, start=start, config_digest=DIGEST, say=lambda _: None)
    runner.run()
    assert outcomes(runner)["good.part"] is Outcome.PASS
    assert outcomes(runner)["dies"] is Outcome.CRASH
    assert "dies.part" not in outcomes(runner)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("tests.*", ["good", "dies"]),
        ("tests.good.part", ["good"]),
        ("tests.go*.pa*.deep", ["good"]),
        ("tests.other.part", []),
        ("faults.good.part", []),
        ("*.dies", ["dies"]),
    ],
)
def test_a_command_is_chosen_by_what_it_may_report(pattern: str, names: list[str]) -> None:
    assert [task.command.name for task in select([Further()], [pattern], Arch.ARM64, 2)] == names


def test_a_case_of_a_command() -> None:
    task = select([Further()], ["tests.good"], Arch.ARM64, 2)[0]
    assert task.reports("tests", "good")
    assert task.reports("tests", "good.part")
    assert not task.reports("tests", "goods")
    assert not task.reports("faults", "good")

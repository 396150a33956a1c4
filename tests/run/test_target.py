"""A target's guests: what is judged, when a fresh guest is taken, and what is never called a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import GuestLost
from harness.model import Accel, Arch, Boot, Case, Command, CommandResult, Outcome
from harness.run.probe import PROBE
from harness.run.target import MAX_BOOTS, TargetRunner, Task, by_suite, lines_after, select

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
    """A kernel made of counters; commands are: good, wrong, warns, idle, taints, dies, kills-lockdep."""

    boots_well: bool = True
    console: str = "Linux version 6.12\n"
    tainted: int = 0
    debug_locks: int = 1
    taken: int = 10
    marks: list[str] = field(default_factory=list)

    def boot(self) -> Boot:
        outcome = Outcome.PASS if self.boots_well else Outcome.CRASH
        return Boot(
            Arch.ARM64, "lockdep", outcome, "" if self.boots_well else "panic: no init", Accel.TCG, "", "virt", 2, 1024,
            (), "", 1.0, 1.5, 2.0, Path("console.log"),
        )  # fmt: skip

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        name = argv[0]
        if tuple(argv) == PROBE:
            mark = "--vmaharness--\n"
            locks = f" debug_locks: {self.debug_locks}\n"
            said = f"vma_lock_success {self.taken}\n{mark}{self.tainted}\n{mark}{locks}{mark}"
            return CommandResult(0, said, "", 0.1)
        if "config.gz" in argv[-1]:
            return CommandResult(0, f"{DIGEST}  -\n", "", 0.1)
        if name != "idle":
            self.taken += 5
        if name == "warns":
            self.console += WARNING
        if name == "taints":
            self.tainted |= 512
        if name == "kills-lockdep":
            self.debug_locks = 0
        if name == "dies":
            self.console += "[    6.000000][   T77] Kernel panic - not syncing: on purpose\n"
            raise GuestLost("the kernel panicked", reason="panic")
        return CommandResult(1 if name == "wrong" else 0, "", "", 0.1)

    def mark(self, text: str) -> None:
        self.marks.append(text)

    def console_text(self) -> str:
        return self.console

    def settle(self) -> None:
        return None


def run(*names: str, guests: list[FakeGuest] | None = None, digest: str = DIGEST) -> TargetRunner:
    given = iter(guests or [FakeGuest() for _ in range(MAX_BOOTS)])

    @contextmanager
    def start(_: int) -> Iterator[FakeGuest]:
        yield next(given)

    tasks = select([TwoCases(names)], (), Arch.ARM64, 2)
    runner = TargetRunner(Arch.ARM64, "lockdep", tasks, start=start, config_digest=digest, say=lambda _: None)
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
    assert guest.marks == ["vmaharness: faults good", "vmaharness: faults also-good"]


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
    assert finding.line in (2, 3)


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

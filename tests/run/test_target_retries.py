"""What fails is tried again in a fresh guest, and what the machine breaks is not the kernel's fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from harness.errors import GuestLost, InfraError, MissingTool
from harness.model import Arch, Boot, CommandResult, Outcome, Tries
from harness.run.target import MAX_BOOTS, TargetRunner
from harness.run.tasks import select
from tests.run.test_target import DIGEST, WARNING, FakeGuest, TwoCases, outcomes

PANIC = "[    6.000000][   T77] Kernel panic - not syncing: on purpose\n"


@dataclass
class Fickle(FakeGuest):
    """A guest that does what its number says: `does` maps a command to what it does in each of its tries."""

    does: dict[str, list[str]] = field(default_factory=dict)
    boot_message: str = ""
    boot_outcome: Outcome = Outcome.CRASH

    def boot(self) -> Boot:
        boot = super().boot()
        if not self.boot_message:
            return boot
        return replace(boot, outcome=self.boot_outcome, message=self.boot_message)

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        script = self.does.get(argv[0])
        act = script.pop(0) if script else ""
        if act == "ssh":
            raise GuestLost("the SSH connection is closed", reason="ssh")
        if act == "segfault":
            self.console += "[    6.0][   T70] dropbear[70]: segfault at 10 ip 0 sp 0 error 4\n"
            raise GuestLost("the SSH connection is closed", reason="ssh")
        if act == "killed":
            raise GuestLost("QEMU ended with exit code 137", reason="exit")
        return super().run((act, *argv[1:]) if act else argv, timeout_s=timeout_s)


class Bench:
    """A target whose guests share a script; `starts` has an error for each start that fails."""

    def __init__(self, does: dict[str, list[str]], starts: Sequence[InfraError | None] = ()) -> None:
        self.does = does
        self.starts = list(starts)
        self.started = 0
        self.boot_messages: list[str] = []
        self.boot_outcome = Outcome.CRASH
        self.consoles: list[str] = []

    @contextmanager
    def start(self, _: int) -> Iterator[FakeGuest]:
        error = self.starts.pop(0) if self.starts else None
        if error is not None:
            raise error
        self.started += 1
        message = self.boot_messages.pop(0) if self.boot_messages else ""
        console = self.consoles.pop(0) if self.consoles else "Linux version 6.12\n"
        yield Fickle(does=self.does, boot_message=message, boot_outcome=self.boot_outcome, console=console)

    def run(self, *names: str, retries: int = 2) -> TargetRunner:
        tasks = select([TwoCases(names)], (), Arch.ARM64, 2)
        runner = TargetRunner(
            Arch.ARM64, "lockdep", tasks, start=self.start, config_digest=DIGEST, say=lambda _: None, retries=retries
        )
        runner.run()
        return runner


def tries(runner: TargetRunner, name: str) -> Tries | None:
    return next(case.tries for case in (*runner.kernel_cases, *runner.cases) if case.name == name)


def test_what_passes_is_not_run_again() -> None:
    bench = Bench({})
    runner = bench.run("a", "b")
    assert runner.good
    assert bench.started == 1


def test_a_case_that_fails_once_is_flaky_and_has_failed() -> None:
    bench = Bench({"a": ["wrong", "good", "good"]})
    runner = bench.run("a", "b")
    assert (outcomes(runner)["a"], tries(runner, "a")) == (Outcome.FAIL, Tries(1, 3))
    assert tries(runner, "b") is None, "only what failed is run again"
    assert bench.started == 3, "each time in a fresh guest"
    assert list(outcomes(runner)) == ["boot", "running-config", "a", "b"]


def test_a_case_that_always_fails() -> None:
    runner = Bench({"a": ["wrong"] * 3}).run("a")
    assert (outcomes(runner)["a"], tries(runner, "a")) == (Outcome.FAIL, Tries(3, 3))


def test_none_is_tried_again_where_nobody_wants_it() -> None:
    bench = Bench({"a": ["wrong"]})
    assert tries(bench.run("a", retries=0), "a") is None
    assert bench.started == 1


def test_a_crash_is_tried_again_after_everything_else() -> None:
    runner = Bench({"a": ["dies", "dies", "good"]}).run("a", "b")
    assert (outcomes(runner)["a"], tries(runner, "a")) == (Outcome.CRASH, Tries(2, 3))
    assert outcomes(runner)["b"] is Outcome.PASS


def test_a_kernel_that_always_dies_does_not_boot_for_ever() -> None:
    bench = Bench({"a": ["dies"] * 99, "b": ["dies"] * 99, "c": ["dies"] * 99})
    runner = bench.run("a", "b", "c", retries=50)
    assert bench.started <= 2 * MAX_BOOTS
    assert outcomes(runner)["a"] is Outcome.CRASH


def test_guests_of_rounds_in_which_none_is_lost_are_not_counted_as_lost() -> None:
    bench = Bench({"a": ["wrong"]})
    assert tries(bench.run("a", retries=9), "a") == Tries(1, 10)
    assert bench.started == 10


def test_a_boot_that_fails_once_is_flaky_and_the_suites_run() -> None:
    bench = Bench({})
    bench.boot_messages = ["panic: no init"]
    runner = bench.run("a")
    assert (outcomes(runner)["boot"], tries(runner, "boot")) == (Outcome.CRASH, Tries(1, 2))
    assert outcomes(runner)["a"] is Outcome.PASS


def test_a_kernel_that_never_boots() -> None:
    bench = Bench({})
    bench.boot_messages = ["panic: no init"] * 9
    runner = bench.run("a")
    assert outcomes(runner) == {"boot": Outcome.CRASH, "a": Outcome.NOT_RUN}
    assert tries(runner, "boot") == Tries(3, 3)
    assert bench.started == 3


def test_a_splat_in_a_boot_is_looked_for_in_others() -> None:
    bench = Bench({})
    bench.consoles = ["Linux version\n" + WARNING]
    runner = bench.run("a")
    assert (outcomes(runner)["boot"], tries(runner, "boot")) == (Outcome.FAIL, Tries(1, 3))


@pytest.mark.parametrize("how", ["ssh", "killed"])
def test_what_the_machine_broke_is_done_again_and_counted(how: str) -> None:
    runner = Bench({"a": [how, "good"]}).run("a", "b")
    assert set(outcomes(runner).values()) == {Outcome.PASS}
    assert len(runner.infra) == 1
    assert runner.infra[0].startswith("faults a: ")


def test_what_breaks_every_time_is_the_kernel_s() -> None:
    bench = Bench({"a": ["ssh"] * 9})
    runner = bench.run("a", "b")
    assert (outcomes(runner)["a"], tries(runner, "a")) == (Outcome.CRASH, Tries(3, 3))
    assert outcomes(runner)["b"] is Outcome.PASS
    assert runner.infra == ()
    assert bench.started == 4


def test_ssh_that_the_kernel_killed_is_the_kernel_s_at_once() -> None:
    runner = Bench({"a": ["segfault", "good", "good"]}).run("a")
    assert (outcomes(runner)["a"], tries(runner, "a")) == (Outcome.CRASH, Tries(1, 3))


def test_a_boot_whose_ssh_broke_without_a_word_of_the_kernel() -> None:
    bench = Bench({})
    bench.boot_messages = ["exit: QEMU ended with exit code 137"]
    runner = bench.run("a")
    assert (outcomes(runner)["boot"], tries(runner, "boot")) == (Outcome.PASS, None)
    assert runner.infra == ("boot: exit: QEMU ended with exit code 137",)


def test_a_boot_that_the_machine_broke_is_tried_though_nothing_is_to_be_run_in_it() -> None:
    bench = Bench({})
    bench.boot_messages = ["exit: QEMU ended with exit code 137"]
    assert list(outcomes(bench.run())) == ["boot", "running-config"]


def test_a_qemu_that_would_not_start_is_started_again() -> None:
    runner = Bench({}, [InfraError("QEMU would not start"), None]).run("a")
    assert outcomes(runner)["a"] is Outcome.PASS
    assert runner.infra == ("a guest: QEMU would not start",)


def test_a_qemu_that_never_starts_is_an_error_of_the_machine() -> None:
    bench = Bench({}, [InfraError("QEMU would not start")] * 9)
    with pytest.raises(InfraError, match="would not start"):
        bench.run("a")
    assert bench.started == 0


def test_a_missing_qemu_is_not_looked_for_twice() -> None:
    bench = Bench({}, [MissingTool("qemu-system-arm", "qemu-system-arm"), None])
    with pytest.raises(MissingTool):
        bench.run("a")


def test_a_boot_that_hangs_is_waited_for_only_twice() -> None:
    bench = Bench({})
    bench.boot_messages, bench.boot_outcome = ["silence: no word"] * 9, Outcome.TIMEOUT
    assert tries(bench.run("a"), "boot") == Tries(2, 2)


RUNAWAY = "Linux version 6.12\n[  715.291989][    C0] WARNING: kernel/time/hrtimer.c:1071 at hrtimer_forward+0x1b\n"


def test_a_guest_whose_clock_ran_away_is_replaced_and_its_kernel_blamed_for_nothing() -> None:
    bench = Bench({})
    bench.consoles = [RUNAWAY]
    runner = bench.run("a")
    assert set(outcomes(runner).values()) == {Outcome.PASS}
    assert len(runner.infra) == 1
    assert "its clock was at 715 s when 2 s had passed" in runner.infra[0]


def test_a_host_that_starves_every_guest_is_an_error_of_the_machine() -> None:
    bench = Bench({})
    bench.consoles = [RUNAWAY] * 9
    with pytest.raises(InfraError, match="cannot be believed"):
        bench.run("a")
    assert bench.started == 3

"""An engine that does nothing itself: it says and returns what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.cli.engine import Publish
from harness.errors import HarnessError
from harness.events import Emit, Event, EventKind
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import BisectResult, Boot, CommandResult, MutantsResult, Outcome, RunResult, Verdict
from harness.plan.model import Plan
from harness.run.bisect.once import Told
from harness.run.bisect.order import Order
from harness.run.goal import Goal
from tests.report import samples
from tests.report.test_bisect_shown import result as bisect_result
from tests.report.test_mutants_shown import result as mutants_result


@dataclass
class FakeGuest:
    """A guest that ends commands as told."""

    outcome: Outcome = Outcome.PASS
    result: CommandResult | HarnessError = field(default_factory=lambda: CommandResult(0, "", "", 0.1))
    ran: list[tuple[tuple[str, ...], float]] = field(default_factory=list)
    left: bool = False

    def boot(self) -> Boot:
        return samples.boot(outcome=self.outcome, message="" if self.outcome is Outcome.PASS else "panic: no init")

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        self.ran.append((tuple(argv), timeout_s))
        if isinstance(self.result, HarnessError):
            raise self.result
        return self.result

    def interactive(self) -> int:
        return 7


@dataclass
class FakeEngine:
    """Records what it was asked; `error` ends the run after results were published."""

    result: RunResult = field(default_factory=samples.passed)
    error: Exception | None = None
    publishes: bool = True
    guest: FakeGuest = field(default_factory=FakeGuest)
    plan: Plan | None = None
    goal: Goal | None = None
    command: tuple[str, ...] = ()
    directory: Path | None = None
    resume: bool = False
    mutants: MutantsResult = field(default_factory=mutants_result)
    wanted: tuple[str, ...] = ()
    everything: bool = False
    bisected: BisectResult = field(default_factory=bisect_result)
    order: Order | None = None
    verdict: Verdict = Verdict.GOOD

    def run_plan(
        self,
        plan: Plan,
        *,
        directory: Path,
        goal: Goal,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        command: tuple[str, ...],
        publish: Publish,
        resume: bool = False,
    ) -> RunResult:
        del processes, cache
        self.resume = resume
        self.plan, self.goal, self.command, self.directory = plan, goal, command, directory
        emit(Event(EventKind.STARTED, "build x86_64 lockdep"))
        for name in ("console-x86_64-lockdep.log", "config-x86_64-lockdep"):
            (directory / name).write_text(f"text of {name}\n")
        emit(Event(EventKind.FINISHED, "build x86_64 lockdep", seconds=1.5))
        result = replace(self.result, command=command, plan=plan.model_dump(mode="json"))
        if self.publishes:
            publish(result)
        if self.error is not None:
            raise self.error
        return result

    @contextmanager
    def open_guest(
        self, plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit
    ) -> Iterator[FakeGuest]:
        del processes, cache, emit
        self.plan, self.directory = plan, directory
        try:
            yield self.guest
        finally:
            self.guest.left = True

    def run_mutants(
        self,
        plan: Plan,
        wanted: Sequence[str],
        *,
        everything: bool,
        directory: Path,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        command: tuple[str, ...],
        publish: Callable[[MutantsResult], None],
    ) -> MutantsResult:
        del processes, cache, emit
        self.plan, self.wanted, self.everything = plan, tuple(wanted), everything
        self.command, self.directory = command, directory
        publish(self.mutants)
        if self.error is not None:
            raise self.error
        return self.mutants

    def run_bench(
        self,
        plan: Plan,
        *,
        directory: Path,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        command: tuple[str, ...],
        publish: Publish,
    ) -> RunResult:
        return self.run_plan(
            plan, directory=directory, goal=Goal.RUN, processes=processes, cache=cache, emit=emit, command=command,
            publish=publish,
        )  # fmt: skip

    def run_bisect(
        self,
        plan: Plan,
        order: Order,
        *,
        directory: Path,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        command: tuple[str, ...],
        publish: Callable[[BisectResult], None],
    ) -> BisectResult:
        del processes, cache, emit
        self.plan, self.order, self.command, self.directory = plan, order, command, directory
        return self._bisected(directory, publish)

    def resume_bisect(
        self,
        directory: Path,
        *,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        publish: Callable[[BisectResult], None],
    ) -> BisectResult:
        del processes, cache, emit
        self.directory = directory
        return self._bisected(directory, publish)

    def _bisected(self, directory: Path, publish: Callable[[BisectResult], None]) -> BisectResult:
        (directory / "bisect.jsonl").touch()
        publish(self.bisected)
        if self.error is not None:
            raise self.error
        return self.bisected

    def bisect_once(
        self,
        plan: Plan,
        order: Order,
        clone: Path,
        *,
        directory: Path,
        processes: Processes,
        cache: Cache,
        emit: Emit,
    ) -> Told:
        del clone, processes, cache, emit
        self.plan, self.order, self.directory = plan, order, directory
        if self.error is not None:
            raise self.error
        return Told("0123456789abcdef", self.verdict, "it passes")

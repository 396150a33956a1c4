"""What the verbs need of the engine, and how a run is carried out from arguments to exit code.

The engine itself is `harness.run.pipeline`; tests put another one into click's context.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import click

from harness.cli import say
from harness.cli.progress import Progress, make_progress
from harness.cli.results import result_directory
from harness.cli.signals import stopping
from harness.errors import Cancelled, ExitCode, HarnessError
from harness.events import Emit
from harness.host.cache import Cache, default_root
from harness.host.process import Processes, Stop
from harness.host.sessions import this_session
from harness.model import BisectResult, Boot, CommandResult, MutantsResult, Outcome, RunResult
from harness.run.goal import Goal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.model import Plan
    from harness.report.capsule import Capsule
    from harness.run.bisect.once import Told
    from harness.run.bisect.order import Order
    from harness.run.rerun import Again


Publish = Callable[[RunResult], None]
"""Takes the result; called once, also when an error ends the run, before that error goes on."""


class LiveGuest(Protocol):
    """The part of harness.guest.Guest that `boot` uses."""

    def boot(self) -> Boot: ...

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult: ...

    def interactive(self) -> int: ...


class DebuggedGuest(LiveGuest, Protocol):
    """The part of it that `rerun` uses."""

    @property
    def gdb_socket(self) -> Path: ...

    def __enter__(self) -> DebuggedGuest: ...

    def __exit__(self, *_: object) -> None: ...


class Bench(Protocol):
    """The part of harness.run.rerun.Bench that `rerun` uses."""

    @property
    def capsule(self) -> Capsule: ...

    @property
    def console(self) -> Path: ...

    @property
    def vmlinux(self) -> Path | None: ...

    def guest(self) -> DebuggedGuest: ...

    def again(self, on_start: Callable[[DebuggedGuest], None]) -> Again: ...


class Engine(Protocol):
    """What `harness.run.pipeline` offers."""

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
    ) -> RunResult: ...

    def open_guest(
        self, plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit
    ) -> AbstractContextManager[LiveGuest]: ...

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
    ) -> MutantsResult: ...

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
    ) -> RunResult: ...

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
    ) -> BisectResult: ...

    def resume_bisect(
        self,
        directory: Path,
        *,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        publish: Callable[[BisectResult], None],
    ) -> BisectResult: ...

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
    ) -> Told: ...

    def open_capsule(
        self,
        place: Path,
        *,
        processes: Processes,
        cache: Cache,
        emit: Emit,
        accel: str = "",
        gdb: str = "",
    ) -> Bench: ...


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb works with while it works."""

    engine: Engine
    processes: Processes
    cache: Cache
    progress: Progress


def engine_of(context: click.Context) -> Engine:
    if context.obj is not None:
        return cast(Engine, context.obj)
    from harness.run import pipeline  # noqa: PLC0415 - start-up time

    return pipeline


@contextmanager
def session(context: click.Context) -> Iterator[Session]:
    """Signals, processes, cache and progress; all ended when it is left."""
    stop, root = Stop(), default_root()
    own = this_session(root)
    progress = make_progress(sys.stderr)

    def first(name: str) -> None:
        progress.say(f"{name}: stopping and cleaning up; once more stops at once")

    def second() -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h\n")  # the cursor, which the live table hides
            sys.stderr.flush()

    with (
        stopping(stop, first, second),
        Processes(stop, own) as processes,
        Cache(root, stop, own) as cache,
    ):
        cache.tell(command=command_line(context))
        yield Session(engine_of(context), processes, cache, progress)


def run_to(context: click.Context, plan: Plan, goal: Goal, *, as_json: bool, resume: bool = False) -> ExitCode:
    """Run a plan up to `goal`, leave its results in a directory, and show them; `resume`: go on with the one there."""
    with (
        session(context) as now,
        result_directory(plan.out, cwd=Path.cwd(), now=datetime.now(), resume=resume) as directory,
    ):
        now.cache.tell(command=command_line(context), directory=str(directory.absolute()))
        try:
            result = perform(
                context, now, plan, goal, directory, lambda found: publish(found, directory), resume=resume
            )
        except HarnessError as error:
            if isinstance(error, Cancelled) and (directory / "run.json").exists():
                say.note(f"vmaharness: to go on: vmaharness run --resume {shlex.quote(str(directory))}")
            if (directory / "results.json").exists():
                say.note(f"vmaharness: what was found out until then is in {directory}")
            raise
        show(result, directory, as_json=as_json)
        _tidy(now.cache)
        return exit_code(result)


def _tidy(cache: Cache) -> None:
    """Once a day, after everything is said: let go of what the cache has too much."""
    from harness.host.upkeep import default_limit, tidy  # noqa: PLC0415 - start-up time

    found = tidy(cache, default_limit(os.environ.get("VMAHARNESS_CACHE_SIZE")), now=time.time())
    if found is not None and found.removed:
        freed = sum(item.bytes for item in found.removed) / 2**30
        say.note(f"vmaharness: the cache was too large: {freed:.1f} GiB that were unused longest are gone")


def perform(
    context: click.Context, now: Session, plan: Plan, goal: Goal, directory: Path, publish: Publish, *,
    resume: bool = False,
) -> RunResult:  # fmt: skip
    """Let the engine work, with its progress shown."""
    with now.progress:
        return now.engine.run_plan(
            plan, directory=directory, goal=goal, processes=now.processes, cache=now.cache,
            emit=now.progress.emit, command=command_line(context), publish=publish, resume=resume,
        )  # fmt: skip


def publish(result: RunResult, directory: Path) -> None:
    """Write results.json, junit.xml and summary.txt."""
    from harness.report import render  # noqa: PLC0415 - start-up time

    render.publish(result, directory, attachment_root=say.ci_project())


def keep_nothing(_result: RunResult) -> None:
    """Publish no results: what the verb prints is all."""


def show(result: RunResult, directory: Path, *, as_json: bool) -> None:
    """The summary, or results.json, on standard output."""
    if as_json:
        say.out((directory / "results.json").read_text(encoding="utf-8"), newline=False)
        return
    from harness.report.terminal import summary  # noqa: PLC0415 - start-up time

    colour, width = say.wants_colour(sys.stdout), say.width()
    say.out(summary(result, directory=directory, colour=colour, width=width), newline=False)


def tell_error(result: RunResult) -> None:
    """What the machine could not do, on standard error: for verbs that show no summary."""
    if result.outcome is not Outcome.ERROR:
        return
    for suite in result.suites:
        for case in suite.cases:
            if case.outcome is Outcome.ERROR:
                say.error(HarnessError(f"{case.name}: {case.message}", detail=case.detail))


def command_line(context: click.Context) -> tuple[str, ...]:
    """The words of this command, for the record and for running a case again."""
    return (context.find_root().info_name or "vmaharness", *context.find_root().meta.get("words", ()))


def exit_code(result: RunResult) -> ExitCode:
    """What the process says of a result."""
    return exit_code_of(result.outcome)


def exit_code_before_tests(result: RunResult) -> ExitCode:
    """The same for verbs that end before anything is tested: that nothing was is no news there."""
    code = exit_code(result)
    return ExitCode.PASS if code is ExitCode.NOTHING_RAN else code


def exit_code_of(outcome: Outcome) -> ExitCode:
    """What the process says of the outcome of a whole run."""
    if outcome is Outcome.PASS:
        return ExitCode.PASS
    if outcome.blames_kernel:
        return ExitCode.KERNEL_FAILED
    return ExitCode.INFRA_ERROR if outcome is Outcome.ERROR else ExitCode.NOTHING_RAN

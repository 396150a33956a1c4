"""A plan in, a result out: what the command line calls.

Whatever happens, what was found out is published: a run that is stopped or breaks halfway still has a result, which
says so, before the error goes on to the caller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__
from harness.errors import HarnessError, UserError
from harness.events import Emit, Event, EventKind
from harness.guest.guest import Guest
from harness.host.cache import Cache, remove_tree
from harness.host.process import Processes
from harness.model import BisectResult, MutantsResult, Outcome, RunResult, TargetResult
from harness.plan.known import load_known
from harness.plan.model import Plan
from harness.report import capsule as capsule_file
from harness.report.files import Layout
from harness.run import capsules, history, mutants, record, registry
from harness.run.baseline import BaselineSteps
from harness.run.bench import run as bench
from harness.run.bisect import once
from harness.run.bisect import run as bisect
from harness.run.bisect.once import Told
from harness.run.bisect.order import Order
from harness.run.checks import CheckSteps
from harness.run.goal import Goal
from harness.run.outcomes import command_times, left_out, target_result
from harness.run.patches import PatchSteps
from harness.run.reading import (
    base_of,
    checkers_of,
    describe_host,
    host_suites_of,
    notes_of,
    patches_of,
    series_title,
    times_of,
    tree_of,
)
from harness.run.rerun import Bench, console_for, locate
from harness.run.standing import stand
from harness.run.steps import Steps
from harness.run.targets import Target
from harness.verdict.judge import overall
from harness.verdict.known import expired_cases
from harness.verdict.relative import vanished


def run_plan(
    plan: Plan, *, directory: Path, goal: Goal, processes: Processes, cache: Cache, emit: Emit,
    command: tuple[str, ...], publish: Callable[[RunResult], None], resume: bool = False,
) -> RunResult:  # fmt: skip
    """Do what the plan says as far as `goal`, and hand the result to `publish` even when an error ends the run.

    `resume`: go on with the run that was interrupted in this directory, whose plan this is.  Raises ChangedInput, and
    publishes nothing, where what it is made of is not what it was.

    `directory` gets logs and configurations as they are made.  Raises UserError, InfraError or Cancelled; what only
    one target was hit by is an ERROR case of that target instead.
    """
    started = datetime.now(UTC)
    known = load_known(Path(plan.known)) if plan.known else ()
    for case in expired_cases(known, started.date()).cases:
        emit(Event(EventKind.NOTE, text=case.message))  # now rather than after an hour
    recorder = record.begin(
        directory, cache.session, command=command, goal=goal.value, plan=plan.model_dump(mode="json"),
        resume=resume,
    )  # fmt: skip
    steps = Steps(plan, directory=directory, goal=goal, processes=processes, cache=cache, emit=emit, account=recorder)
    baseline = BaselineSteps(steps, cache=cache)
    checks = CheckSteps(steps, processes=processes, cache=cache)
    patches = PatchSteps(steps, baseline.ask, cache=cache)
    one_by_one = _add_steps(steps, checks, patches, baseline)

    def account(error: HarnessError | None) -> RunResult:
        times, run = times_of(steps), recorder.record
        left = left_out(steps.graph.nodes, [*steps.targets, *patches.targets])
        whole = [one for one in times if not (resume or left) or " test " not in f" {one.name}"]
        history.save(cache.root / "times.json", [*whole, *command_times(steps.targets)])
        if resume:
            for place in directory.rglob("capsule-*"):  # of what could not be judged then
                remove_tree(place)
        targets = tuple(target_result(target) for target in steps.targets)
        standing = stand(
            host_suites_of(steps, checks.result, error), targets, baseline.result,
            plan=plan, known=known if goal is Goal.RUN else (), today=started.date(),
        )  # fmt: skip
        per_patch, blames = (
            patches.results(standing, baseline.result, plan=plan, known=known, today=started.date())
            if one_by_one
            else ((), ())
        )
        result = RunResult(
            version=__version__, command=run.command, started=run.started,
            seconds=recorder.seconds, host=describe_host(),
            plan=plan.model_dump(mode="json"),
            tree=tree_of(steps), series=series_title(steps), patches=patches_of(steps),
            host_suites=standing.host_suites, targets=standing.targets, steps=times,
            notes=(*notes_of(steps), *checks.notes, *standing.notes, *_continued(run.continued)),
            outcome=Outcome.ERROR, message="",
            base=base_of(steps), baseline=standing.baseline, checkers=checkers_of(steps), per_patch=per_patch,
            blames=blames, left_out=left,
        )  # fmt: skip
        gone = vanished(standing.baseline.differences) if standing.baseline is not None else ()
        outcome, message = overall(result.suites, strict=plan.strict, left_out=left, vanished=gone)
        if error is not None:
            outcome, message = Outcome.ERROR, error.what
        result = replace(result, outcome=outcome, message=message)
        return _with_capsules(result, plan, steps, patches, cache.root / "store")

    def end(error: HarnessError | None) -> RunResult:
        result = account(error)
        publish(result)
        recorder.end(result, error)
        return result

    try:
        recorder.start(known_findings=_digest_of(plan.known))
        registry.add(cache.root, recorder.record.id, directory)
        steps.graph.run()
    except record.ChangedInput:
        recorder.give_back()
        raise
    except HarnessError as error:
        end(error)
        raise
    finally:
        checks.close()
        patches.close()
        baseline.close()
        steps.close()
    return end(None)


def _add_steps(steps: Steps, checks: CheckSteps, patches: PatchSteps, baseline: BaselineSteps) -> bool:
    """The steps that the plan asks for, as far as they are known; whether its patches are judged one by one."""
    plan, goal = steps.plan, steps.goal
    compared = goal is Goal.RUN and plan.series is not None
    one_by_one = plan.per_patch and goal.reaches(Goal.BUILD)
    if one_by_one and (plan.series is None or plan.merged):
        raise UserError(
            "there is no series to be applied patch by patch", fix="leave --per-patch out, or name a --series"
        )
    if not one_by_one:
        steps.add_targets()
    if plan.series is not None:
        checks.add()
    if one_by_one:
        patches.add(then=baseline.add if compared else lambda: None)
    elif compared:
        baseline.add()
    return one_by_one


def _with_capsules(result: RunResult, plan: Plan, steps: Steps, patches: PatchSteps, store: Path) -> RunResult:
    """The same result, with a capsule for each failure that was seen."""
    notes: list[str] = []

    def leave(results: Sequence[TargetResult], layout: Layout, targets: Sequence[Target]) -> Sequence[TargetResult]:
        left = capsules.leave(replace(result, targets=tuple(results), notes=()), plan, layout, targets, store)
        notes.extend(left.notes)
        return left.targets

    per_patch = patches.with_capsules(result.per_patch, leave)
    targets = leave(result.targets, steps.layout, steps.targets)
    return replace(result, targets=tuple(targets), per_patch=per_patch, notes=(*result.notes, *notes))


@contextmanager
def open_guest(plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit) -> Iterator[Guest]:
    """The plan's first target as a guest that is not booted yet, with the programs of its suites inside.

    Raises UserError when its kernel does not build: there is nothing to look around in.
    """
    steps = Steps(plan, directory=directory, goal=Goal.GUEST, processes=processes, cache=cache, emit=emit)
    steps.add_targets()
    try:
        steps.graph.run()
    finally:
        steps.close()
    with steps.tester.guest(steps.targets[0], 1, seed=next(iter(plan.guest_seeds), None)) as guest:
        yield guest


def run_mutants(
    plan: Plan, wanted: Sequence[str], *, everything: bool, directory: Path, processes: Processes, cache: Cache,
    emit: Emit, command: tuple[str, ...], publish: Callable[[MutantsResult], None],
) -> MutantsResult:  # fmt: skip
    """Kernels that are broken on purpose, tested beside the unmutated one: which of them are caught.

    `wanted` are names of mutants or globs, empty for all; `everything` runs all cases of each.  Raises what `run_plan`
    raises, after `publish` had what was found out until then.
    """
    return mutants.run_mutants(
        plan, wanted, everything=everything, directory=directory, processes=processes, cache=cache, emit=emit,
        command=command, host=describe_host(), publish=publish,
    )  # fmt: skip


def run_bench(
    plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit,
    command: tuple[str, ...], publish: Callable[[RunResult], None],
) -> RunResult:  # fmt: skip
    """Count what operations cost with the plan's series and without: `cost` of the result.

    Raises what `run_plan` raises, after `publish` had what was found out until then.
    """
    return bench.run_bench(
        plan, directory=directory, processes=processes, cache=cache, emit=emit, command=command, publish=publish
    )


def run_bisect(
    plan: Plan, order: Order, *, directory: Path, processes: Processes, cache: Cache, emit: Emit,
    command: tuple[str, ...], publish: Callable[[BisectResult], None],
) -> BisectResult:  # fmt: skip
    """Look for the patch of the plan's series, or of a range, that a failure came with.

    Raises what `run_plan` raises, after `publish` had what was found out until then; `resume_bisect` goes on.
    """
    return bisect.run_bisect(
        plan, order, directory=directory, processes=processes, cache=cache, emit=emit, command=command,
        host=describe_host(), publish=publish,
    )  # fmt: skip


def resume_bisect(
    directory: Path, *, processes: Processes, cache: Cache, emit: Emit, publish: Callable[[BisectResult], None]
) -> BisectResult:
    """Go on with the search that a directory is of.  Raises InputError where it is of none, else as `run_bisect`."""
    return bisect.resume_bisect(
        directory, processes=processes, cache=cache, emit=emit, host=describe_host(), publish=publish
    )


def bisect_once(
    plan: Plan, order: Order, clone: Path, *, directory: Path, processes: Processes, cache: Cache, emit: Emit
) -> Told:
    """Test the commit that git bisect is at in a user's clone, which is only read."""
    bisect.check(plan, order)
    return once.test_once(
        plan, order, clone, directory=directory, processes=processes, cache=cache, emit=emit
    )  # fmt: skip


def open_capsule(
    place: Path, *, processes: Processes, cache: Cache, emit: Emit, accel: str = "", gdb: str = ""
) -> Bench:
    """A capsule, checked, with all that it takes to boot its guest or to run its case again.

    `accel` overrides what ran the guest then; `gdb` is "halted", "running" or "".
    Raises InputError for a bad capsule, UserError where its kernel or initramfs is there no more.
    """
    capsule, directory = capsule_file.load(place)
    if capsule.exact is not None and accel == "kvm":
        raise UserError(f"{capsule.title}: an exact guest runs under TCG", fix="leave --accel out")
    files = locate(capsule, directory, cache)
    return Bench(capsule, files, processes, cache, emit, console_for(directory, cache), accel, gdb)


def _continued(times: int) -> tuple[str, ...]:
    if not times:
        return ()
    return (f"continued {times} time{'' if times == 1 else 's'}: what had been done was not done again",)


def _digest_of(path: str | None) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""

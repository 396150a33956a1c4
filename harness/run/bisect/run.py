"""An order in, a result out: begins a search, or goes on with one, and accounts for it whatever ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__
from harness.errors import HarnessError, UserError
from harness.events import Emit
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import BisectEnd, BisectResult
from harness.plan.model import Plan
from harness.run.bisect import history
from harness.run.bisect.bench import ONE_TREE, Bench
from harness.run.bisect.history import History
from harness.run.bisect.line import Trees, begin
from harness.run.bisect.log import FORMAT, NAME, Log, open_log
from harness.run.bisect.order import Begun, Order, from_step, to_step
from harness.run.bisect.origin import known_of
from harness.run.bisect.pricing import Pricing, planned
from harness.run.bisect.search import Search
from harness.run.ending import published
from harness.verdict.bisect import minimum

PROBES = "bisect-probes"
"""The directory of what was found out about each commit: consoles, logs of builds, configurations."""

PATCH = "culprit.patch"

Publish = Callable[[BisectResult], None]


def run_bisect(
    plan: Plan, order: Order, *, directory: Path, processes: Processes, cache: Cache, emit: Emit,
    command: tuple[str, ...], host: dict[str, str], publish: Publish,
) -> BisectResult:  # fmt: skip
    """Look for the patch that did it; `publish` gets the result, also of a search that an error ends.

    Raises UserError for what cannot be searched, InfraError where the machine got in the way, Cancelled.
    """
    check(plan, order)
    plan = planned(plan, order.metric, order.slower) if order.metric else plan
    started = datetime.now(UTC).isoformat(timespec="seconds")
    line, git = begin(plan, order, directory=directory, processes=processes, cache=cache, emit=emit)
    begun = Begun(order, line, started, command)
    log = Log(directory / NAME)
    log.add("begin", format=FORMAT, **to_step(begun, plan, directory))
    return _go_on(begun, plan, git, log, directory, processes, cache, emit, host, publish)


def resume_bisect(
    directory: Path, *, processes: Processes, cache: Cache, emit: Emit, host: dict[str, str], publish: Publish
) -> BisectResult:  # fmt: skip
    """Go on with the search that a directory is of.  Raises InputError where it is of none, else as `run_bisect`."""
    log = open_log(directory)
    step = log.find("begin")
    assert step is not None
    begun, plan = from_step(step, log.path, directory)
    git = History(processes, directory / history.NAME)
    return _go_on(begun, plan, git, log, directory, processes, cache, emit, host, publish)


def check(plan: Plan, order: Order) -> None:
    """Raises UserError where it is not said what to look for, or two things are."""
    ways = {
        "--exec": bool(order.command), "--build": order.build, "--metric": bool(order.metric),
        "--case or --finding": bool(order.finding or plan.cases),
        "RUNDIR#CASE": order.sought is not None,
    }  # fmt: skip
    said = [way for way, is_said in ways.items() if is_said]
    if order.sought is not None:
        said = [way for way in said if way != "--case or --finding"]  # the run's own
    if bool(order.metric) != bool(order.slower):
        raise UserError("--metric and --slower go together", fix="such as --metric faults.anon.1 --slower 0.2%")
    if not said:
        raise UserError(
            "nothing is said of what to look for",
            fix="give --case, --finding, --build, --exec, --metric, or RUNDIR#CASE of a run",
        )
    if len(said) > 1:
        raise UserError(f"{' and '.join(said)} exclude each other", fix="give one of them")


def _go_on(
    begun: Begun, plan: Plan, git: History, log: Log, directory: Path, processes: Processes, cache: Cache, emit: Emit,
    host: dict[str, str], publish: Publish,
) -> BisectResult:  # fmt: skip
    clock = time.monotonic()
    found = Trees(begun.line, git, processes, cache)
    changes = ONE_TREE | {"tree": f"{git.place}@{begun.line.base}"}
    bench = Bench(
        plan.model_copy(update=changes), directory=directory / PROBES, processes=processes, cache=cache,
        emit=emit, built=lambda key: _note_build(log, key), known=known_of(begun.order),
        at_once=2 if begun.order.parallel else 1,
        pricing=Pricing(begun.order.metric, begun.order.slower, log) if begun.order.metric else None,
    )  # fmt: skip
    search = Search(
        begun.order, found, bench, log, cache, emit, resume=f"vmaharness bisect --resume {directory}"
    )  # fmt: skip

    def account(error: HarnessError | None) -> BisectResult:
        total = len(found.candidates) - 1
        patch = directory / PATCH
        if search.patch:
            patch.write_bytes(search.patch)
        notes = [*search.notes, *([] if bench.steps.sandbox.active else [bench.steps.sandbox.note])]
        return BisectResult(
            version=__version__, command=begun.command, started=begun.started,
            seconds=round(time.monotonic() - clock, 3), host=host, plan=plan.model_dump(mode="json"),
            tree=found.base, title=begun.line.title, candidates=found.candidates, sought=search.sought,
            rate=search.rate, runs=search.runs, confidence=search.confidence, probes=tuple(search.probes.values()),
            culprits=search.culprits, proof=tuple(search.proof), proven=search.proven,
            builds=len(log.named("built ")), boots=sum(int(step.get("boots", 0)) for step in log.named("")),
            minimum=minimum(total), patch=patch if search.patch else None,
            end=search.end if error is None else BisectEnd.UNFINISHED,
            message=search.message if error is None else error.what, notes=tuple(notes),
        )  # fmt: skip

    return published(search.run, account, publish, close=bench.close)


def _note_build(log: Log, key: str) -> None:
    name = f"built {key}"
    while log.find(name) is not None:  # one that failed, and whose answer was lost
        name += " again"
    log.add(name)

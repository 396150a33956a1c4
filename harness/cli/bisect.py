"""`vmaharness bisect`: which patch did it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import say
from harness.cli.bisect_options import parse_rate, sought_options
from harness.cli.engine import Session, command_line, session
from harness.cli.options import json_option, load_plan_of, said_by_flag, some_plan_options
from harness.cli.results import result_directory
from harness.errors import ExitCode, HarnessError, UserError
from harness.model import BisectEnd

if TYPE_CHECKING:
    from harness.model import BisectResult
    from harness.plan.model import Plan
    from harness.run.bisect.order import Order

KEYS = (
    "tree", "series", "base", "base_candidates", "base_fix", "arch", "profiles", "suites", "cases", "exact", "seeds",
    "guest", "repair", "jobs", "sandbox", "out",
)  # fmt: skip
"""The parts of a plan that mean something here."""

_CODES = {BisectEnd.FOUND: ExitCode.PASS, BisectEnd.CANDIDATES: ExitCode.KERNEL_FAILED}


@click.command()
@click.argument("plan", required=False, metavar="[PLAN.yaml|RUNDIR#CASE]")
@some_plan_options(KEYS)
@click.option("--range", "commits", default="", metavar="A..B", help="Commits of the tree instead of a series.")
@sought_options
@click.option(
    "--metric", default="", metavar="METRIC",
    help="That an operation costs more than on the base, such as faults.anon.1; with --slower. In exact guests, of the "
    "release kernel where no other is named.",
)  # fmt: skip
@click.option(
    "--slower", default="", metavar="AMOUNT", help="By how much: per cent, such as 0.2%, or instructions, such as 5."
)
@click.option(
    "--parallel", is_flag=True, help="Test two commits at once, so that each round leaves a third of the candidates."
)
@click.option(
    "--resume", type=click.Path(path_type=Path), default=None, metavar="DIR",
    help="Go on with the search that was stopped in this directory; it says all the rest.",
)  # fmt: skip
@json_option
@click.pass_context
def bisect(context: click.Context, /, resume: Path | None, as_json: bool, **_: object) -> None:
    """Find the patch that a failure came with.

    RUNDIR#CASE is a failure of an earlier run, such as results#hazards.same.unmap.2: tree, series, kernel, guest, case
    and fingerprint are that run's. Else --case, --finding, --build, --exec or --metric say what to look for. Both ends
    of the series are tested first; the cheapest thing that shows the failure is what is run; commits that cannot be
    tested are skipped as git bisect does it, whose state is in DIR/bisect.git. Results are in bisect.json and
    summary.txt. Exit codes: 0 the patch was found, 1 no single one (the candidates are listed), 2 it cannot be asked
    so, 3 this machine got in the way, 4 an end is not as it must be: the tip does not show the failure, or the base
    does.
    """
    if resume is not None:
        _refuse_more(context)
        if not (resume / "bisect.jsonl").is_file():
            raise UserError(f"{resume} is no directory of a search", fix="give the one that has its bisect.jsonl")
        opened = result_directory(str(resume.absolute()), cwd=Path.cwd(), now=datetime.now(), resume=True)
        code = _search(context, opened, None, as_json=as_json)
    else:
        plan, order = _ask(context)
        opened = result_directory(plan.out, cwd=Path.cwd(), now=datetime.now())
        code = _search(context, opened, (plan, order), as_json=as_json)
    context.exit(code)


def _refuse_more(context: click.Context) -> None:
    """With --resume the log says everything: what else is said would be silently ignored."""
    allowed = {"resume", "as_json"}
    source = click.core.ParameterSource.COMMANDLINE
    said = [name for name in context.params if context.get_parameter_source(name) is source and name not in allowed]
    if said:
        raise UserError(
            "--resume takes everything from the log of the search", fix=f"leave the rest of the line out ({said[0]})"
        )


def _ask(context: click.Context) -> tuple[Plan, Order]:
    """The plan, and what to look for."""
    from harness.run.bisect.order import Order  # noqa: PLC0415 - start-up time
    from harness.run.bisect.origin import read_origin, with_flags  # noqa: PLC0415

    said: dict[str, Any] = context.params
    flags = {
        "range": said["commits"], "finding": said["finding"], "build": said["build"], "command": said["command"],
        "metric": said["metric"], "slower": said["slower"],
        "rate": parse_rate(said["rate"]), "runs": said["runs"], "parallel": said["parallel"],
        "confidence": said["confidence"] / 100,
    }  # fmt: skip
    named = said["plan"] or ""
    if "#" in named and not Path(named).is_file():
        origin = read_origin(named)
        if said["commits"] or said["finding"] or said["build"] or said["command"] or said_by_flag(context, ("cases",)):
            raise UserError(
                f"{named} says what to look for", fix="leave --case, --finding, --build, --exec, --range out"
            )
        return load_plan_of(context, run=origin.plan), with_flags(origin.order, **flags)
    if said["commits"] and said_by_flag(context, ("series",)):
        raise UserError("--series and --range exclude each other", fix="give one of them")
    default = "bench" if said["metric"] else "default"
    plan = load_plan_of(context, series=not said["commits"], default=default)
    return plan, with_flags(replace(Order()), **flags)


def _search(
    context: click.Context, opened: AbstractContextManager[Path], asked: tuple[Plan, Order] | None, *, as_json: bool
) -> ExitCode:
    with session(context) as now, opened as directory:
        try:
            with now.progress:
                result = _perform(context, now, directory, asked)
        except HarnessError:
            if (directory / "bisect.jsonl").exists():
                say.note(f"vmaharness: to go on: vmaharness bisect --resume {directory}")
            raise
        show(result, directory, as_json=as_json)
        return _CODES.get(result.end, ExitCode.NOTHING_RAN)


def _perform(context: click.Context, now: Session, directory: Path, asked: tuple[Plan, Order] | None) -> BisectResult:
    def leave(found: BisectResult) -> None:
        publish(found, directory)

    tools: dict[str, Any] = {"processes": now.processes, "cache": now.cache, "emit": now.progress.emit}
    if asked is None:
        return now.engine.resume_bisect(directory, publish=leave, **tools)
    return now.engine.run_bisect(
        *asked, directory=directory, command=command_line(context), publish=leave, **tools
    )  # fmt: skip


def publish(result: BisectResult, directory: Path) -> None:
    from harness.report import bisect as report  # noqa: PLC0415 - start-up time

    report.publish(result, directory)


def show(result: BisectResult, directory: Path, *, as_json: bool) -> None:
    """The summary, or bisect.json, on standard output."""
    from harness.report import bisect as report  # noqa: PLC0415 - start-up time

    if as_json:
        say.out((directory / report.RESULTS).read_text(encoding="utf-8"), newline=False)
        return
    width = say.width() if sys.stdout.isatty() else 120
    say.out(report.summary(result, directory=directory, width=width), newline=False)

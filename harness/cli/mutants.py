"""`vmaharness mutants`: proof that the alarm works."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import say
from harness.cli.engine import command_line, exit_code_of, session
from harness.cli.options import json_option, load_plan_of, some_plan_options
from harness.cli.results import result_directory
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.model import MutantsResult

KEYS = ("tree", "base_fix", "arch", "profiles", "suites", "cases", "guest", "jobs", "sandbox", "out")
"""The parts of a plan that mean something here."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@some_plan_options(KEYS)
@click.option("--all-cases", is_flag=True, help="Run all cases of each mutant, not only until it is caught.")
@json_option
@click.pass_context
def mutants(context: click.Context, /, names: tuple[str, ...], all_cases: bool, as_json: bool, **_: object) -> None:
    """Build kernels that are broken on purpose, and say which of them the suites catch.

    NAME is a mutant of patches/mutants/MAJOR.MINOR of the tree's version, or a glob on their names; without one all
    are tried. The unmutated kernel is built and tested first: a mutant is caught by what is wrong with it and right
    without it. The cases that a mutant expects to be seen by run first, and the first that sees it ends its run.
    Results are in mutants.json and summary.txt. Exit codes: 0 all were caught and the unmutated kernel is clean, 1 one
    survived or it is not, 3 something has no verdict.
    """
    plan = load_plan_of(context, series=False)
    with (
        session(context) as now,
        result_directory(plan.out, cwd=Path.cwd(), now=datetime.now()) as directory,
    ):
        now.cache.tell(command=command_line(context), directory=str(directory.absolute()))
        try:
            with now.progress:
                result = now.engine.run_mutants(
                    plan, names, everything=all_cases, directory=directory, processes=now.processes, cache=now.cache,
                    emit=now.progress.emit, command=command_line(context),
                    publish=lambda found: publish(found, directory),
                )  # fmt: skip
        except HarnessError:
            if (directory / "mutants.json").exists():
                say.note(f"vmaharness: what was found out until then is in {directory}")
            raise
        show(result, directory, as_json=as_json)
        code = exit_code_of(result.outcome)
    context.exit(code)


def publish(result: MutantsResult, directory: Path) -> None:
    from harness.report import mutants as report  # noqa: PLC0415 - start-up time

    report.publish(result, directory)


def show(result: MutantsResult, directory: Path, *, as_json: bool) -> None:
    """The summary, or mutants.json, on standard output."""
    from harness.report import mutants as report  # noqa: PLC0415 - start-up time

    if as_json:
        say.out((directory / report.RESULTS).read_text(encoding="utf-8"), newline=False)
        return
    width = say.width() if sys.stdout.isatty() else 120
    say.out(report.summary(result, directory=directory, width=width), newline=False)

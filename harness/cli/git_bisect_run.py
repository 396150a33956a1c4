"""`vmaharness git-bisect-run`: the script of a plain `git bisect run` in the user's own clone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli import say
from harness.cli.bisect_options import parse_rate, sought_options
from harness.cli.engine import session
from harness.cli.options import load_plan_of, some_plan_options
from harness.model import Verdict

KEYS = ("base_fix", "arch", "profiles", "suites", "cases", "exact", "seeds", "guest", "jobs", "sandbox", "out")
"""The parts of a plan that mean something here."""

ABORTS = 128
"""From here on an exit code makes git bisect run stop: it says nothing of the commit."""

_CODES = {Verdict.GOOD: 0, Verdict.BAD: 1, Verdict.SKIP: 125}


@click.command(name="git-bisect-run")
@click.argument("plan", required=False, metavar="[PLAN.yaml]")
@some_plan_options(KEYS)
@sought_options
@click.pass_context
def git_bisect_run(context: click.Context, /, **_: object) -> None:
    """Test the commit that `git bisect run` has checked out here, for its verdict.

    git bisect run vmaharness git-bisect-run --case 'hazards.same.*'

    The commit is tested, with the base fix that it needs, not the files of the work tree. The clone is only read, its
    index included. Exit codes are git's: 0 good, 1 bad, 125 cannot be told; from 128 on (128 and the usual code) an
    error that says nothing of the commit, at which git bisect run stops. With --out DIR what was found out about
    each commit stays there.
    """
    from harness.run.bisect.order import Order  # noqa: PLC0415 - start-up time
    from harness.run.bisect.origin import with_flags  # noqa: PLC0415

    said: dict[str, Any] = context.params
    plan = load_plan_of(context, series=False)
    order = with_flags(
        Order(), finding=said["finding"], build=said["build"], command=said["command"], runs=said["runs"],
        rate=parse_rate(said["rate"]), confidence=said["confidence"] / 100,
    )  # fmt: skip
    with session(context) as now:
        directory = Path(plan.out) if plan.out is not None else now.cache.scratch("bisect-run")
        directory.mkdir(parents=True, exist_ok=True)
        with now.progress:
            told = now.engine.bisect_once(
                plan, order, Path.cwd(), directory=directory, processes=now.processes, cache=now.cache,
                emit=now.progress.emit,
            )  # fmt: skip
        say.out(f"{told.commit[:12]} is {told.verdict}: {told.why}")
    context.exit(_CODES[told.verdict])

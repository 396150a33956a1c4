"""`vmaharness run`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.engine import run_to
from harness.cli.options import json_option, load_plan_of, overrides_of, plan_options
from harness.errors import UserError
from harness.host.cache import default_root
from harness.run.goal import Goal

if TYPE_CHECKING:
    from harness.plan.model import Plan

_MAY_DIFFER = (("jobs",), ("budget",))
"""What may be said anew of a run that is continued: its results do not depend on it."""


@click.command()
@plan_options
@click.option("--resume", metavar="RUN", help="Go on with a run that was interrupted: its directory, or its ID as "
              "vmaharness runs shows it.")  # fmt: skip
@json_option
@click.pass_context
def run(context: click.Context, /, as_json: bool, resume: str | None, **_: object) -> None:
    """Apply, build, boot and test a series, and report.

    PLAN.yaml says what to run (docs/plan.md); without one the demo series is run. Flags win over the plan. The results
    are in one directory: results.json, junit.xml, summary.txt, consoles, build logs and configurations.

    With --resume the plan is that of the interrupted run, and nothing that it had finished is done again: not a kernel,
    not a command in a guest.
    """
    if resume is None:
        context.exit(run_to(context, load_plan_of(context), Goal.RUN, as_json=as_json))
    plan, goal = _interrupted(context, resume)
    context.exit(run_to(context, plan, goal, as_json=as_json, resume=True))


def _interrupted(context: click.Context, wanted: str) -> tuple[Plan, Goal]:
    """The plan of a run that can be continued.  Raises UserError, also for flags that would make it another run."""
    from harness.plan.load import with_overrides  # noqa: PLC0415 - start-up time
    from harness.plan.model import Plan  # noqa: PLC0415
    from harness.run import record, registry  # noqa: PLC0415

    directory = registry.find(default_root(), wanted).absolute()
    found = record.resumable(directory)
    said = overrides_of(context)
    plan = with_overrides(Plan.model_validate(found.plan), [one for one in said if one.key in _MAY_DIFFER])
    others = [one for one in said if one.key not in _MAY_DIFFER]
    if context.params.get("plan") is not None:
        raise UserError("--resume takes the plan of the run that it continues", fix="leave the PLAN out")
    if changed := [one.origin for one in others if with_overrides(plan, [one]) != plan]:
        raise UserError(
            f"{directory} was run with another {', '.join(changed)}",
            fix=f"leave {' and '.join(changed)} out, or start a new run",
        )
    if plan.series == "-":
        raise UserError(f"the series of {directory} came from standard input", fix="start a new run")
    return plan.model_copy(update={"out": str(directory)}), Goal(found.goal)

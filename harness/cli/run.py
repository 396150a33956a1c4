"""`vmaharness run`: the main job."""

from __future__ import annotations

import click

from harness.cli.engine import run_to
from harness.cli.options import json_option, load_plan_of, plan_options
from harness.run.goal import Goal


@click.command()
@plan_options
@json_option
@click.pass_context
def run(context: click.Context, /, as_json: bool, **_: object) -> None:
    """Apply, build, boot and test a series, and report.

    PLAN.yaml says what to run (docs/plan.md); without one the demo series is run. Flags win over the plan. The results
    are in one directory: results.json, junit.xml, summary.txt, consoles, build logs and configurations.
    """
    context.exit(run_to(context, load_plan_of(context), Goal.RUN, as_json=as_json))

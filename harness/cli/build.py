"""`vmaharness build`: the kernels alone."""

from __future__ import annotations

import click

from harness.cli.engine import run_to
from harness.cli.options import json_option, load_plan_of, plan_options
from harness.run.goal import Goal


@click.command()
@plan_options
@json_option
@click.pass_context
def build(context: click.Context, /, as_json: bool, **_: object) -> None:
    """Apply the series and build the kernels; boot nothing."""
    context.exit(run_to(context, load_plan_of(context), Goal.BUILD, as_json=as_json))

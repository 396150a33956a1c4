"""`vmaharness plan`: what would be run, and what a plan can say."""

from __future__ import annotations

import click

from harness.cli import say
from harness.cli.options import load_plan_of, plan_options


@click.command()
@plan_options
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans instead.")
@click.option("--reference", is_flag=True, help="Print what every key of a plan means instead.")
@click.pass_context
def plan(context: click.Context, /, schema: bool, reference: bool, **_: object) -> None:
    """Print the plan that a run would follow.

    It is what PLAN.yaml and the flags make together; nothing is run.
    """
    from harness.plan import reference as documents  # noqa: PLC0415 - start-up time
    from harness.plan.load import as_yaml  # noqa: PLC0415

    if schema:
        say.out(documents.json_schema(), newline=False)
    elif reference:
        say.out(documents.markdown(), newline=False)
    else:
        for key, value in load_plan_of(context).model_dump(mode="json").items():
            say.out(f"{key}: {as_yaml(value)}")

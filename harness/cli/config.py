"""`vmaharness config`: the kernel configurations, verified."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import say
from harness.cli.engine import exit_code_before_tests, keep_nothing, perform, run_to, session, tell_error
from harness.cli.options import json_option, load_plan_of, plan_options
from harness.run.goal import Goal


@click.command()
@plan_options
@json_option
@click.pass_context
def config(context: click.Context, /, as_json: bool, **_: object) -> None:
    """Make the kernel configurations and verify them.

    Every requested symbol is compared with what came out. Without --out the .config files are printed; with it they are
    kept there as config-ARCH-PROFILE.
    """
    plan = load_plan_of(context)
    if plan.out is not None or as_json:
        context.exit(run_to(context, plan, Goal.CONFIG, as_json=as_json))
    with session(context) as now:
        directory = now.cache.scratch("config")
        result = perform(context, now, plan, Goal.CONFIG, directory, keep_nothing)
        for path in sorted(directory.glob("config-*")):
            _print(path)
    tell_error(result)
    context.exit(exit_code_before_tests(result))


def _print(path: Path) -> None:
    say.out(f"# {path.name}\n{path.read_text(encoding='utf-8', errors='replace')}", newline=False)

"""`vmaharness apply`: tree and patches, as commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import click

from harness.cli import say
from harness.cli.engine import exit_code_before_tests, keep_nothing, perform, session, tell_error
from harness.cli.options import json_option, load_plan_of, plan_options
from harness.model import Case, RunResult
from harness.run.goal import Goal


@click.command()
@plan_options
@json_option
@click.pass_context
def apply(context: click.Context, /, as_json: bool, **_: object) -> None:
    """Apply base fix and series, and print the commits.

    It shows whether the patches apply, to which tree, and what the plan's checks say of them. The tree itself is never
    changed and no files are written. Exit codes are those of a run: 1 where a check failed.
    """
    plan = load_plan_of(context)
    with session(context) as now:
        result = perform(context, now, plan, Goal.APPLY, now.cache.scratch("apply"), keep_nothing)
    say.out(_as_json(result) if as_json else _as_text(result))
    tell_error(result)
    context.exit(exit_code_before_tests(result))


def _as_json(result: RunResult) -> str:
    found = {
        "tree": result.tree and asdict(result.tree),
        "base": result.base and asdict(result.base),
        "patches": [asdict(patch) for patch in result.patches],
        "checks": [
            {"name": case.name, "outcome": case.outcome, "seconds": case.seconds, "message": case.message,
             "detail": case.detail}
            for case in _checks(result)
        ],
    }  # fmt: skip
    return json.dumps(found, indent=1, default=str)


def _as_text(result: RunResult) -> str:
    lines = []
    if result.tree is not None:
        lines.append(f"tree {result.tree.spec}: Linux {result.tree.kernel_version}, commit {result.tree.commit}")
    if result.base is not None:
        lines.append(f"base {result.base.text}")
        lines += [f"     patch {patch.number} {patch.text}" for patch in result.base.presence]
    lines += [f"note {note}" for note in (*result.notes, *(result.base.notes if result.base else ()))]
    lines += [f"{patch.commit[:12]}  {patch.role.value:8}  {patch.number}  {patch.subject}" for patch in result.patches]
    lines += [f"check {case.outcome.value:4} {case.name} {case.message}".rstrip() for case in _checks(result)]
    return "\n".join(lines)


def _checks(result: RunResult) -> Iterator[Case]:
    return (case for suite in result.host_suites if suite.suite == "checks" for case in suite.cases)

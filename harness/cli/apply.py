"""`vmaharness apply`: tree and patches, as commits."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from harness.cli import say
from harness.cli.engine import keep_nothing, perform, session
from harness.cli.options import json_option, load_plan_of, plan_options
from harness.model import RunResult, Tree
from harness.run.goal import Goal


@click.command()
@plan_options
@json_option
@click.pass_context
def apply(context: click.Context, /, as_json: bool, **_: object) -> None:
    """Apply base fix and series, and print the commits.

    They are in a repository of the cache; the tree itself is never changed. No result files are written.
    """
    plan = load_plan_of(context)
    with session(context) as now:
        result = perform(context, now, plan, Goal.APPLY, now.cache.scratch("apply"), keep_nothing)
    assert result.tree is not None, "a run that reaches its goal has a tree"
    say.out(_as_json(result.tree, result) if as_json else _as_text(result.tree, result))


def _as_json(tree: Tree, result: RunResult) -> str:
    shown = asdict(tree) | {"repo": str(tree.repo)}
    return json.dumps({"tree": shown, "patches": [asdict(patch) for patch in result.patches]}, indent=1)


def _as_text(tree: Tree, result: RunResult) -> str:
    lines = [f"tree    {tree.spec}: Linux {tree.kernel_version}, {tree.commit}"]
    lines += [f"        {note}" for note in (*tree.notes, *result.notes)]
    lines += [f"{patch.commit[:12]}  {patch.role.value:8}  {patch.number}  {patch.subject}" for patch in result.patches]
    head = result.patches[-1].commit if result.patches else tree.commit
    return "\n".join([*lines, f"git -C {tree.repo} log --stat {tree.commit[:12]}..{head[:12]}"])

"""`vmaharness compare`: what changed between two runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cli import say
from harness.cli.options import json_option
from harness.errors import ExitCode


@click.command()
@click.argument("before", metavar="RUN1", type=click.Path(path_type=Path))
@click.argument("after", metavar="RUN2", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def compare(context: click.Context, before: Path, after: Path, as_json: bool) -> None:
    """Say what changed from one run to another.

    RUN1 and RUN2 are the directories of two runs, as of two versions of a series. Patches are matched as git
    range-diff does, results by name and what the kernel said by fingerprint. Exit codes: 0 if nothing that failed in
    RUN2 was good in RUN1, 1 if something was, 4 if the runs have no case in common.
    """
    from harness.report import comparison, results  # noqa: PLC0415 - start-up time
    from harness.run.compare import compare_runs  # noqa: PLC0415

    one, two = (results.load(directory / "results.json") for directory in (before, after))
    found = compare_runs(one, two)
    if as_json:
        say.out(json.dumps(results.to_json(found, after.absolute()), indent=1, ensure_ascii=False))
    else:
        say.out(comparison.text(found, one, two, width=say.width()), newline=False)
    if not found.compared:
        context.exit(ExitCode.NOTHING_RAN)
    context.exit(ExitCode.KERNEL_FAILED if found.worse else ExitCode.PASS)

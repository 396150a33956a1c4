"""`vmaharness report`: what an earlier run found out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import say
from harness.cli.options import json_option


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def report(directory: Path, as_json: bool) -> None:
    """Show the results of an earlier run.

    DIR's junit.xml and summary.txt are written again from its results.json. The exit code says whether that could be
    done, not how the run ended.
    """
    from harness.report import render  # noqa: PLC0415 - start-up time

    text = render.render(
        directory, colour=say.wants_colour(sys.stdout), width=say.width(), attachment_root=say.ci_project()
    )
    if as_json:
        text = (directory / "results.json").read_text(encoding="utf-8")
    say.out(text, newline=False)

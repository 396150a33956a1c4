"""`vmaharness report`: what an earlier run found out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import say
from harness.cli.options import json_option
from harness.errors import UserError


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--mail", "as_mail", is_flag=True, help="Print what a cover letter can say of it: prices above all.")
@json_option
def report(directory: Path, as_mail: bool, as_json: bool) -> None:
    """Show the results of an earlier run.

    DIR's junit.xml, summary.txt, metrics.txt, metrics.csv and report.html are written again from its results.json. The
    exit code says whether that could be done, not how the run ended.
    """
    if as_mail and as_json:
        raise UserError("--mail and --json are two ways to print a result", fix="leave one of them out")
    from harness.report import render  # noqa: PLC0415 - start-up time

    text = render.render(
        directory, colour=say.wants_colour(sys.stdout), width=say.width(), attachment_root=say.ci_project()
    )
    if as_mail:
        from harness.report import mail, results  # noqa: PLC0415

        text = mail.text(results.load(directory / "results.json"))
    if as_json:
        text = (directory / "results.json").read_text(encoding="utf-8")
    say.out(text, newline=False)

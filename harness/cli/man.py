"""`vmaharness man`: the manual page."""

from __future__ import annotations

import click

from harness.cli import say
from harness.cli.manpage import man_page


@click.command()
@click.pass_context
def man(context: click.Context, /) -> None:
    """Print the manual page.

    It is roff: vmaharness man | man -l -
    """
    root = context.find_root().command
    if isinstance(root, click.Group):
        say.out(man_page(root), newline=False)

"""`vmaharness completion`: the script that makes a shell complete our command lines."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from harness.cli import say

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the completion script of a shell.

    For bash put eval "$(vmaharness completion bash)" into ~/.bashrc.
    """
    kind = get_completion_class(shell)
    if kind is None:  # cannot be: click brings all three
        raise click.UsageError(f"click cannot complete in {shell}")
    root = context.find_root().command
    script = kind(root, {}, "vmaharness", "_VMAHARNESS_COMPLETE")
    say.out(ShellComplete.source(script))  # bash's own would start a bash to ask for its version

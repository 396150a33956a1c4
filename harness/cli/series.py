"""`vmaharness series`: what a document holds, before anything is done with it; and as a mailbox for `git am`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import say
from harness.cli.options import json_option
from harness.errors import UserError
from harness.host.process import Processes

if TYPE_CHECKING:
    from harness.series.survey.listing import States
    from harness.series.survey.survey import Survey

_tree_option = click.option(
    "--tree", metavar="TREE", help="The tree to hold the patches against, or the git clone of a range [.]."
)
_repair_option = click.option(
    "--repair", is_flag=True, help="Rebuild patches that lost their whitespace from --tree; proven, or refused."
)
_sources = click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)


@click.group()
def series() -> None:
    """Look at patch series."""


@series.command()
@_sources
@_tree_option
@_repair_option
@json_option
def show(sources: tuple[str, ...], tree: str | None, repair: bool, as_json: bool) -> None:
    """Show everything that is in a document, and what of it would be applied.

    SOURCE is a mailbox, a directory of patches, a saved archive page, or a git range of --tree; more than one are
    taken together, as one document. A series that cannot be applied is shown with the reason.
    """
    from harness.cli.series_text import as_text  # noqa: PLC0415 - start-up time
    from harness.series.survey.listing import as_data  # noqa: PLC0415

    with Processes() as processes:
        found = _read(sources, tree, processes, repair=repair)
        states = _states(found, tree, processes) if tree is not None else {}
    if as_json:
        say.out(json.dumps(as_data(found, states), indent=1, ensure_ascii=False))
    else:
        say.out(as_text(found, states, width=say.width()))


@series.command()
@_sources
@_tree_option
@_repair_option
@click.option("-o", "--output", metavar="FILE", required=True, help="The mailbox to write; - is standard output.")
def export(sources: tuple[str, ...], tree: str | None, repair: bool, output: str) -> None:
    """Write the series that would be applied as a mailbox that `git am` takes.

    A -fix mail is written right after its patch, with a header X-Vmaharness-Fixup-For: `git am` makes a commit of its
    own of it, where a run squashes it. What cannot be applied is not written.
    """
    from harness.series.read import choose  # noqa: PLC0415
    from harness.series.survey.export import as_mailbox  # noqa: PLC0415 - start-up time

    with Processes() as processes:
        chosen = choose(_read(sources, tree, processes, repair=repair))
    for warning in chosen.warnings:
        say.note(f"vmaharness: {warning}")
    mailbox = as_mailbox(chosen)
    if output == "-":
        say.out(mailbox, newline=False)
        return
    try:
        Path(output).write_bytes(mailbox)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error
    count = len(chosen.patches) + sum(len(patch.fixups) for patch in chosen.patches)
    say.note(f"{count} {'mail' if count == 1 else 'mails'} of “{chosen.title}” v{chosen.version} in {output}")


def _read(sources: tuple[str, ...], tree: str | None, processes: Processes, *, repair: bool) -> Survey:
    from harness.series.read import read_survey  # noqa: PLC0415 - start-up time

    if repair and tree is None:
        raise UserError("--repair needs the tree that the patches are for", fix="name it with --tree")
    repo = Path(tree) if tree is not None and Path(tree).is_dir() else Path()
    found = read_survey(sources, processes=processes, repo=repo.absolute())
    if not repair or tree is None:
        return found
    from harness.host.cache import Cache, default_root  # noqa: PLC0415 - start-up time
    from harness.run.repairing import repaired_survey  # noqa: PLC0415

    with Cache(default_root()) as cache:
        return repaired_survey(found, tree, processes=processes, cache=cache)


def _states(found: Survey, tree: str, processes: Processes) -> States:
    """What the tree has of each series' files."""
    from harness.host.cache import Cache, default_root  # noqa: PLC0415 - start-up time
    from harness.run.base import states  # noqa: PLC0415
    from harness.series.read import as_series  # noqa: PLC0415

    with Cache(default_root()) as cache:
        return {
            index: states(as_series(found.source, each), tree, processes=processes, cache=cache)
            for index, each in enumerate(found.series)
            if any(patch.piece.files for patch in each.patches)
        }

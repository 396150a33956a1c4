"""`vmaharness series show`: what a series consists of, before anything is done with it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cli import say
from harness.cli.options import json_option
from harness.host.process import Processes
from harness.model import Patch, Series


@click.group()
def series() -> None:
    """Look at patch series."""


@series.command()
@click.argument("source", metavar="SERIES")
@click.option(
    "--tree", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="The git clone of a git range [.]."
)
@json_option
def show(source: str, tree: Path | None, as_json: bool) -> None:
    """Show the patches of SERIES in the order in which they would be applied.

    SERIES is an mbox file, a directory of patches, or a git range of --tree.
    """
    from harness.series.read import read_series  # noqa: PLC0415 - start-up time

    with Processes() as processes:
        found = read_series(source, processes=processes, repo=(tree or Path()).absolute())
    say.out(_as_json(found) if as_json else _as_text(found))


def _as_json(found: Series) -> str:
    patches = [
        {
            "number": patch.number, "subject": patch.subject, "author": patch.author, "date": patch.date,
            "message_id": patch.message_id, "digest": patch.digest, "source": patch.source,
            "files": [
                {"path": item.path, "additions": item.additions, "deletions": item.deletions} for item in patch.files
            ],
        }
        for patch in found.patches
    ]  # fmt: skip
    head = {"source": found.source, "title": found.title, "version": found.version, "cover": found.cover}
    return json.dumps(head | {"patches": patches}, indent=1, ensure_ascii=False)


def _as_text(found: Series) -> str:
    count = len(found.patches)
    version = f", v{found.version}" if found.version > 1 else ""
    lines = [f"{found.title or found.source} ({count} {'patch' if count == 1 else 'patches'}{version})"]
    for patch in found.patches:
        lines += [f"{patch.number:4}  {patch.subject}", f"      {patch.author}", *_files(patch)]
    return "\n".join(lines)


def _files(patch: Patch) -> list[str]:
    return [f"      {item.path} +{item.additions} -{item.deletions}" for item in patch.files]

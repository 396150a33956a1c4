"""Writing to the user's streams: results to standard output, all else to standard error.  A closed pipe is no error."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

import click

from harness.errors import HarnessError


def out(text: str | bytes, *, newline: bool = True) -> None:
    """Write to standard output; silently to nowhere once the reader has gone."""
    try:
        click.echo(text, nl=newline)
    except BrokenPipeError:
        _silence(sys.stdout)


def note(text: str, *, newline: bool = True) -> None:
    """Write to standard error."""
    try:
        click.echo(text, err=True, nl=newline)
    except BrokenPipeError:
        _silence(sys.stderr)


def error(problem: HarnessError) -> None:
    """Say what is wrong, in the other program's words, and what to do."""
    note(f"vmaharness: {problem.what or problem.__class__.__name__.lower()}")
    if problem.detail:
        note("\n".join(f"  {line}" for line in problem.detail.rstrip().splitlines()))
    if problem.fix:
        note(f"fix: {problem.fix}")


def wants_colour(stream: TextIO) -> bool:
    """Whether to colour what is written to `stream`: a terminal, and NO_COLOR (no-color.org) is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to use on standard output."""
    return min(shutil.get_terminal_size((100, 24)).columns, 160) if sys.stdout.isatty() else 100


def ci_project() -> Path | None:
    """The directory of a GitLab or Jenkins job: logs below it can be linked from junit.xml."""
    named = os.environ.get("CI_PROJECT_DIR") or os.environ.get("WORKSPACE")
    return Path(named) if named else None


def _silence(stream: TextIO) -> None:
    """Send what is left for a stream whose reader has gone to nowhere, so that Python's own last flush is quiet too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

"""Commits of a test's clone as they would come by mail: made by git format-patch, read by the series' reader."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from harness.host.process import Processes
from harness.model import Series
from harness.series.read import read_series
from tests.kernel.conftest import git


def posted(directory: Path, revisions: str, *options: str) -> Series:
    """The series that somebody would send of a range of commits, `index` lines included."""
    mailbox = directory.parent / f"{re.sub(r'[^0-9a-z]', '-', revisions)}.mbox"
    mailbox.write_text(git(directory, "format-patch", "--stdout", *options, revisions))
    with Processes() as processes:
        return read_series(str(mailbox), processes=processes, repo=None)


def commit(directory: Path, changes: dict[str, str | None], subject: str) -> str:
    """Write files (None removes one), commit them, and give the commit's name."""
    for name, text in changes.items():
        path = directory / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "--allow-empty", "-m", f"{subject}\n\nSigned-off-by: A U Thor <author@example.org>")
    return git(directory, "rev-parse", "HEAD").strip()


def numbered(count: int, **changed: str) -> str:
    """A file of so many lines; `l3="x"` says what is on line 3 instead."""
    return "".join(changed.get(f"l{number}", f"int line_{number};") + "\n" for number in range(1, count + 1))


def only(series: Series, *numbers: int) -> Series:
    """Some patches of a series, numbered anew."""
    kept = [patch for patch in series.patches if patch.number in numbers]
    return replace(series, patches=tuple(replace(patch, number=at) for at, patch in enumerate(kept, 1)))


def without_blobs(series: Series) -> Series:
    """The same series as a tool sends it that writes no `index` lines."""
    patches = tuple(
        replace(
            patch,
            mail=re.sub(rb"(?m)^index .*\n", b"", patch.mail),
            files=tuple(replace(file, old_blob="", new_blob="") for file in patch.files),
        )
        for patch in series.patches
    )
    return replace(series, patches=patches)

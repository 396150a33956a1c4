"""The tree's files on disk: work copies that are kept, so that the next series changes a few files and not 86,000.

A work copy belongs to one run at a time (flock; a second run gets a second copy) and is only read by builds.  Programs
that ran unconfined may have changed one behind our back, so such runs take a copy of their own that goes with them.
Knows nothing of what the files are used for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError
from harness.host.cache import Cache, remove_tree
from harness.host.process import Processes
from harness.kernel.git import Git, write_error
from harness.model import AppliedTree

NAME = "linux"
"""The work copy's directory."""

INDEX, CHANGING = "index", "changing"
"""git's index of the work copy's files, and what is there while they are changed."""

OBJECTS, NOTE = "objects-", ".note"
"""Begins the names of what builds keep in the work copy, ends those of notes beside it (`harness.kernel.objects`)."""


@contextmanager
def work_copy(applied: AppliedTree, *, processes: Processes, cache: Cache, kept: bool) -> Iterator[Path]:
    """All files of the tree, without git data, held until the end of the context; beside them there is room for work.

    Raises InfraError when they cannot be written (disk full), UserError where the tree has our names.
    """
    if not kept:
        place = cache.scratch("source")
        yield write_files(applied, place, processes=processes)
        return
    with cache.slot("checkouts", applied.base.commit[:16]) as place:
        yield write_files(applied, place, processes=processes)


def write_files(applied: AppliedTree, place: Path, *, processes: Processes) -> Path:
    """Bring the work copy in `place` to the tree: git compares its index with the files' dates and writes what differs.

    A run that was killed in the middle leaves `changing` behind, and what it left is thrown away.
    """
    files, index, changing = place / NAME, place / INDEX, place / CHANGING
    for leftover in interrupted(place):
        remove_tree(leftover)
    files.mkdir(exist_ok=True)
    changing.touch()
    git = Git(processes, applied.repo)
    _leave_room(git, applied.commit)
    environment = {"GIT_WORK_TREE": str(files), "GIT_INDEX_FILE": str(index)}
    done = git.run(
        "read-tree", "--reset", "-u", applied.commit, env=environment, cwd=files,
        # Two workers: creating 86,000 files is bound by the file system, not by git.
        settings=("checkout.workers=2",),
    )  # fmt: skip
    if not done.ok:
        raise write_error(done, files)
    changing.unlink()
    return files


def _leave_room(git: Git, commit: str) -> None:
    """Raises UserError where the tree itself has what objects would be put into, or over."""
    for name in git.run("ls-tree", "--name-only", "-z", commit).stdout.decode("utf-8", "replace").split("\0"):
        if name.startswith(OBJECTS):
            what = f"the tree has {name} at its top: builds keep their objects under such names"
            raise UserError(what, fix="call it something else")


def interrupted(place: Path) -> list[Path]:
    """What there is in the place of a work copy that a run was killed in the middle of, and is of no use to the next.

    The caller holds the place.
    """
    if (place / CHANGING).exists():
        return list(place.iterdir())
    files = place / NAME
    found = (*place.iterdir(), *files.glob(f"{OBJECTS}*"))
    return [path for path in found if not (path in (files, place / INDEX) or _is_usable(path, files))]


def _is_usable(path: Path, files: Path) -> bool:
    """Whether it is of a build that nothing interrupted: objects with their note beside the files, and the note."""
    name = path.name.removesuffix(NOTE)
    return name.startswith(OBJECTS) and (files / name).is_dir() and (files.parent / f"{name}{NOTE}").is_file()

"""The directory a run leaves its results in: chosen, locked, and cleared of an earlier run's files.

Knows names of files, not what is in them.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from harness.errors import InfraError, UserError
from harness.host.cache import remove_tree

MARK = ".vmaharness"
"""Says that a directory holds results of ours; locked while a run writes there."""

OURS = (
    "results.json", "junit.xml", "summary.txt", "metrics.txt", "metrics.csv", "report.html", "report.css",
    "console-*", "build-*", "config-*", "guest-*", "capsule-*", "baseline", "run.json", "answers-*.json", "patch-*/",
    "mutants.json", "mutant-*", "unmutated", "bench-*", "where-*", "bloat-o-meter-*",
    "bisect.json", "bisect.jsonl", "bisect.git", "bisect-probes", "culprit.patch",
)  # fmt: skip
"""What an earlier run may have left, and the next one may remove.  Anything else stays."""

_DRAFT = re.compile(r"\..+\.\d{1,10}")


@contextmanager
def result_directory(out: str | None, *, cwd: Path, now: datetime, resume: bool = False) -> Iterator[Path]:
    """The directory for this run's results; `resume`: what an earlier run left there is gone on with.

    Raises UserError when `out` has files but none of an earlier run, or another run writes there; InfraError when it
    cannot be made.  A directory that was made here and got no files is removed again.
    """
    path = Path(out) if out is not None else _new_name(cwd, now)
    made = not path.exists()
    try:
        _check(path)
        path.mkdir(parents=True, exist_ok=True)
        mark = (path / MARK).open("a")
    except OSError as error:
        raise InfraError(f"cannot write results to {path}: {error.strerror}", fix="choose another --out") from error
    with mark:
        if not _lock(mark):
            raise UserError(f"another run is writing to {path}", fix="choose another --out")
        for draft in _drafts(path):
            draft.unlink()
        if not resume:
            _clear(path)
        try:
            yield path
        finally:
            if made and [entry.name for entry in path.iterdir()] == [MARK]:
                (path / MARK).unlink()
                with suppress(OSError):
                    path.rmdir()


def _lock(mark: IO[str]) -> bool:
    """Lock a file; once more after a moment, for `vmaharness runs` holds it as long as it takes to see who does."""
    for wait_s in (0.1, 0.3, 0):
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(wait_s)
        else:
            return True
    return False


def _new_name(cwd: Path, now: datetime) -> Path:
    name = f"vmaharness-{now:%Y%m%d-%H%M%S}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(path for path in (cwd / name for name in names) if not path.exists())


def _check(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"{path} is not a directory", fix="choose another --out")
    names = {entry.name for entry in path.iterdir()}
    if names and not names & {MARK, "results.json", "mutants.json"}:
        raise UserError(f"{path} has files, and none are of an earlier run", fix="choose a new or empty --out")


def _drafts(path: Path) -> list[Path]:
    """Files that a run was killed in the middle of writing (`harness.report.files.write_atomic`); ours are locked."""
    found = (entry for entry in path.rglob(".*") if _DRAFT.fullmatch(entry.name) and entry.is_file())
    return [entry for entry in found if any(fnmatch(entry.stem[1:], pattern) for pattern in OURS)]


def _clear(path: Path) -> None:
    for pattern in OURS:
        for entry in path.glob(pattern):
            remove_tree(entry)

"""Commits that `git am` has made of the same tree and mails before, kept in the cache.

What is kept are git's new objects and where the series begins and ends: git took a quarter of a second for each patch,
most of it for the index of a whole kernel.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import __version__
from harness.host.cache import Cache
from harness.model import Patch, Tree

KIND = "applied"  # of cache entries

_FORMAT = 1
_RECORD, _OBJECTS = "applied.json", "objects"
_BORROWED = "info"  # of the objects: whose others are read, too


@dataclass(frozen=True, slots=True)
class Steps:
    """What became of the mails: which base fixes were applied, by place, and where the series begins and ends."""

    fixes: tuple[int, ...]
    start: str
    tip: str


def key(tree: Tree, fixes: Sequence[Patch], patches: Sequence[Patch]) -> str:
    """The name of all that commits are made of."""
    mails = [[[len(patch.fixups), patch.digest] for patch in some] for some in (fixes, patches)]
    parts = [_FORMAT, __version__, tree.commit, tree.tree_id, *mails]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


class Kept:
    """The entry of one tree with its mails, and the repository that is to have their commits."""

    def __init__(self, cache: Cache, repo: Path, name: str) -> None:
        self._cache, self._repo, self._name = cache, repo, name

    def load(self) -> Steps | None:
        """Put the commits into the repository, whose HEAD is the last; None where they are not known."""
        entry = self._cache.find(KIND, self._name)
        if entry is None:
            return None
        try:
            found = json.loads((entry / _RECORD).read_text())
            steps = Steps(tuple(found["fixes"]), found["start"], found["tip"])
            shutil.copytree(entry / _OBJECTS, self._repo / _OBJECTS, copy_function=shutil.copyfile, dirs_exist_ok=True)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # removed meanwhile
        (self._repo / "HEAD").write_text(f"{steps.tip}\n")
        return steps

    def save(self, steps: Steps) -> None:
        """Keep what git has made."""

        def fill(entry: Path) -> None:
            ignored = shutil.ignore_patterns(_BORROWED)
            shutil.copytree(self._repo / _OBJECTS, entry / _OBJECTS, copy_function=os.link, ignore=ignored)
            (entry / _RECORD).write_text(json.dumps(asdict(steps)))

        self._cache.get(KIND, self._name, fill)

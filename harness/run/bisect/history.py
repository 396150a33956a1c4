"""The repository of a search: a bare one of our own, with real `git bisect` state and no files checked out.

It borrows the objects of the tree's repository, and has those of the series itself, so that it is there after a
reboot.  `git bisect log` and `git bisect visualize` work in it; nobody else's repository is touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from harness.errors import InfraError, UserError
from harness.host.cache import remove_tree
from harness.host.process import Processes
from harness.kernel.git import Git, make_repository
from harness.model import Verdict
from harness.run.bisect.policy import Half

NAME = "bisect.git"
BAD, BASE = "refs/heads/bad-end", "refs/heads/good-end"

_FOUND = re.compile(r"(?m)^# first bad commit: \[([0-9a-f]+)\]")
_POSSIBLE = re.compile(r"(?m)^# possible first bad commit: \[([0-9a-f]+)\]")
_HALF = re.compile(r"([0-9a-f]+) \(.*\bdist=(\d+)\)")


class History:
    """The commits of a search, and what git bisect knows of them."""

    def __init__(self, processes: Processes, place: Path) -> None:
        """`place` is what `make` has made."""
        self.place = place
        self.git = Git(processes, place)

    @staticmethod
    def make(
        processes: Processes, place: Path, *, repo: Path, home: str, base: str, tip: str, passing: Path
    ) -> History:
        """With the commits from `base` to `tip` of a repository.

        Below `passing` nothing stays: what is there only is copied, which is what `tip` has and `home` has not.
        """
        make_repository(place, borrow=repo, commit=base)
        lenders = [
            path for path in _lenders((repo / "objects").resolve()) if not path.is_relative_to(passing.resolve())
        ]
        (place / "objects/info/alternates").write_text("".join(f"{path}\n" for path in lenders))
        source, made = Git(processes, repo), History(processes, place)
        if made.git.run("cat-file", "-e", f"{tip}^{{tree}}").exit_code != 0:
            pack = place / "objects" / "pack" / "pack"
            packed = source.run("pack-objects", "--revs", "--quiet", pack, input=f"{tip}\n^{home}\n".encode())
            if not packed.ok:
                raise InfraError("git pack-objects failed", detail=packed.words)
        made.git.ask("update-ref", BASE, base)
        made.git.ask("update-ref", BAD, tip)
        return made

    # --- what there is ----------------------------------------------------------------------------------------

    def between(self, good: str, bad: str) -> list[tuple[str, str]]:
        """Commits of `bad` that `good` has not, oldest first, each with its subject."""
        done = self.git.ask("log", "--topo-order", "--reverse", "--format=%H %s", f"{good}..{bad}")
        return [(commit, subject) for commit, _, subject in (line.partition(" ") for line in done.splitlines())]

    def subject(self, commit: str) -> str:
        return self.git.ask("log", "-1", "--format=%s", commit)

    def tree_of(self, commit: str) -> str:
        return self.git.ask("rev-parse", "--verify", f"{commit}^{{tree}}")

    def parents(self, commit: str) -> list[str]:
        return self.git.ask("rev-list", "--parents", "--max-count=1", commit).split()[1:]

    def changed(self, one: str, other: str) -> list[str]:
        """Files that differ between two trees."""
        return [path for path in self.git.ask("diff-tree", "-r", "-z", "--name-only", one, other).split("\0") if path]

    def patch(self, commit: str) -> bytes:
        """A commit as git format-patch writes it; empty for a merge."""
        done = self.git.run("format-patch", "-1", "--stdout", "--no-signature", "--stat=100", "-p", commit)
        return done.stdout if done.ok else b""

    # --- git bisect -------------------------------------------------------------------------------------------

    def start(self, bad: str, good: str) -> None:
        """Begin, whatever was begun before."""
        remove_tree(self.place / "refs" / "bisect")
        for leftover in self.place.glob("BISECT_*"):
            leftover.unlink()
        self._bisect("start", "--no-checkout", bad, good)

    def mark(self, commit: str, verdict: Verdict) -> None:
        self._bisect(verdict.value, commit)

    def _bisect(self, *words: str) -> None:
        done = self.git.run("bisect", *words, cwd=self.place)
        if done.exit_code not in (0, 2) or (done.exit_code == 2 and not self.possible):  # 2: cannot bisect more
            raise InfraError(f"git bisect {words[0]} failed in {self.place}", detail=done.words)

    @property
    def log(self) -> str:
        try:
            return (self.place / "BISECT_LOG").read_text(errors="replace")
        except OSError:
            return ""

    @property
    def found(self) -> str:
        """The first bad commit; "" while it is not known."""
        return next(iter(_FOUND.findall(self.log)), "")

    @property
    def possible(self) -> list[str]:
        """Where only skipped commits are left: those that may be the first bad one."""
        return _POSSIBLE.findall(self.log)

    @property
    def next(self) -> str:
        """The commit that git would test."""
        return self.git.ask("rev-parse", "--verify", "BISECT_HEAD")

    @property
    def skipped(self) -> set[str]:
        return set(self.git.ask("for-each-ref", "--format=%(objectname)", "refs/bisect/skip-*").split())

    @property
    def _range(self) -> list[str]:
        goods = self.git.ask("for-each-ref", "--format=^%(objectname)", "refs/bisect/good-*").split()
        return ["refs/bisect/bad", *goods]

    def halves(self) -> tuple[list[Half], int]:
        """The commits that are left and not skipped, and how many are left at all."""
        lines = self.git.ask("rev-list", "--bisect-all", *self._range).splitlines()
        found = [Half(match[1], int(match[2])) for match in map(_HALF.match, lines) if match]
        skipped = self.skipped
        return [half for half in found if half.commit not in skipped], len(found)

    def line(self) -> list[str]:
        """The commits that are left, oldest first, the bad end last; empty where they do not follow each other."""
        listed = self.git.ask("rev-list", "--topo-order", "--reverse", "--parents", *self._range).splitlines()
        rows = [row.split() for row in listed]
        follows = all(row[1:] == [before[0]] for before, row in pairwise(rows))
        return [row[0] for row in rows] if follows else []

    # --- the proof --------------------------------------------------------------------------------------------

    def without(self, tip: str, culprit: str, index: Path) -> str:
        """A commit: `tip` with `culprit` taken back, by a three-way merge as git revert makes it.

        Raises UserError, with git's words, where that does not apply.  `index` is a file that may be written.
        """
        parents = self.parents(culprit)
        if len(parents) != 1:
            raise UserError("it is a merge, which nothing is the opposite of")
        place = {"GIT_INDEX_FILE": str(index)}
        taken = self.git.run("diff-tree", "-p", "--binary", "--full-index", parents[0], culprit)
        read = self.git.run("read-tree", tip, env=place)
        if not (taken.ok and read.ok):
            raise InfraError(f"git cannot read {culprit[:12]}", detail=taken.words if not taken.ok else read.words)
        applied = self.git.run("apply", "-R", "--cached", "--3way", env=place, input=taken.stdout, cwd=index.parent)
        if not applied.ok:
            raise UserError("later patches have changed the same lines", detail=applied.words)
        tree = self.git.ask("write-tree", env=place)
        message = f'Revert "{self.subject(culprit)}"'
        made = self.git.run("commit-tree", tree, "-p", tip, "-m", message, env=_FIXED)
        if not made.ok:
            raise InfraError("git commit-tree failed", detail=made.words)
        self.git.ask("update-ref", "refs/heads/bad-end-without-culprit", made.text.strip())
        return made.text.strip()


_FIXED = {"GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z"}


def _lenders(objects: Path, depth: int = 5) -> list[Path]:
    """The directories whose objects a repository reads, its own first."""
    found = [objects]
    alternates = objects / "info" / "alternates"
    lines: Sequence[str] = alternates.read_text().splitlines() if alternates.is_file() and depth else ()
    for line in lines:
        if line and not line.startswith("#"):
            found += _lenders((objects / line).resolve(), depth - 1)
    return list(dict.fromkeys(found))

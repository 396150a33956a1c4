"""The commit that a series was made for, found by the blobs that it names.

The history is streamed: commits that touch the series' files, with the blobs before and after each.  Nothing is checked
out, and the number of commits and the time are bounded.  Knows nothing of how a series is applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import InfraError
from harness.host.process import Processes
from harness.kernel import blobs
from harness.kernel.git import Git
from harness.model import Tree

MOST_COMMITS = 5000
DEADLINE_S = 120.0
_MOST_LOOKED_AT = 4000  # commits that are near enough to have all their blobs counted


@dataclass(frozen=True, slots=True)
class Found:
    """The commit with the most of the wanted blobs, the newest of several."""

    commit: str
    exact: int
    date: int  # of the commit, in seconds since 1970
    searched: int  # commits that touch the files
    whole: bool  # False: older history was not looked at, for time or number ran out


@dataclass(frozen=True, slots=True)
class _Change:
    """A commit and what it made of the files it touches: (path, before, after)."""

    commit: str
    parents: tuple[str, ...]
    files: tuple[tuple[str, str, str], ...]


def search(
    tree: Tree, wanted: Mapping[str, str], *, processes: Processes, most: int = MOST_COMMITS,
    deadline_s: float = DEADLINE_S,
) -> Found:  # fmt: skip
    """Find the commit at or before the tree's own that has the most of the wanted blobs (path -> abbreviated name).

    A tree without history has one commit to offer.  Raises InfraError when git cannot read the history.
    """
    git = Git(processes, tree.repo)
    arguments = [
        "log", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-merges", "--full-history", f"--max-count={most}",
        "--format=%x01%H %P", tree.commit, "--", *(f":(top,literal){path}" for path in wanted),
    ]  # fmt: skip
    done = git.run(*arguments, deadline_s=deadline_s)
    if not done.ok and not done.timed_out:
        raise InfraError(f"git cannot read the history of {tree.spec}", detail=done.words)
    changes = list(_changes(done.stdout))
    near = list(dict.fromkeys((tree.commit, *_near(changes, wanted))))[:_MOST_LOOKED_AT]
    exact = _count(git, near, wanted)
    best = max(near, key=lambda commit: exact[commit])  # the first of equals: the newest
    date = int(git.ask("log", "-1", "--format=%ct", best))
    return Found(best, exact[best], date, len(changes), not done.timed_out and len(changes) < most)


def _changes(log: bytes) -> Iterator[_Change]:
    """Read `git log --raw -z`; a last commit that was cut off in the middle counts with what there is of it."""
    words = iter(log.decode("utf-8", "surrogateescape").split("\0"))
    commit = ""
    parents: tuple[str, ...] = ()
    files: list[tuple[str, str, str]] = []
    for word in words:
        plain = word.strip("\n")
        if plain.startswith("\1"):
            if commit:
                yield _Change(commit, parents, tuple(files))
            commit, *rest = plain[1:].split(" ")
            parents, files = tuple(name for name in rest if name), []
        elif plain.startswith(":"):
            fields = plain.split(" ")
            if len(fields) == 5 and (path := next(words, "")):
                files.append((path, fields[2], fields[3]))
    if commit:
        yield _Change(commit, parents, tuple(files))


def _near(changes: Sequence[_Change], wanted: Mapping[str, str]) -> Iterator[str]:
    """Commits, newest first, at which some wanted blob comes or after which it goes.

    Between two of those the number of wanted blobs does not change, so the newest commit with the most is one of them.
    """
    for change in changes:
        if any(blobs.is_same(wanted.get(path, ""), after) for path, _, after in change.files):
            yield change.commit
        if any(blobs.is_same(wanted.get(path, ""), before) for path, before, _ in change.files):
            yield from change.parents


def _count(git: Git, commits: Sequence[str], wanted: Mapping[str, str]) -> dict[str, int]:
    """How many wanted blobs each commit has, asked in one go."""
    names = "".join(f"{commit}:{path}\n" for commit in commits for path in wanted)
    done = git.run("cat-file", "--batch-check=%(objectname)", input=names.encode("utf-8", "replace"))
    lines = iter(done.text.split("\n"))
    found = {
        commit: sum(blobs.is_same(blob, next(lines, "").partition(" ")[0]) for blob in wanted.values())
        for commit in commits
    }
    if not done.ok:
        raise InfraError(f"git cat-file failed in {git.where}", detail=done.words)
    return found

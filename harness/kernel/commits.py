"""Commits that were made by applying mails: fixups squashed into their parents, and what each commit changed.

Knows nothing of where patches come from or whether they fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import InfraError
from harness.kernel.git import Git

_SIGNED = "signed-off-by:"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit and the files it changed, by path: their blobs before and after, "" for none."""

    commit: str
    tree_id: str
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def commits_since(git: Git, base: str, count: int) -> tuple[Commit, ...]:
    """The `count` commits from `base` to HEAD, in order.  Raises InfraError when there are not so many."""
    # A bounded walk: the border of a shallow clone is never reached.
    done = git.run(
        "log", "--reverse", f"--max-count={count}", "--raw", "-z", "--no-abbrev", "--no-renames", "--format=%x01%H %T",
        f"{base}..HEAD",
    )  # fmt: skip
    words = iter(done.stdout.decode("utf-8", "surrogateescape").split("\0"))
    found: list[Commit] = []
    for word in words:
        plain = word.lstrip("\n")
        if plain.startswith("\1"):
            commit, _, tree_id = plain[1:].rstrip("\n").partition(" ")
            found.append(Commit(commit, tree_id))
        elif plain.startswith(":") and found:
            path = next(words)
            _, _, before, after, _ = plain.split(" ")
            found[-1].before[path] = before if before.strip("0") else ""
            found[-1].after[path] = after if after.strip("0") else ""
    if not done.ok or len(found) != count:
        raise InfraError(f"{len(found)} commits were made of {count} patches", detail=done.words)
    return tuple(found)


def squash(git: Git, base: str, sizes: Sequence[int]) -> None:
    """Make one commit of each group of the commits from `base` to HEAD; `sizes` says how many are in a group.

    The first of a group gives author, date and message; Signed-off-by lines of the others are added to it.
    """
    made = git.ask("rev-list", "--reverse", f"--max-count={sum(sizes)}", f"{base}..HEAD").splitlines()
    if len(made) != sum(sizes):
        raise InfraError(f"git am made {len(made)} commits of {sum(sizes)} mails")
    at, parent, tip = 0, base, base
    for size in sizes:
        group = made[at : at + size]
        # A commit stays as it is until something before it was squashed.
        tip = group[0] if size == 1 and tip == parent else _one_commit(git, tip, group)
        at, parent = at + size, group[-1]
    git.ask("update-ref", "--no-deref", "HEAD", tip)


def _one_commit(git: Git, parent: str, group: Sequence[str]) -> str:
    who = git.ask("log", "-1", "--date=raw", "--format=%an%n%ae%n%ad%n%cd", group[0]).split("\n")
    environment = {
        "GIT_AUTHOR_NAME": who[0], "GIT_AUTHOR_EMAIL": who[1], "GIT_AUTHOR_DATE": who[2], "GIT_COMMITTER_DATE": who[3],
    }  # fmt: skip
    message = git.ask("log", "-1", "--format=%B", group[0]).strip("\n") + "\n"
    for fix in group[1:]:
        message = with_signatures(message, git.ask("log", "-1", "--format=%B", fix))
    done = git.run(
        "commit-tree", f"{group[-1]}^{{tree}}", "-p", parent, "-F", "-", env=environment, input=message.encode()
    )
    if not done.ok:
        raise InfraError("git commit-tree failed", detail=done.words)
    return done.text.strip()


def with_signatures(message: str, fix: str) -> str:
    """A commit message with the Signed-off-by lines of a fix's message that it has not yet."""
    lines = message.rstrip("\n").split("\n")
    new = [line.strip() for line in fix.split("\n") if line.lower().startswith(_SIGNED)]
    missing = [line for line in dict.fromkeys(new) if line not in lines]
    if not missing:
        return message
    last = lines[-1].partition(":")[0]
    is_trailer = ":" in lines[-1] and bool(last) and " " not in last and len(lines) > 1
    return "\n".join([*lines, *([] if is_trailer else [""]), *missing]) + "\n"

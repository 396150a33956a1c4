"""Patch ids, as `git patch-id --stable` makes them: of patches, and of the commits of a history.

A patch id is a hash of what a diff changes, without line numbers and blanks, so a commit is known by the mail that it
was made from.  Knows nothing of what is done with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfraError
from harness.kernel.git import Git
from harness.model import Patch

MOST_COMMITS = 2000
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class History:
    """Commits by their patch ids, newest first where two have the same."""

    commits: dict[str, str]
    whole: bool  # False: git could not read as many commits as were asked for, or not in time


def ids_of(git: Git, patches: Iterable[Patch]) -> dict[int, str]:
    """Patch ids by patch number.  Patches with fixups have none: as one commit they were never sent."""
    stream = [
        b"commit %040d\n%s\n" % (patch.number, diff)
        for patch in patches
        if not patch.fixups and (diff := _diff(patch.mail))
    ]
    if not stream:
        return {}
    done = git.run("patch-id", "--stable", input=b"".join(stream))
    if not done.ok:
        raise InfraError("git patch-id failed", detail=done.words)
    pairs = (line.split(" ") for line in done.text.splitlines())
    return {int(number): patch_id for patch_id, number in pairs if number.isdigit() and int(number)}


def _diff(mail: bytes) -> bytes:
    """The diff of a mail, without the text before it: a line of that could pass for the header of a commit."""
    if mail.startswith(b"diff --git "):
        return mail
    start = mail.find(b"\ndiff --git ")
    return mail[start + 1 :] if start >= 0 else b""


def ids_in_history(
    git: Git, commit: str, scratch: Path, *, paths: Sequence[str] = (), most: int = MOST_COMMITS,
    deadline_s: float = DEADLINE_S,
) -> History:  # fmt: skip
    """The patch ids of the newest `most` commits before and at `commit`; with `paths`, of those that touch them."""
    # No commit without a parent: that of an imported tree, or at the border of a shallow clone, is a whole kernel.
    log = [
        "log", "--patch", "--full-diff", "--min-parents=1", "--max-parents=1", "--no-ext-diff", "--no-textconv",
        "--no-color", f"--max-count={most}", "--format=commit %H%n", commit,
        "--", *(f":(top,literal){path}" for path in paths),
    ]  # fmt: skip
    found = scratch / "patch-ids"
    whole = git.pipe(log, ["patch-id", "--stable"], found, deadline_s=deadline_s)
    commits: dict[str, str] = {}
    for line in found.read_text().splitlines():
        patch_id, _, name = line.partition(" ")
        commits.setdefault(patch_id, name)
    return History(commits, whole)

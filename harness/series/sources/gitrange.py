"""A range of commits -> raw messages, through `git format-patch`.  Reads the repository, never writes to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import InfraError, MissingTool, UserError
from harness.host.process import Completed, Processes
from harness.series.sources.mailbox import RawMail, split_blocks

# The user's own settings must not change what a patch looks like, nor run anything (external diffs, textconv).
_CLEAN = (
    "env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "-u", "GIT_CONFIG_PARAMETERS",
    "-u", "GIT_CONFIG_COUNT", "-u", "GIT_EXTERNAL_DIFF", "-u", "GIT_DIFF_OPTS",
    "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
    "GIT_NO_REPLACE_OBJECTS=1", "GIT_PAGER=cat", "LC_ALL=C.UTF-8",
)  # fmt: skip
_FORMAT = (
    "--stdout", "--no-signature", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--full-index",
    "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--find-renames", "--diff-algorithm=myers", "--no-notes",
    "--no-attach", "--no-thread", "--no-base", "--no-cover-letter", "--no-add-header", "--no-signoff", "--no-from",
    "--numbered", "--subject-prefix=PATCH", "--topo-order",
)  # fmt: skip
_MAX_PATCHES = 10_000


def read_range(spec: str, repo: Path, processes: Processes) -> Iterator[RawMail]:
    """The commits of `A..B`, oldest first.  Raises UserError: no such range, merges in it, nothing in it."""
    base, tip = _ends(spec, repo, processes)
    listed = _git(processes, repo, "rev-list", "--parents", f"{base}..{tip}", "--")
    if not listed.ok:
        raise UserError(f"{spec}: git cannot list it in {repo}", detail=listed.words)
    commits = [line.split() for line in listed.text.splitlines()]
    if not commits:
        raise UserError(f"{spec}: no commit in this range in {repo}", fix="the older end comes first: OLD..NEW")
    if len(commits) > _MAX_PATCHES:
        raise UserError(f"{spec}: {len(commits)} commits are no patch series", fix="choose a nearer base")
    if merges := [commit[0] for commit in commits if len(commit) > 2]:
        raise UserError(
            f"{spec}: {len(merges)} of the {len(commits)} commits are merges, such as {merges[0][:12]}",
            fix="a merge is no patch: rebase onto the base first, or choose a range without merges",
        )
    made = _git(processes, repo, "format-patch", *_FORMAT, f"{base}..{tip}", "--")
    if not made.ok:
        raise UserError(f"{spec}: git format-patch failed in {repo}", detail=made.words)
    for mail in split_blocks(spec, [made.stdout]):
        # A place in the stream means nothing to anybody; one in a commit's own mail does.
        mail.place, mail.line = f"{spec} ({mail.separator.split()[1][:12].decode()})", 1
        yield mail


def _ends(spec: str, repo: Path, processes: Processes) -> tuple[str, str]:
    """The commits at both ends of `A..B`."""
    if "..." in spec:
        raise UserError(f"{spec}: a symmetric difference has no order", fix="write OLD..NEW with two dots")
    base, dots, tip = spec.partition("..")
    if not dots:
        _commit(spec, spec, repo, processes)
        raise UserError(
            f"{spec}: one commit alone does not say which patches",
            fix=f"write {spec}^..{spec} for that commit, or {spec}..HEAD for all that came after it",
        )
    return _commit(spec, base or "HEAD", repo, processes), _commit(spec, tip or "HEAD", repo, processes)


def _commit(spec: str, name: str, repo: Path, processes: Processes) -> str:
    found = None
    if not name.startswith("-") and "\0" not in name:
        found = _git(processes, repo, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    if found is None or not found.ok:
        raise UserError(
            f"{spec}: no such file or directory, and {repo} has no commit {name!r}",
            fix="give a mailbox, a directory of patches, or a range OLD..NEW of the tree",
            detail=found.words if found is not None else "",
        )
    return found.text.split()[-1]


def _git(processes: Processes, repo: Path, *words: str) -> Completed:
    # The tree was named by the user, so its owner does not matter.
    safe = f"safe.directory={repo.absolute()}"
    done = processes.run([*_CLEAN, "git", "-c", safe, "-c", "core.quotePath=true", "-C", repo, *words])
    if done.exit_code == 127:
        raise MissingTool("git", "git")
    if done.exit_code > 128 + 1 and not done.stderr:
        raise InfraError(f"git {words[0]} was killed by signal {done.exit_code - 128}")
    return done


def looks_like_range(spec: str) -> bool:
    """Whether `spec` can only be meant as commits."""
    return ".." in spec and "\n" not in spec and not spec.startswith(("../", "./", "/", "~"))

"""Patches become commits on a tree, through `git am` alone: no fuzz, no three-way merge, nothing repaired.

All work happens in a scratch repository that borrows the tree's objects, so whatever happens leaves nothing behind.
The index has every file but the work directory has none: `git am` fetches the few it needs, and a series takes a
second where a checkout would take ten.  The same tree and mails give the same commits.

Knows nothing of where series come from, nor of configurations and compilers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness.errors import HarnessError, InfraError, UserError
from harness.events import Say
from harness.host.cache import Cache, remove_tree
from harness.host.process import Completed, Processes
from harness.kernel.git import Git, make_repository, write_error
from harness.model import AppliedPatch, AppliedTree, Patch, PatchRole, Series, Tree

_NO_DATE = b"Date: Sat, 1 Jan 2000 00:00:00 +0000\n"
_AM = (
    "am", "--quiet", "--no-3way", "--keep-non-patch", "--no-scissors", "--no-signoff", "--no-gpg-sign",
    "--committer-date-is-author-date", "--whitespace=nowarn", "--patch-format=mbox",
)  # fmt: skip
_ROLE_NAME = {PatchRole.BASE_FIX: "base fix", PatchRole.SERIES: "patch"}


def apply_series(
    tree: Tree, base_fix: Series | None, series: Series | None, *, processes: Processes, cache: Cache, say: Say
) -> AppliedTree:
    """Base fixes first, then the series; a base fix that the tree has already is left out and noted in `base.notes`.

    Raises UserError naming the patch, file and hunk that does not apply, with git's own words.
    """
    scratch = cache.scratch("applied")
    try:
        repo = make_repository(scratch / "repo.git", borrow=tree.repo, commit=tree.commit)
        work = _Work(Git(processes, repo), scratch / "work")
        fixes: list[Patch] = []
        notes: list[str] = []
        if base_fix is not None or series is not None:
            work.start(tree.commit)
        wanted_fixes = base_fix.patches if base_fix is not None else ()
        for patch in wanted_fixes:
            if work.has_already(patch):
                notes.append(f"base fix “{patch.subject}” is in the tree already: not applied")
            else:
                work.apply([patch], PatchRole.BASE_FIX, len(wanted_fixes))
                fixes.append(patch)
        patches = list(series.patches) if series is not None else []
        if patches:
            say(f"applying {len(patches)} {'patch' if len(patches) == 1 else 'patches'}")
            work.apply(patches, PatchRole.SERIES, len(patches))
        applied = _record(work.git, tree.commit, [(PatchRole.BASE_FIX, fix) for fix in fixes], patches)
        remove_tree(work.directory)
    except BaseException:
        remove_tree(scratch)
        raise
    return AppliedTree(
        base=replace(tree, notes=(*tree.notes, *notes)), patches=applied, repo=repo,
        commit=applied[-1].commit if applied else tree.commit,
        tree_id=applied[-1].tree_id if applied else tree.tree_id,
    )  # fmt: skip


class _Work:
    """`git am` on an index in a scratch repository."""

    def __init__(self, git: Git, directory: Path) -> None:
        self.git = git
        self.directory = directory
        self._place = {"GIT_WORK_TREE": str(directory)}
        directory.mkdir()

    def start(self, commit: str) -> None:
        done = self.git.run("read-tree", commit, env=self._place, cwd=self.directory)
        if not done.ok:
            raise write_error(done, self.directory)

    def has_already(self, patch: Patch) -> bool:
        """Whether the patch could be taken back: then it is in the tree."""
        arguments = ("apply", "--cached", "--check", "--reverse", "-")
        return self.git.run(*arguments, input=patch.mail, env=self._place, cwd=self.directory).ok

    def apply(self, patches: Sequence[Patch], role: PatchRole, total: int) -> None:
        """One commit for each patch, or UserError."""
        for patch in patches:
            _refuse_hostile(patch, role, total)
        # A maildir, not mbox files: git am would split a mail where a line of it looks like an mbox separator.
        maildir = self.directory.with_name("mails")
        (maildir / "cur").mkdir(parents=True)
        (maildir / "new").mkdir()
        for position, patch in enumerate(patches, 1):
            (maildir / "cur" / f"{position:05d}").write_bytes(_mail(patch))
        done = self.git.run(*_AM, maildir, env=self._place, cwd=self.directory)
        remove_tree(maildir)
        if not done.ok:
            state = self.git.where / "rebase-apply" / "next"
            failed = int(state.read_text()) if state.is_file() else 1
            raise _does_not_apply(patches[failed - 1], role, total, done)


def _mail(patch: Patch) -> bytes:
    """The mail as git am shall see it: no mbox separator before it, and a date, so that the commit's name is fixed."""
    mail = patch.mail
    if mail.startswith(b"From ") and b"\n" in mail:
        mail = mail.split(b"\n", 1)[1]
    header = re.split(rb"\r?\n\r?\n", mail, maxsplit=1)[0]
    return mail if re.search(rb"(?mi)^date:", header) else _NO_DATE + mail


def _name(patch: Patch, role: PatchRole, total: int) -> str:
    return f"{_ROLE_NAME[role]} {patch.number}/{max(total, patch.number)} “{patch.subject}”"


def _refuse_hostile(patch: Patch, role: PatchRole, total: int) -> None:
    """Refuse paths outside the tree; git am does too, but this does not depend on git's version."""
    for change in patch.files:
        for path in (change.old_path, change.new_path):
            parts = [part.lower() for part in PurePosixPath(path or "").parts]
            if "/" in parts or ".." in parts or ".git" in parts:
                raise UserError(f"{_name(patch, role, total)} writes outside the tree: {path}", detail=patch.source)


def _does_not_apply(patch: Patch, role: PatchRole, total: int, done: Completed) -> HarnessError:
    words = re.sub(r"(?m)^(hint: |When you have resolved|If you prefer to|To restore the).*\n?", "", done.words).strip()
    if "No space left on device" in words:
        return write_error(done, Path(patch.source))
    where = ""
    if match := re.search(r"patch failed: (\S.*):(\d+)", words):
        path, line = match[1], int(match[2])
        where = f": {path}, {_hunk(patch.mail, path, line)}line {line}"
    elif match := re.search(
        r"(?m)^error: (.*: (?:No such file|already exists|does not exist|does not match).*)$", words
    ):
        where = f": {match[1]}"
    return UserError(
        f"{_name(patch, role, total)} does not apply{where}",
        fix=f"check that {patch.source} is made for this tree; --tree names another",
        detail=words,
    )


def _hunk(mail: bytes, path: str, line: int) -> str:
    """`hunk 2 of 3, ` of a file in a patch, found by the line that git names; "" if it is not found."""
    text = mail.decode("utf-8", "replace")
    part = re.search(rf"(?ms)^--- (?:a/)?\S*\n\+\+\+ (?:b/)?{re.escape(path)}\s*?\n(.*?)(?=^diff |^--- |\Z)", text)
    starts = re.findall(r"(?m)^@@ -(\d+)", part[1]) if part else []
    return f"hunk {starts.index(str(line)) + 1} of {len(starts)}, " if str(line) in starts else ""


def _record(
    git: Git, base: str, fixes: Sequence[tuple[PatchRole, Patch]], series: Sequence[Patch]
) -> tuple[AppliedPatch, ...]:
    """What became of each patch."""
    patches = [*fixes, *((PatchRole.SERIES, patch) for patch in series)]
    if not patches:
        return ()
    # A bounded walk: the border of a shallow clone is never reached.
    listed = git.ask("log", "--reverse", f"--max-count={len(patches)}", "--format=%H %T", f"{base}..HEAD").splitlines()
    if len(listed) != len(patches):
        raise InfraError(f"git am made {len(listed)} commits of {len(patches)} patches")
    return tuple(
        AppliedPatch(
            role, patch.number, patch.subject, patch.author, patch.digest,
            commit=line.split()[0], tree_id=line.split()[1], files=patch.files,
        )
        for (role, patch), line in zip(patches, listed, strict=True)
    )  # fmt: skip

"""Patches become commits on a tree, through `git am` alone: no fuzz, no three-way merge, nothing repaired.

All work happens in a scratch repository that borrows the tree's objects, so whatever happens leaves nothing behind.
The index has every file but the work directory has none: `git am` fetches the few it needs, and a series takes a
second where a checkout would take ten.  The same tree and mails give the same commits, so what was applied once is
taken from the cache.

Knows nothing of where series come from, nor of configurations and compilers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness.errors import UserError
from harness.events import Say
from harness.host.cache import Cache, remove_tree
from harness.host.process import Completed, Processes
from harness.kernel import applied_before, blobs
from harness.kernel.applied_before import Steps
from harness.kernel.commits import commits_since, squash
from harness.kernel.git import Git, blobs_at, disk_is_full, make_repository, write_error
from harness.kernel.patchid import ids_of
from harness.model import AppliedPatch, AppliedTree, BaseState, Checker, FileBase, Patch, PatchRole, Series, Tree

_NO_DATE = b"Date: Sat, 1 Jan 2000 00:00:00 +0000\n"
_AM = (
    "am", "--quiet", "--no-3way", "--keep-non-patch", "--no-scissors", "--no-signoff", "--no-gpg-sign",
    "--committer-date-is-author-date", "--whitespace=nowarn", "--patch-format=mbox",
)  # fmt: skip
_ROLE_NAME = {PatchRole.BASE_FIX: "base fix", PatchRole.SERIES: "patch", PatchRole.CHECKER: "checker"}


_NO_FILE = {"120000": "a symbolic link", "160000": "a submodule"}  # by git's mode
_MOST_FILES = 10  # that an error names


class DoesNotApply(UserError):
    """A patch does not apply.  `number` is its place in the series, from 1; `bases` are its files."""

    number = 1
    bases: tuple[FileBase, ...] = ()
    of_series = True  # else of a base fix or a checker
    where = ""  # "mm/vma.c, hunk 2 of 3, line 15"; "" where git did not say


def apply_series(
    tree: Tree, base_fix: Series | None, series: Series | None, *, processes: Processes, cache: Cache, say: Say
) -> AppliedTree:
    """Base fixes first, then the series; a base fix that the tree has already is left out and noted in `base.notes`.

    Raises DoesNotApply or another UserError naming the patch, file and hunk that does not apply, or the blobs that it
    is made for, with git's own words.
    """
    scratch = cache.scratch("applied")
    wanted_fixes = base_fix.patches if base_fix is not None else ()
    patches = series.patches if series is not None else ()
    try:
        repo = make_repository(scratch / "repo.git", borrow=tree.repo, commit=tree.commit)
        work = _Work(Git(processes, repo), scratch / "work")
        refuse_hostile(patches, PatchRole.SERIES, len(patches))
        kept = applied_before.Kept(cache, repo, applied_before.key(tree, wanted_fixes, patches))
        steps = kept.load() if wanted_fixes or patches else Steps((), tree.commit, tree.commit)
        if steps is None:
            steps = _apply(work, tree, wanted_fixes, patches, say)
            kept.save(steps)
        fixes = [patch for at, patch in enumerate(wanted_fixes) if at in steps.fixes]
        notes = [
            f"base fix “{patch.subject}” is in the tree already: not applied"
            for patch in wanted_fixes if patch not in fixes
        ]  # fmt: skip
        stated = blobs.before_applying(patches, work.files(patches, steps.start)) if patches else ()
        applied = _record(work.git, tree.commit, fixes, patches, stated)
        remove_tree(work.directory)
    except BaseException:
        remove_tree(scratch)
        raise
    return AppliedTree(
        base=replace(tree, notes=(*tree.notes, *notes)), patches=applied, repo=repo,
        commit=applied[-1].commit if applied else tree.commit,
        tree_id=applied[-1].tree_id if applied else tree.tree_id,
    )  # fmt: skip


def _apply(work: _Work, tree: Tree, fixes: Sequence[Patch], patches: Sequence[Patch], say: Say) -> Steps:
    """Let git make the commits."""
    work.start(tree.commit)
    taken = []
    for at, patch in enumerate(fixes):
        if not work.has_already(patch):
            work.apply([patch], PatchRole.BASE_FIX, len(fixes))
            taken.append(at)
    start = work.head
    if patches:
        say(f"applying {len(patches)} {'patch' if len(patches) == 1 else 'patches'}")
        there = work.files(patches)
        if blobs.is_made(patches, there):
            raise DoesNotApply("the tree has the very files that the series makes: it is in the tree already")
        work.apply(patches, PatchRole.SERIES, len(patches))
    return Steps(tuple(taken), start, work.head)


def apply_checkers(
    applied: AppliedTree, checkers: Series, *, processes: Processes, cache: Cache, say: Say
) -> AppliedTree:
    """Checkers on top of a tree, each on its own; the first is what all others need.

    One that does not apply is left out, and its `why` says where; without the first none is applied.  `patches` stays
    as it is.  Raises UserError for a checker that writes where it must not, InfraError for a full disk.
    """
    say(f"applying {len(checkers.patches)} checkers")
    scratch = cache.scratch("checked")
    found: list[Checker] = []
    try:
        repo = make_repository(scratch / "repo.git", borrow=applied.repo, commit=applied.commit)
        work = _Work(Git(processes, repo), scratch / "work")
        work.start(applied.commit)
        for patch in checkers.patches:
            needed = found[0] if found and not found[0].commit else None
            why = f"needs {needed.name}" if needed is not None else _tried(work, patch, len(checkers.patches))
            commit = "" if why else work.head
            name = re.sub(r"^\d+-", "", PurePosixPath(patch.source.partition(":")[0]).stem)
            found.append(Checker(name, patch.subject, patch.digest, commit, why))
        remove_tree(work.directory)
    except BaseException:
        remove_tree(scratch)
        raise
    tree_id = work.git.ask("rev-parse", "HEAD^{tree}")
    return replace(applied, repo=repo, commit=work.head, tree_id=tree_id, checkers=tuple(found))


def _tried(work: _Work, patch: Patch, total: int) -> str:
    """Why a checker does not apply; "" once it is applied."""
    try:
        work.apply([patch], PatchRole.CHECKER, total)
    except DoesNotApply as error:
        work.abandon()
        return error.where or "it does not apply"
    return ""


class _Work:
    """`git am` on an index in a scratch repository."""

    def __init__(self, git: Git, directory: Path) -> None:
        self.git = git
        self.directory = directory
        self._place = {"GIT_WORK_TREE": str(directory)}
        self._files: dict[tuple[str, ...], dict[str, str]] = {}
        directory.mkdir()

    @property
    def head(self) -> str:
        """The last commit; HEAD is detached, so it has the name itself."""
        return (self.git.where / "HEAD").read_text().strip()

    def start(self, commit: str) -> None:
        done = self.git.run("read-tree", commit, env=self._place, cwd=self.directory)
        if not done.ok:
            raise write_error(done, self.directory)

    def abandon(self) -> None:
        """Forget a single patch that did not apply: git am has changed nothing, but it would not begin again."""
        remove_tree(self.git.where / "rebase-apply")

    def has_already(self, patch: Patch) -> bool:
        """Whether the patch could be taken back: then it is in the tree."""
        arguments = ("apply", "--cached", "--check", "--reverse", "-")
        return self.git.run(*arguments, input=patch.mail, env=self._place, cwd=self.directory).ok

    def files(self, patches: Iterable[Patch], commit: str = "") -> dict[str, str]:
        """The blobs that a commit, else the last one, has of the files of patches; git is asked once."""
        named = (path for patch in patches for touch in blobs.touches(patch) for path in (touch.before, touch.after))
        asked = commit or self.head, *(path for path in named if path is not None)
        if asked not in self._files:
            self._files[asked] = blobs_at(self.git, asked[0], asked[1:])
        return self._files[asked]

    def apply(self, patches: Sequence[Patch], role: PatchRole, total: int) -> None:
        """One commit for each patch, its fixups squashed into it, or UserError."""
        refuse_hostile(patches, role, total)
        parts = _parts(patches)
        # A maildir, not mbox files: git am would split a mail where a line of it looks like an mbox separator.
        maildir = self.directory.with_name("mails")
        (maildir / "cur").mkdir(parents=True)
        (maildir / "new").mkdir()
        for position, (_, part) in enumerate(parts, 1):
            (maildir / "cur" / f"{position:05d}").write_bytes(_mail(part))
        start = self.head
        done = self.git.run(*_AM, maildir, env=self._place, cwd=self.directory)
        remove_tree(maildir)
        if not done.ok:
            if disk_is_full(done):
                raise write_error(done, self.directory)
            state = self.git.where / "rebase-apply" / "next"
            patch, part = parts[int(state.read_text()) - 1 if state.is_file() else 0]
            there = self.files([replace(part, fixups=())])
            bases = tuple(
                blobs.held_against(touch, there.get(touch.before or touch.path, ""))
                for touch in blobs.touches(replace(part, fixups=()))
                if role is not PatchRole.CHECKER  # made for another tree than the series': where it breaks says more
            )
            error = _does_not_apply(part, _part_name(patch, part, role, total), done, bases)
            error.number, error.of_series = patches.index(patch) + 1, role is PatchRole.SERIES
            error.fix = error.fix if error.of_series else "--base-fix none leaves it out"
            raise error
        self._only_plain_files(start)
        if len(parts) > len(patches):
            squash(self.git, start, [1 + len(patch.fixups) for patch in patches])

    def _only_plain_files(self, start: str) -> None:
        """Refuse links and submodules that a patch changed or moved: without a mode line it does not look like that."""
        listed = self.git.ask("log", "--format=", "--raw", "--no-renames", "--no-abbrev", f"{start}..HEAD")
        for line in listed.splitlines():
            _, mode, _, _, change = line.split(" ", 4)
            kind = _NO_FILE.get(mode)
            if kind:
                path = change.partition("\t")[2]
                raise UserError(
                    f"a patch changes {kind}: {path}", detail=line,
                    fix="where a link leads is where the next patch writes: leave it out",
                )  # fmt: skip


def _mail(patch: Patch) -> bytes:
    """The mail as git am shall see it: no mbox separator before it, and a date, so that the commit's name is fixed."""
    mail = patch.mail
    if mail.startswith(b"From ") and b"\n" in mail:
        mail = mail.split(b"\n", 1)[1]
    header = re.split(rb"\r?\n\r?\n", mail, maxsplit=1)[0]
    return mail if re.search(rb"(?mi)^date:", header) else _NO_DATE + mail


def _name(patch: Patch, role: PatchRole, total: int) -> str:
    return f"{_ROLE_NAME[role]} {patch.number}/{max(total, patch.number)} “{patch.subject}”"


def _part_name(patch: Patch, part: Patch, role: PatchRole, total: int) -> str:
    """A patch, or the fixup of one, by its name in messages."""
    whole = _name(patch, role, total)
    return whole if part is patch else f"the fix “{part.subject}” of {whole}"


def _parts(patches: Iterable[Patch]) -> list[tuple[Patch, Patch]]:
    """The mails to be applied, in order, each with the patch that it is, or is a fixup of."""
    return [(patch, part) for patch in patches for part in (patch, *patch.fixups)]


def refuse_hostile(patches: Iterable[Patch], role: PatchRole, total: int) -> None:
    """Refuse paths outside the tree; git am does too, but this does not depend on git's version."""
    for whole, part in _parts(patches):
        for path in (path for change in part.files for path in (change.old_path, change.new_path)):
            words = [word.lower() for word in PurePosixPath(path or "").parts]
            if "/" in words or ".." in words or ".git" in words:
                name = _part_name(whole, part, role, total)
                raise UserError(f"{name} writes outside the tree: {path}", detail=part.source)


def _does_not_apply(patch: Patch, name: str, done: Completed, bases: tuple[FileBase, ...]) -> DoesNotApply:
    words = re.sub(r"(?m)^(hint: |When you have resolved|If you prefer to|To restore the).*\n?", "", done.words).strip()
    fix = f"check that {patch.source} is made for this tree; --tree names another"
    if where := mismatch(bases):
        fix = "--tree names another tree; --base auto looks for these blobs in the tree's history"
    elif match := re.search(r"patch failed: (\S.*):(\d+)", words):
        path, line = match[1], int(match[2])
        where = f"{path}, {_hunk(patch.mail, path, line)}line {line}"
    elif match := re.search(
        r"(?m)^error: (.*: (?:No such file|already exists|does not exist|does not match).*)$", words
    ):
        where = match[1]
    error = DoesNotApply(f"{name} does not apply{f': {where}' if where else ''}", fix=fix, detail=words)
    error.bases, error.where = bases, where
    return error


def mismatch(bases: Iterable[FileBase]) -> str:
    """`base mismatch: mm/vma.c wants blob 0123456789ab, the tree has …`; "" where every blob that is named is there."""
    wrong = [base for base in bases if base.wanted and base.state is BaseState.MISMATCH]
    if not wrong:
        return ""
    named = [
        f"{base.path} wants blob {base.wanted}, the tree has {blobs.short(base.found, base.wanted) or 'no such file'}"
        for base in wrong[:_MOST_FILES]
    ]
    more = [f"and {len(wrong) - _MOST_FILES} files more"] if len(wrong) > _MOST_FILES else []
    return f"base mismatch: {'; '.join([*named, *more])}"


def _hunk(mail: bytes, path: str, line: int) -> str:
    """`hunk 2 of 3, ` of a file in a patch, found by the line that git names; "" if it is not found."""
    text = mail.decode("utf-8", "replace")
    part = re.search(rf"(?ms)^--- (?:a/)?\S*\n\+\+\+ (?:b/)?{re.escape(path)}\s*?\n(.*?)(?=^diff |^--- |\Z)", text)
    starts = re.findall(r"(?m)^@@ -(\d+)", part[1]) if part else []
    return f"hunk {starts.index(str(line)) + 1} of {len(starts)}, " if str(line) in starts else ""


def _record(
    git: Git, base: str, fixes: Sequence[Patch], series: Sequence[Patch], stated: Sequence[tuple[FileBase, ...]]
) -> tuple[AppliedPatch, ...]:
    """What became of each patch; those of the series are held against the blobs that they name."""
    patches = [(PatchRole.BASE_FIX, fix) for fix in fixes] + [(PatchRole.SERIES, patch) for patch in series]
    if not patches:
        return ()
    commits = commits_since(git, base, len(patches))
    ids = ids_of(git, series)
    said = [()] * len(fixes) + list(stated)
    return tuple(
        AppliedPatch(
            role, patch.number, patch.subject, patch.author, patch.digest, commit=commit.commit, tree_id=commit.tree_id,
            files=patch.changes,
            base=blobs.as_applied(patch, bases, commit.before) if role is PatchRole.SERIES else (),
            results=blobs.results(patch, commit.after) if role is PatchRole.SERIES else (),
            patch_id=ids.get(patch.number, "") if role is PatchRole.SERIES else "",
        )
        for (role, patch), bases, commit in zip(patches, said, commits, strict=True)
    )  # fmt: skip

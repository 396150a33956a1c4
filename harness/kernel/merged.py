"""Whether a series is in a tree already, patch by patch, and the tree without it.

Three proofs, each by git's own means: a commit of the history has the patch's id; the tree has the blobs that the
series makes; the patch can be taken back, last patch first, exactly (no fuzz, no merge).  Where none of them holds,
the lines that a patch adds are looked for in the tree, which proves nothing and says what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import InfraError, UserError
from harness.events import Say
from harness.host.cache import Cache, remove_tree
from harness.host.process import Processes
from harness.kernel import blobs
from harness.kernel.apply import DoesNotApply, apply_series
from harness.kernel.git import Git, blobs_at, contents_at, make_repository, write_error
from harness.kernel.patchid import ids_in_history, ids_of
from harness.kernel.remains import Line, remains
from harness.model import AppliedTree, FilePresence, Patch, PatchPresence, Presence, Series, Tree

_MOST_BYTES = 16 << 20  # of a series whose lines are looked for
_SAYS_SOMETHING = re.compile(rb"\w")  # a brace or a blank line is in every file
_DATE = "946684800 +0000"  # so that the same tree and series give the same commit
_ENOUGH = 4  # one of so many lines: fewer are found in any tree
_GLOB = re.compile(r"[*?[\\]")
_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? ")
_FILE = re.compile(rb"diff --git \S{1,20}/(\d{1,9}) ")


@dataclass(frozen=True, slots=True)
class Recognised:
    """What of a series a tree has; `without` is that tree with the series taken out, where that is possible."""

    patches: tuple[PatchPresence, ...]
    without: Tree | None

    @property
    def is_in(self) -> bool:
        """Whether the whole series is in the tree."""
        return all(patch.state is Presence.IN for patch in self.patches)

    @property
    def is_out(self) -> bool:
        """Whether none of it is."""
        return all(patch.state is Presence.NOT for patch in self.patches)


def recognise(tree: Tree, series: Series, *, processes: Processes, cache: Cache, say: Say) -> Recognised:
    """Look for each patch of the series in the tree.  Nothing but scratch space is written."""
    say("looking for the series in the tree")
    scratch = cache.scratch("merged")
    repo = make_repository(scratch / "repo.git", borrow=tree.repo, commit=tree.commit)
    search = _Search(Git(processes, repo), tree.commit, series.patches, scratch)
    found = search.patches()
    without = _without(search, tree) if found and all(number in search.reverted for number in search.numbers) else None
    return Recognised(found, without)


def apply_merged(
    tree: Tree, base_fix: Series | None, series: Series, *, processes: Processes, cache: Cache, say: Say
) -> AppliedTree:
    """The tree as it stands, which has the series, with base fixes.

    Where the series can be taken out, `base` is the tree without it and the patches are put back as commits: the
    result has the very same files.  Raises UserError when nothing of the series is in the tree.
    """
    found = recognise(tree, series, processes=processes, cache=cache, say=say)
    if found.is_out:
        raise UserError(
            "--merged, but no patch of the series is in the tree",
            fix="leave --merged out, or name the tree that has it",
        )
    stands = apply_series(tree, base_fix, None, processes=processes, cache=cache, say=say)
    if found.without is not None:
        try:
            rebuilt = apply_series(found.without, base_fix, series, processes=processes, cache=cache, say=say)
        except UserError:
            rebuilt = None
        if rebuilt is not None and rebuilt.tree_id == stands.tree_id:
            return replace(rebuilt, presence=found.patches, reverted=True)
    return replace(stands, presence=found.patches)


def explained(error: DoesNotApply, found: Recognised) -> UserError:
    """The error of a series that does not apply, with what of it is in the tree already."""
    total = len(found.patches)
    account = "\n".join(f"patch {patch.number}/{total} “{patch.subject}”: {patch.text}" for patch in found.patches)
    if found.is_in:
        return UserError(
            f"the series is in the tree already ({_how(found.patches)})",
            fix="--merged tests the tree as it stands"
            + (", and takes the series out to compare" if found.without else ""),
            detail=account,
        )
    inside = [patch.number for patch in found.patches if patch.state is Presence.IN]
    lines = sum(file.lines for patch in found.patches for file in patch.files)
    present = sum(file.present for patch in found.patches for file in patch.files)
    if not inside and present * 2 < lines:
        return error
    listed = ", ".join(f"{number}" for number in inside)
    told = [f"in the tree already: {'patch' if len(inside) == 1 else 'patches'} {listed} of {total}"] if inside else []
    told += (
        [] if inside else [f"the tree has {present} of the {lines} lines that the series adds: another version of it?"]
    )
    fix = "leave out what is in the tree" if inside else "--merged tests the tree as it stands"
    return UserError(
        f"{error.what}; {told[0]}",
        fix=f"{fix}; {error.fix}" if error.fix else fix,
        detail=f"{account}\n{error.detail}".strip(),
    )


def _how(patches: Sequence[PatchPresence]) -> str:
    words = {"patch-id": "by its patch-id", "blobs": "by its blobs", "reverts": "it can be taken back exactly"}
    return ", ".join(words[how] for how in dict.fromkeys(patch.evidence for patch in patches))


def _without(search: _Search, tree: Tree) -> Tree:
    """The tree of the index, from which the series was taken, as a commit on top of the tree as it came."""
    tree_id = search.ask("write-tree")
    dates = {"GIT_AUTHOR_DATE": _DATE, "GIT_COMMITTER_DATE": _DATE}
    made = search.git.run("commit-tree", tree_id, "-p", tree.commit, "-m", "The tree without the series", env=dates)
    if not made.ok:
        raise InfraError("git commit-tree failed", detail=made.words)
    return replace(tree, repo=search.git.where, commit=made.text.strip(), tree_id=tree_id)


class _Search:
    """One look for the patches of a series in a commit, with an index from which they are taken."""

    def __init__(self, git: Git, commit: str, patches: Sequence[Patch], scratch: Path) -> None:
        self.git = git
        self.numbers = [patch.number for patch in patches]
        self.reverted: set[int] = set()
        self._commit = commit
        self._patches = patches
        self._scratch = scratch
        self._place = {"GIT_INDEX_FILE": str(scratch / "index"), "GIT_WORK_TREE": str(scratch)}
        size = sum(len(part.mail) for patch in patches for part in (patch, *patch.fixups))
        self._sheets = remains(patches) if size <= _MOST_BYTES else {}
        self._texts = contents_at(git, commit, self._sheets)

    def ask(self, *arguments: str) -> str:
        done = self.git.run(*arguments, env=self._place, cwd=self._scratch)
        if not done.ok:
            raise write_error(done, self._scratch)
        return done.text.strip()

    def patches(self) -> tuple[PatchPresence, ...]:
        lines = _by_patch(self._sheets, self._missing())
        files = {
            patch.number: [
                FilePresence(path, *lines.get((patch.number, path), (0, 0)), reverts=False) for path in _paths(patch)
            ]
            for patch in self._patches
        }
        self._take_back(files)
        made = blobs.is_made(self._patches, blobs_at(self.git, self._commit, blobs.last_made(self._patches)))
        commits = self._in_history()
        return tuple(
            self._presence(patch, tuple(files[patch.number]), commits.get(patch.number, ""), made=made)
            for patch in self._patches
        )

    def _presence(self, patch: Patch, files: tuple[FilePresence, ...], commit: str, *, made: bool) -> PatchPresence:
        lines, present = sum(file.lines for file in files), sum(file.present for file in files)
        gone = lines > 0 and not present
        if commit and not gone:
            state, evidence = Presence.IN, "patch-id"
        elif patch.number in self.reverted:
            state, evidence = Presence.IN, "reverts"
        elif made:
            state, evidence = Presence.IN, "blobs"
        elif any(file.reverts for file in files) or (lines and present * _ENOUGH >= lines):
            state, evidence = Presence.PARTLY, "lines"
        else:
            state, evidence = Presence.NOT, "lines"
        return PatchPresence(patch.number, patch.subject, state, evidence, commit, files)

    # --- history ----------------------------------------------------------------------------------------------

    def _in_history(self) -> dict[int, str]:
        """Commits of the tree's history that have the patch ids of the series, by patch number."""
        if len(self.ask("rev-list", "--max-count=2", self._commit).splitlines()) < 2:
            return {}
        wanted = ids_of(self.git, self._patches)
        paths = sorted({path for patch in self._patches for path in _paths(patch)})
        history = ids_in_history(self.git, self._commit, self._scratch, paths=paths)
        return {number: history.commits[name] for number, name in wanted.items() if name in history.commits}

    # --- lines ------------------------------------------------------------------------------------------------

    def _missing(self) -> dict[str, set[int]]:
        """By path, the positions on its sheet of lines that the tree's file has not, in this order."""
        for side in ("sheets", "files"):
            (self._scratch / side).mkdir()
        for number, (path, sheet) in enumerate(self._sheets.items()):
            (self._scratch / "sheets" / f"{number}").write_bytes(b"".join(line.text + b"\n" for line in sheet))
            (self._scratch / "files" / f"{number}").write_bytes(self._texts.get(path, b""))
        done = self.git.run(
            "diff", "--no-index", "--no-ext-diff", "--no-textconv", "--text", "--unified=0", "--histogram",
            "--no-color", "--no-renames", "sheets", "files", cwd=self._scratch,
        )  # fmt: skip
        for side in ("sheets", "files"):
            remove_tree(self._scratch / side)
        paths = list(self._sheets)
        found: dict[str, set[int]] = {path: set() for path in paths}
        current: set[int] = set()
        for line in done.stdout.split(b"\n"):
            if match := _FILE.match(line):
                current = found[paths[int(match[1])]]
            elif match := _HUNK.match(line):
                first, count = int(match[1]), int(match[2]) if match[2] is not None else 1
                current.update(range(first - 1, first - 1 + count))
        return found

    # --- taking it back ---------------------------------------------------------------------------------------

    def _take_back(self, files: dict[int, list[FilePresence]]) -> None:
        """Take from the index, last patch first, what can be taken; says so in `files` and `reverted`."""
        known = {path: set(text.split(b"\n")) for path, text in self._texts.items()}
        self.ask("read-tree", self._commit)
        for patch in reversed(self._patches):
            could = [self._could_be_there(patch.number, file.path, known) for file in files[patch.number]]
            if not any(could):
                continue
            if all(could) and self._reverse(patch):
                self.reverted.add(patch.number)
                files[patch.number] = [replace(file, reverts=True) for file in files[patch.number]]
            elif len(could) > 1:
                files[patch.number] = [
                    replace(file, reverts=possible and self._reverse(patch, file.path))
                    for file, possible in zip(files[patch.number], could, strict=True)
                ]

    def _could_be_there(self, number: int, path: str, known: Mapping[str, set[bytes]]) -> bool:
        """Whether the file has all the lines that the patch leaves in it: a cheap look before git is asked."""
        there = known.get(path, set())
        return all(line.text in there for line in self._sheets.get(path, ()) if line.patch == number)

    def _reverse(self, patch: Patch, path: str = "") -> bool:
        """Take a patch and its fixups, or their changes of one file, from the index, whole or not at all."""
        only = ["--include=" + _GLOB.sub(r"\\\g<0>", path)] if path else []
        taken: list[Patch] = []
        for part in reversed((patch, *patch.fixups)):
            if path and path not in _paths(replace(part, fixups=())):
                continue
            if not self._apply(part, "--reverse", *only):
                for done in reversed(taken):
                    self._apply(done, *only)
                return False
            taken.append(part)
        return True

    def _apply(self, patch: Patch, *options: str) -> bool:
        arguments = ("apply", "--cached", "--whitespace=nowarn", *options, "-")
        return self.git.run(*arguments, input=patch.mail, env=self._place, cwd=self._scratch).ok


def _paths(patch: Patch) -> list[str]:
    return [touch.path for touch in blobs.touches(patch)]


def _by_patch(
    sheets: Mapping[str, Iterable[Line]], missing: Mapping[str, set[int]]
) -> dict[tuple[int, str], tuple[int, int]]:
    """How many lines each patch leaves in each file, and how many of them the tree has."""
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for path, sheet in sheets.items():
        for position, line in enumerate(sheet):
            if line.patch and _SAYS_SOMETHING.search(line.text):
                lines, present = found.get((line.patch, path), (0, 0))
                found[line.patch, path] = (lines + 1, present + (position not in missing[path]))
    return found

"""The tree that a series was made for, held against the one that there is: what the stages know, put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from harness.errors import UserError
from harness.events import Say
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel import base, blobs, patchid
from harness.kernel.apply import DoesNotApply, apply_series
from harness.kernel.git import Git, blobs_at
from harness.kernel.merged import apply_merged, explained, recognise
from harness.kernel.source import at_commit, resolve_tree
from harness.model import (
    AppliedPatch,
    AppliedTree,
    BaseReport,
    BaseState,
    FileBase,
    Patch,
    PatchRole,
    Prerequisite,
    Series,
    Tree,
)
from harness.run.sources import Archives

_THE_TREES = "the tree's commit"
NONE, AUTO = "none", "auto"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")  # nothing else of a document is given to git as a commit
_SETTLED = (BaseState.EXACT, BaseState.NEW)  # applying it would say nothing new
_WORST = (BaseState.MISMATCH, BaseState.BROKEN, BaseState.OTHER, BaseState.UNKNOWN, BaseState.EXACT, BaseState.NEW)


@dataclass(frozen=True, slots=True)
class Choice:
    """The tree that a series will be applied to, and what is known of that before it is."""

    tree: Tree
    report: BaseReport | None  # None without a series

    @property
    def text(self) -> str:
        """What is known before anything is tried."""
        if self.report is None:
            return f"{self.tree.commit[:12]}, no series"
        known = f"{self.report.exact} of {self.report.stated} blobs exact" if self.report.stated else "no blobs named"
        return ", ".join(part for part in (known, self.report.choice) if part)


# --- choosing -------------------------------------------------------------------------------------------------


def choose(
    tree: Tree, series: Series | None, wanted: str, candidates: Sequence[str], *, merged: bool,
    resolve: Callable[[str], Tree], processes: Processes, cache: Cache, say: Say,
) -> Choice:  # fmt: skip
    """The tree at the commit that `wanted` asks for: `none` (as it is), `auto`, or a commit of its repository.

    `auto` takes the commit that the series names, if a tree has it, else the one with the most of the blobs that the
    series names, in the history of the tree and of the `candidates` (resolved by `resolve`).  Raises UserError for a
    commit or a candidate that there is not.
    """
    chosen, words = tree, ""
    if wanted == AUTO or (wanted == NONE and candidates):
        if merged:
            raise UserError("--merged and --base auto exclude each other", fix="name the commit that has the series")
        if series is not None:
            chosen, words = _search(tree, series, [resolve(spec) for spec in candidates], processes, say)
    elif wanted != NONE:
        chosen, words = _named_by_user(tree, wanted, processes), f"commit {wanted} as asked for"
    if series is None:
        return Choice(chosen, None)
    patches = series.patches
    stated = blobs.first_wanted(patches)
    exact = blobs.count_exact(stated, _blobs_of(chosen, patches, processes))
    return Choice(
        chosen,
        BaseReport(
            _before(exact, len(stated)), words, chosen.commit, series.base.commit,
            _where_named(chosen, series.base.commit, processes), exact, len(stated),
            prerequisites=_prerequisites(chosen, series, processes, cache, say),
        ),
    )  # fmt: skip


def _named_by_user(tree: Tree, wanted: str, processes: Processes) -> Tree:
    found = at_commit(tree, wanted, processes=processes)
    if found is None:
        raise UserError(
            f"--base {wanted}: {tree.spec} has no such commit",
            fix="name a commit of the tree's repository (one from a tarball or a package has a single commit), or auto",
        )
    return found


def _search(tree: Tree, series: Series, candidates: Sequence[Tree], processes: Processes, say: Say) -> tuple[Tree, str]:
    """The tree to take, and why."""
    trees = [tree, *candidates]
    for one in trees if _COMMIT.fullmatch(series.base.commit) else ():
        named = at_commit(one, series.base.commit, processes=processes)
        if named is not None:
            return named, f"at the base-commit that the series names{_of(one, tree)}"
    wanted = blobs.first_wanted(series.patches)
    if not wanted:
        return tree, "the tree as given, for the series names no blobs to look for"
    say(f"looking for {len(wanted)} blobs in the history")
    found = [(one, base.search(one, wanted, processes=processes)) for one in trees]
    # max() keeps the first of equals: the tree as given before the candidates.
    one, best = max(found, key=lambda pair: (pair[1].exact, _version(pair[0]), pair[1].date))
    searched = sum(result.searched for _, result in found)
    far = "" if all(result.whole for _, result in found) else ", older ones not looked at"
    looked = f"of {searched} commits that touch these files{far}"
    if not best.exact:
        return tree, f"the tree as given, for none {looked} has any of the blobs"
    chosen = at_commit(one, best.commit, processes=processes) or one
    return chosen, f"commit {best.commit[:12]}{_of(one, tree)} chosen {looked}"


def _of(one: Tree, given: Tree) -> str:
    return "" if one is given else f" of {one.spec}"


def _version(tree: Tree) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d{1,6}", tree.kernel_version)[:3])


def _where_named(tree: Tree, named: str, processes: Processes) -> str:
    """Where the commit is that the series names."""
    if not named:
        return ""
    if not _COMMIT.fullmatch(named):
        return "no name of a commit"
    found = Git(processes, tree.repo).run("rev-parse", "--verify", "--quiet", f"{named}^{{commit}}")
    if not found.ok:
        return "not in the tree's repository"
    if found.text.strip() == tree.commit:
        return _THE_TREES
    return "in the tree's repository, but not the commit that is used"


def _prerequisites(
    tree: Tree, series: Series, processes: Processes, cache: Cache, say: Say
) -> tuple[Prerequisite, ...]:
    wanted = series.base.prerequisite_patch_ids
    if not wanted:
        return ()
    say(f"looking for {len(wanted)} prerequisite patches in the history")
    history = patchid.ids_in_history(Git(processes, tree.repo), tree.commit, cache.scratch("prerequisites"))
    return tuple(Prerequisite(patch_id, history.commits.get(patch_id.lower(), "")) for patch_id in wanted)


def _before(exact: int, stated: int) -> BaseState:
    if not stated:
        return BaseState.UNKNOWN
    return BaseState.EXACT if exact == stated else BaseState.MISMATCH


def _blobs_of(tree: Tree, patches: Iterable[Patch], processes: Processes) -> dict[str, str]:
    named = (path for patch in patches for item in blobs.touches(patch) for path in (item.before, item.after))
    return blobs_at(Git(processes, tree.repo), tree.commit, (path for path in named if path is not None))


# --- applying -------------------------------------------------------------------------------------------------


def apply(
    tree: Tree, base_fix: Series | None, series: Series | None, *, merged: bool, processes: Processes, cache: Cache,
    say: Say,
) -> AppliedTree:  # fmt: skip
    """Apply base fixes and series; with `merged`, take the tree as it stands, which has the series.

    Raises UserError, which also says so when the series, or a part of it, is in the tree already.
    """
    if merged and series is not None:
        return apply_merged(tree, base_fix, series, processes=processes, cache=cache, say=say)
    try:
        return apply_series(tree, base_fix, series, processes=processes, cache=cache, say=say)
    except DoesNotApply as error:
        if series is None or not error.of_series:
            raise
        found = recognise(tree, series, processes=processes, cache=cache, say=say)
        raise explained(error, found) from error


def after(report: BaseReport, applied: AppliedTree) -> BaseReport:
    """What is known of the base once the series has been applied."""
    notes = list(report.notes)
    missing = [item.patch_id[:12] for item in report.prerequisites if not item.commit]
    if missing:
        notes.append(f"prerequisite patches that the tree's recent history has not: {', '.join(missing)}")
    if report.named and report.named_state != _THE_TREES:
        notes.append(f"the series names base-commit {report.named[:12]}: {report.named_state}")
    if applied.presence and not applied.reverted:
        notes.append("the series cannot be taken out of the tree exactly: there is no base to compare with")
    patches = [patch for patch in applied.patches if patch.role is PatchRole.SERIES]
    if not patches:
        return replace(report, presence=applied.presence, notes=tuple(notes))
    first = [file for patch in patches for file in patch.base if not file.chained]
    stated = [file for file in first if file.wanted and file.state is not BaseState.UNKNOWN]
    wrong = [_differs(patch) for patch in patches]
    notes += [words for words in wrong if words]
    states = {file.state for patch in patches for file in patch.base}
    return replace(
        report,
        state=next((state for state in _WORST if state in states), BaseState.UNKNOWN),
        exact=sum(file.state is BaseState.EXACT for file in stated), stated=len(stated),
        bit_exact=blobs.is_bit_exact(patches), presence=applied.presence,
        reverted=applied.base.commit if applied.reverted else "", notes=tuple(notes),
    )  # fmt: skip


def _differs(patch: AppliedPatch) -> str:
    """Files of a patch that was made from the very blobs it names and still made another one than it says."""
    if any(file.state is not BaseState.EXACT for file in patch.base):
        return ""  # on another base they cannot be the same
    wrong = [file for file in patch.results if file.exact is False]
    files = ", ".join(f"{file.path} is blob {blobs.short(file.found) or 'gone'}, not {file.wanted}" for file in wrong)
    return f"patch {patch.number} does not make what it says: {files}" if wrong else ""


def account(report: BaseReport | None, patches: Iterable[AppliedPatch]) -> str:
    """What is known of the base, patch by patch and file by file, for those who want to see it all."""
    if report is None:
        return ""
    lines = [f"base: {report.text}", *report.notes]
    for patch in patches:
        after = {file.path: file for file in patch.results}
        lines += [f"patch {patch.number}: {patch.subject}"] if patch.base else []
        for file in patch.base:
            made = after.get(file.path)
            what = "" if made is None or made.exact is None else "; after: exact" if made.exact else "; after: differs"
            lines.append(f"  {file.path}: {file.text}{what}")
    lines += [f"patch {patch.number}: {patch.subject}: {patch.text}" for patch in report.presence]
    lines += [f"prerequisite {item.patch_id}: {item.commit or 'missing'}" for item in report.prerequisites]
    return "\n".join(lines) + "\n"


# --- for those who only look ----------------------------------------------------------------------------------


def states(
    series: Series, tree_spec: str, *, processes: Processes, cache: Cache, say: Say = lambda _: None
) -> tuple[tuple[FileBase, ...], ...]:
    """For each patch of the series its files before it, held against a tree (any that `--tree` takes).

    Where not all blobs are the ones that are named, applying it is tried, in a scratch repository.
    Raises UserError or InfraError for a tree that there is not.
    """
    archives = Archives(processes, cache, say)
    tree = resolve_tree(tree_spec, processes=processes, cache=cache, archive_for=archives, say=say)
    return states_in(series, tree, processes=processes, cache=cache)


def states_in(series: Series, tree: Tree, *, processes: Processes, cache: Cache) -> tuple[tuple[FileBase, ...], ...]:
    """The same for a tree that is resolved already."""
    stated = blobs.before_applying(series.patches, _blobs_of(tree, series.patches, processes))
    if all(file.state in _SETTLED for files in stated for file in files):
        return stated
    try:
        applied = apply_series(tree, None, series, processes=processes, cache=cache, say=lambda _: None)
    except DoesNotApply as error:
        before = replace(series, patches=series.patches[: error.number - 1])
        if not before.patches:
            return stated
        applied = apply_series(tree, None, before, processes=processes, cache=cache, say=lambda _: None)
        return (*(patch.base for patch in applied.patches), *stated[error.number - 1 :])
    except UserError:
        return stated
    return tuple(patch.base for patch in applied.patches)

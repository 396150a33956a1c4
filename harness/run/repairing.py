"""A series whose whitespace was lost, rebuilt from the tree that a run will apply it to: which tree, which files."""

from __future__ import annotations

from collections.abc import Callable

from harness.events import Say
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.git import Git, contents_at
from harness.kernel.source import resolve_tree
from harness.model import Series, Tree
from harness.run.sources import Archives
from harness.series.mend.mended import mended
from harness.series.mend.overlay import Overlay
from harness.series.mend.repair import Content
from harness.series.read import as_series, choose, read_survey
from harness.series.survey.survey import Survey


def read_repaired(
    source: str, tree: Tree, *, base_for: Callable[[Series | None], Tree], base_fix: Callable[[Tree], Series | None],
    processes: Processes,
) -> Series:  # fmt: skip
    """The series in a source, repaired where it needs it.

    `base_for` gives the tree that a series, as yet damaged, will be applied to, `base_fix` what comes before it.
    Raises UserError or InputError, also for what cannot be repaired.
    """
    found = read_survey([source], processes=processes, repo=tree.repo)
    if any(patch.piece.damaged is not None for each in found.series for patch in each.patches):
        alone = as_series(found.source, found.series[0]) if len(found.series) == 1 else None
        base = base_for(alone)
        found = mended(found, content_of(base, base_fix(base), processes))
    return choose(found)


def content_of(tree: Tree, base_fix: Series | None, processes: Processes) -> Content:
    """The files of a tree with its base fix on top, as far as that applies."""
    git = Git(processes, tree.repo)
    overlay = Overlay(lambda path, _: contents_at(git, tree.commit, [path]).get(path))
    for patch in base_fix.patches if base_fix is not None else ():
        overlay.advance(patch.mail)
    return overlay


def repaired_survey(
    found: Survey, tree_spec: str, *, processes: Processes, cache: Cache, say: Say = lambda _: None
) -> Survey:
    """A survey with its damaged patches rebuilt from a tree (any that `--tree` takes).  Raises UserError."""
    archives = Archives(processes, cache, say)
    tree = resolve_tree(tree_spec, processes=processes, cache=cache, archive_for=archives, say=say)
    return mended(found, content_of(tree, None, processes))

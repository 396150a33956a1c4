"""The tree that a series was made for, held against the one that there is: what the stages know, put together."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UserError
from harness.events import Say
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel import blobs
from harness.kernel.apply import DoesNotApply, apply_series
from harness.kernel.git import Git, blobs_at
from harness.kernel.source import resolve_tree
from harness.model import BaseState, FileBase, Series, Tree
from harness.run.sources import Archives

_SETTLED = (BaseState.EXACT, BaseState.NEW)  # applying it would say nothing new


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
    named = (path for patch in series.patches for item in blobs.touches(patch) for path in (item.before, item.after))
    there = blobs_at(Git(processes, tree.repo), tree.commit, (path for path in named if path is not None))
    stated = blobs.before_applying(series.patches, there)
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

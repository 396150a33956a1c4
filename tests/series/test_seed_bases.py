"""A real series of ten patches on real trees: not its base, and one that has a later version of it.

The trees are those that earlier runs have left in the user's cache; they are read only.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.cache import Cache, default_root
from harness.host.process import Processes
from harness.model import BaseState, Presence, Series, Tree
from harness.run import base
from harness.series.read import read_series

pytestmark = pytest.mark.kernel

WANTED = {
    "include/linux/mm_types.h": "78950eb8926d",
    "include/linux/mmap_lock.h": "b50416fbba20",
    "mm/mmap_lock.c": "7421b7ea8001",
}


@pytest.fixture
def series(seeds: Path, processes: Processes) -> Series:
    (document,) = seeds.glob("004_*")
    return read_series(str(document), processes=processes, repo=None)


def tree(version: str) -> Tree:
    for facts in sorted((default_root() / "store" / "tree").glob(f"linux-source-{version}_*/tree.json"), reverse=True):
        found = json.loads(facts.read_text())
        where = facts.parent / "repo.git"
        return Tree(f"debian:linux-source-{version}", found["kernel_version"], where, found["commit"], found["tree_id"])
    pytest.skip(f"no run has imported Linux {version} here")


def test_on_6_12_it_names_files_and_blobs(series: Series, processes: Processes, cache: Cache) -> None:
    with pytest.raises(UserError) as caught:
        base.apply(tree("6.12"), None, series, merged=False, processes=processes, cache=cache, say=lambda _: None)
    assert caught.value.what.startswith("patch 1/10 ")
    for path, blob in WANTED.items():
        assert f"{path} wants blob {blob}, the tree has " in caught.value.what
    assert "in the tree already" not in caught.value.what
    states = base.states_in(series, tree("6.12"), processes=processes, cache=cache)
    assert {file.path: (file.wanted, file.state) for file in states[0]} == {
        path: (blob, BaseState.MISMATCH) for path, blob in WANTED.items()
    }
    with pytest.raises(UserError, match="--merged, but no patch of the series is in the tree"):
        base.apply(tree("6.12"), None, series, merged=True, processes=processes, cache=cache, say=lambda _: None)


def test_on_7_2_it_says_what_differs(series: Series, processes: Processes, cache: Cache) -> None:
    given = tree("7.2")
    with pytest.raises(UserError) as caught:
        base.apply(given, None, series, merged=False, processes=processes, cache=cache, say=lambda _: None)
    assert "another version of it?" in caught.value.what
    assert caught.value.detail.count("partly in the tree: ") == 7
    applied = base.apply(given, None, series, merged=True, processes=processes, cache=cache, say=lambda _: None)
    assert (applied.tree_id, applied.reverted, len(applied.presence)) == (given.tree_id, False, 10)
    last = applied.presence[-1]
    assert (last.state, last.text.partition(":")[0]) == (
        Presence.PARTLY, "all its lines are there, what is around them differs",
    )  # fmt: skip
    assert {file.path: file.reverts for file in last.files} == {
        "include/linux/mm.h": False, "include/linux/mmap_lock.h": True, "mm/madvise.c": True,
    }  # fmt: skip

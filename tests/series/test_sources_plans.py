"""The plans for series on the lists: each names one thread, a tree to be had, and lets the patches say their base."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import plans_dir
from harness.plan.load import load_plan
from harness.series.sources.remote import is_remote

OF_SERIES = {
    "vm-lock-to-refcount-v6": "20241216192419.2970941-1-surenb@google.com",
    "vm-lock-in-vma-v5": "20241206225204.4008261-1-surenb@google.com",
    "mmap-vma-lock-files-v1": "cover.1744720574.git.lorenzo.stoakes@oracle.com",
    "vma-assert-stabilised": "cover.1768855783.git.lorenzo.stoakes@oracle.com",
}


@pytest.mark.parametrize("name", OF_SERIES)
def test_plan_of_a_series_on_the_lists(name: str, tmp_path: Path) -> None:
    path = plans_dir() / f"{name}.yaml"
    plan = load_plan(path, cwd=tmp_path)
    # Not a file beside the plan: the id is handed on as it stands, to b4.
    assert plan.series == OF_SERIES[name]
    assert is_remote(plan.series)
    assert plan.tree.startswith("https://git.kernel.org/")
    assert "@" in plan.tree
    assert plan.base == "auto"
    assert "# Base: " in path.read_text()


def test_every_plan_with_a_message_id_is_among_them() -> None:
    named = {path.stem for path in plans_dir().glob("*.yaml") if (plan := load_plan(path, cwd=Path("/"))).series
             and is_remote(plan.series)}  # fmt: skip
    assert named == set(OF_SERIES)

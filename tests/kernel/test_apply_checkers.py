"""Checkers on the fake kernel: each applies on its own, and one that does not is left out by name and place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_checkers, apply_series
from harness.model import AppliedTree, Patch, PatchRole, Series
from tests.kernel.conftest import Resolve, git, make_patch, series

VMA, MEMORY = "mm/vma.c", "mm/memory.c"
Check = Callable[..., AppliedTree]


@pytest.fixture
def check(clone: Path, resolve: Resolve, processes: Processes, cache: Cache) -> Check:
    """Checkers on top of a series, on top of the fake kernel."""

    def run(checkers: Series, patches: Series | None = None) -> AppliedTree:
        tree = resolve(clone)
        applied = apply_series(tree, None, patches, processes=processes, cache=cache, say=lambda _: None)
        return apply_checkers(applied, checkers, processes=processes, cache=cache, say=lambda _: None)

    return run


def core() -> Patch:
    return replace(make_patch(1, {"mm/check.c": ("", "int check;\n")}), source="/a/0001-core.patch:1")


def hook(clone: Path, number: int, name: str, path: str, anchor: str) -> Patch:
    """A checker that puts a line before the line `anchor`."""
    text = (clone / path).read_text()
    assert text.count(anchor) == 1
    changed = text.replace(anchor, f"\tcheck();\n{anchor}")
    return replace(make_patch(number, {path: (text, changed)}), source=f"/a/{number:04d}-{name}.patch:1")


def hooks(clone: Path) -> Series:
    return series(
        core(), hook(clone, 2, "lock", VMA, "\tvma->locked = 1;\n"), hook(clone, 3, "end", VMA, "\tvma->locked = 0;\n")
    )


def test_all_apply_on_a_tree_as_it_is(check: Check, clone: Path) -> None:
    checked = check(hooks(clone))
    assert [(one.name, one.why) for one in checked.checkers] == [("core", ""), ("lock", ""), ("end", "")]
    assert checked.commit == checked.checkers[-1].commit
    assert git(checked.repo, "rev-parse", f"{checked.commit}^{{tree}}").strip() == checked.tree_id
    assert git(checked.repo, "show", f"{checked.commit}:{VMA}").count("check();") == 2
    assert checked.patches == (), "checkers are no part of what is tested"


def test_one_whose_code_the_series_has_changed_is_left_out_with_its_place(check: Check, clone: Path) -> None:
    text = (clone / VMA).read_text()
    changed = text.replace("\tvma->locked = 1;\n", "\tvma->locked = -1;\n")
    checked = check(hooks(clone), series(make_patch(1, {VMA: (text, changed)})))
    left_out = {one.name: one.why for one in checked.checkers if not one.commit}
    assert left_out == {"lock": f"{VMA}, hunk 1 of 1, line 5"}
    files = git(checked.repo, "show", f"{checked.commit}:{VMA}")
    assert files == changed.replace("\tvma->locked = 0;\n", "\tcheck();\n\tvma->locked = 0;\n")
    assert [patch.role for patch in checked.patches] == [PatchRole.SERIES]


def test_one_whose_file_is_gone_says_so(check: Check, clone: Path) -> None:
    checkers = series(core(), replace(hook(clone, 2, "lock", VMA, "\tvma->locked = 1;\n"), source="0002-lock.patch"))
    checked = check(checkers, series(make_patch(1, {VMA: ((clone / VMA).read_text(), "")})))
    assert [(one.name, one.why) for one in checked.checkers] == [
        ("core", ""), ("lock", f"{VMA}: does not exist in index"),
    ]  # fmt: skip


def test_without_the_first_none_is_applied(check: Check, clone: Path) -> None:
    checked = check(hooks(clone), series(make_patch(1, {"mm/check.c": ("", "long check;\n")})))
    assert [(one.name, one.commit, one.why) for one in checked.checkers] == [
        ("core", "", "mm/check.c: already exists in index"), ("lock", "", "needs core"), ("end", "", "needs core"),
    ]  # fmt: skip
    assert checked.commit == checked.patches[-1].commit


def test_the_same_input_makes_the_same_tree(check: Check, clone: Path) -> None:
    assert check(hooks(clone)).commit == check(hooks(clone)).commit


def test_a_checker_that_writes_outside_the_tree_ends_the_run(check: Check, clone: Path) -> None:
    bad = make_patch(2, {"../evil.c": ("", "int evil;\n")})
    with pytest.raises(UserError, match="writes outside the tree"):
        check(series(core(), bad))

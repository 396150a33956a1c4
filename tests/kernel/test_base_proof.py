"""Series on trees that are their base, nearly their base, or not: what is proven, and what an error says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel import blobs
from harness.kernel.apply import DoesNotApply, apply_series
from harness.model import AppliedTree, BaseState, Patch, Series
from tests.fakes.posted import commit, numbered, only, posted, without_blobs
from tests.kernel.conftest import Resolve, git

FILE, NEW = "mm/example.c", "mm/new.c"
Apply = Callable[[Series, str], AppliedTree]


@pytest.fixture
def topic(clone: Path) -> Series:
    """Three patches on a branch of the fake kernel, on top of `base`; HEAD is back at the base."""
    commit(clone, {FILE: numbered(40)}, "mm: example")
    git(clone, "branch", "base")
    commit(clone, {FILE: numbered(40, l5="int five;"), NEW: "int new;\n"}, "mm: five")
    commit(clone, {FILE: numbered(40, l5="int five;", l20="int twenty;")}, "mm: twenty")
    commit(clone, {FILE: numbered(40, l5="int five;", l20="int twenty;", l36="int six;"), NEW: None}, "mm: six")
    found = posted(clone, "base..HEAD")
    git(clone, "branch", "topic")
    git(clone, "checkout", "-q", "-B", "work", "base")
    return found


@pytest.fixture
def apply(resolve: Resolve, clone: Path, processes: Processes, cache: Cache) -> Apply:
    def run(series: Series, ref: str) -> AppliedTree:
        tree = resolve(f"{clone}@{ref}")
        return apply_series(tree, None, series, processes=processes, cache=cache, say=lambda _: None)

    return run


def states(applied: AppliedTree) -> list[list[BaseState]]:
    return [[file.state for file in patch.base] for patch in applied.patches]


def test_on_its_own_base_everything_is_exact(apply: Apply, topic: Series, clone: Path) -> None:
    applied = apply(topic, "base")
    assert states(applied) == [
        [BaseState.EXACT, BaseState.NEW], [BaseState.EXACT], [BaseState.EXACT, BaseState.EXACT],
    ]  # fmt: skip
    assert blobs.is_bit_exact(applied.patches)
    assert applied.tree_id == git(clone, "rev-parse", "topic^{tree}").strip()
    assert [file.chained for patch in applied.patches for file in patch.base] == [False, False, True, True, True]


def test_elsewhere_it_applies_to_another_base(apply: Apply, topic: Series, clone: Path) -> None:
    commit(clone, {FILE: numbered(40, l12="int other;")}, "mm: between")
    applied = apply(topic, "work")
    assert states(applied)[0] == [BaseState.OTHER, BaseState.NEW]
    assert states(applied)[1] == [BaseState.OTHER]
    assert not blobs.is_bit_exact(applied.patches)
    assert [file.exact for file in applied.patches[0].results] == [False, True]
    found = applied.patches[0].base[0]
    assert found.found == git(clone, "rev-parse", f"work:{FILE}").strip()
    assert found.text == f"applies, other base: want blob {found.wanted}, found {found.found[:12]}"


def test_without_index_lines_nothing_is_known(apply: Apply, topic: Series) -> None:
    applied = apply(without_blobs(topic), "base")
    assert {state for files in states(applied) for state in files} == {BaseState.UNKNOWN, BaseState.NEW}
    assert not blobs.is_bit_exact(applied.patches)


def test_a_series_without_one_of_its_patches(apply: Apply, topic: Series) -> None:
    applied = apply(only(topic, 1, 3), "base")
    assert states(applied)[1][0] is BaseState.BROKEN
    assert not blobs.is_bit_exact(applied.patches)


def test_a_mismatch_names_file_and_blobs_and_changes_nothing(apply: Apply, topic: Series, clone: Path) -> None:
    commit(clone, {FILE: numbered(40, l4="int four;", l6="int six;")}, "mm: in the way")
    before = {str(path): path.stat().st_mtime_ns for path in clone.rglob("*") if not path.is_dir()}
    with pytest.raises(DoesNotApply) as caught:
        apply(topic, "work")
    wanted = topic.patches[0].files[0].old_blob
    there = git(clone, "rev-parse", f"work:{FILE}")[:12]
    assert caught.value.what == (
        f"patch 1/3 “mm: five” does not apply: base mismatch: {FILE} wants blob {wanted}, the tree has {there}"
    )
    assert f"patch failed: {FILE}:" in caught.value.detail
    assert "--base auto" in caught.value.fix
    assert (caught.value.number, caught.value.bases[0].state) == (1, BaseState.MISMATCH)
    assert {str(path): path.stat().st_mtime_ns for path in clone.rglob("*") if not path.is_dir()} == before


def test_a_mismatch_of_a_later_patch(apply: Apply, topic: Series, clone: Path) -> None:
    commit(clone, {FILE: numbered(40, l35="int in_the_way;")}, "mm: in the way")
    with pytest.raises(
        DoesNotApply, match=r"patch 3/3 “mm: six” does not apply: base mismatch: mm/example\.c wants"
    ) as e:
        apply(topic, "work")
    assert e.value.number == 3


def test_a_file_that_is_not_there(apply: Apply, topic: Series, clone: Path) -> None:
    commit(clone, {FILE: None}, "mm: no example")
    with pytest.raises(DoesNotApply, match=r"base mismatch: mm/example\.c wants blob .*, the tree has no such file"):
        apply(topic, "work")


def test_a_damaged_patch_on_the_right_blobs_is_no_mismatch(apply: Apply, topic: Series) -> None:
    patch = topic.patches[0]
    damaged = replace(patch, mail=patch.mail.replace(b" int line_4;", b" int line_four;"))
    with pytest.raises(DoesNotApply) as caught:
        apply(replace(topic, patches=(damaged, *topic.patches[1:])), "base")
    assert "does not apply: mm/example.c, hunk 1 of 1, line 2" in caught.value.what
    assert "mismatch" not in caught.value.what


class TestFixups:
    """-fix patches of the -mm convention."""

    @pytest.fixture
    def fixed(self, topic: Series, clone: Path) -> Series:
        """The topic, whose second patch has a fix."""
        git(clone, "checkout", "-q", "-B", "fixing", "topic~1")
        text = numbered(40, l5="int five;", l20="int twenty_one;")
        commit(clone, {FILE: text}, "mm: one more")
        git(
            clone, "commit", "-q", "--amend", "--date=2026-02-02T02:02:02Z", "--author=F Ixer <fixer@example.org>",
            "-m", "mm: one more\n\nBecause.\n\nSigned-off-by: F Ixer <fixer@example.org>\n"
            "Signed-off-by: A U Thor <author@example.org>",
        )  # fmt: skip
        (fix,) = posted(clone, "HEAD~1..HEAD").patches
        fix = replace(fix, subject="mm-twenty-fix")
        commit(clone, {FILE: text.replace("int line_36;", "int six;"), NEW: None}, "mm: six")
        (last,) = posted(clone, "HEAD~1..HEAD").patches
        git(clone, "branch", "fixed-topic")
        first, second, _ = topic.patches
        return replace(topic, patches=(first, replace(second, fixups=(fix,)), replace(last, number=3)))

    def test_a_fix_is_squashed_into_its_parent(self, apply: Apply, fixed: Series, clone: Path) -> None:
        applied = apply(fixed, "base")
        assert [patch.number for patch in applied.patches] == [1, 2, 3]
        assert applied.tree_id == git(clone, "rev-parse", "fixed-topic^{tree}").strip()
        log = git(applied.repo, "log", "--format=%H %an %aI %cI %s", f"-{3}", applied.commit).splitlines()
        about = "A U Thor 2026-01-01T10:00:00+00:00 2026-01-01T10:00:00+00:00"
        assert log == [
            f"{patch.commit} {about} {subject}"
            for patch, subject in zip(reversed(applied.patches), ("mm: six", "mm: twenty", "mm: five"), strict=True)
        ]
        message = git(applied.repo, "log", "-1", "--format=%B", applied.patches[1].commit).strip()
        assert message == (
            "mm: twenty\n\nSigned-off-by: A U Thor <author@example.org>\nSigned-off-by: F Ixer <fixer@example.org>"
        )

    def test_files_that_the_fix_alone_changes_are_the_patchs_too(
        self, apply: Apply, fixed: Series, clone: Path
    ) -> None:
        git(clone, "checkout", "-q", "-B", "config", "base")
        commit(clone, {"mm/Kconfig.more": "# nothing\n"}, "mm: more of it")
        (more,) = posted(clone, "HEAD~1..HEAD").patches
        first, second, last = fixed.patches
        patches = (first, replace(second, fixups=(*second.fixups, more)), last)
        applied = apply(replace(fixed, patches=patches), "base")
        assert [change.path for change in applied.patches[1].files] == [FILE, "mm/Kconfig.more"]

    def test_what_it_makes_is_what_the_fix_names(self, apply: Apply, fixed: Series) -> None:
        applied = apply(fixed, "base")
        assert {state for files in states(applied) for state in files} == {BaseState.EXACT, BaseState.NEW}
        assert blobs.is_bit_exact(applied.patches)

    def test_the_same_input_makes_the_same_commits(self, apply: Apply, fixed: Series) -> None:
        assert apply(fixed, "base").commit == apply(fixed, "base").commit

    def test_patches_before_it_are_the_same_commits_as_without_it(
        self, apply: Apply, fixed: Series, topic: Series
    ) -> None:
        assert apply(fixed, "base").patches[0].commit == apply(topic, "base").patches[0].commit

    def test_one_that_does_not_apply_is_named_with_its_parent(self, apply: Apply, fixed: Series) -> None:
        misplaced = replace(fixed.patches[0], fixups=fixed.patches[1].fixups)
        with pytest.raises(DoesNotApply) as caught:
            apply(replace(fixed, patches=(misplaced,)), "base")
        assert "the fix “mm-twenty-fix” of patch 1/1 “mm: five” does not apply: base mismatch" in caught.value.what

    def test_one_that_writes_outside_the_tree(self, apply: Apply, fixed: Series) -> None:
        (fix,) = fixed.patches[1].fixups
        evil = replace(fix, files=(replace(fix.files[0], new_path="../evil"),))
        patches: tuple[Patch, ...] = (fixed.patches[0], replace(fixed.patches[1], fixups=(evil,)))
        with pytest.raises(UserError, match=r"the fix “mm-twenty-fix” of patch 2/2 .* writes outside the tree"):
            apply(replace(fixed, patches=patches), "base")

"""Series that a tree has already: whole, in part, changed since, or taken out again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import DoesNotApply, apply_series
from harness.kernel.merged import Recognised, apply_merged, explained, recognise
from harness.model import AppliedTree, PatchRole, Presence, Series
from tests.fakes.posted import commit, numbered, only, posted, without_blobs
from tests.kernel.conftest import Resolve, git

FILE, NEW = "mm/example.c", "mm/new.c"
FIVE, TWENTY, SIX = {"l5": "int five;"}, {"l20": "int twenty;"}, {"l36": "int six;"}
Look = Callable[..., Recognised]
Merge = Callable[..., AppliedTree]


@pytest.fixture
def series(clone: Path) -> Series:
    """Three patches on `base`; HEAD is the branch `topic`, which has them."""
    commit(clone, {FILE: numbered(40)}, "mm: example")
    git(clone, "branch", "base")
    commit(clone, {FILE: numbered(40, **FIVE), NEW: "int new;\n"}, "mm: five")
    commit(clone, {FILE: numbered(40, **FIVE, **TWENTY)}, "mm: twenty")
    commit(clone, {FILE: numbered(40, **FIVE, **TWENTY, **SIX)}, "mm: six")
    git(clone, "branch", "topic")
    return posted(clone, "base..HEAD")


def forget_history(clone: Path) -> None:
    """Make the clone what an imported tarball is: one commit."""
    git(clone, "checkout", "-q", "--orphan", "imported")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "imported")


@pytest.fixture
def look(resolve: Resolve, clone: Path, processes: Processes, cache: Cache) -> Look:
    def run(series: Series) -> Recognised:
        return recognise(resolve(clone), series, processes=processes, cache=cache, say=lambda _: None)

    return run


@pytest.fixture
def merge(resolve: Resolve, clone: Path, processes: Processes, cache: Cache) -> Merge:
    def run(series: Series, base_fix: Series | None = None) -> AppliedTree:
        tree = resolve(clone)
        return apply_merged(tree, base_fix, series, processes=processes, cache=cache, say=lambda _: None)

    return run


def evidence(found: Recognised) -> list[tuple[Presence, str]]:
    return [(patch.state, patch.evidence) for patch in found.patches]


class TestRecognised:
    def test_by_patch_id_where_there_is_history(self, look: Look, series: Series, clone: Path) -> None:
        found = look(series)
        assert evidence(found) == [(Presence.IN, "patch-id")] * 3
        assert [patch.commit for patch in found.patches] == git(clone, "rev-list", "--reverse", "base..topic").split()
        assert found.is_in

    def test_by_taking_it_back_where_there_is_none(self, look: Look, series: Series, clone: Path) -> None:
        forget_history(clone)
        for given in (series, without_blobs(series)):
            assert evidence(look(given)) == [(Presence.IN, "reverts")] * 3

    def test_with_changes_elsewhere_in_the_files(self, look: Look, series: Series, clone: Path) -> None:
        commit(clone, {FILE: numbered(40, **FIVE, **TWENTY, **SIX, l12="int since;")}, "mm: since")
        forget_history(clone)
        found = look(series)
        assert found.is_in
        assert found.without is not None

    def test_in_history_though_it_was_changed_since(self, look: Look, series: Series, clone: Path) -> None:
        changed = numbered(40, **FIVE, **TWENTY, **SIX).replace("int line_21;", "int near_it;")
        commit(clone, {FILE: changed}, "mm: near it")
        found = look(series)
        assert evidence(found)[1] == (Presence.IN, "patch-id")
        assert (found.is_in, found.without) == (True, None)

    def test_taken_out_again(self, look: Look, series: Series, clone: Path) -> None:
        commit(clone, {FILE: numbered(40), NEW: None}, "mm: revert all of it")
        found = look(series)
        assert found.is_out
        assert found.patches[0].commit
        assert "though commit" in found.patches[0].text

    def test_some_of_it(self, look: Look, series: Series, clone: Path) -> None:
        git(clone, "reset", "-q", "--hard", "topic~1")
        forget_history(clone)
        found = look(series)
        assert [patch.state for patch in found.patches] == [Presence.IN, Presence.IN, Presence.NOT]
        assert (found.is_in, found.is_out, found.without) == (False, False, None)

    def test_another_version_of_it_says_which_file_differs(self, look: Look, series: Series, clone: Path) -> None:
        commit(clone, {FILE: numbered(40, l5="long five;", **TWENTY, **SIX)}, "mm: otherwise")
        forget_history(clone)
        found = look(series)
        first = {file.path: file for file in found.patches[0].files}
        assert found.patches[0].state is Presence.PARTLY
        assert (first[FILE].reverts, first[FILE].present, first[FILE].lines) == (False, 0, 1)
        assert first[NEW].reverts
        assert found.patches[0].text == f"partly in the tree: {FILE} 0 of 1 lines, {NEW} can be taken back"
        assert found.patches[1].state is Presence.IN

    def test_nothing_of_it(self, look: Look, series: Series, clone: Path) -> None:
        git(clone, "reset", "-q", "--hard", "base")
        found = look(series)
        assert found.is_out
        assert [patch.text for patch in found.patches] == ["not in the tree"] * 3

    def test_a_patch_with_its_fixup(self, look: Look, series: Series, clone: Path) -> None:
        first, second, third = series.patches
        forget_history(clone)
        found = look(replace(series, patches=(first, replace(second, fixups=(third,)))))
        assert evidence(found) == [(Presence.IN, "reverts")] * 2

    def test_a_file_whose_name_is_a_pattern(self, look: Look, clone: Path) -> None:
        name = "mm/odd[a-z]*.c"
        commit(clone, {name: numbered(9), "mm/oddb.c": numbered(9)}, "mm: odd")
        start = git(clone, "rev-parse", "HEAD").strip()
        commit(clone, {name: numbered(9, l4="int four;"), "mm/oddb.c": numbered(9, l4="int four;")}, "mm: four")
        given = posted(clone, f"{start}..HEAD")
        commit(clone, {"mm/oddb.c": numbered(9)}, "mm: half")
        forget_history(clone)
        files = {file.path: file.reverts for file in look(given).patches[0].files}
        assert files == {name: True, "mm/oddb.c": False}


class TestExplained:
    @pytest.fixture
    def refused(
        self, resolve: Resolve, clone: Path, processes: Processes, cache: Cache
    ) -> Callable[[Series], UserError]:
        def run(series: Series) -> UserError:
            tree = resolve(clone)
            with pytest.raises(DoesNotApply) as caught:
                apply_series(tree, None, series, processes=processes, cache=cache, say=lambda _: None)
            found = recognise(tree, series, processes=processes, cache=cache, say=lambda _: None)
            return explained(caught.value, found)

        return run

    def test_the_whole_series_offers_merged(
        self, refused: Callable[[Series], UserError], series: Series, clone: Path
    ) -> None:
        forget_history(clone)
        error = refused(series)
        assert error.what == "the series is in the tree already (it can be taken back exactly)"
        assert error.fix == "--merged tests the tree as it stands, and takes the series out to compare"
        assert "patch 3/3 “mm: six”: in the tree: it can be taken back exactly" in error.detail

    def test_a_part_of_it_is_named(self, refused: Callable[[Series], UserError], series: Series, clone: Path) -> None:
        git(clone, "reset", "-q", "--hard", "topic~1")
        forget_history(clone)
        error = refused(series)
        assert "patch 1/3 “mm: five” does not apply" in error.what
        assert error.what.endswith("; in the tree already: patches 1, 2 of 3")
        assert "patch 3/3 “mm: six”: not in the tree" in error.detail

    def test_a_tree_that_has_none_of_it_is_not_talked_about(
        self, refused: Callable[[Series], UserError], series: Series, clone: Path
    ) -> None:
        commit(clone, {FILE: numbered(3), NEW: None}, "mm: shorter")
        error = refused(series)
        assert "in the tree already" not in error.what
        assert "base mismatch: mm/example.c wants blob" in error.what

    def test_a_series_that_would_apply_twice_is_refused_by_its_blobs(
        self, refused: Callable[[Series], UserError], clone: Path
    ) -> None:
        """Its context is there twice, so that git finds a place for it once more."""
        block = "int a;\nint b;\nint c;\n"
        commit(clone, {FILE: block * 4}, "mm: blocks")
        commit(clone, {FILE: block * 2 + "int more;\n" + block * 2}, "mm: more")
        given = posted(clone, "HEAD~1..HEAD")
        forget_history(clone)
        assert "is in the tree already" in refused(given).what


class TestMerged:
    def test_the_tree_stands_and_its_base_is_the_tree_without_the_series(
        self, merge: Merge, series: Series, clone: Path
    ) -> None:
        commit(clone, {FILE: numbered(40, **FIVE, **TWENTY, **SIX, l12="int since;")}, "mm: since")
        forget_history(clone)
        applied = merge(series)
        assert applied.tree_id == git(clone, "rev-parse", "HEAD^{tree}").strip()
        assert applied.reverted
        assert [patch.number for patch in applied.patches] == [1, 2, 3]
        assert git(applied.repo, "show", f"{applied.base.commit}:{FILE}") == numbered(40, l12="int since;")
        assert git(applied.repo, "ls-tree", applied.base.commit, NEW) == ""
        assert git(applied.base.repo, "rev-parse", f"{applied.base.commit}^{{tree}}").strip() == applied.base.tree_id

    def test_with_a_base_fix(self, merge: Merge, series: Series, clone: Path) -> None:
        git(clone, "checkout", "-q", "-B", "fixing", "base")
        commit(clone, {"mm/fix.c": "int fix;\n"}, "mm: fix")
        fix = posted(clone, "base..HEAD")
        git(clone, "checkout", "-q", "topic")
        applied = merge(series, fix)
        assert [patch.role for patch in applied.patches] == [PatchRole.BASE_FIX, *[PatchRole.SERIES] * 3]
        assert git(applied.repo, "show", f"{applied.commit}:mm/fix.c") == "int fix;\n"
        assert git(applied.repo, "ls-tree", applied.base.commit, "mm/fix.c") == ""

    def test_one_that_cannot_be_taken_out(self, merge: Merge, series: Series, clone: Path) -> None:
        changed = numbered(40, **FIVE, **TWENTY, **SIX).replace("int line_21;", "int near_it;")
        commit(clone, {FILE: changed}, "mm: near it")
        applied = merge(series)
        assert (applied.reverted, applied.patches) == (False, ())
        assert applied.commit == applied.base.commit == git(clone, "rev-parse", "HEAD").strip()
        assert [patch.state for patch in applied.presence] == [Presence.IN] * 3

    def test_one_that_is_not_there(self, merge: Merge, series: Series, clone: Path) -> None:
        git(clone, "reset", "-q", "--hard", "base")
        with pytest.raises(UserError, match="--merged, but no patch of the series is in the tree"):
            merge(series)

    def test_the_same_tree_gives_the_same_commits(self, merge: Merge, series: Series) -> None:
        assert (merge(series).base.commit, merge(series).commit) == (merge(series).base.commit, merge(series).commit)

    def test_the_users_clone_is_untouched(self, merge: Merge, series: Series, clone: Path) -> None:
        # Not the dates of objects: git renews that of one which it would have written itself, so that it is kept.
        before = {str(path): path.read_bytes() for path in clone.rglob("*") if path.is_file()}
        merge(only(series, 1, 2, 3))
        assert {str(path): path.read_bytes() for path in clone.rglob("*") if path.is_file()} == before

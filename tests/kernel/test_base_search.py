"""The commit with the most of a series' blobs, found in histories of several shapes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host.process import Processes
from harness.kernel import base, blobs
from harness.kernel.git import Git
from harness.kernel.patchid import ids_in_history, ids_of
from harness.kernel.source import at_commit
from harness.model import Series, Tree
from tests.fakes.posted import commit, numbered, posted
from tests.kernel.conftest import Resolve, git

ONE, TWO, OTHER = "mm/one.c", "mm/two.c", "mm/other.c"


@pytest.fixture
def series(clone: Path) -> Series:
    """Patches of two files, made on `base`; the clone's HEAD is there."""
    commit(clone, {ONE: numbered(20), TWO: numbered(20)}, "mm: two files")
    git(clone, "branch", "base")
    commit(clone, {ONE: numbered(20, l3="int three;")}, "mm: three")
    commit(clone, {TWO: numbered(20, l4="int four;")}, "mm: four")
    found = posted(clone, "base..HEAD")
    git(clone, "checkout", "-q", "-B", "work", "base")
    return found


def search(tree: Tree, series: Series, processes: Processes, **limits: int) -> base.Found:
    return base.search(tree, blobs.first_wanted(series.patches), processes=processes, **limits)


def test_it_is_found_behind_later_commits(series: Series, clone: Path, resolve: Resolve, processes: Processes) -> None:
    for number in range(5, 9):
        commit(clone, {ONE: numbered(20, l9=f"int n{number};")}, f"mm: {number}")
    commit(clone, {TWO: numbered(20, l9="int nine;")}, "mm: nine")
    found = search(resolve(clone), series, processes)
    assert (found.commit, found.exact) == (git(clone, "rev-parse", "base").strip(), 2)
    assert found.whole


def test_of_equals_the_newest_is_taken(series: Series, clone: Path, resolve: Resolve, processes: Processes) -> None:
    commit(clone, {OTHER: "int other;\n"}, "mm: other")
    newest = commit(clone, {OTHER: "int another;\n"}, "mm: another")
    commit(clone, {ONE: numbered(20, l9="int nine;")}, "mm: nine")
    assert search(resolve(clone), series, processes).commit == newest


def test_the_tree_itself_is_the_newest(series: Series, clone: Path, resolve: Resolve, processes: Processes) -> None:
    head = commit(clone, {OTHER: "int other;\n"}, "mm: other")
    assert search(resolve(clone), series, processes).commit == head


def test_blobs_that_came_and_went_on_a_branch_that_was_merged(
    series: Series, clone: Path, resolve: Resolve, processes: Processes
) -> None:
    git(clone, "checkout", "-q", "-B", "side", "base~1")
    commit(clone, {TWO: numbered(20), OTHER: "int side;\n"}, "mm: side")
    wanted = commit(clone, {ONE: numbered(20)}, "mm: both are right here")
    commit(clone, {ONE: numbered(20, l1="int one;"), TWO: numbered(20, l1="int one;")}, "mm: and gone")
    git(clone, "checkout", "-q", "-B", "main2", "base~1")
    commit(clone, {ONE: numbered(20, l7="int main;"), TWO: numbered(20, l7="int main;")}, "mm: main")
    git(clone, "merge", "-q", "-s", "ours", "-m", "merge", "side")
    found = search(resolve(clone), series, processes)
    assert (found.commit, found.exact) == (wanted, 2)


def test_some_of_the_blobs_are_better_than_none(
    series: Series, clone: Path, resolve: Resolve, processes: Processes
) -> None:
    git(clone, "checkout", "-q", "-B", "work", "base~1")
    part = commit(clone, {ONE: numbered(20), TWO: numbered(20, l1="int one;")}, "mm: one of them")
    commit(clone, {ONE: numbered(20, l2="int two;")}, "mm: none of them")
    found = search(resolve(clone), series, processes)
    assert (found.commit, found.exact) == (part, 1)


def test_nothing_to_be_found(series: Series, clone: Path, resolve: Resolve, processes: Processes) -> None:
    tree = resolve(f"{clone}@base~1")
    found = search(tree, series, processes)
    assert (found.commit, found.exact, found.searched) == (tree.commit, 0, 0)


def test_no_more_commits_than_asked_for(series: Series, clone: Path, resolve: Resolve, processes: Processes) -> None:
    for number in range(5, 9):
        commit(clone, {ONE: numbered(20, l9=f"int n{number};")}, f"mm: {number}")
    found = search(resolve(clone), series, processes, most=3)
    assert (found.searched, found.whole) == (3, False)
    assert found.exact == 1, "two.c is right everywhere"


def test_a_tree_at_another_commit_of_its_repository(
    series: Series, clone: Path, resolve: Resolve, processes: Processes
) -> None:
    tree = resolve(clone)
    makefile = (clone / "Makefile").read_text().replace("PATCHLEVEL = 12", "PATCHLEVEL = 13")
    newer = commit(clone, {"Makefile": makefile}, "Fake 6.13")
    found = at_commit(tree, newer, processes=processes)
    assert found is not None
    assert (found.commit, found.kernel_version[:4], tree.kernel_version[:4]) == (newer, "6.13", "6.12")
    assert at_commit(tree, tree.commit, processes=processes) == tree
    for none in ("f" * 40, "no-such-branch", "--all"):
        assert at_commit(tree, none, processes=processes) is None


class TestPatchIds:
    def test_a_mail_and_its_commit_have_the_same(
        self, series: Series, clone: Path, resolve: Resolve, processes: Processes, tmp_path: Path
    ) -> None:
        commit(clone, {OTHER: "int other;\n"}, "mm: elsewhere, so that line numbers and parents differ")
        for patch in series.patches:
            (tmp_path / "mail").write_bytes(patch.mail)
            git(clone, "am", "-q", str(tmp_path / "mail"))
        tree = resolve(clone)
        repo = Git(processes, tree.repo)
        history = ids_in_history(repo, tree.commit, tmp_path)
        names = [history.commits[patch_id] for patch_id in ids_of(repo, series.patches).values()]
        assert names == git(clone, "rev-list", "--reverse", "-2", "HEAD").splitlines()
        assert history.whole

    def test_a_first_commit_is_no_patch(
        self, series: Series, clone: Path, resolve: Resolve, processes: Processes, tmp_path: Path
    ) -> None:
        tree = resolve(clone)
        commits = ids_in_history(Git(processes, tree.repo), tree.commit, tmp_path).commits.values()
        assert list(commits) == git(clone, "rev-list", "--min-parents=1", "HEAD").split()

    def test_words_like_a_commit_in_a_message_are_no_commit(
        self, series: Series, resolve: Resolve, clone: Path, processes: Processes
    ) -> None:
        repo = Git(processes, resolve(clone).repo)
        patch = series.patches[0]
        mail = patch.mail.replace(b"\n---\n", b"\ncommit %040d\nFrom %040d\n---\n" % (7, 8))
        assert ids_of(repo, [replace(patch, mail=mail)]) == {1: ids_of(repo, series.patches)[1]}

    def test_a_patch_with_a_fixup_and_one_without_git_headers_have_none(
        self, series: Series, resolve: Resolve, clone: Path, processes: Processes
    ) -> None:
        first, second = series.patches
        plain = replace(second, mail=re.sub(rb"(?m)^(diff --git|index) .*\n", b"", second.mail))
        repo = Git(processes, resolve(clone).repo)
        assert ids_of(repo, [replace(first, fixups=(second,)), plain]) == {}

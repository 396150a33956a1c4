"""Which commit a series is applied to, and what a run says of it, on the fake kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.git import Git
from harness.kernel.patchid import ids_of
from harness.kernel.source import resolve_tree
from harness.model import BaseHints, BaseReport, BaseState, Series, Tree
from harness.run import base
from tests.fakes.posted import commit, numbered, only, posted, without_blobs
from tests.kernel.conftest import FAKE, git

FILE = "mm/example.c"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The fake kernel: `base` is followed by two commits that are posted (`topic`), and HEAD by one in their way."""
    directory = tmp_path / "linux"
    shutil.copytree(FAKE, directory)
    git(directory, "init", "-q")
    commit(directory, {FILE: numbered(30)}, "Fake 6.12")
    git(directory, "branch", "base")
    commit(directory, {FILE: numbered(30, l4="int four;")}, "mm: four")
    commit(directory, {FILE: numbered(30, l4="int four;", l14="int ten;")}, "mm: fourteen")
    git(directory, "branch", "topic")
    git(directory, "checkout", "-q", "-B", "work", "base")
    commit(directory, {FILE: numbered(30, l5="int in_the_way;")}, "mm: in the way")
    return directory


@pytest.fixture
def series(clone: Path) -> Series:
    return posted(clone, "base..topic")


Choose = Callable[..., base.Choice]


@pytest.fixture
def resolve(processes: Processes, cache: Cache) -> Callable[[str], Tree]:
    def no_archive(suite: str) -> DebianArchive:
        raise AssertionError(f"asked for the archive of {suite}")

    def run(spec: str) -> Tree:
        return resolve_tree(spec, processes=processes, cache=cache, archive_for=no_archive, say=lambda _: None)

    return run


@pytest.fixture
def choose(clone: Path, resolve: Callable[[str], Tree], processes: Processes, cache: Cache) -> Choose:
    def run(
        series: Series | None, wanted: str = "none", *candidates: str, merged: bool = False, tree: str = ""
    ) -> base.Choice:
        return base.choose(
            resolve(tree or str(clone)), series, wanted, candidates, merged=merged, resolve=resolve,
            processes=processes, cache=cache, say=lambda _: None,
        )  # fmt: skip

    return run


def name(clone: Path, ref: str) -> str:
    return git(clone, "rev-parse", ref).strip()


def report(choice: base.Choice) -> BaseReport:
    assert choice.report is not None
    return choice.report


def hinted(series: Series, **hints: object) -> Series:
    return replace(series, base=replace(BaseHints(), **hints))  # type: ignore[arg-type]


class TestTheCommit:
    def test_is_the_trees_own_unless_asked(self, choose: Choose, series: Series, clone: Path) -> None:
        choice = choose(series)
        assert choice.tree.commit == name(clone, "work")
        assert report(choice).text == "base mismatch (0 of 1 blobs exact)"

    def test_can_be_named(self, choose: Choose, series: Series, clone: Path) -> None:
        choice = choose(series, "base")
        assert choice.tree.commit == name(clone, "base")
        assert report(choice).text == "exact (1 of 1 blobs), commit base as asked for"

    def test_that_is_not_there(self, choose: Choose, series: Series) -> None:
        with pytest.raises(UserError, match=r"--base v9: .* has no such commit"):
            choose(series, "v9")

    def test_is_found_by_the_blobs(self, choose: Choose, series: Series, clone: Path) -> None:
        choice = choose(series, "auto")
        assert choice.tree.commit == name(clone, "base")
        assert report(choice).text == (
            f"exact (1 of 1 blobs), commit {name(clone, 'base')[:12]} chosen of 2 commits that touch these files"
        )

    def test_is_the_base_commit_if_the_repository_has_it(self, choose: Choose, series: Series, clone: Path) -> None:
        choice = choose(hinted(series, commit=name(clone, "topic")), "auto")
        assert choice.tree.commit == name(clone, "topic")
        assert "at the base-commit that the series names" in report(choice).choice

    def test_is_searched_for_if_the_base_commit_is_unknown(self, choose: Choose, series: Series, clone: Path) -> None:
        choice = choose(hinted(series, commit="f" * 40), "auto")
        assert choice.tree.commit == name(clone, "base")
        assert report(choice).named_state == "not in the tree's repository"

    def test_is_never_made_of_words_of_the_document(self, choose: Choose, series: Series, clone: Path) -> None:
        choice = choose(hinted(series, commit="topic"), "auto")
        assert choice.tree.commit == name(clone, "base")
        assert report(choice).named_state == "no name of a commit"

    def test_may_be_one_of_a_candidate(self, choose: Choose, series: Series, clone: Path, tmp_path: Path) -> None:
        git(tmp_path, "clone", "-q", str(clone), "other")
        git(clone, "checkout", "-q", "--orphan", "imported")
        git(clone, "commit", "-q", "-m", "imported")
        assert report(choose(series, "auto")).exact == 0
        for wanted in ("auto", "none"):
            choice = choose(series, wanted, str(tmp_path / "other"))
            assert (choice.tree.commit, choice.tree.spec) == (name(clone, "base"), str(tmp_path / "other"))
            assert f"of {tmp_path}/other chosen of 3 commits" in report(choice).text

    def test_stays_where_no_blob_is_found_or_named(self, choose: Choose, series: Series, clone: Path) -> None:
        nowhere = choose(only(series, 2), "auto", tree=f"{clone}@base")
        assert nowhere.tree.commit == name(clone, "base")
        assert "none of 1 commits that touch these files has any of the blobs" in report(nowhere).choice
        unknown = choose(without_blobs(series), "auto")
        assert unknown.tree.commit == name(clone, "work")
        assert report(unknown).state is BaseState.UNKNOWN

    def test_cannot_be_searched_for_a_merged_series(self, choose: Choose, series: Series) -> None:
        with pytest.raises(UserError, match="--merged and --base auto exclude each other"):
            choose(series, "auto", merged=True)

    def test_without_a_series(self, choose: Choose, clone: Path) -> None:
        choice = choose(None)
        assert (choice.tree.commit, choice.report) == (name(clone, "work"), None)
        assert choose(None, "base").tree.commit == name(clone, "base")


def test_prerequisites_are_looked_for_in_the_history(
    choose: Choose, series: Series, clone: Path, resolve: Callable[[str], Tree], processes: Processes
) -> None:
    known = ids_of(Git(processes, resolve(str(clone)).repo), series.patches)[1]
    choice = choose(hinted(series, prerequisite_patch_ids=(known, "0" * 40)), tree=f"{clone}@topic")
    found = {item.patch_id: item.commit for item in report(choice).prerequisites}
    assert found == {known: name(clone, "topic~1"), "0" * 40: ""}


class TestStates:
    """What `series show --tree` says."""

    def test_on_the_base_and_off_it(self, series: Series, clone: Path, processes: Processes, cache: Cache) -> None:
        def states(ref: str) -> list[BaseState]:
            found = base.states(series, f"{clone}@{ref}", processes=processes, cache=cache)
            return [file.state for files in found for file in files]

        assert states("base") == [BaseState.EXACT, BaseState.EXACT]
        assert states("work") == [BaseState.MISMATCH, BaseState.MISMATCH]
        git(clone, "checkout", "-q", "-B", "near", "base")
        commit(clone, {FILE: numbered(30, l25="int far_from_it;")}, "mm: far from it")
        assert states("near") == [BaseState.OTHER, BaseState.OTHER]
        commit(clone, {FILE: numbered(30, l14="int there;")}, "mm: in the way of the second")
        assert states("near") == [BaseState.OTHER, BaseState.MISMATCH]


@pytest.mark.slow
class TestTheCommand:
    """`vmaharness apply` as a user runs it."""

    @pytest.fixture
    def apply(self, clone: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
        git(clone, "format-patch", "-q", "-o", str(tmp_path / "patches"), "base..topic")

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "harness.cli.main", "apply", "--base-fix", "none"]
            command += ["--series", str(tmp_path / "patches"), *words]
            environment = {
                **os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "VMAHARNESS_CACHE": str(tmp_path / "cache"),
            }  # fmt: skip
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        return run

    def test_says_bit_exact(self, apply: Callable[..., subprocess.CompletedProcess[str]], clone: Path) -> None:
        done = apply("--tree", str(clone), "--base", "auto")
        assert done.returncode == 0, done.stderr
        assert "\nbase exact (1 of 1 blobs), bit-exact, commit" in done.stdout

    def test_ends_with_2_on_a_mismatch(
        self, apply: Callable[..., subprocess.CompletedProcess[str]], clone: Path
    ) -> None:
        done = apply("--tree", str(clone))
        assert done.returncode == 2
        assert f"base mismatch: {FILE} wants blob" in done.stderr

    def test_offers_merged_and_does_it(
        self, apply: Callable[..., subprocess.CompletedProcess[str]], clone: Path
    ) -> None:
        refused = apply("--tree", f"{clone}@topic")
        assert refused.returncode == 2
        assert "the series is in the tree already (by its patch-id)" in refused.stderr
        assert "--merged" in refused.stderr
        done = apply("--tree", f"{clone}@topic", "--merged", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert [patch["state"] for patch in found["base"]["presence"]] == ["in the tree"] * 2
        assert found["base"]["reverted"]
        assert found["tree"]["commit"] == name(clone, "topic")
        assert found["patches"][-1]["tree_id"] == name(clone, "topic^{tree}")

"""Patches on the fake kernel: what they become, and what is left of them when they do not apply (nothing)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.checkout import work_copy, write_files
from harness.model import AppliedTree, FileChange, PatchRole, Series, Tree
from tests.kernel.conftest import Resolve, git, make_patch, series

Apply = Callable[..., AppliedTree]
VMA, MEMORY = "mm/vma.c", "mm/memory.c"


@pytest.fixture
def tree(clone: Path, resolve: Resolve) -> Tree:
    return resolve(clone)


@pytest.fixture
def apply(tree: Tree, processes: Processes, cache: Cache) -> Apply:
    def run(patches: Series | None, base_fix: Series | None = None) -> AppliedTree:
        return apply_series(tree, base_fix, patches, processes=processes, cache=cache, say=lambda _: None)

    return run


def two(clone: Path) -> Series:
    """Two patches that build on each other, one of which makes a file."""
    first = (clone / VMA).read_text()
    second = first.replace("return 1;", "return 2;")
    third = second.replace("return 0;", "return -1;")
    return series(
        make_patch(1, {VMA: (first, second)}), make_patch(2, {VMA: (second, third), "mm/new.c": ("", "int new;\n")})
    )


def leftovers(cache: Cache) -> list[str]:
    return [path.name for path in cache.scratch("probe").parent.iterdir() if path.name.startswith("applied-")]


def test_nothing_to_apply(apply: Apply, tree: Tree) -> None:
    applied = apply(None)
    assert (applied.commit, applied.tree_id, applied.patches) == (tree.commit, tree.tree_id, ())


def test_each_patch_is_one_commit(apply: Apply, clone: Path, tree: Tree) -> None:
    applied = apply(two(clone))
    assert [(patch.number, patch.role) for patch in applied.patches] == [(1, PatchRole.SERIES), (2, PatchRole.SERIES)]
    assert applied.commit == applied.patches[-1].commit
    log = git(applied.repo, "log", "--reverse", "--format=%H %T %s|%an <%ae>|%aI", f"{tree.commit}..{applied.commit}")
    about = "|A U Thor <author@example.org>|2026-01-01T12:00:00+01:00"
    assert log.splitlines() == [
        f"{patch.commit} {patch.tree_id} mm: change {patch.number}{about}" for patch in applied.patches
    ]
    message = git(applied.repo, "log", "-1", "--format=%B", applied.commit)
    assert message.strip().endswith("Because of that.\n\nSigned-off-by: A U Thor <author@example.org>")
    assert git(applied.repo, "show", f"{applied.commit}:mm/new.c") == "int new;\n"


def test_what_was_applied_once_is_taken_from_the_cache(
    apply: Apply, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix = series(make_patch(1, {MEMORY: ((clone / MEMORY).read_text(), "/* mended */\n")}))
    first = apply(two(clone), fix)
    monkeypatch.setattr("harness.kernel.apply._apply", lambda *_: pytest.fail("applied again"))
    again = apply(two(clone), fix)
    assert replace(again, repo=first.repo) == first
    assert git(again.repo, "show", f"{again.commit}:mm/new.c") == "int new;\n"


def test_the_same_input_makes_the_same_commits(apply: Apply, clone: Path) -> None:
    undated = series(replace(two(clone).patches[0], mail=two(clone).patches[0].mail.replace(b"Date: ", b"X-Date: ")))
    assert apply(two(clone)).commit == apply(two(clone)).commit
    assert apply(undated).commit == apply(undated).commit


def test_the_users_clone_is_untouched(apply: Apply, clone: Path) -> None:
    (clone / "untracked").write_text("")
    before = {str(path): path.stat().st_mtime_ns for path in clone.rglob("*") if not path.is_dir()}
    apply(two(clone))
    assert {str(path): path.stat().st_mtime_ns for path in clone.rglob("*") if not path.is_dir()} == before


def test_a_line_like_an_mbox_separator_does_not_split_a_patch(apply: Apply, clone: Path) -> None:
    text = (clone / VMA).read_text()
    patch = make_patch(1, {VMA: (text, text + "int more;\n")})
    mail = patch.mail.replace(
        b"Because of that.", b"Because of that.\n\nFrom 0123456789abcdef Mon Sep 17 00:00:00 2001\nall of this."
    )
    applied = apply(series(replace(patch, mail=mail)))
    assert "all of this." in git(applied.repo, "log", "-1", "--format=%B", applied.commit)


def test_brackets_that_are_no_patch_mark_stay(apply: Apply, clone: Path) -> None:
    text = (clone / VMA).read_text()
    applied = apply(series(make_patch(1, {VMA: (text, text + "int more;\n")}, subject="[X86] mm: more")))
    assert git(applied.repo, "log", "-1", "--format=%s", applied.commit) == "[X86] mm: more\n"


class TestFailure:
    def test_it_names_patch_file_hunk_and_gits_words(self, apply: Apply, clone: Path, cache: Cache) -> None:
        good = two(clone).patches[0]
        text = (clone / MEMORY).read_text()
        other = text.replace("int result = 0;", "int outcome = 0;")
        bad = make_patch(2, {VMA: ("a\n", "b\n"), MEMORY: (other, other.replace("int outcome", "long outcome"))})
        with pytest.raises(UserError) as caught:
            apply(series(good, bad))
        assert "patch 2/2 “mm: change 2” does not apply: mm/vma.c, hunk 1 of 1, line 1" in caught.value.what
        assert "error: patch failed: mm/memory.c:" in caught.value.detail
        assert "git am --continue" not in caught.value.detail
        assert leftovers(cache) == []

    def test_nothing_of_it_is_left_in_the_clone(self, apply: Apply, clone: Path) -> None:
        before = sorted(str(path) for path in clone.rglob("*"))
        with pytest.raises(UserError):
            apply(series(make_patch(1, {VMA: ("a\n", "b\n")})))
        assert sorted(str(path) for path in clone.rglob("*")) == before
        assert git(clone, "worktree", "list").count("\n") == 1

    def test_context_must_match_exactly(self, apply: Apply, clone: Path) -> None:
        text = (clone / VMA).read_text()
        drifted = text.replace("vma->locked = 1;", "vma->locked = true;")
        with pytest.raises(UserError, match=r"does not apply: mm/vma\.c, hunk 1 of 1"):
            apply(series(make_patch(1, {VMA: (drifted, drifted.replace("return 1;", "return 2;"))})))

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"mm/none.c": ("a\n", "b\n")}, "mm/none.c"),
            ({"Makefile": ("", "all:\n")}, "Makefile: already exists in index"),
        ],
    )
    def test_files_that_should_or_should_not_be_there(
        self, apply: Apply, changes: dict[str, tuple[str, str]], words: str
    ) -> None:
        with pytest.raises(UserError) as caught:
            apply(series(make_patch(1, changes)))
        assert words in caught.value.what

    def test_no_date_that_git_knows(self, apply: Apply, clone: Path) -> None:
        text = (clone / VMA).read_text()
        patch = make_patch(1, {VMA: (text, text + "int more;\n")}, header="Date: the day after tomorrow’s eve")
        with pytest.raises(UserError, match="patch 1/1"):
            apply(series(patch))


class TestHostile:
    """Refused even if the reader of the series had let it through: the lists of files in these patches are empty."""

    @pytest.mark.parametrize(
        "path", ["../evil", "mm/../../evil", ".git/hooks/post-checkout", "/tmp/evil", ".GIT/config"]
    )
    def test_paths_outside_the_tree(self, apply: Apply, cache: Cache, path: str) -> None:
        patch = make_patch(1, {path: ("", "evil\n")})
        for files in (patch.files, ()):
            with pytest.raises(UserError):
                apply(series(replace(patch, files=files)))
        assert not list(cache.root.parent.rglob("evil"))
        assert not Path("/tmp/evil").exists()
        assert leftovers(cache) == []

    def test_writing_through_a_symlink(self, apply: Apply, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        link = (
            "diff --git a/door b/door\nnew file mode 120000\n--- /dev/null\n+++ b/door\n@@ -0,0 +1 @@\n"
            f"+{outside}\n\\ No newline at end of file\n"
        )
        through = make_patch(2, {"door/evil": ("", "evil\n")})
        for patches in (
            series(make_patch(1, {}, body=link), through),
            series(make_patch(1, {"door/evil": ("", "evil\n")}, body=link)),
        ):
            with pytest.raises(UserError):
                apply(patches)
        assert not list(outside.iterdir())

    @pytest.mark.parametrize("how", ["changed", "moved", "copied"])
    def test_link_of_the_tree_that_is_made_to_lead_elsewhere(
        self, clone: Path, resolve: Resolve, processes: Processes, cache: Cache, how: str
    ) -> None:
        """No mode stands in these patches: only the tree knows that it is a link."""
        (clone / "mm" / "link").symlink_to("../mm/vma.c")
        git(clone, "add", "mm/link")
        git(clone, "commit", "-q", "-m", "link")
        body = {
            "changed": "--- a/mm/link\n+++ b/mm/link\n@@ -1 +1 @@\n-../mm/vma.c\n\\ No newline at end of file\n"
            "+/etc\n\\ No newline at end of file\n",
            "moved": "diff --git a/mm/link b/link\nsimilarity index 100%\nrename from mm/link\nrename to link\n",
            "copied": "diff --git a/mm/link b/link\nsimilarity index 100%\ncopy from mm/link\ncopy to link\n",
        }[how]
        with pytest.raises(UserError, match=r"a patch changes a symbolic link: (mm/)?link") as caught:
            apply_series(
                resolve(clone), None, series(make_patch(1, {}, body=body)), processes=processes, cache=cache,
                say=lambda _: None,
            )  # fmt: skip
        assert "120000" in caught.value.detail
        assert leftovers(cache) == []

    def test_link_of_the_tree_may_go(self, clone: Path, resolve: Resolve, processes: Processes, cache: Cache) -> None:
        (clone / "mm" / "link").symlink_to("../mm/vma.c")
        git(clone, "add", "mm/link")
        git(clone, "commit", "-q", "-m", "link")
        body = (
            "diff --git a/mm/link b/mm/link\ndeleted file mode 120000\n--- a/mm/link\n+++ /dev/null\n@@ -1 +0,0 @@\n"
            "-../mm/vma.c\n\\ No newline at end of file\n"
        )
        patches = series(make_patch(1, {}, body=body))
        applied = apply_series(resolve(clone), None, patches, processes=processes, cache=cache, say=lambda _: None)
        assert len(applied.patches) == 1

    def test_attributes_of_the_tree_start_nothing(
        self, apply: Apply, clone: Path, tmp_path: Path, processes: Processes
    ) -> None:
        git(clone, "config", "filter.spy.smudge", f"touch {tmp_path}/spied")
        git(clone, "config", "filter.spy.clean", f"touch {tmp_path}/spied")
        text = (clone / VMA).read_text()
        patch = make_patch(1, {".gitattributes": ("", "*.c filter=spy\n"), VMA: (text, text + "int more;\n")})
        (tmp_path / "out").mkdir()
        files = write_files(apply(series(patch)), tmp_path / "out", processes=processes)
        assert (files / VMA).read_text().endswith("int more;\n")
        assert not (tmp_path / "spied").exists()


class TestBaseFix:
    def test_it_comes_first_and_is_told_apart(self, apply: Apply, clone: Path) -> None:
        patches = two(clone)
        applied = apply(series(patches.patches[1]), base_fix=series(patches.patches[0]))
        assert [patch.role for patch in applied.patches] == [PatchRole.BASE_FIX, PatchRole.SERIES]

    def test_one_that_is_in_already_is_left_out(self, apply: Apply, clone: Path, resolve: Resolve) -> None:
        text = (clone / VMA).read_text()
        before = text.replace("return 1;", "return 7;")
        applied = apply(two(clone), base_fix=series(make_patch(1, {VMA: (before, text)}, subject="mm: repair")))
        assert [patch.role for patch in applied.patches] == [PatchRole.SERIES, PatchRole.SERIES]
        assert applied.base.notes == ("base fix “mm: repair” is in the tree already: not applied",)

    def test_one_that_does_not_apply(self, apply: Apply) -> None:
        with pytest.raises(UserError, match=r"^base fix 1/1 “mm: change 1” does not apply"):
            apply(None, base_fix=series(make_patch(1, {VMA: ("a\n", "b\n")})))


class TestFiles:
    def test_every_file_and_no_git(self, apply: Apply, clone: Path, processes: Processes, cache: Cache) -> None:
        applied = apply(two(clone))
        with work_copy(applied, processes=processes, cache=cache, kept=True) as files:
            names = sorted(str(path.relative_to(files)) for path in files.rglob("*") if not path.is_dir())
        assert names == sorted(git(applied.repo, "ls-tree", "-r", "--name-only", applied.commit).splitlines())

    def test_the_next_series_changes_only_what_differs(
        self, apply: Apply, clone: Path, processes: Processes, cache: Cache
    ) -> None:
        with work_copy(apply(two(clone)), processes=processes, cache=cache, kept=True) as first:
            assert "return 2;" in (first / VMA).read_text()
            stays = (first / "Makefile").stat()
            (first / "objects-left-by-a-kill").mkdir()
        with work_copy(apply(None), processes=processes, cache=cache, kept=True) as second:
            assert second == first
            assert "return 1;" in (second / VMA).read_text()
            assert (second / "Makefile").stat().st_ino == stays.st_ino
            assert not list(second.glob("objects-*"))

    def test_a_tree_with_a_name_of_ours(self, apply: Apply, processes: Processes, cache: Cache) -> None:
        applied = apply(series(make_patch(1, {"objects-x86_64-lockdep/vmlinux.o": ("", "ready-made\n")})))
        with (
            pytest.raises(UserError, match="the tree has objects-x86_64-lockdep at its top"),
            work_copy(applied, processes=processes, cache=cache, kept=True),
        ):
            pass

    def test_two_runs_at_once_have_a_copy_each(
        self, apply: Apply, clone: Path, processes: Processes, cache: Cache
    ) -> None:
        applied = apply(two(clone))
        with (
            work_copy(applied, processes=processes, cache=cache, kept=True) as first,
            work_copy(applied, processes=processes, cache=cache, kept=True) as second,
        ):
            assert first != second
            assert first.name == second.name

    def test_what_a_killed_run_left_is_thrown_away(
        self, apply: Apply, clone: Path, processes: Processes, cache: Cache
    ) -> None:
        applied = apply(two(clone))
        with work_copy(applied, processes=processes, cache=cache, kept=True) as files:
            (files.parent / "changing").touch()
            (files / "stray").touch()
        with work_copy(applied, processes=processes, cache=cache, kept=True) as again:
            assert not (again / "stray").exists()

    def test_a_changed_file_is_written_again(
        self, apply: Apply, clone: Path, processes: Processes, cache: Cache
    ) -> None:
        applied = apply(two(clone))
        with work_copy(applied, processes=processes, cache=cache, kept=True) as files:
            (files / VMA).write_text("tampered")
        with work_copy(applied, processes=processes, cache=cache, kept=True) as files:
            assert "return 2;" in (files / VMA).read_text()

    def test_one_that_is_not_kept(self, apply: Apply, clone: Path, processes: Processes, cache: Cache) -> None:
        with work_copy(apply(two(clone)), processes=processes, cache=cache, kept=False) as files:
            assert files.is_relative_to(cache.root / "scratch")


def test_a_shallow_clone(clone: Path, resolve: Resolve, processes: Processes, cache: Cache, tmp_path: Path) -> None:
    git(clone, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{clone}", "shallow")
    tree = resolve(tmp_path / "shallow")
    applied = apply_series(tree, None, two(clone), processes=processes, cache=cache, say=lambda _: None)
    assert len(applied.patches) == 2


def test_files_without_a_path_are_harmless(apply: Apply, clone: Path) -> None:
    patch = replace(two(clone).patches[0], files=(FileChange(None, None, 0, 0),))
    assert apply(series(patch)).patches[0].number == 1

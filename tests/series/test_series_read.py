"""read_series: every kind of source, and every kind of bad one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.model import FileChange, Series
from harness.series import read_series

MakeMail = Callable[..., bytes]


def read(source: Path | str, processes: Processes, repo: Path | None = None) -> Series:
    return read_series(str(source), processes=processes, repo=repo)


def refused(source: Path | str, processes: Processes, repo: Path | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        read(source, processes, repo)
    return caught.value


# --- mailboxes ------------------------------------------------------------------------------------------------


def test_mailbox_in_any_order_with_cover_and_replies(
    tmp_path: Path, processes: Processes, make_mail: MakeMail, diff: str
) -> None:
    box = tmp_path / "t.mbox"
    box.write_bytes(
        make_mail("Re: [PATCH v3 1/2] one")
        + make_mail("[PATCH RESEND v3 2/2] two", diff.replace("mm/a.c", "mm/b.c"), extra="Message-ID: <2@x>\n")
        + make_mail("[PATCH v3 0/2] the series", "")
        + make_mail("[PATCH v3 1/2] one")
        + make_mail("hello", "")
        + make_mail("[PATCH v3 1/2] one")
    )
    series = read(box, processes)
    assert (series.title, series.version) == ("the series", 3)
    assert series.cover.startswith("Why.")
    assert [(patch.number, patch.subject) for patch in series.patches] == [(1, "one"), (2, "two")]
    first, second = series.patches
    assert first.author == "Ada Example <ada@example.org>"
    assert first.date == "Thu, 1 Jan 2026 10:00:00 +0000"
    assert first.files == (FileChange("mm/a.c", "mm/a.c", 2, 1, "1111111", "2222222"),)
    assert second.message_id == "<2@x>"
    before = box.read_bytes().partition(b"Subject: [PATCH RESEND")[0]
    assert second.source == f"{box}:{before.count(10) - 1}"  # where its headers begin


def test_one_mail_without_separator(tmp_path: Path, processes: Processes, make_mail: MakeMail) -> None:
    (tmp_path / "m.eml").write_bytes(make_mail().partition(b"\n")[2])
    (tmp_path / "m.mbox").write_bytes(make_mail())
    bare, boxed = (read(tmp_path / name, processes).patches[0] for name in ("m.eml", "m.mbox"))
    assert bare.digest == boxed.digest
    assert bare.subject == "mm: change a"
    assert bare.source == str(tmp_path / "m.eml")


def test_author_in_the_text_is_the_author(tmp_path: Path, processes: Processes, make_mail: MakeMail) -> None:
    (tmp_path / "m").write_bytes(make_mail(body="From: Bo <bo@example.org>\nSubject: real title\n\nWhy."))
    patch = read(tmp_path / "m", processes).patches[0]
    assert (patch.author, patch.subject) == ("Bo <bo@example.org>", "real title")


@pytest.mark.parametrize(
    ("subjects", "words"),
    [
        (["[PATCH 1/4] a", "[PATCH 2/4] b", "[PATCH 4/4] d"], "series incomplete: 1–2, 4 of 4 only; 3 missing"),
        (["[PATCH 10/16] a"], "series incomplete: 10 of 16 only; 1–9, 11–16 missing"),
        (["[PATCH 3/2] a"], "no patch 3 of 2"),
        (["[PATCH 1/2] a", "[PATCH v2 1/2] a"], "more than one version of a series: v1, v2"),
        (["[PATCH 1/2] a", "[PATCH 1/3] a"], "more than one series: of 2 and 3"),
        (["[PATCH 1/1] a", "[PATCH] b"], "one without in the same series: 'b'"),
    ],
)
def test_sets_that_are_no_series(
    tmp_path: Path, processes: Processes, make_mail: MakeMail, subjects: list[str], words: str
) -> None:
    (tmp_path / "m").write_bytes(b"".join(make_mail(subject) for subject in subjects))
    error = refused(tmp_path / "m", processes)
    assert words in error.what
    assert error.fix


def test_conflicting_duplicates_name_both(tmp_path: Path, processes: Processes, make_mail: MakeMail, diff: str) -> None:
    (tmp_path / "m").write_bytes(
        make_mail("[PATCH 1/1] a") + make_mail("[PATCH 1/1] a", diff.replace("+more", "+less"))
    )
    what = refused(tmp_path / "m", processes).what
    assert "two different patches are 1/1" in what
    assert f"{tmp_path}/m:" in what


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"just words\n", "no patch in it"),
        (b"From: a <a@b>\nSubject: hi\n\nno diff\n", "no patch in it"),
        (b"From: a <a@b>\nSubject: [PATCH 1/2] hi\n\nno diff\n", "patch 1/2 has no diff"),
        (b"<!DOCTYPE html>\n<html>\n", "HTML page"),
        (b"diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", "without mail headers"),
        (b"Subject: x\n\ndiff --git a/f b/f\nold mode 100644\nnew mode 100755\n", "no From: line"),
        (b"From: Ada\nSubject: x\n\ndiff --git a/f b/f\nold mode 100644\nnew mode 100755\n", "no e-mail address"),
        (b"From: a <a@b>\n\ndiff --git a/f b/f\nold mode 100644\nnew mode 100755\n", "without a subject"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "binary data"),
    ],
)
def test_files_that_hold_no_patch(tmp_path: Path, processes: Processes, content: bytes, words: str) -> None:
    (tmp_path / "m").write_bytes(content)
    error = refused(tmp_path / "m", processes)
    assert isinstance(error, InputError)
    assert words in error.what
    assert str(tmp_path / "m") in error.what


def test_reply_with_a_diff_is_no_patch(tmp_path: Path, processes: Processes, make_mail: MakeMail) -> None:
    (tmp_path / "m").write_bytes(make_mail("Re: [PATCH] a"))
    assert "replies" in refused(tmp_path / "m", processes).fix


def test_quoted_and_indented_diffs_say_so(tmp_path: Path, processes: Processes, make_mail: MakeMail, diff: str) -> None:
    for prefix, words in (("> ", "quoted"), ("  ", "whitespace was lost")):
        (tmp_path / "m").write_bytes(make_mail(diff="".join(prefix + line + "\n" for line in diff.splitlines())))
        assert words in refused(tmp_path / "m", processes).fix


def test_truncated_patch_names_file_and_line(tmp_path: Path, processes: Processes, make_mail: MakeMail) -> None:
    whole = make_mail()
    (tmp_path / "m").write_bytes(whole[: whole.index(b"+more")])
    error = refused(tmp_path / "m", processes)
    assert isinstance(error, InputError)
    assert error.line == whole[: whole.index(b"+TWO")].count(b"\n") + 1
    assert "cut short" in error.what


# --- directories ----------------------------------------------------------------------------------------------


def test_directory_by_name_and_number(tmp_path: Path, processes: Processes, make_mail: MakeMail, diff: str) -> None:
    (tmp_path / "0000-cover-letter.patch").write_bytes(make_mail("[PATCH 0/2] *** SUBJECT HERE ***", ""))
    (tmp_path / "0001-b.patch").write_bytes(make_mail("[PATCH 2/2] b", diff.replace("mm/a.c", "mm/b.c")))
    (tmp_path / "0002-a.patch").write_bytes(make_mail("[PATCH 1/2] a"))
    (tmp_path / "README.md").write_text("not read")
    series = read(tmp_path, processes)
    assert [patch.subject for patch in series.patches] == ["a", "b"]
    assert series.title == "a"
    assert series.cover


def test_unnumbered_files_stay_in_the_order_of_their_names(
    tmp_path: Path, processes: Processes, make_mail: MakeMail
) -> None:
    for name in ("0002-x", "0001-y", "0010-z"):
        (tmp_path / f"{name}.patch").write_bytes(make_mail(f"[PATCH] {name}"))
    assert [patch.subject for patch in read(tmp_path, processes).patches] == ["0001-y", "0002-x", "0010-z"]


def test_series_file_decides(tmp_path: Path, processes: Processes, make_mail: MakeMail) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "b", "sub/c", "left-out"):
        (tmp_path / f"{name}.patch").write_bytes(make_mail(f"[PATCH 7/9] {name}"))
    (tmp_path / "series").write_text("# order\n\nsub/c.patch -p1 # why\n\ta.patch\nb.patch\n#left-out.patch\n")
    assert [patch.subject for patch in read(tmp_path, processes).patches] == ["sub/c", "a", "b"]


def test_format_patchs_cover_letter_belongs_to_a_quilt_series(
    tmp_path: Path, processes: Processes, make_mail: MakeMail
) -> None:
    (tmp_path / "0000-cover-letter.patch").write_bytes(make_mail("[PATCH 0/1] mm: the whole", diff=""))
    (tmp_path / "0001-a.patch").write_bytes(make_mail("[PATCH 1/1] mm: change a"))
    (tmp_path / "series").write_text("0001-a.patch\n")
    series = read_series(str(tmp_path), processes=processes, repo=None)
    assert (series.title, len(series.patches)) == ("mm: the whole", 1)
    assert "Why." in series.cover


@pytest.mark.parametrize(
    ("series", "line", "words"),
    [
        ("a.patch\n\nb.patch\n", 3, "there is no file b.patch"),
        ("a.patch -p0\n", 1, "only -p1"),
        ("a.patch -R\n", 1, "only -p1"),
        ("a.patch\na.patch\n", 2, "listed twice (line 1)"),
        ("../a.patch\n", 1, "outside the directory"),
        ("/etc/passwd\n", 1, "outside the directory"),
        ("# nothing\n", 0, "names no patch"),
    ],
)
def test_bad_series_files(
    tmp_path: Path, processes: Processes, make_mail: MakeMail, series: str, line: int, words: str
) -> None:
    (tmp_path / "a.patch").write_bytes(make_mail())
    (tmp_path / "series").write_text(series)
    error = refused(tmp_path, processes)
    assert isinstance(error, InputError)
    assert (error.path, error.line) == (tmp_path / "series", line)
    assert words in error.what


def test_directory_files_that_do_not_belong(tmp_path: Path, processes: Processes, make_mail: MakeMail) -> None:
    assert "no *.patch file" in refused(tmp_path, processes).what
    for content, words in (
        (b"", "empty"),
        (b"notes\n", "no patch in this file"),
        (make_mail("Re: [PATCH] a"), "a reply"),
        (make_mail() + make_mail(), "second mail"),
    ):
        (tmp_path / "1.patch").write_bytes(content)
        error = refused(tmp_path, processes)
        assert words in error.what
        assert "1.patch" in error.what


# --- git ------------------------------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for number in range(3):
        (path / "f").write_text("line\n" * (number + 1) + ("ä\r\n" if number else ""))
        git(path, "add", "f")
        git(path, "commit", "-q", "-m", f"f: step {number}\n\nFrom here on Mon Sep 17 00:00:00 2001\nit grows.")
    return path


def git(path: Path, *words: str) -> str:
    # A fixed identity and no settings of whoever runs the tests.
    env = {
        "PATH": os.defpath, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada Ä", "GIT_AUTHOR_EMAIL": "a@b", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@d", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    done = subprocess.run(["git", "-C", path, *words], env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_range_is_read_and_applies_again(tmp_path: Path, processes: Processes, repo: Path) -> None:
    series = read("main~2..main", processes, repo)
    assert [patch.subject for patch in series.patches] == ["f: step 1", "f: step 2"]
    assert series.patches[0].author == "Ada Ä <a@b>"
    assert git(repo, "rev-parse", "--short=12", "main~1") in series.patches[0].source
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", "repo", "copy")
    git(copy, "reset", "-q", "--hard", "main~2")
    for patch in series.patches:
        (tmp_path / "mail").write_bytes(patch.mail)
        git(copy, "am", "-q", "--keep-cr", str(tmp_path / "mail"))
    assert git(copy, "rev-parse", "HEAD^{tree}") == git(repo, "rev-parse", "main^{tree}")
    assert git(copy, "log", "-1", "--format=%an %ae %ad %s") == git(repo, "log", "-1", "--format=%an %ae %ad %s")


def test_settings_of_the_repository_change_nothing(processes: Processes, repo: Path) -> None:
    plain = read("main~1..main", processes, repo)
    for key, value in (
        ("diff.noprefix", "true"), ("diff.external", "false"), ("format.attach", "x"), ("format.signature", "sig"),
        ("format.subjectPrefix", "MINE"), ("color.ui", "always"), ("format.coverLetter", "true"),
        ("diff.context", "9"), ("format.headers", "X-A: b\n"), ("format.useAutoBase", "true"),
    ):  # fmt: skip
        git(repo, "config", key, value)
    assert read("main~1..main", processes, repo) == plain


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("main..main", "no commit in this range"),
        ("main", "one commit alone"),
        ("main~1...main", "symmetric difference"),
        ("nowhere..main", "no commit 'nowhere'"),
        ("nowhere", "no such file or directory"),
        ("--output=x..main", "no commit"),
        ("./nowhere", "no such file or directory"),
        ("", "no name"),
    ],
)
def test_ranges_that_are_none(processes: Processes, repo: Path, spec: str, words: str) -> None:
    assert words in refused(spec, processes, repo).what


def test_range_without_a_tree_is_a_missing_file(processes: Processes) -> None:
    assert "no such file or directory" in refused("v1..v2", processes).what


def test_merges_are_refused(processes: Processes, repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side", "main~1")
    git(repo, "commit", "-q", "--allow-empty", "-m", "side")
    git(repo, "merge", "-q", "main", "-m", "merge")
    assert "merges" in refused("main~2..side", processes, repo).what


def test_binary_commit_is_refused(processes: Processes, repo: Path) -> None:
    (repo / "b").write_bytes(bytes(range(256)))
    git(repo, "add", "b")
    git(repo, "commit", "-q", "-m", "binary")
    assert "binary patch" in refused("main~1..main", processes, repo).what


def test_symlink_commit_is_refused(processes: Processes, repo: Path) -> None:
    (repo / "s").symlink_to("/etc")
    git(repo, "add", "s")
    git(repo, "commit", "-q", "-m", "link")
    assert "symbolic link" in refused("main~1..main", processes, repo).what


def test_repository_is_left_as_it_was(processes: Processes, repo: Path) -> None:
    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in repo.rglob("*") if path.is_file()}

    before = state()
    read("main~2..main", processes, repo)
    assert state() == before

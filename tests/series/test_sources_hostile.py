"""Documents made to do harm: what they would write, start or use up, from whatever source they come."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import HarnessError, InputError
from harness.host.process import Processes
from harness.series import read_series
from harness.series.diff import parse_diff
from harness.series.mail import Text, parse_mail
from harness.series.patch import read_piece
from harness.series.sources import mailbox
from harness.series.sources.mailbox import RawMail, split_blocks

MakeMail = Callable[..., bytes]
HUNK = "@@ -0,0 +1 @@\n+x\n"


def refusal(text: str) -> str:
    lines = text.encode().split(b"\n")
    with pytest.raises(InputError) as caught:
        parse_diff("m", Text(lines, list(range(1, len(lines) + 1))))
    return caught.value.what


# --- names and modes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [".git/config", ".Git/hooks/pre-commit", ".GIT", "d/.giT/x", "GIT~1/config", "git~2/x", ".git. /x", ".git/ /x",
     ".git::$INDEX_ALLOCATION/config", "sub/.git"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["plain", "quoted", "renamed", "copied", "deleted", "from", "octal"])
def test_git_directory_by_any_name_and_in_any_place(name: str, how: str) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in name.encode())
    text = {
        "plain": f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n{HUNK}",
        "quoted": f'diff --git "a/{name}" "b/{name}"\nnew file mode 100644\n--- /dev/null\n+++ "b/{name}"\n{HUNK}',
        "renamed": f"diff --git a/o b/o\nsimilarity index 100%\nrename from o\nrename to {name}\n",
        "copied": f'diff --git a/o b/o\nsimilarity index 100%\ncopy from o\ncopy to "{name}"\n',
        "deleted": f"diff --git a/{name} b/{name}\ndeleted file mode 100644\n--- a/{name}\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-x\n",
        "from": f"diff --git a/o b/o\nsimilarity index 100%\nrename from {name}\nrename to o\n",
        "octal": f'--- "a/{octal}"\n+++ "b/{octal}"\n@@ -1 +1 @@\n-x\n+y\n',
    }[how]
    assert "writes outside the tree" in refusal(text)


@pytest.mark.parametrize(
    "name", ["../x", "d/../../x", "/x", "d/..", "\\056\\056/x", "C:\\\\x", "a//x", "./x", "x\\000y", "x\\ny"]
)
def test_quoted_names_are_judged_by_what_they_stand_for(name: str) -> None:
    for text in (
        f'diff --git a/o b/o\nrename from o\nrename to "{name}"\n',
        f'diff --git a/o b/o\ncopy from "{name}"\ncopy to o\n',
        f'--- /dev/null\n+++ "b/{name}"\n{HUNK}',
        f'diff --git "a/{name}" "b/{name}"\nnew file mode 100644\n',
    ):
        assert "outside the tree" in refusal(text)


@pytest.mark.parametrize("name", [".g\u200cit/config", "mm/\u202ec.a", "mm/\ufeffa.c"])
def test_names_that_do_not_look_like_what_they_are(name: str) -> None:
    assert "cannot be seen" in refusal(f"--- /dev/null\n+++ b/{name}\n{HUNK}")


def test_names_that_disagree_are_both_judged() -> None:
    assert "leaves the tree" in refusal(
        f"diff --git a/ok b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/ok\n{HUNK}"
    )
    assert "leaves the tree" in refusal("diff --git a/../x b/ok\nrename from ok\nrename to ok2\n")


@pytest.mark.parametrize(
    ("mode", "words"),
    [("120000", "symbolic link"), ("160000", "submodule"), ("020644", "character device"), ("060644", "block device"),
     ("040000", "directory"), ("104755", "other than a plain file"), ("0100644", "other than a plain file")],
)  # fmt: skip
def test_file_of_a_kind_that_no_patch_needs(mode: str, words: str) -> None:
    for text in (
        f"diff --git a/x b/x\nnew file mode {mode}\n--- /dev/null\n+++ b/x\n{HUNK}",
        f"diff --git a/x b/x\nold mode 100644\nnew mode {mode}\n",
        f"diff --git a/o b/x\nrename from o\nrename to x\nindex 1111111..2222222 {mode}\n",
    ):
        assert words in refusal(text)


def test_link_in_one_patch_and_a_file_through_it_in_the_next(
    tmp_path: Path, processes: Processes, make_mail: MakeMail
) -> None:
    link = (
        "diff --git a/door b/door\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/door\n"
        f"@@ -0,0 +1 @@\n+{tmp_path}\n\\ No newline at end of file\n"
    )
    through = f"diff --git a/door/x b/door/x\nnew file mode 100644\n--- /dev/null\n+++ b/door/x\n{HUNK}"
    (tmp_path / "m").write_bytes(make_mail("[PATCH 1/2] a", link) + make_mail("[PATCH 2/2] b", through))
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(HarnessError, match="symbolic link") as caught:
        read_series(str(tmp_path / "m"), processes=processes, repo=None)
    assert f"{tmp_path}/m:" in caught.value.what
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_danger_in_a_later_part_or_after_the_signature_is_seen(make_mail: MakeMail, diff: str) -> None:
    """git am takes every diff that stands in the text, so every one is looked at."""
    evil = f"--- /dev/null\n+++ b/../evil\n{HUNK}"
    head = b"From: A <a@b.c>\nSubject: x\n"
    parts = (
        b"Content-Type: multipart/mixed; boundary=z\n\n--z\nContent-Type: text/plain\n\n" + diff.encode()
        + b"--z\nContent-Type: text/x-patch; name=b\nContent-Transfer-Encoding: 7bit\n\n" + evil.encode() + b"--z--\n"
    )  # fmt: skip
    for text in (parts, b"\n" + diff.encode() + b"-- \n2.39.5\n\n" + evil.encode()):
        with pytest.raises(InputError, match="outside the tree"):
            read_piece(RawMail("m", 1, b"", (head + text).split(b"\n")))


# --- time and memory ------------------------------------------------------------------------------------------


def test_nested_parts_cost_no_more_than_their_size() -> None:
    body = b"text"
    for depth in range(200):
        body = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%s\n--b%d--" % (depth, depth, body, depth)
    with pytest.raises(InputError, match="multipart"):
        parse_mail(RawMail("m", 1, b"", (b"From: a\nSubject: x\n" + body).split(b"\n")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"From: a <a@b>\nSubject: x\nContent-Type: multipart/mixed; boundary=z\n\n" + b"--z\n\n" * 100_000,
        b"From: a <a@b>\n" + b"".join(b"X-%d: y\n" % number for number in range(100_000)),
        b"From: a <a@b>\nSubject: x" + b"\n y" * 300_000,
        b"From: a <a@b>\nSubject: x\nContent-Transfer-Encoding: quoted-printable\n\n" + b"=\n" * 300_000,
        b"From: a <a@b>\nSubject: x\nContent-Transfer-Encoding: base64\n\n" + b"QUJD\n" * 300_000,
        b"From: a <a@b>\nSubject: x\n\n" + b"diff --git a/f b/f\nold mode 100644\nnew mode 100755\n" * 50_000,
        b"From: a <a@b>\nSubject: x\n\n" + b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n" * 50_000,
        b"From: a <a@b>\nSubject: " + b"=?utf-8?q?=41?= " * 4000 + b"\n\n",
        b"From a@b Thu Jan  1 00:00:00 1970\n" * 300_000,
        b"From a@b Thu Jan  1 00:00:00 1970\nX:\n\n" * 100_000,
        b"From " * 200_000,
    ],
    ids=["parts", "headers", "folds", "breaks", "base64", "modes", "hunks", "words", "froms", "mails", "long-from"],
)  # fmt: skip
def test_much_of_one_thing_takes_no_more_than_linear_time(data: bytes) -> None:
    """With a quadratic step in it one of these takes hours: the test then hangs instead of passing."""
    try:
        for mail in split_blocks("m", [data]):
            read_piece(mail)
    except HarnessError as error:
        assert error.what


def test_message_of_nothing_but_line_ends_is_stopped_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAX_MAIL_LINES", 1000)
    with pytest.raises(InputError, match="more than 1000 lines"):
        list(split_blocks("m", [b"From: a <a@b>\nSubject: x\n\n", b"\n" * 2000]))


def test_bomb_in_a_maildir_and_in_a_directory(
    tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MAX_MAIL_BYTES", 1 << 20)
    bomb = gzip.compress(b"From: a <a@b>\nSubject: x\n\n" + b"x\n" * (1 << 20), 9)
    for part in ("box/cur", "box/new", "patches"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "box" / "cur" / "1").write_bytes(bomb)
    (tmp_path / "patches" / "1.patch").write_bytes(bomb)
    for source in ("box", "patches"):
        with pytest.raises(InputError, match="more than 1 MiB is no patch"):
            read_series(str(tmp_path / source), processes=processes, repo=None)


def test_devices_and_pipes_are_not_read(tmp_path: Path, processes: Processes) -> None:
    os.mkfifo(tmp_path / "1.patch")
    (tmp_path / "2.patch").symlink_to("/dev/zero")
    with pytest.raises(HarnessError, match=r"no \*.patch file"):
        read_series(str(tmp_path), processes=processes, repo=None)
    with pytest.raises(HarnessError, match="neither a file nor a directory"):
        read_series("/dev/zero", processes=processes, repo=None)

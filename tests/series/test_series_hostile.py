"""Whatever the bytes are: a series, or an error of ours; never anything else, never the tree's outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.host.process import Processes
from harness.series import read_series
from harness.series.diff import parse_diff
from harness.series.mail import Text, decode_words
from harness.series.patch import read_piece
from harness.series.paths import path_objection, unquote
from harness.series.sources.mailbox import split_blocks

LINES = st.sampled_from(
    [
        b"From a@b Thu Jan  1 00:00:00 1970", b"From: A <a@b.c>", b"Subject: [PATCH 1/1] x",
        b"Subject: Re: x", b"", b"Content-Type: multipart/mixed; boundary=z", b"--z", b"--z--",
        b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Type: text/plain; charset=utf-16", b" folded", b"diff --git a/f b/f",
        b'diff --git "a/\\303" "b/f', b"diff --git ", b"new file mode 100644", b"new file mode ",
        b"deleted file mode 100644", b"index 1..2 100644", b"index ", b"rename from ", b"rename to x",
        b"--- a/f", b"+++ b/f", b"--- ", b"+++ ", b"--- /dev/null", b"+++ /dev/null", b'--- "a/x',
        b"@@ -1 +1 @@", b"@@ -1,2 +1,2 @@", b"@@ -0,0 +1 @@", b"@@ -1,999999999 +1 @@", b"@@ -", b"+x", b"-x",
        b" x", b"\\ No newline", b"-- ", b"---", b"ZGlmZg==", b"=", b"=3D", b"\xff\xfe", b"\r",
        b"diff --cc x", b"GIT binary patch",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=2000), st.lists(LINES, max_size=40).map(b"\n".join)))
def test_any_bytes_give_pieces_or_an_error_of_ours(data: bytes) -> None:
    try:
        for mail in split_blocks("m", data.splitlines(keepends=True)):
            piece = read_piece(mail)
            assert all(not path_objection(file.path.encode()) for file in piece.files)
    except HarnessError as error:
        assert error.what


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b""))), max_size=40))
def test_any_lines_give_a_diff_or_an_error_of_ours(lines: list[bytes]) -> None:
    try:
        parse_diff("m", Text(lines, list(range(1, len(lines) + 1))))
    except HarnessError as error:
        assert error.what


@given(st.binary(max_size=200))
def test_any_name_and_header_is_taken(raw: bytes) -> None:
    path_objection(raw)
    unquote(raw)
    decode_words(b"=?utf-8?q?" + raw + b"?=")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=500), st.lists(LINES, max_size=30).map(b"\n".join)))
def test_any_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.patch").write_bytes(data)
    with Processes() as processes:
        for source in (tmp_path / "m.patch", tmp_path):
            try:
                series = read_series(str(source), processes=processes, repo=None)
                assert series.patches
            except HarnessError as error:
                assert str(tmp_path) in error.what


@pytest.mark.parametrize(
    "line",
    [
        b"From " + b"x" * 400_000,
        b"Subject: " + b"=?utf-8?q?" * 6_000,
        b"Subject: " + b"[" * 60_000,
        b"Subject: " + b"Re:" * 20_000,
        b"From: " + b"a@" * 30_000,
        b"diff --git " + b"a " * 200_000,
        b'diff --git "' + b"\\" * 400_000,
        b"Content-Type: multipart/x;" + b" boundary" * 5_000,
        b">" * 400_000,
        b"@@ -" + b"1" * 400_000,
        b" " * 400_000 + b"diff --git",
    ],
)
def test_long_lines_take_no_more_than_linear_time(line: bytes) -> None:
    """With a quadratic pattern one of these takes hours: the test then hangs instead of passing."""
    data = b"From: A <a@b.c>\n" + line + b"\n\n" + line + b"\n" + b"diff --git a/f b/f\n" + line + b"\n"
    try:
        for mail in split_blocks("m", data.splitlines(keepends=True)):
            read_piece(mail)
    except HarnessError as error:
        assert error.what

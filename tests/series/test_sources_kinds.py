"""open_source: every kind of source gives the messages that are in it."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.series.mail import Mail, Text
from harness.series.patch import Kind, Piece, read_piece
from harness.series.sources import mailbox
from harness.series.sources import source as sources
from harness.series.sources.mailbox import RawMail, split_blocks
from harness.series.sources.source import Opened, is_mailbox, open_source

MakeMail = Callable[..., bytes]


@pytest.fixture
def opened(processes: Processes) -> Callable[[Path | str], Opened]:
    return lambda source: open_source(str(source), processes=processes, repo=None)


Open = Callable[[Path | str], Opened]


def pieces(found: Opened) -> list[Piece]:
    return [read_piece(mail) for mail in found.mails]


def titles(found: Opened) -> list[str]:
    return [piece.subject.title for piece in pieces(found)]


class Stdin:
    """A standard input that is a pipe with these bytes in it."""

    def __init__(self, data: bytes, *, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self.buffer.isatty = lambda: terminal  # type: ignore[method-assign]


# --- files ----------------------------------------------------------------------------------------------------


def test_gzipped_mailbox_is_unpacked(tmp_path: Path, opened: Open, make_mail: MakeMail) -> None:
    packed = gzip.compress(make_mail("[PATCH 1/2] a")) + gzip.compress(make_mail("[PATCH 2/2] b"))
    (tmp_path / "t.mbox.gz").write_bytes(packed)
    assert titles(opened(tmp_path / "t.mbox.gz")) == ["a", "b"]


def test_gzip_needs_no_suffix_and_may_be_a_pipe(
    opened: Open, make_mail: MakeMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(gzip.compress(make_mail("[PATCH] a"))))
    assert titles(opened("-")) == ["a"]


def test_damaged_gzip(tmp_path: Path, opened: Open, make_mail: MakeMail) -> None:
    packed = gzip.compress(make_mail("[PATCH] a"))
    for data in (packed[:-9], packed[:20], packed[:12] + b"\xff" * 30 + packed[42:], packed + b"tail", b"\x1f\x8b"):
        (tmp_path / "t.gz").write_bytes(data)
        with pytest.raises(InputError, match="damaged gzip"):
            list(opened(tmp_path / "t.gz").mails)


def test_gzip_bomb_is_stopped(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAX_UNPACKED_BYTES", 1 << 20)
    one = b"From a@b Thu Jan  1 00:00:00 1970\nFrom: A <a@b>\nSubject: x\n\n" + b"x\n" * 1000
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(one * 2000, 9))
    with pytest.raises(InputError, match="unpacks to more than"):
        for _ in opened(tmp_path / "bomb.gz").mails:
            pass


def test_bomb_of_one_message_is_stopped_before_it_is_unpacked(tmp_path: Path, opened: Open) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(b"From: A <a@b>\nSubject: x\n\n") + b"".join(
        packer.compress(b"\n" * (1 << 20)) for _ in range(80)
    )
    (tmp_path / "bomb.gz").write_bytes(packed + packer.flush())
    with pytest.raises(InputError, match="is no patch"):
        list(opened(tmp_path / "bomb.gz").mails)


def test_single_mail_with_all_its_headers(tmp_path: Path, opened: Open, make_mail: MakeMail) -> None:
    (tmp_path / "m.eml").write_bytes(
        b"Return-Path: <ada@example.org>\nReceived: from a\n\tby b; Thu\n" + make_mail("[PATCH] a").partition(b"\n")[2]
    )
    assert titles(opened(tmp_path / "m.eml")) == ["a"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"From: A <a@b>\nSubject: x\n\n", True),
        (b"\n\nReceived: x\n y\nDate: x\nFrom: A\n\ntext", True),
        (b"From a@b Thu Jan  1 00:00:00 1970\nFrom: A\nDate: x\n\n", True),
        (b"Re: [PATCH v6 1/2] mm: a\n\nFrom: A\nDate: x\n\n", False),
        (b"diff mbox series\n\nFrom: A\nSubject: x\n", False),
        (b"<html>\nFrom: A\nSubject: x\n", False),
        (b"* [PATCH 0/2] a\n", False),
        (b"From: A <a@b>\n\n", False),
        (b"", False),
        (b"From: A <a@b>\nSubject: x\nX: " + b"y" * 70_000, True),
    ],
)  # fmt: skip
def test_what_begins_as_a_mailbox_does(head: bytes, expected: bool) -> None:
    assert is_mailbox(head) is expected


def test_what_is_no_mailbox_is_asked_of_the_pages(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, diff: str
) -> None:
    seen: list[tuple[str, bytes]] = []
    lines = diff.encode().splitlines()
    headers = {"from": b"Ada <ada@example.org>", "subject": b"[PATCH] from a page"}
    mail = Mail("p", 1, b"", headers, Text(lines, list(range(1, len(lines) + 1))), "UTF-8", form="patchwork")

    def read(place: str, data: bytes) -> list[Mail] | None:
        seen.append((place, data))
        return [mail]

    monkeypatch.setattr(sources, "read_page", read)
    text = b"a saved page\n" + b"x" * 300_000
    (tmp_path / "page.txt").write_bytes(text)
    assert titles(opened(tmp_path / "page.txt")) == ["from a page"]
    assert seen == [(str(tmp_path / "page.txt"), text)]


def test_mailbox_is_not_asked_of_the_pages(
    tmp_path: Path, opened: Open, make_mail: MakeMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "read_page", None)
    (tmp_path / "m").write_bytes(make_mail("[PATCH] a"))
    assert titles(opened(tmp_path / "m")) == ["a"]


def test_page_beyond_all_measure_is_read_as_a_mailbox(
    tmp_path: Path, opened: Open, make_mail: MakeMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_PAGE_BYTES", 400_000)
    (tmp_path / "m").write_bytes(b"notes\n" * 100_000 + make_mail("[PATCH] a"))
    assert titles(opened(tmp_path / "m"))[-1] == "a"


# --- standard input -------------------------------------------------------------------------------------------


def test_standard_input(opened: Open, make_mail: MakeMail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(make_mail("[PATCH 1/2] a") + make_mail("[PATCH 2/2] b")))
    found = opened("-")
    assert titles(found) == ["a", "b"]
    assert found.source == "standard input"


def test_standard_input_that_is_empty_or_a_terminal(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    with pytest.raises(InputError, match="standard input: the file is empty"):
        list(opened("-").mails)
    monkeypatch.setattr(sys, "stdin", Stdin(b"x", terminal=True))
    with pytest.raises(UserError, match="terminal"):
        opened("-")


def test_pipe_that_is_named_as_a_file_is_refused(tmp_path: Path, opened: Open) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="neither a file nor a directory"):
        opened(tmp_path / "pipe")


# --- maildirs -------------------------------------------------------------------------------------------------


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for part in ("cur", "new", "tmp"):
        (tmp_path / "box" / part).mkdir(parents=True)
    return tmp_path / "box"


def test_maildir_in_order_of_delivery(maildir: Path, opened: Open, make_mail: MakeMail) -> None:
    (maildir / "cur" / "1700000020.M1.host:2,S").write_bytes(make_mail("[PATCH 2/3] b").partition(b"\n")[2])
    (maildir / "new" / "900000000.M1.host").write_bytes(make_mail("[PATCH 1/3] a").partition(b"\n")[2])
    (maildir / "new" / "1700000021.M1.host").write_bytes(make_mail("[PATCH 3/3] c"))  # some programs keep the From line
    (maildir / "tmp" / "1700000022.M1.host").write_bytes(make_mail("[PATCH 4/3] unfinished"))
    (maildir / "cur" / ".hidden").write_bytes(b"x")
    found = opened(maildir)
    assert titles(found) == ["a", "b", "c"]
    assert not found.strict


def test_mail_in_a_maildir_is_one_mail_whatever_is_in_it(maildir: Path, opened: Open, make_mail: MakeMail) -> None:
    inner = make_mail("[PATCH] inner").decode()
    mail = make_mail("[PATCH] outer", body=f"Quoting:\n\n{inner}").partition(b"\n")[2]
    (maildir / "cur" / "1").write_bytes(mail)
    assert titles(opened(maildir)) == ["outer"]


def test_maildir_without_mail_and_with_what_is_none(tmp_path: Path, maildir: Path, opened: Open) -> None:
    (tmp_path / "secret").write_text("From: a <a@b>\nSubject: x\n\ntext\n")
    (maildir / "new" / "1").symlink_to(tmp_path / "secret")
    os.mkfifo(maildir / "new" / "2")
    with pytest.raises(InputError, match="no mail in this maildir"):
        list(opened(maildir).mails)


# --- quilt stacks ---------------------------------------------------------------------------------------------

PLAIN = """\
From: Ada Example <ada@example.org>
Subject: mm: change a
Date: Thu, 1 Jan 2026 10:00:00 +0000

Why it is so.

Link: https://example.org/1
Signed-off-by: Ada Example <ada@example.org>
---

 mm/a.c |    3 ++-
 1 file changed, 2 insertions(+), 1 deletion(-)

--- a/mm/a.c~mm-change-a
+++ a/mm/a.c
@@ -1,3 +1,4 @@ int f(void)
 one
-two
+TWO
+more
 three
_
"""


def test_stack_of_patches_without_mail_headers(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "mm-change-a.patch").write_text(PLAIN)
    (tmp_path / "described.patch").write_text(
        "mm: a title that stands first\n\nIt says why.\n\nFrom: Bo Example <bo@example.org>\n\n"
        + PLAIN[PLAIN.index("---\n\n mm") :].replace("a/mm/a.c~mm-change-a", "a/mm/b.c").replace("a/mm/a.c", "b/mm/b.c")
    )
    (tmp_path / "series").write_text("mm-change-a.patch\ndescribed.patch\n")
    found = opened(tmp_path)
    assert (found.strict, found.ordered) == (True, True)
    first, second = pieces(found)
    assert (first.kind, second.kind) == (Kind.PATCH, Kind.PATCH)
    assert (first.author, first.subject.title) == ("Ada Example <ada@example.org>", "mm: change a")
    assert [(file.old_path, file.new_path) for file in first.files] == [("mm/a.c", "mm/a.c")]
    assert (second.author, second.subject.title) == ("Bo Example <bo@example.org>", "mm: a title that stands first")
    assert b"\nIt says why.\n" in second.mail
    assert b"mm/a.c~" not in first.mail


@pytest.mark.parametrize("layout", ["above", "below"])
def test_stack_in_a_directory_of_its_own(tmp_path: Path, opened: Open, layout: str) -> None:
    (tmp_path / "patches" / "sub").mkdir(parents=True)
    (tmp_path / "patches" / "sub" / "a.patch").write_text(PLAIN)
    home = tmp_path if layout == "above" else tmp_path / "patches"
    (home / "series").write_text("# stack\nsub/a.patch\n")
    assert titles(opened(tmp_path)) == ["mm: change a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PLAIN[PLAIN.index("--- a") :], "without an author"),
        ("A title\n\nWords.\n\n" + PLAIN[PLAIN.index("--- a") :], "a.patch: a patch of a stack without an author"),
        ("Words: no.\n\nFrom: A <a@b>\n" + PLAIN[PLAIN.index("--- a") :], ""),
        ("\n\n" + PLAIN[PLAIN.index("Signed-off") : PLAIN.index("---\n")].replace("Signed-off-by", "Author")
         + PLAIN[PLAIN.index("--- a") :], "without a title"),
    ],
)  # fmt: skip
def test_stack_whose_patches_say_too_little(tmp_path: Path, opened: Open, text: str, words: str) -> None:
    (tmp_path / "a.patch").write_text(text)
    (tmp_path / "series").write_text("a.patch\n")
    if not words:
        assert titles(opened(tmp_path)) == ["Words: no."]
        return
    with pytest.raises(InputError, match=words) as caught:
        pieces(opened(tmp_path))
    assert "add a line" in caught.value.fix


def test_label_goes_only_where_both_lines_name_the_same_file(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "a.patch").write_text(PLAIN.replace("+++ a/mm/a.c", "+++ b/mm/other.c"))
    (tmp_path / "series").write_text("a.patch\n")
    assert [file.old_path for file in pieces(opened(tmp_path))[0].files] == ["mm/a.c~mm-change-a"]


def test_links_that_lead_out_of_a_directory(tmp_path: Path, opened: Open, make_mail: MakeMail) -> None:
    (tmp_path / "outside.patch").write_bytes(make_mail())
    stack = tmp_path / "stack"
    stack.mkdir()
    (stack / "a.patch").symlink_to(tmp_path / "outside.patch")
    for series in (None, "a.patch\n"):
        if series:
            (stack / "series").write_text(series)
        with pytest.raises(UserError, match="outside the directory"):
            list(opened(stack).mails)


# --- splitting ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 1 << 20])
def test_blocks_may_be_cut_anywhere(make_mail: MakeMail, size: int) -> None:
    data = (
        make_mail("[PATCH 1/3] a", body="From here\nFrom x Thu Jan  1 00:00:00 1970\nno header\nFrom \n>From y")
        + make_mail("[PATCH 2/3] b").replace(b"Mon Sep 17 00:00:00 2001", b"Thu Jan  1 00:00:00 1970")
        + b"From x Thu Jan  1 00:00:00 1970\n" * 3
        + make_mail("[PATCH 3/3] c")
        + b"From last Thu Jan  1 00:00:00 1970"
    )
    whole = list(split_blocks("m", data.splitlines(keepends=True)))
    cut = list(split_blocks("m", [data[at : at + size] for at in range(0, len(data), size)]))
    assert cut == whole
    assert len(cut) == 3
    # Nothing is lost but the separators' own lines.
    assert sum(len(mail.lines) for mail in cut) == len(data.splitlines()) - 3
    assert cut[1].line == data[: data.index(b"[PATCH 2/3]")].count(b"\n") - 1


def test_first_message_is_there_before_the_last_is_read(make_mail: MakeMail) -> None:
    given: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(100):
            given.append(number)
            yield make_mail(f"[PATCH] {number}")

    first = next(iter(split_blocks("m", blocks())))
    assert isinstance(first, RawMail)
    assert len(given) <= 2


def test_line_that_never_ends_is_refused_before_it_is_in_memory() -> None:
    given: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(1000):
            given.append(number)
            yield b"x" * (1 << 18)

    with pytest.raises(InputError, match="a line of more than 1 MiB"):
        list(split_blocks("m", blocks()))
    assert len(given) < 10


def test_binary_data_is_named_with_its_line() -> None:
    with pytest.raises(InputError, match="binary data") as caught:
        list(split_blocks("m", [b"a\nb\n", b"c\nd", b"e\0f\n"]))
    assert caught.value.line == 4


def test_nul_in_a_line_without_an_end() -> None:
    with pytest.raises(InputError, match="binary data"):
        list(split_blocks("m", [b"a\0", b"b"]))

"""Patchwork's page of a patch: message and diff come together again, comments give no patch."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.series.mail import Mail
from harness.series.pages import read_page
from harness.series.patch import Kind, read_piece

PAGE = (Path(__file__).parents[1] / "data" / "pages" / "patchwork.txt").read_bytes()


def mails(data: bytes) -> list[Mail]:
    found = read_page("page", data)
    assert found is not None
    return found


def test_a_patch_page_is_the_patch_and_its_comments() -> None:
    found = mails(PAGE)
    assert [(mail.header("subject"), mail.header("from"), mail.header("date")) for mail in found] == [
        ("[PATCH v3 2/3] mm: use the counter", "Ada Example <ada@example.org>", "Sun, 1 Mar 2026 12:00 +0000"),
        ("Re: [PATCH v3 2/3] mm: use the counter", "Rev Reviewer", "Sun, 1 Mar 2026 22:05 +0000"),
        ("Re: [PATCH v3 2/3] mm: use the counter", "Ada Example", "Mon, 2 Mar 2026 00:00 +0000"),
        ("Re: [PATCH v3 2/3] mm: use the counter", "Rev Reviewer", "Wed, 2 Sep 2026 11:59 +0000"),
    ]
    assert found[0].header("message-id") == "<20260301120000.77-3-ada@example.org>"
    assert found[0].header("x-series") == "mm: count what is locked"
    assert {mail.header("references") for mail in found[1:]} == {"<20260301120000.77-3-ada@example.org>"}
    assert not any("message-id" in mail.headers for mail in found[1:])


def test_the_diff_is_the_patchs_own_and_plain() -> None:
    piece = read_piece(mails(PAGE)[0])
    assert piece.kind is Kind.PATCH
    assert [(file.path, file.additions, file.deletions) for file in piece.files] == [("mm/example.c", 3, 2)]
    assert b"\n@@ -3,5 +3,6 @@ static int locked;\n" in piece.mail
    assert b"\n@@ -20,1 +21,1 @@\n" in piece.mail
    assert b"\n+\t/* @@  this and a --  stay */\n" in piece.mail
    assert b"Comments\nare in the code.\n" in piece.mail
    assert b"\nComments\n\n" not in piece.mail and b"Patch\n" not in piece.mail


def test_comments_yield_no_patch_and_keep_their_text() -> None:
    comments = mails(PAGE)[1:]
    assert {read_piece(mail).kind for mail in comments} == {Kind.REPLY}
    assert b"PM Ada" in comments[0].text.lines[0]  # the narrow blank is a blank
    assert comments[1].text.lines[-1] == b"is what a quoted page looks like."


def test_a_commenter_cannot_move_the_patchs_end() -> None:
    forged = PAGE.replace(
        b"As Rev", b"Comments\n\nEve March 2, 2026, midnight UTC | #1\n\nPatch\n\ndiff --git a/x b/x\nAs Rev"
    )
    assert read_piece(mails(forged)[0]).mail == read_piece(mails(PAGE)[0]).mail


def test_a_page_without_comments_is_the_patch_alone() -> None:
    start, end = PAGE.index(b"Comments\n\nRev"), PAGE.rindex(b"Patch\n\n")
    [mail] = mails(PAGE[:start] + PAGE[end:])
    assert read_piece(mail).mail == read_piece(mails(PAGE)[0]).mail


def test_a_cover_letter_page_takes_nothing_from_its_comments() -> None:
    data = PAGE[: PAGE.rindex(b"Patch\n\n")].replace(b"Commit Message", b"Message").replace(b"2/3", b"0/3")
    found = mails(data)
    assert [read_piece(mail).kind for mail in found] == [Kind.COVER, *[Kind.REPLY] * 3]
    assert b"diff --git" not in b"\n".join(found[0].text.lines)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b"Commit Message", b"Commit", "without its patch"),
        (b"[v3,2/3] mm: use the counter", b"", "series"),
        (b"March 1, 2026, noon UTC", b"today", "without author and date"),
    ],
)
def test_pages_that_are_not_whole_are_refused(before: bytes, after: bytes, words: str) -> None:
    data = PAGE.replace(before, after, 1)
    if words == "series":
        data = data[data.index(b"diff mbox series") :]
        words = "without a title"
    with pytest.raises(InputError, match=words):
        read_page("page", data)


def test_the_real_patch_page(seeds: Path) -> None:
    [path] = seeds.glob("000_*")
    found = mails(path.read_bytes())
    pieces = [read_piece(mail) for mail in found]
    assert [piece.kind for piece in pieces] == [Kind.PATCH, *[Kind.REPLY] * 10]
    patch = pieces[0]
    assert (patch.subject.version, patch.subject.number, patch.subject.total) == (6, 10, 16)
    data = path.read_bytes()
    assert f"\nSigned-off-by: {patch.author}\n---\n".encode() in data
    assert f"\nMessage ID {patch.message_id.strip('<>')} (".encode() in data
    assert len(patch.files) == 7
    assert (sum(f.additions for f in patch.files), sum(f.deletions for f in patch.files)) == (147, 76)

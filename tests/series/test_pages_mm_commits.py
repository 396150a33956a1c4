"""The -mm tree's notices: the patch in them, as mail, as text of a page, and with all lines joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.series.mail import Mail, parse_mail
from harness.series.pages import read_page, unwrap
from harness.series.patch import Kind, read_piece
from harness.series.sources.mailbox import split_blocks
from harness.series.subject import parse_subject

PAGES = Path(__file__).parents[1] / "data" / "pages"
ADDED = (PAGES / "mm-added.txt").read_bytes()
FLAT = (PAGES / "mm-added-flat.txt").read_bytes()


def unwrapped(data: bytes) -> Mail | None:
    [raw] = split_blocks("box", data.splitlines(keepends=True))
    mail = parse_mail(raw)
    assert mail is not None
    return unwrap(mail)


def flat(data: bytes) -> Mail:
    found = read_page("page", data)
    assert found is not None
    [mail] = found
    return mail


def test_the_patch_in_a_notice_is_its_authors() -> None:
    mail = unwrapped(ADDED)
    assert mail is not None
    piece = read_piece(mail)
    assert (piece.kind, piece.author, piece.date) == (
        Kind.PATCH, "Ada Example <ada@example.org>", "Fri, 6 Feb 2026 14:51:58 -0800",
    )  # fmt: skip
    assert mail.header("subject") == "[PATCH v4 1/3] mm: count what is locked"
    assert mail.header("x-series") == "mm: counters, all of them"
    assert mail.header("x-quilt-name") == "mm-count-what-is-locked"
    assert mail.header("x-quilt-stack").split() == [
        "mm-something-before.patch", "mm-count-what-is-locked.patch", "mm-count-more.patch",
    ]  # fmt: skip
    assert mail.header("message-id") == "<20260206225159.1@example.org>"
    assert (mail.form, mail.damage) == ("-mm", "")


def test_a_notice_in_a_mailbox_is_read_as_the_patch_in_it() -> None:
    [raw] = split_blocks("box", ADDED.splitlines(keepends=True))
    piece = read_piece(raw)
    assert (piece.author, piece.subject.version, piece.subject.number) == ("Ada Example <ada@example.org>", 4, 1)
    assert b"\nFrom: Andrew" not in piece.mail and b"The patch titled" not in piece.mail
    assert piece.hints.said == ("in -mm after mm-something-before.patch",)


def test_the_labels_of_quilt_become_the_names_of_git() -> None:
    mail = unwrapped(ADDED)
    assert mail is not None
    assert [(file.old_path, file.new_path, file.additions, file.deletions) for file in read_piece(mail).files] == [
        ("mm/example.c", "mm/example.c", 2, 2), (None, "mm/new.c", 1, 0), ("mm/old.c", None, 0, 1),
    ]  # fmt: skip
    lines = mail.text.lines
    assert b"--- a/mm/example.c" in lines and b"+++ b/mm/example.c" in lines and b"+++ b/mm/new.c" in lines
    assert not any(line.startswith((b"_", b"Patches currently")) for line in lines)
    assert lines[0] == b'Patch series "mm: counters, all of them", v4.'


def test_the_same_text_without_the_mails_headers() -> None:
    found = read_page("page", ADDED[ADDED.index(b"\n\n") :])
    mail = unwrapped(ADDED)
    assert found is not None and mail is not None
    assert found[0].text.lines == mail.text.lines
    assert "message-id" not in found[0].headers


def test_a_fix_keeps_the_name_that_says_what_it_fixes() -> None:
    start, end = ADDED.index(b"Patch series"), ADDED.index(b"Counts.")
    data = ADDED.replace(b"Subject: mm: count what is locked", b"Subject: mm-count-what-is-locked-fix")
    mail = unwrapped(data.replace(ADDED[start:end], b""))
    assert mail is not None
    assert mail.header("subject") == "[PATCH] mm-count-what-is-locked-fix"
    assert "x-series" not in mail.headers


@pytest.mark.parametrize(
    ("before", "after", "subject"),
    [
        (b", v4.", b".", "[PATCH 1/3] mm: count what is locked"),
        (b"This patch (of 3):", b"This patch:", "[PATCH v4] mm: count what is locked"),
        (b'Patch series "mm: counters, all of them", v4.', b"Something.", "[PATCH ?/3] mm: count what is locked"),
    ],
)
def test_the_place_in_a_series_is_said_only_as_far_as_it_is_known(before: bytes, after: bytes, subject: str) -> None:
    mail = unwrapped(ADDED.replace(before, after))
    assert mail is not None and mail.header("subject") == subject
    assert flat(FLAT.replace(before, after)).header("subject") == subject
    assert parse_subject(subject).title == "mm: count what is locked"


def test_an_open_place_keeps_the_total() -> None:
    subject = parse_subject("[PATCH v2 ?/6] mm: count what is locked")
    assert (subject.version, subject.number, subject.total) == (2, None, 6)


@pytest.mark.parametrize(
    "data",
    [
        ADDED.replace(b"------", b""),
        ADDED.replace(b"has been added to the -mm", b"went to"),
        ADDED.replace(b"From: Ada Example <ada@example.org>\n", b""),
        ADDED.replace(b"\nThe patch titled", b"\n> The patch titled"),
        b"From: a@example.org\nSubject: empty\n\n",
    ],
)
def test_other_mails_are_no_notices(data: bytes) -> None:
    assert unwrapped(data) is None


def test_a_notice_with_all_lines_joined_is_damaged_and_loses_nothing() -> None:
    mail = flat(FLAT)
    assert (mail.header("subject"), mail.damage) == ("[PATCH v4 1/3] mm: count what is locked", "whitespace lost")
    assert (mail.header("from"), mail.header("date")) == (
        "Ada Example <ada@example.org>", "Fri, 6 Feb 2026 14:51:58 -0800",
    )  # fmt: skip
    assert b" ".join(mail.text.lines) in FLAT
    assert set(mail.text.numbers) == {1}
    diff = mail.text.lines[-1]
    assert diff.startswith(b"--- a/mm/example.c~mm-count") and diff.endswith(b"-/* old */")
    assert mail.text.lines[-3] == b"---"
    assert b"Signed-off-by: Ada Example <ada@example.org>" in mail.text.lines
    assert mail.header("x-quilt-name") == "mm-count-what-is-locked"
    assert len(mail.header("x-quilt-stack").split()) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"-----", b""),
        (b" Date: Fri,", b" Day: Fri,"),
        (b" 14:51:58 -0800", b""),
        (b"+++", b"***"),
        (b" Subject: mm: count what is locked Date", b" Date"),
    ],
)
def test_a_joined_notice_that_is_not_whole_is_refused(before: bytes, after: bytes) -> None:
    with pytest.raises(InputError, match="page:1: a notice"):
        read_page("page", FLAT.replace(before, after))


def test_a_quoted_notice_is_none() -> None:
    assert read_page("page", b"> " + FLAT) is None
    assert read_page("page", b"".join(b"> " + line for line in ADDED.splitlines(keepends=True))) is None


def test_the_real_notice(seeds: Path) -> None:
    data = next(seeds.glob("003_*")).read_bytes()
    mail = flat(data)
    subject = parse_subject(mail.header("subject"))
    assert (subject.version, subject.number, subject.total) == (5, 1, 6)
    head = b"From: " + mail.headers["from"] + b" Subject: " + subject.title.encode() + b" Date: " + mail.headers["date"]
    assert head in data and mail.damage == "whitespace lost"
    assert b" ".join(mail.text.lines) in data

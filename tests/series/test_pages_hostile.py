"""Pages made to hurt: whatever the bytes, there are messages, None or an InputError, and never a patch from a reply."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.series.mail import Mail
from harness.series.pages import read_page, unwrap
from harness.series.pages.dates import mail_date
from harness.series.pages.html import read_html
from harness.series.pages.page import MAX_PAGE_BYTES
from harness.series.pages.plain import plain_patch
from harness.series.patch import Kind, examine

PAGES = sorted((Path(__file__).parents[1] / "data" / "pages").iterdir())
TEXTS = {path.name: path.read_bytes() for path in PAGES}
THREAD = TEXTS["inbox-thread.txt"]
BLOCK = THREAD[THREAD.index(b"* [PATCH v2 1/2]") : THREAD.index(b"* [PATCH v2 2/2]")]
FIRST = THREAD[: THREAD.index(b"* [PATCH v2 1/2]")]
SENDER = b"From: Ada Example @ 2026-02-03  9:01 UTC (permalink / raw)\n"


def read(data: bytes) -> list[Mail] | None:
    try:
        return read_page("page", data)
    except InputError as error:
        assert error.what.startswith("page")
        return None


def sound(data: bytes, mails: list[Mail]) -> None:
    """What is true of all messages, whatever the page."""
    last = data.count(b"\n") + 1
    for mail in mails:
        assert len(mail.text.lines) == len(mail.text.numbers)
        assert all(1 <= number <= last for number in (mail.line, *mail.text.numbers))
        assert not any(b"\n" in line for line in [*mail.text.lines, *mail.headers.values()])
        piece = examine(mail)
        assert piece.error is not None or piece.kind is not Kind.PATCH or not mail.damage


BIG = {
    "text": b"x" * (MAX_PAGE_BYTES + 1),
    "lines": b"ab\n" * (MAX_PAGE_BYTES // 2),
    "html": b"<html>" + b"x" * MAX_PAGE_BYTES,
    "thread": FIRST + BLOCK * 20_000,
    "messages": FIRST + (b"* x\n" + SENDER + b"\n^ permalink raw reply\t[flat\n\n") * 10_001,
    "nested": b"<html>" + b"<div>" * 1_000_000,
    "one line": b"<html><pre>" + b"&amp;" * 1_000_000,
    "lines of html": b"<html><pre>" + b"\n" * 1_000_000,
    "breaks": b"<html>" + b"<br>" * 1_000_000,
    "open tags": b"<html>" + b"<a " * 100_000,
    "open quotes": b"<html>" + b'<a x="' * 100_000,
    "comments": TEXTS["patchwork.txt"].replace(
        b"As Rev", b"".join(b"X March 1, 2026, noon UTC | #%d\n" % count for count in range(3, 10_010)) + b"As Rev"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_pages_beyond_all_measure_are_left_or_refused(name: str) -> None:
    assert read(BIG[name]) is None


TRYING = {
    "open comments": b"<html>" + b"<!--" * 300_000,
    "comments": b"<html>" + b"<!-- -->" * 100_000,
    "scripts": b"<html>" + b"<script></scrip></script>" * 50_000,
    "open scripts": b"<html>" + b"<script>" * 300_000,
    "quotes": b"<html>" + b"<a =\"'>" * 100_000,
    "angles": b"<html>" + b"<" * 1_000_000,
    "references": b"<html><p>" + b"&#38;&" * 300_000,
    "blanks": b"<html>a" + b" " * 1_000_000,
    "links": b"<html>" + b"<a href=x>" * 200_000,
    "ends": FIRST + b"^ permalink raw reply\t[flat\n\n" * 100_000,
    "senders": THREAD.replace(b"Two patches", SENDER * 50_000),
    "stars": b"* x\n" * 200_000 + SENDER,
    "sender": FIRST + b"From: " + b"a @ " * 200_000 + b"\n",
    "deep index": THREAD.rstrip()
    + b"\n"
    + b"".join(b"2026-02-03  9:01 " + b" " * min(2 * level, 1900) + b"` Ada Example\n" for level in range(5000)),
    "wide index": FIRST + b"end of thread\n\nThread overview: x\n" + b"2026-02-03  9:01 Ada Example\n" * 50_000,
    "headings": TEXTS["patchwork.txt"].replace(b"As Rev", b"Patch\n" * 100_000 + b"As Rev"),
    "authors": TEXTS["patchwork.txt"].replace(b"As Rev", (b"X " * 90 + b"March 1, 2026, noon UTC | #9\n") * 5000),
    "hunks": TEXTS["patchwork.txt"].replace(b"@@ -20,1", b"@@ -1,999999999 +1,999999999 @@\n" * 100_000 + b"@@ -20,1"),
    "quoted hunks": TEXTS["hypermail-reply.txt"].replace(
        b"> @@", b"> @@ -1,99999999 +1,99999999 @@\n" * 100_000 + b"> @@"
    ),
    "ways": TEXTS["hypermail-reply.txt"] + b"Next message: x\n" * 100_000,
    "below": TEXTS["spinics-reply.txt"].replace(b"Count me", b"Prev by Date: x\nFollow-Ups:\n" * 50_000),
    "archives": TEXTS["spinics-reply.txt"] + b"[Index of Archives]\n" * 100_000,
    "sign-offs": THREAD.replace(b"A counter.\n", b"Signed-off-by: x <x@example.org>\n" * 100_000),
    "files": TEXTS["mm-added-flat.txt"].replace(b"This patch", b" --- a/x +++ a/x" * 40_000),
    "stats": TEXTS["mm-added-flat.txt"].replace(b"This patch", b" --- a/x | 1" * 50_000),
    "trailers": TEXTS["mm-added-flat.txt"].replace(b"This patch", b" Cc: x This patch (of 3" * 20_000),
    "titles": b"The patch titled\n" * 200_000,
    "dashes": b"The patch titled Subject: has been added to the -mm " + b"-" * 900_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRYING)
def test_pages_that_repeat_themselves_are_read_or_refused(name: str) -> None:
    mails = read(TRYING[name])
    assert mails is None or len(mails) <= 10


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    assert read(data) is None


@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_pages_with_lines_lost_doubled_and_moved(name: str, data: st.DataObject) -> None:
    lines = TEXTS[name].split(b"\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        count = data.draw(st.integers(1, 30))
        cut = lines[at : at + count]
        to = data.draw(st.integers(0, len(lines)))
        kind = data.draw(st.sampled_from(["lose", "double", "quote", "blank", "other"]))
        if kind == "lose":
            lines = (lines[:at] + lines[at + count :]) or [b""]
        elif kind == "double":
            lines[to:to] = cut
        elif kind == "quote":
            lines[at : at + count] = [b"> " + line for line in cut]
        elif kind == "blank":
            lines[at : at + count] = [b" ".join(line.split()) for line in cut]
        else:
            lines[to:to] = TEXTS[data.draw(st.sampled_from(sorted(TEXTS)))].split(b"\n")[at : at + count]
    page = b"\n".join(lines)
    mails = read(page)
    if mails is not None:
        sound(page, mails)


@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_pages_with_bytes_changed(name: str, at: int, put: bytes) -> None:
    data = bytearray(TEXTS[name])
    data[at : at + len(put)] = put
    mails = read(bytes(data))
    if mails is not None:
        sound(bytes(data), mails)


@given(st.text(alphabet="<>/!-=&;#x\"' \n\tapre", max_size=80))
def test_any_markup_becomes_lines_with_numbers_that_never_go_back(source: str) -> None:
    lines, numbers, links, _ = read_html("page", source)
    assert len(lines) == len(numbers) and numbers == sorted(numbers)
    assert all(1 <= number <= source.count("\n") + 1 for number in numbers)
    assert not any("\n" in line or "\r" in line for line in lines)
    assert all(index >= 0 for index in links)


LINE = st.sampled_from(
    [b"--- a/f", b"--- a/f~x", b"--- /dev/null", b"+++ a/f", b"+++ b/f", b"+++ /dev/null", b"@@ -1,2 +1,2 @@  x",
     b"@@ -1 +1 @@ ", b"@@ -0,0 +1 @@", b"-a", b"+b", b" c", b"", b"--", b"2.50.1", b"\\ No newline at end of file",
     b"\xe2\x80\xaf", b"+\xe2\x80\xaf"]
)  # fmt: skip


@given(st.lists(LINE, max_size=30))
def test_putting_a_patch_right_changes_no_code(lines: list[bytes]) -> None:
    out, end = plain_patch(lines)
    assert len(out) == len(lines) and 0 <= end <= len(lines)
    assert plain_patch(out) == (out, end)
    for before, after in zip(lines, out, strict=True):
        if before[:1] in (b"+", b"-") and before[:4] not in (b"--- ", b"+++ ") and before != b"--":
            assert after.replace(b" ", b"") == before.replace(b"\xe2\x80\xaf", b"") or after == before


@given(st.text(max_size=60))
def test_any_date_is_a_date_or_itself(text: str) -> None:
    assert mail_date(text) == " ".join(text.split()) or mail_date(text)[-5] in "+-"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-02-03 13:05", "Tue, 3 Feb 2026 13:05 +0000"),
        ("2026-02-03  8:15", "Tue, 3 Feb 2026 08:15 +0000"),
        ("Dec. 24, 2025, 7:45 p.m. UTC", "Wed, 24 Dec 2025 19:45 +0000"),
        ("May 1, 2024, 12:05 a.m.", "Wed, 1 May 2024 00:05 +0000"),
        ("Sept. 1, 2024, 10 p.m.", "Sun, 1 Sep 2024 22:00 +0000"),
        ("Tue Mar 03 2026 - 10:20:30 EST", "Tue, 3 Mar 2026 10:20:30 -0500"),
        ("Tue Mar 03 2026 - 10:20:30 XYZ", "Tue, 3 Mar 2026 10:20:30 -0000"),
        ("Tue, Mar 3, 2026 at 6:30\u202fAM", "Tue, 3 Mar 2026 06:30 -0000"),
        ("Tue, Mar 03, 2026 at 11:30:15AM -0800", "Tue, 3 Mar 2026 11:30:15 -0800"),
        ("Tue, Mar 03, 2026 at 13:30:15PM -0800", "Tue, 3 Mar 2026 13:30:15 -0800"),
        ("Feb. 30, 2024, noon", "Feb. 30, 2024, noon"),
        ("2026-02-03 24:01", "2026-02-03 24:01"),
        ("yesterday", "yesterday"),
    ],
)
def test_the_dates_of_archives(text: str, date: str) -> None:
    assert mail_date(text) == date


def test_a_notice_in_a_notice_is_unwrapped_once() -> None:
    found = read(TEXTS["mm-added.txt"])
    assert found is not None
    assert unwrap(found[0]) is None

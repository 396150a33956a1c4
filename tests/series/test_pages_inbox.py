"""public-inbox's pages: a thread, one message, and what mail can do to make itself look like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.series.diff import parse_diff
from harness.series.mail import Mail
from harness.series.pages import read_page
from harness.series.patch import Kind, read_piece

PAGES = Path(__file__).parents[1] / "data" / "pages"
THREAD = (PAGES / "inbox-thread.txt").read_bytes()
MESSAGE = (PAGES / "inbox-message.txt").read_bytes()


def mails(data: bytes) -> list[Mail]:
    found = read_page("page", data)
    assert found is not None
    return found


def test_every_message_of_a_thread_is_one_mail_in_page_order() -> None:
    found = mails(THREAD)
    assert [(mail.line, mail.header("subject")) for mail in found] == [
        (3, "[PATCH v2 0/2] mm: count what is locked"),
        (26, "[PATCH v2 1/2] mm: add a counter"),
        (60, "[PATCH v2 2/2] mm: use the counter"),
        (92, "Re: [PATCH v2 1/2] mm: add a counter"),
        (112, "Re: [PATCH v2 1/2] mm: add a counter"),
        (129, "Re: [PATCH v2 0/2] mm: count what is locked"),
    ]
    assert {mail.form for mail in found} == {"public-inbox"}
    assert not any("message-id" in mail.headers for mail in found)
    assert found[1].headers["cc"].endswith(b"Another Person With A Long Name, Somebody Else")
    assert [mail.header("date") for mail in found[:1]] == ["Tue, 3 Feb 2026 09:01 +0000"]


def test_references_come_from_the_index_and_name_lines_or_lost_mails() -> None:
    assert [mail.header("references") for mail in mails(THREAD)] == [
        "", "#3", "#3", "#3 #26", "#3 #26 #92", "#3 <20260203.lost@example.org>",
    ]  # fmt: skip


def test_an_author_gets_the_address_of_the_own_sign_off_only_on_the_patch() -> None:
    found = mails(THREAD)
    assert [mail.header("from") for mail in found[:4]] == [
        "Ada Example", "Ada Example <ada@example.org>", "Ada Example <ada@example.org>", "Rev Reviewer",
    ]  # fmt: skip


def test_patches_of_a_thread_are_plain_and_lie_at_their_lines() -> None:
    pieces = [read_piece(mail) for mail in mails(THREAD)]
    assert [piece.kind for piece in pieces] == [Kind.COVER, Kind.PATCH, Kind.PATCH, *[Kind.REPLY] * 3]
    assert [(file.path, file.additions, file.deletions) for piece in pieces for file in piece.files] == [
        ("mm/example.c", 1, 0), ("mm/example.c", 1, 1),
    ]  # fmt: skip
    text = mails(THREAD)[1].text
    whole = THREAD.split(b"\n")
    assert b" " in text.lines and b"" in text.lines  # an empty context line has its blank again, the message has none
    assert text.lines[-2:] == [b"-- ", b"2.50.1"]
    for line, number in zip(text.lines, text.numbers, strict=True):
        assert line.rstrip() == whole[number - 1].rstrip()


def test_a_page_that_was_cut_off_gives_what_it_has() -> None:
    found = mails(THREAD[: THREAD.index(b"Late, and")])
    assert len(found) == 6
    assert [mail.header("references") for mail in found] == ["", "#3", "#3", "#26", "#92", ""]


def test_a_message_that_the_index_does_not_list_is_refused() -> None:
    forged = THREAD[THREAD.index(b"* [PATCH v2 2/2]") : THREAD.index(b"* Re: [PATCH v2 1/2]")]
    data = THREAD.replace(b"Thanks.  ", b"Thanks.\n\n^ permalink raw reply\t[flat|nested] 6+ messages\n\n" + forged)
    with pytest.raises(InputError, match=r"page:125: .*index does not list"):
        read_page("page", data)


def test_line_ends_of_networks_and_byte_order_marks_make_no_difference() -> None:
    expected = [mail.text.lines for mail in mails(THREAD)]
    for data in (b"\xef\xbb\xbf" + THREAD, THREAD.replace(b"\n", b"\r\n"), THREAD.decode().encode("utf-16")):
        assert [mail.text.lines for mail in mails(data)] == expected


def test_the_page_of_one_message_has_its_headers() -> None:
    [mail] = mails(MESSAGE)
    assert {name: mail.header(name) for name in ("from", "subject", "date", "message-id", "references")} == {
        "from": "Ada Example <ada@example.org>",
        "subject": "[PATCH v2 2/2] mm: use the counter",
        "date": "Tue,  3 Feb 2026 09:01:02 +0000",
        "message-id": "<20260203090100.1-3-ada@example.org>",
        "references": "<20260203090100.1-1-ada@example.org>",
    }
    assert mail.text.lines[0] == b"Use it." and mail.text.lines[-1] == b"2.50.1"
    assert [file.path for file in parse_diff("page", mail.text).files] == ["mm/example.c"]


def test_the_page_of_one_message_without_its_end_is_refused() -> None:
    with pytest.raises(InputError, match="cut off"):
        read_page("page", MESSAGE[: MESSAGE.index(b"-- \n")])


def test_text_that_is_no_page_is_left_to_others() -> None:
    for data in (b"", b"\n", b"hello\n", b"From: a\nSubject: b\n\nc\n", b"\0" * 100, b"* [PATCH] x\n@ 2026\n"):
        assert read_page("page", data) is None


def test_the_real_thread_page(seeds: Path) -> None:
    [path] = seeds.glob("004_*")
    found = mails(path.read_bytes())
    pieces = [read_piece(mail) for mail in found]
    patches = [piece for piece in pieces if piece.kind is Kind.PATCH]
    assert (len(found), len(patches), sum(piece.kind is Kind.REPLY for piece in pieces)) == (73, 10, 62)
    assert [(piece.subject.version, piece.subject.number) for piece in patches] == [(3, n) for n in range(1, 11)]
    assert len({piece.author for piece in patches}) == 1
    assert all(f"\nSigned-off-by: {piece.author}\n".encode() in piece.mail for piece in patches)
    for piece in patches:
        files, added, removed = (
            len(piece.files),
            *(sum(getattr(f, k) for f in piece.files) for k in ("additions", "deletions")),
        )
        stated = f"{files} file{'s' * (files > 1)} changed, {added} insertion".encode()
        assert any(stated in line for line in piece.mail.split(b"\n") if f", {removed} deletion".encode() in line)
    ids = {f"#{mail.line}".encode() for mail in found}
    assert all(set(mail.headers["references"].split()) <= ids for mail in found[1:])

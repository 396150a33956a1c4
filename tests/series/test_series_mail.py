"""Mailboxes and mails: splitting, headers, encodings, and the plain mail that is handed on."""

from __future__ import annotations

import base64
import quopri
from email import message_from_bytes
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.series.mail import Mail, decode_words, parse_mail
from harness.series.sources import mailbox
from harness.series.sources.mailbox import RawMail, read_mails, split_blocks


def split(data: bytes) -> list[RawMail]:
    return list(split_blocks("m", data.splitlines(keepends=True)))


def parse(data: bytes) -> Mail:
    mail = parse_mail(split(data)[0])
    assert mail is not None
    return mail


HEAD = b"From: A <a@b>\nSubject: [PATCH] x\n"


def test_mails_are_split_where_headers_follow() -> None:
    first = (
        b"From a@b Thu Jan  1 00:00:00 1970\n"
        + HEAD
        + b"\nFrom here on it works.\nFrom x Thu Jan  1 00:00:00 1970\nno\n"
    )
    mails = split(first + b"\nFrom mboxrd@z Thu Jan  1 00:00:00 1970\n" + HEAD + b"\ntwo\n")
    assert [mail.line for mail in mails] == [2, 10]
    assert b"From here on it works." in mails[0].lines
    assert b"From x Thu Jan  1 00:00:00 1970" in mails[0].lines


def test_quoted_from_lines_are_restored_but_not_from_format_patch() -> None:
    body = HEAD + b"\n>From one\n>>From two\n> From three\n"
    restored = split(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + body)[0].lines
    assert restored[-3:] == [b"From one", b">From two", b"> From three"]
    kept = split(b"From 0123abc Mon Sep 17 00:00:00 2001\n" + body)[0].lines
    assert kept[-3:] == [b">From one", b">>From two", b"> From three"]


def test_line_that_would_split_the_mail_again_is_quoted_for_git() -> None:
    mail = parse(b"From a@b Thu Jan  1 00:00:00 1970\n" + HEAD + b"\n>From x Thu Jan  1 00:00:00 1970\n")
    assert b"\n>From x Thu" in mail.render(0)


def test_binary_and_huge_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data, words in (
        (b"\x1f\x8b\x08\0\0", "damaged gzip"),
        (b"x\nab\0c\n", "NUL"),
        (b"x" * 300, "line of more than"),
    ):
        (tmp_path / "m").write_bytes(data)
        monkeypatch.setattr(mailbox, "MAX_LINE_BYTES", 200)
        with pytest.raises(InputError, match=words):
            list(read_mails(tmp_path / "m"))
    monkeypatch.setattr(mailbox, "MAX_MAIL_BYTES", 1 << 20)
    with pytest.raises(InputError, match="message of more than"):
        split(b"x\n" * (1 << 20))


def test_headers_are_unfolded_and_decoded() -> None:
    mail = parse(
        b"From: =?utf-8?q?J=C3=BCrgen_Gro=C3=9F?= <j@b>\n"
        b"Subject: [PATCH] a\n b\n\tc =?UTF-8?B?w6Q=?=\n =?UTF-8?B?w7Y=?=\n\nt\n"
    )
    assert mail.header("from") == "Jürgen Groß <j@b>"
    assert mail.header("subject") == "[PATCH] a b c äö"


@pytest.mark.parametrize(
    "value",
    [b"=?nope?q?a?=", b"=?zlib?b?AAAA?=", b"=?utf-8?q?=FF?=", b"\xff\xfe", b"=?us-ascii?b?A?="],
)
def test_header_words_that_cannot_be_decoded_stay(value: bytes) -> None:
    assert decode_words(value)


def test_transfer_encodings() -> None:
    text = 'x = "ä";\n+a long line ' + "y" * 90 + " \n"
    for name, packed in (
        ("base64", base64.encodebytes(text.encode())),
        ("quoted-printable", quopri.encodestring(text.encode())),
        ("8bit", text.encode()),
    ):
        head = HEAD + b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: " + name.encode() + b"\n\n"
        mail = parse(head + packed)
        assert b"\n".join(mail.text.lines).rstrip(b"\n") == text.encode().rstrip(b"\n")
        sent = message_from_bytes(mail.render(0))
        assert sent["Content-Transfer-Encoding"] == "8bit"


def test_line_numbers_are_the_files() -> None:
    mail = parse(HEAD + b"Content-Transfer-Encoding: quoted-printable\n\none\ntwo=\n2\nthree\n")
    assert list(zip(mail.text.lines, mail.text.numbers, strict=True)) == [(b"one", 5), (b"two2", 6), (b"three", 8)]


def test_text_parts_are_joined_and_others_left_out() -> None:
    mail = parse(
        HEAD + b'Content-Type: multipart/mixed;\n boundary="zz"\n\npreamble\n--zz\nContent-Type: text/plain\n\none\n'
        b"--zz\nContent-Type: text/html\n\n<p>\n--zz\nContent-Type: text/x-patch\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(b"two\n") + b"\n--zz--\nfooter\n"
    )  # fmt: skip
    assert mail.text.lines == [b"one", b"two"]


def test_nested_parts_have_a_limit() -> None:
    body = b"text"
    for depth in range(9):
        body = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%s\n--b%d--" % (depth, depth, body, depth)
    with pytest.raises(InputError, match="multipart"):
        parse(HEAD + body)


def test_network_line_ends_go_but_those_of_a_file_stay() -> None:
    assert parse(b"From: A <a@b>\r\nSubject: x\r\n\r\none\r\n").text.lines == [b"one"]
    assert parse(HEAD + b"\n+one\r\n").text.lines == [b"+one\r"]


def test_what_is_no_mail() -> None:
    assert parse_mail(split(b"just text\nmore\n")[0]) is None
    with pytest.raises(InputError, match="neither a mail header"):
        parse(HEAD + b"garbage here\n\n")


def test_rendered_mail_ends_with_its_text() -> None:
    mail = parse(HEAD + b"\na\n\n\n\n")
    assert mail.render(0).endswith(b"\n\na\n")
    assert mail.render(3).endswith(b"\n\na\n\n\n")

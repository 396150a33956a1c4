"""HTML pages say what the same pages say as text, and their links and comments what the text does not."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.series.mail import Mail
from harness.series.pages import read_page
from harness.series.pages.html import is_html, read_html
from harness.series.patch import Kind, read_piece

PAGES = Path(__file__).parents[1] / "data" / "pages"


def mails(data: bytes) -> list[Mail]:
    found = read_page("page", data)
    assert found is not None
    return found


def page(name: str) -> bytes:
    return (PAGES / name).read_bytes()


def lines(text: str) -> list[str]:
    return read_html("page", text)[0]


def thread_as_html(text: str) -> bytes:
    """A thread page as public-inbox sends it: everything preformatted, messages apart, links that know the ids."""
    count = 0
    out = []
    for line in text.split("\n"):
        escaped = html.escape(line)
        if line.startswith("From: ") and line.endswith("(permalink / raw)"):
            count += 1
            target = f"../../2026%2F{count}@example.org/"
            links = f'(<a\nhref="{target}">permalink</a> / <a\nhref="{target}raw">raw</a>)'
            escaped = escaped.replace("(permalink / raw)", links)
        elif line.startswith("* "):
            escaped = f"<a\nhref=#e1\nid=m1>*</a> <b>{escaped[2:]}</b>"
        elif line.startswith("^ permalink raw reply"):
            escaped = (
                f'<a\nhref=#m1>^</a> <a\nhref="x/">permalink</a> <a\nhref="x/raw">raw</a>{escaped[15:]}</pre><hr><pre>'
            )
        elif line.startswith("> "):
            escaped = f'<span\nclass="q">{escaped}</span>'
        out.append(escaped)
    return ("<html><head><title>mm</title></head><body><pre>" + "\n".join(out) + "</pre></body></html>").encode()


def test_a_thread_page_as_html_has_the_texts_messages_and_their_ids() -> None:
    text = page("inbox-thread.txt")
    plain, linked = mails(text), mails(thread_as_html(text.decode()))
    assert [mail.text.lines for mail in linked] == [mail.text.lines for mail in plain]
    names = ("subject", "from", "date", "to", "cc")
    assert [[mail.header(name) for name in names] for mail in linked] == [
        [mail.header(name) for name in names] for mail in plain
    ]
    ids = [f"<2026/{count}@example.org>" for count in range(1, 7)]
    assert [mail.header("message-id") for mail in linked] == ids
    assert [mail.header("references") for mail in linked] == [
        "", ids[0], ids[0], f"{ids[0]} {ids[1]}", f"{ids[0]} {ids[1]} {ids[3]}",
        f"{ids[0]} <20260203.lost@example.org>",
    ]  # fmt: skip


def test_the_page_of_one_message_as_html() -> None:
    text = page("inbox-message.txt").decode()
    escaped = html.escape(text).replace("(raw)", '(<a href="raw">raw</a>)')
    [mail] = mails(f"<html><body><pre\nid=b>{escaped}</pre></body></html>".encode())
    [plain] = mails(text.encode())
    assert (mail.headers, mail.text.lines) == (plain.headers, plain.text.lines)


def test_patchwork_as_html() -> None:
    found = mails(page("patchwork.html"))
    assert [read_piece(mail).kind for mail in found] == [Kind.PATCH, Kind.REPLY]
    piece = read_piece(found[0])
    assert (piece.author, piece.message_id) == (
        "Ada Example <ada@example.org>", "<20260301120000.77-3-ada@example.org>",
    )  # fmt: skip
    assert found[0].header("x-series") == "mm: count what is locked"
    assert found[0].text.lines[0] == b"Use it, in <linux/example.h> & elsewhere."
    assert found[0].text.lines[-1] == b" }"  # the site's own last line is none of the patch
    assert any(line.startswith(b"+\treturn locked < 2 && ") for line in found[0].text.lines)
    assert found[1].text.lines == [b"> Use it.", b"Reviewed-by: Rev Reviewer <rev@example.org>"]
    source = page("patchwork.html").split(b"\n")
    for line, number in zip(found[0].text.lines, found[0].text.numbers, strict=True):
        word = line.split()[0] if line.split() else b""
        assert html.escape(word.decode(), quote=False).encode() in source[number - 1]


def test_hypermail_as_html_knows_ids() -> None:
    reply, quoted = mails(page("hypermail.html"))
    assert (reply.header("message-id"), reply.header("references")) == (
        "<20260303170709.review@example.org>", "<20260303111100.2-ada@example.org>",
    )  # fmt: skip
    assert (quoted.header("message-id"), quoted.header("from"), quoted.damage) == (
        "<20260303111100.2-ada@example.org>", "Ada Example <ada@xxxxxxxxxxx>", "whitespace lost",
    )  # fmt: skip
    assert not any(b"Why not" in line for line in quoted.text.lines)


def test_hypermail_that_sets_the_text_as_it_was_loses_nothing() -> None:
    text = page("hypermail.html").decode()
    start, end = text.index('<!-- body="start" -->'), text.index('<!-- body="end" -->')
    kept = text[:start] + "<pre>" + text[start:end].replace("<br>", "") + "</pre>" + text[end:]
    assert [mail.damage for mail in mails(kept.encode())] == ["", "quoted in a reply"]


def test_mhonarc_as_html() -> None:
    [mail] = mails(page("spinics.html"))
    assert {name: mail.header(name) for name in mail.headers} == {
        "subject": "Re: [PATCH v2 1/2] mm: add a counter",
        "from": "Rev Reviewer <rev@xxxxxxxxxxx>",
        "date": "Tue, 3 Feb 2026 10:15:00 -0800",
        "message-id": "<20260203101500.9-rev@example.org>",
        "references": "<20260203090100.1-2-ada@example.org>",
    }
    assert mail.text.lines == [b"> +static int\tlocked;", b"", b"Count me in,", b"  twice."]


def test_a_notice_of_the_mm_tree_on_a_page() -> None:
    text = page("mm-added.txt").decode()
    body = html.escape(text[text.index("\n\n") :])
    [mail] = mails(f"<html><body><h1>+ mm-x.patch added</h1><pre>{body}</pre></body></html>".encode())
    assert mail.header("subject") == "[PATCH v4 1/3] mm: count what is locked"
    assert read_piece(mail).author == "Ada Example <ada@example.org>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>a  b\n\tc<p>d", ["a b c", "", "d"]),
        ("a<br>b<br/><br >c", ["a", "b", "", "c"]),
        ("<pre>\n a\t b\n\n  c</pre>d", [" a\t b", "", "  c", "", "d"]),
        ("<pre>a\r\nb\r\n</pre>", ["a", "b"]),
        ("<table><tr><th>Key</th><td>value <b>bold</b>er</td></tr><tr><td>x<td>y</table>", ["Key value bolder", "x y"]),
        ("<ul><li>a<li>b</ul>c", ["a", "b", "", "c"]),
        ("a<script>if (1 < 2) '</b>'</script>b<style>x</style><!-- <p> -->c", ["abc"]),
        ("<title>no</title>yes<SCRIPT>no</Script >!", ["yes!"]),
        ("&lt;a&gt; &amp;amp; &#39;&#x26;&nbsp;&bogus; &", ["<a> &amp; '&\xa0&bogus; &"]),
        ("<pre>a&#10;b&#13;&#0;&#xD800;&#99999999;</pre>", ["a b \ufffd\ufffd&#99999999;"]),
        ("1 < 2 <3 a<b title='x > y' data=\"'>\" c=it's>c</b>", ["1 < 2 <3 ac"]),
        ("<!doctype html><?xml x?><a><!-->x-->y", ["y"]),
        ("a<!-- never ends <p>b", ["a"]),
        ("a<b href='never ends", ["a"]),
        ("x<div>\n  y\n z\n</div>\n", ["x", "y z"]),
        ("", []),
    ],
)
def test_text_is_as_browsers_show_it(source: str, text: list[str]) -> None:
    assert lines(source) == text


def test_lines_keep_their_numbers_in_the_source() -> None:
    source = "<html>\n<body>\n<p>one\ntwo\n<pre>\nthree\n\nfour <a\nhref=x>five</a>\nsix</pre>\n\n<p>\n\nseven"
    found, numbers, links, _ = read_html("page", source)
    shown = {line: number for line, number in zip(found, numbers, strict=True) if line}
    assert shown == {"one two": 3, "three": 6, "four five": 8, "six": 10, "seven": 14}
    assert links == {found.index("four five"): ["x"]}


def test_comments_and_links_are_kept_in_number_and_size() -> None:
    source = (
        "<!-- a&#45;b -->" + "<!---->" * 1000 + "<!--" + "x" * 5000 + "-->" + "<a href='a&amp;b'>" + "<a href=c>" * 3
    )
    found = read_html("page", source + "text")
    assert found[3][0] == " a-b " and len(found[3]) == 200
    assert found[2] == {0: ["a&b", "c", "c", "c"]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<!DOCTYPE html>", True),
        (b"\xef\xbb\xbf\n <HTML lang=en>", True),
        (b"<!-- MHonArc --><!-- more -->\n<html>", True),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC>", True),
        ("<html>".encode("utf-16"), True),
        (b"<!-- " + b"x" * 5000 + b"<html>", False),
        (b"From: <html>\n", False),
        (b"<ada@example.org> wrote:\n", False),
        (b"", False),
    ],
)
def test_what_is_html(data: bytes, expected: bool) -> None:
    assert is_html(data) is expected


def test_html_that_is_no_archive_page_is_left_to_others() -> None:
    assert read_page("page", b"<html><body><p>Hello</p></body></html>") is None


def test_pages_in_other_character_sets() -> None:
    text = page("inbox-thread.txt").decode().replace("Ada Example", "Ada Exämple")
    utf8 = mails(thread_as_html(text))
    for encoded in (thread_as_html(text).decode().encode("latin-1"), thread_as_html(text).decode().encode("utf-16")):
        assert [mail.headers for mail in mails(encoded)] == [mail.headers for mail in utf8]
    plain = mails(text.encode("latin-1"))
    assert plain[0].header("from") == "Ada Exämple" and plain[0].charset == "ISO-8859-1"


def test_the_real_thread_page_as_html(seeds: Path) -> None:
    text = next(seeds.glob("004_*")).read_text(encoding="utf-8")
    plain, linked = mails(text.encode()), mails(thread_as_html(text))
    assert [mail.text.lines for mail in linked] == [mail.text.lines for mail in plain]
    assert all(re.fullmatch(rb"<2026/\d+@example.org>", mail.headers["message-id"]) for mail in linked)


def test_the_real_patch_page_as_html(seeds: Path) -> None:
    text = next(seeds.glob("000_*")).read_text(encoding="utf-8")
    found = mails(f"<html><body><pre>{html.escape(text)}</pre></body></html>".encode())
    assert [mail.text.lines for mail in found] == [mail.text.lines for mail in mails(text.encode())]


def test_a_tag_without_end_in_a_big_page_is_refused() -> None:
    with pytest.raises(InputError, match="broken"):
        read_page("page", b"<html><a " + b"x" * 200_000)

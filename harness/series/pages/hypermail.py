"""A message on a page of hypermail (lkml.iu.edu): title, `From: NAME`, `Date: Tue Mar 03 2026 - 10:20:30 EST`, text.

The pages have no addresses and no Message-IDs in what a browser shows, and all but the newest set the text so that
blanks at the start of a line and runs of blanks are gone.  Knows no other archive.
"""

from __future__ import annotations

import re

from harness.series.mail import Mail, decode_words
from harness.series.pages.dates import mail_date
from harness.series.pages.page import Page, furniture
from harness.series.pages.quoted import damage, quoted_patch
from harness.series.pages.threadindex import bare
from harness.series.subject import parse_subject

FORM = "hypermail"

_SEARCHED = 100
_DATE = re.compile(
    rb"Date: ([A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d{4} - \d{1,2}:\d\d:\d\d(?: [A-Z]{1,5}| [+-]\d{4})?)$"
)
_WAYS = re.compile(
    rb"(?:[*] ?)?(?:Next message|Previous message|Next in thread|Previous in thread|In reply to|Maybe in reply to|Reply"
    rb"|(?:Contemporary )?[Mm]essages sorted by|Mail actions)(?: ?[:\[]|$)"
)
_END_LINES = 60
_COMMENT = re.compile(r'(name|email|subject|id|inreplyto)="(.{0,1000})"$', re.DOTALL)


def read(page: Page) -> list[Mail] | None:
    """The message, and the patch that it quotes if it is a reply to one; None if this is no such page."""
    dated = next(
        (
            i
            for i, line in enumerate(page.lines[:_SEARCHED])
            if line.startswith(b"Date: ") and _DATE.match(furniture(line))
        ),
        -1,
    )
    if dated < 1:
        return None
    sender = next((i for i in range(dated - 1, max(dated - 5, -1), -1) if page.lines[i].startswith(b"From: ")), -1)
    title = next(
        (i for i in range(sender - 1, -1, -1) if (line := furniture(page.lines[i])) and not _WAYS.match(line)), -1
    )
    if sender < 0 or title < 0:
        return None
    date = _DATE.match(furniture(page.lines[dated]))
    assert date is not None
    headers = {
        "subject": furniture(page.lines[title]),
        "from": furniture(page.lines[sender])[len(b"From: ") :],
        "date": mail_date(date[1].decode("ascii")).encode(),
        **_ids(page),
    }
    start, end = _body(page, dated + 1)
    return with_quoted(page, title, start, end, headers, FORM)


def with_quoted(page: Page, first: int, start: int, end: int, headers: dict[str, bytes], form: str) -> list[Mail]:
    """A message of a page of one, and the patch that it quotes whole if it is a reply."""
    lines = page.lines[start:end]
    if not _is_reply(headers["subject"]):
        return [page.mail(first, [(start, end)], headers, form, damage=damage(lines))]
    title = bare(headers["subject"])
    found = None if _is_reply(title) else quoted_patch(lines)
    if found is None:
        return [page.mail(first, [(start, end)], headers, form)]
    indexes, text, author, harm = found
    places = [start + index for index in indexes]
    original = {**author, "subject": title}
    above = headers.get("in-reply-to", headers.get("references", b"")).split()
    if above:  # what the reply answers is what it quotes
        original["message-id"] = above[-1]
    else:
        headers = {**headers, "references": b"#%d" % page.numbers[places[0]]}
    return [page.mail(first, [(start, end)], headers, form), page.quoted(places, text, original, form, harm)]


def _is_reply(subject: bytes) -> bool:
    return parse_subject(decode_words(subject)).reply


def _ids(page: Page) -> dict[str, bytes]:
    """The Message-IDs that an HTML page has in its comments."""
    matches = (_COMMENT.match(comment.strip()) for comment in page.comments)
    said = {match[1]: match[2] for match in matches if match}
    found = {"message-id": said.get("id", ""), "in-reply-to": said.get("inreplyto", "")}
    ids = {
        name: f"<{value}>".encode() for name, value in found.items() if "@" in value and not set(value) & set("<> \t\n")
    }
    if "in-reply-to" in ids:
        ids["references"] = ids["in-reply-to"]
    return ids


def _body(page: Page, start: int) -> tuple[int, int]:
    """The text without the lines that lead to other pages, above and below it."""
    end = len(page.lines)
    while start < end and (not page.lines[start].strip() or _WAYS.match(furniture(page.lines[start]))):
        start += 1
    for index in range(max(start, end - _END_LINES), end):
        if _WAYS.match(furniture(page.lines[index])) and not any(
            line[:1] == b">" for line in page.lines[index + 1 : end]
        ):
            return start, index
    return start, end

"""A message on a page of MHonArc (spinics.net): subject, `[Date Prev][Date Next]…`, headers if any, text, and at the
end `[Index of Archives]`.

Addresses are masked there and stay so.  A page saved as text may have lost all headers but the subject.  Knows no
other archive.
"""

from __future__ import annotations

import re

from harness.series.mail import Mail
from harness.series.pages.hypermail import with_quoted
from harness.series.pages.page import Page, furniture

FORM = "spinics"

_SEARCHED = 100
_WAYS = re.compile(rb"\[(?:Date|Thread) Prev\] ?\[(?:Date|Thread) Next\]")
_HEADER = re.compile(
    rb"(?:[*\x95] ?)?(Subject|From|Date|To|Cc|Message-ID|In-reply-to|References|Reply-to|User-agent|Sender|Organization"
    rb"|Delivered-to|Mail-followup-to|Resent-[A-Za-z-]{2,12}|Bcc): ?(.*)$",
    re.IGNORECASE | re.DOTALL,
)
_KEPT = {"subject", "from", "date", "to", "cc", "message-id", "in-reply-to", "references"}
_INDEX = b"[Index of Archives]"
_BELOW = re.compile(
    rb"(?:[*\x95] ?)?(?:Follow-Ups|References|Prev by Date|Next by Date|Previous by thread|Next by thread): ?"
)
_BELOW_LINES = 300
_COMMENT = re.compile(r"X-(Subject|Date|Message-Id|Reference): (.{1,1000})$", re.DOTALL)


def read(page: Page) -> list[Mail] | None:
    """The message, and the patch that it quotes if it is a reply to one; None if this is no such page."""
    ways = next((i for i, line in enumerate(page.lines[:_SEARCHED]) if _WAYS.match(furniture(line))), -1)
    if ways < 0:
        return None
    matches = (_COMMENT.match(comment.strip()) for comment in page.comments)
    comments = {match[1]: match[2] for match in matches if match}
    if not comments and not any(_INDEX in furniture(line) for line in page.lines[ways:]):
        return None
    headers, start = _headers(page, ways + 1)
    titles = [line for i in range(ways) if (line := furniture(page.lines[i]))]
    subject = headers.get("subject") or comments.get("Subject", "").encode() or (titles[-1] if titles else b"")
    if not subject:
        return None
    headers["subject"] = subject
    if "date" not in headers and "Date" in comments:
        headers["date"] = comments["Date"].strip().encode()
    for name, comment in (("message-id", "Message-Id"), ("references", "Reference")):
        value = comments.get(comment, "").strip()
        if name not in headers and "@" in value and not set(value) & set("<> \t\n"):
            headers[name] = f"<{value}>".encode()
    first = next((i for i in range(ways) if furniture(page.lines[i]) == subject), ways)
    end = _end(page, start)
    while start < end and not furniture(page.lines[start]):
        start += 1
    while end > start and not furniture(page.lines[end - 1]):
        end -= 1
    return with_quoted(page, first, start, end, headers, FORM)


def _headers(page: Page, start: int) -> tuple[dict[str, bytes], int]:
    """The list of headers under the title, where the page has one, and where the text begins."""
    found: dict[str, bytes] = {}
    at, begin = start, start
    while at < len(page.lines):
        line = furniture(page.lines[at])
        if match := _HEADER.match(line):
            if (name := match[1].decode("ascii").lower()) in _KEPT:
                found.setdefault(name, match[2].strip())
            begin = at + 1
        elif line:
            break
        at += 1
    # A From: alone is the first line of a text, not a list of headers.
    return (found, begin) if {"from", "date"} <= found.keys() or "subject" in found else ({}, start)


def _end(page: Page, start: int) -> int:
    """Where the text ends: before the ways to other messages, or before the site's own last lines."""
    end = next(
        (i for i in range(len(page.lines) - 1, start, -1) if _INDEX in furniture(page.lines[i])), len(page.lines)
    )
    below = range(max(start, end - _BELOW_LINES), end)
    ways = next((i for i in below if _BELOW.match(line := furniture(page.lines[i])) and b" by " in line), end)
    for index in range(ways - 1, max(start, ways - _BELOW_LINES), -1):
        if furniture(page.lines[index]) in (b"Follow-Ups:", b"References:", b"* Follow-Ups:", b"* References:"):
            ways = index
    return ways

"""Patchwork's page of a patch or a cover letter.  Knows no other archive.

Title, a table that has the Message-ID, the commit message, the comments (`NAME DATE UTC | #N`), then the diff under
the heading `Patch`: message and diff come together again here.  Of the subject Patchwork keeps all prefixes but the
word PATCH.
"""

from __future__ import annotations

import re
from itertools import pairwise

from harness.errors import InputError
from harness.series.mail import Mail
from harness.series.pages.dates import mail_date
from harness.series.pages.page import MAX_MESSAGES, Page, furniture

FORM = "patchwork"

_SEARCHED = 400  # lines in which the table must be
_MESSAGE_ID = re.compile(rb"Message ID:? <?([^\s<>]{1,400}@[^\s<>]{1,400})>?(?: \(mailing list archive\))?$")
_META = re.compile(
    rb"(.{1,200}?),? ((?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]{0,6}\.? \d{1,2}, \d{4},"
    rb" (?:noon|midnight|\d{1,2}(?::\d\d)? [ap]\.m\.))(?: UTC)?(?: \| #(\d{1,5}))?$"
)
_SERIES = re.compile(rb"Series:? (.{1,400}?)(?: \| expand.*)?$")
_PREFIXES = re.compile(rb"\[([^\[\]]{1,200})\] ?(.*)$", re.DOTALL)
_DIFF = (b"diff --git ", b"--- ", b"Index: ")


def read(page: Page) -> list[Mail] | None:
    """The patch or cover letter and the comments on it; None if this is no such page.  Raises InputError."""
    table = _table(page)
    if table is None:
        return None
    id_line, message_id = table
    subject = _subject(page, id_line)
    opened = next(
        (i for i in range(id_line, len(page.lines)) if page.lines[i].strip() in (b"Commit Message", b"Message")), None
    )
    if opened is None:
        raise InputError(page.place, 0, "a Patchwork page without its patch: saved before it was whole?")
    diff = _diff(page, opened)
    comments = _comments(page, opened, diff)
    headers = {"subject": subject, "message-id": b"<" + message_id + b">"}
    for line in page.lines[id_line:opened]:
        if found := _SERIES.match(furniture(line)):
            headers["x-series"] = found[1]
    thread = {"references": headers["message-id"], "in-reply-to": headers["message-id"], "subject": b"Re: " + subject}
    starts = [start for start, _, _ in comments]
    return [_patch(page, headers, opened, [*starts, diff][0], diff)] + [
        page.mail(start, [(start + 1, end)], {**thread, "from": name, "date": date}, FORM)
        for (_, name, date), (start, end) in zip(comments, pairwise([*starts, diff]), strict=True)
    ]


def _table(page: Page) -> tuple[int, bytes] | None:
    """The line with the Message-ID, and the id."""
    for index, line in enumerate(page.lines[:_SEARCHED]):
        if line.startswith(b"Message ID") and (found := _MESSAGE_ID.match(furniture(line))):
            return index, found[1]
    return None


def _subject(page: Page, id_line: int) -> bytes:
    """The title above the table, with the word PATCH back in its brackets."""
    above = (furniture(line) for line in reversed(page.lines[:id_line]))
    title = next((line for line in above if line and not line.endswith(b"diff mbox series")), b"")
    if not title:
        raise InputError(page.place, page.numbers[id_line], "a Patchwork page without a title")
    found = _PREFIXES.match(title)
    prefixes, rest = (found[1].split(b","), found[2]) if found else ([], title)
    words = [word.strip() for word in prefixes if word.strip()]
    if not any(word.upper().startswith(b"PATCH") for word in words):
        words.insert(0, b"PATCH")
    return b"[" + b" ".join(words) + b"] " + rest


def _diff(page: Page, opened: int) -> int:
    """The heading of the diff: the last one, for a comment may have such a line too; the end where there is none."""
    if page.lines[opened].strip() == b"Message":  # of a cover letter
        return len(page.lines)
    for index in range(len(page.lines) - 1, opened, -1):
        if page.lines[index].strip() == b"Patch":
            below = page.lines[index + 1 : index + 4]
            if any(line.startswith(_DIFF) for line in below):
                return index
    return len(page.lines)


def _comments(page: Page, opened: int, diff: int) -> list[tuple[int, bytes, bytes]]:
    """Line, author and date of each comment.

    They begin under the first heading `Comments` that has a first one under it: a line like that further down is
    in somebody's comment, and must not make what stands above it the patch's message.
    """
    found: list[tuple[int, bytes, bytes]] = []
    heading = False
    for index in range(opened + 1, diff):
        line = page.lines[index]
        if line.strip() == b"Comments":
            heading = True
        elif b"#" in line[-6:] and (match := _META.match(furniture(line))) and match[3]:
            if (heading or found) and int(match[3]) == len(found) + 1:
                found.append((index, match[1], mail_date(match[2].decode("latin-1")).encode()))
        elif line.strip() and not found:
            heading = False
    if len(found) > MAX_MESSAGES:
        raise InputError(page.place, 0, f"more than {MAX_MESSAGES} comments")
    return found


def _patch(page: Page, headers: dict[str, bytes], opened: int, message_end: int, diff: int) -> Mail:
    """The patch or cover letter itself."""
    start = next((index for index in range(opened + 1, message_end) if page.lines[index].strip()), message_end)
    meta = _META.match(furniture(page.lines[start])) if start < message_end else None
    if meta is None:
        raise InputError(page.place, page.numbers[opened], "a Patchwork page without author and date of the patch")
    head = {**headers, "from": meta[1], "date": mail_date(meta[2].decode("latin-1")).encode()}
    spans = [(start + 1, _before_heading(page, start, message_end)), (diff + 1, len(page.lines))]
    return page.mail(opened, spans, head, FORM, to_diff=True)


def _before_heading(page: Page, start: int, end: int) -> int:
    """Where the message ends: before the heading `Comments`, if that is the last line but blanks."""
    last = next((index for index in range(end - 1, start, -1) if page.lines[index].strip()), end)
    return last if page.lines[last].strip() == b"Comments" else end

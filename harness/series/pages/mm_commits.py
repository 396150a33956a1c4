"""The -mm tree's notices ("The patch titled … has been added to the -mm … branch"), as mails or with all lines joined.

The notice is the maintainer's; the patch, its author, subject and date stand below the dashes.  The first patch of a
series carries the series' cover letter before its own message: `Patch series "TITLE", vN.` … `This patch (of M):`.
Only then is its place known: it is 1 of M.  Knows no series, no stack: the list of what else is in -mm is handed on.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace

from harness.errors import InputError
from harness.series.mail import Mail, Text
from harness.series.pages.page import Page
from harness.series.pages.plain import plain_patch

FORM = "-mm"
LOST = "whitespace lost"

_SEARCHED = 200  # lines in which a notice must begin
_MAX_LEAD = 2000  # bytes of a line before the notice
_MESSAGE_ID = re.compile(rb"Message-ID: (<[^\s<>]{1,400}>)", re.IGNORECASE)
_TITLED = re.compile(rb"The (?:quilt )?patch titled(?: Subject: |$)")
_ADDED = re.compile(rb" ?has been (?:added to|removed from) the -mm ")
_NAME = re.compile(rb"Its filename (?:is|was) ([A-Za-z0-9_.+-]{1,250})\.patch(?=\s|$)")
_DASHES = re.compile(rb"-{40,80}")
_HEADER = re.compile(rb"(From|Subject|Date): (\S.{0,2000})$", re.DOTALL)
_STACK = b"Patches currently in -mm which might be from "
_COVER = re.compile(rb'Patch series "(.{1,300}?)"(?:, v(\d{1,3}))?(?:\.|,| |$)')
_OF = re.compile(rb"(?:^|(?<= ))This patch \(of (\d{1,4})\)")
_FILE = re.compile(
    rb" (?=--- (?:a/\S{1,400}|/dev/null)(?: \S{1,40}){0,4} \+\+\+ (?:a/\S{1,400}|/dev/null)(?: \S{1,40}){0,4} @@ -)"
)
_STAT = re.compile(rb" (?=--- [^\s]{1,400} \| +(?:\d|Bin ))")
_TRAILER = re.compile(
    rb" (?=(?:This patch \(of \d{1,4}\)|(?:Link|Fixes|Closes|Reported|Signed-off|Reviewed|Acked|Tested|Suggested"
    rb"|Co-developed|Debugged|Based-on-patch|Message-I[dD])(?:-[a-z]{2,12}){0,3}|Cc): ?)"
)


def read(page: Page) -> list[Mail] | None:
    """The patch of a notice whose text is the page: in lines as it was sent, or all in one."""
    for index, line in enumerate(page.lines[:_SEARCHED]):
        found = _TITLED.search(line[:_MAX_LEAD])
        if found is None or b">" in line[: found.start()]:
            continue
        if _ADDED.search(line, found.end()):
            return [_flattened(page, index, line[found.start() :])]
        text = Text(list(page.lines[index:]), list(page.numbers[index:]))
        ids = (match[1] for line in page.lines[:index] if (match := _MESSAGE_ID.match(line)))
        headers = {"message-id": found_id} if (found_id := next(ids, b"")) else {}
        unwrapped = unwrap(Mail(page.place, page.numbers[index], b"", headers, text, page.charset))
        return [unwrapped] if unwrapped else None
    return None


def unwrap(mail: Mail) -> Mail | None:
    """The patch in a notice that is a mail; None if the mail is none."""
    lines = mail.text.lines
    start = next((i for i, line in enumerate(lines[:_SEARCHED]) if line.strip()), 0)
    if not lines or not _TITLED.match(lines[start].strip()):
        return None
    dashes = next(
        (i for i in range(start, min(start + _SEARCHED, len(lines))) if _DASHES.fullmatch(lines[i].rstrip())), 0
    )
    if not dashes:
        return None
    notice = b" ".join(line.strip() for line in lines[start:dashes])
    at, found = _inner_headers(lines, dashes + 1)
    if not _ADDED.search(notice) or not {"from", "subject"} <= found.keys():
        return None
    end = next((i for i in range(len(lines) - 1, at, -1) if lines[i].startswith(_STACK)), len(lines))
    stack = [line.strip() for line in lines[end + 1 :] if line.strip().endswith(b".patch") and b" " not in line.strip()]
    while end > at and lines[end - 1].strip() in (b"", b"_"):
        end -= 1
    body, _ = plain_patch(lines[at:end])
    headers = {name: mail.headers[name] for name in ("message-id", "references") if name in mail.headers} | found
    first = next((line for line in body if line.strip()), b"")
    _place(headers, first, b"\n".join(body[: _first_file(body)]).replace(b"\n", b" "))
    _stack(headers, notice, stack)
    return replace(mail, headers=headers, text=Text(body, list(mail.text.numbers[at:end])), form=FORM)


def _first_file(lines: list[bytes]) -> int:
    """The index of the diff's first line."""
    return next(
        (i for i, line in enumerate(lines) if line.startswith((b"--- a/", b"--- /dev/null", b"diff --git "))),
        len(lines),
    )


def _inner_headers(lines: list[bytes], at: int) -> tuple[int, dict[str, bytes]]:
    """From:, Subject: and Date: of the patch, and where its text begins."""
    found: dict[str, bytes] = {}
    name = ""
    while at < len(lines) and not lines[at].strip():
        at += 1
    while at < len(lines) and lines[at].strip():
        if match := _HEADER.match(lines[at]):
            name = match[1].decode("ascii").lower()
            found[name] = match[2].strip()
        elif name and lines[at][:1] in (b" ", b"\t"):
            found[name] += b" " + lines[at].strip()
        else:
            break
        at += 1
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at, found


def _place(headers: dict[str, bytes], first: bytes, message: bytes) -> None:
    """Put into the subject what the message says of version and place in the series."""
    cover = _COVER.match(first)
    of = _OF.search(message)
    words = [b"PATCH"]
    if cover:
        headers["x-series"] = cover[1]
        if cover[2]:
            words.append(b"v%d" % int(cover[2]))
    if of:
        words.append((b"1/" if cover else b"?/") + of[1])
    headers["subject"] = b"[" + b" ".join(words) + b"] " + headers["subject"]


def _stack(headers: dict[str, bytes], notice: bytes, stack: list[bytes]) -> None:
    """The patch's own name in the stack, and the names of its author's patches there, in the stack's order."""
    if name := _NAME.search(b" ".join(notice.split())):
        headers["x-quilt-name"] = name[1]
    if stack:
        headers["x-quilt-stack"] = b" ".join(stack)


def _flattened(page: Page, index: int, line: bytes) -> Mail:
    """A notice in one physical line.

    It is cut where a line must have begun: before trailers, before the diffstat, before the diff; never inside the
    diff, so the pieces, joined by a blank, are the line from the message to the end of the diff.
    """

    def fail(what: str) -> InputError:
        return InputError(page.place, page.numbers[index], f"a notice of the -mm tree in one line, {what}")

    dashes = _DASHES.search(line)
    if dashes is None:
        raise fail("without the patch's own headers")
    headers: dict[str, bytes] = {}
    at = dashes.end()
    for name, following in (("from", b" Subject: "), ("subject", b" Date: ")):
        title = b" " + name.capitalize().encode() + b": "
        end = line.find(following, at)
        if not line.startswith(title, at) or end < 0 or end - at > 2000:
            raise fail("without the patch's own headers")
        headers[name] = line[at + len(title) : end].strip()
        at = end
    date = re.compile(rb" Date: (.{1,60}? [+-]\d{4}) ").match(line, at)
    if date is None:
        raise fail("without the patch's own date")
    headers["date"] = date[1]
    at = date.end()
    first_file = _FILE.search(line, at)
    if first_file is None:
        raise fail("without a diff")
    tail = line.rfind(b" _ " + _STACK, first_file.end())
    end = tail if tail >= 0 else len(line.rstrip(b" _"))
    stack = [word for word in line[end:].split() if word.endswith(b".patch")] if tail >= 0 else []
    message = line[at : first_file.start()]
    stat = next(iter(deque(_STAT.finditer(message), maxlen=1)), None)
    cut = stat.start() if stat else len(message)
    pieces = _TRAILER.split(message[:cut])
    if stat:
        pieces += [b"---", message[cut + len(b" --- ") :]]
    pieces.append(line[first_file.end() : end])
    _place(headers, pieces[0], message[:cut])
    _stack(headers, line[: dashes.start()], stack)
    text = Text(pieces, [page.numbers[index]] * len(pieces))
    return Mail(page.place, page.numbers[index], b"", headers, text, page.charset, FORM, LOST)

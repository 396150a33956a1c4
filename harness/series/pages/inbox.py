"""Pages of public-inbox (lore.kernel.org, linux-mm.kvack.org): a thread, nested or flat, or one message.

A thread page has a block for each message: `* SUBJECT`, the nearest lines of the thread, `From: NAME @ DATE UTC
(permalink / raw)`, the text, `^ permalink raw reply`; and at its end an index that shows the thread as a tree.  Names
have no addresses there, and the text no Message-IDs; those of an HTML page stand in its links.  Where there are none,
a message is referred to as `#LINE`, the line of its block in the file, which nobody can take for a Message-ID.

Whoever writes mail can write lines that look like the page's own, so a message that the index does not list is an
error.  Knows no other archive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from harness.errors import InputError
from harness.series.mail import Mail
from harness.series.pages.dates import mail_date
from harness.series.pages.page import MAX_MESSAGES, Page
from harness.series.pages.threadindex import Entry, bare, read_index

FORM = "public-inbox"

_FROM = re.compile(rb"From: (.{1,1000}) @ (\d{4}-\d\d-\d\d [ \d]\d:\d\d) UTC \(permalink / raw[^()]{0,80}\)\s{0,9}$")
_END = re.compile(rb"\^ permalink raw reply(?: related)?\s{1,9}\[")
_HEADER = re.compile(rb"(From|To|Cc|Subject|Date|Message-ID|In-Reply-To|References): (.*)$", re.DOTALL)
_ID = re.compile(rb"<[^\s<>]{1,400}>")
_MAX_BLOCK = 200  # lines between a block's first line and its From:
_SEARCHED = 200  # lines in which the headers of a single message must begin
_MAX_ID = 400


@dataclass(frozen=True, slots=True)
class _Block:
    """Where a message stands: its first line, its From: line, and the line after its text."""

    first: int
    sender: int
    end: int
    name: bytes
    date: bytes
    subject: bytes
    token: bytes  # its Message-ID, or #LINE


def read(page: Page) -> list[Mail] | None:
    """The messages on the page in its order; None if this is no such page.  Raises InputError."""
    blocks = _blocks(page)
    if not blocks:
        return _single(page)
    references = _references(page, blocks)
    return [_mail(page, block, above) for block, above in zip(blocks, references, strict=True)]


def _blocks(page: Page) -> list[_Block]:
    """The messages' places.  Raises InputError where the page is not whole between two of them."""
    found: list[_Block] = []
    sender = 0  # the From: line of the message that is being read
    match: re.Match[bytes] | None = None
    for index, line in enumerate(page.lines):
        if match is None:
            if line.startswith(b"From: ") and (match := _FROM.match(line)):
                sender = index
        elif line.startswith(b"^ permalink raw") and _END.match(line) and _is_last_line(page, index + 1):
            found.append(_block(page, sender, index, match))
            match = None
            if len(found) > MAX_MESSAGES:
                raise InputError(page.place, page.numbers[index], f"more than {MAX_MESSAGES} messages on a page")
    if match is not None:  # the page ends in the midst of a message
        found.append(_block(page, sender, len(page.lines), match))
    return found


def _is_last_line(page: Page, at: int) -> bool:
    """Whether what follows the line before `at` is the page's own: not so if somebody quoted such a page."""
    for index in range(at, min(at + 20, len(page.lines))):
        line = page.lines[index]
        if line.strip():
            return line.startswith((b"* ", b"end of thread", b"only message in thread", b"Thread overview", b"  -- "))
    return True


def _block(page: Page, sender: int, end: int, match: re.Match[bytes]) -> _Block:
    """The block of a message, from its subject down."""
    first = sender
    while sender - first < _MAX_BLOCK and first > 0 and not page.lines[first].startswith(b"* "):
        first -= 1
    if not page.lines[first].startswith(b"* "):
        raise InputError(page.place, page.numbers[sender], "a message of a thread page without the line of its subject")
    token = b"#%d" % page.numbers[first]
    for link in page.links.get(sender, ()):
        name = unquote(link.split("#")[0].removesuffix("raw").rstrip("/").rpartition("/")[2])
        if "@" in name and len(name) <= _MAX_ID and _ID.fullmatch(wrapped := f"<{name}>".encode()):
            token = wrapped
    return _Block(first, sender, end, match[1].strip(), match[2], page.lines[first][2:].strip(), token)


def _references(page: Page, blocks: list[_Block]) -> list[list[bytes]]:
    """For each message the tokens of those above it, root first."""
    names = {block.name for block in blocks}
    heads = [i for i in range(blocks[-1].sender, len(page.lines)) if page.lines[i].startswith(b"Thread overview:")]
    if not heads:
        places: dict[tuple[bytes, bytes, bytes], list[_Block]] = {}
        for block in blocks:
            places.setdefault((block.date, block.name, bare(block.subject)), []).append(block)
        return [_nearest(page, block, places, names) for block in blocks]
    index = read_index(page.lines[heads[-1] + 1 :], names)
    entries: list[Entry] = []
    for block in blocks:
        entry = index.take(block.date, block.name, block.subject)
        if entry is None:
            raise InputError(
                page.place, page.numbers[block.first], "a message that the page's own index does not list",
                fix="take the thread's mbox.gz: this page has been changed, or a mail has lines made to look like it",
            )  # fmt: skip
        entry.token = block.token
        entries.append(entry)
    return [entry.ancestors() for entry in entries]


def _nearest(
    page: Page, block: _Block, places: dict[tuple[bytes, bytes, bytes], list[_Block]], names: set[bytes]
) -> list[bytes]:
    """The token of the message above, by the lines at the head of a block: all there is on a page that was cut off."""
    head = page.lines[block.first + 1 : block.sender]
    own = next((i for i, line in enumerate(head) if line.startswith(b"@ ")), None)
    if own is None:
        return []
    entries = read_index([line[2:] for line in head[: own + 1]], names).entries
    above = entries[-1].parent if entries else None
    if above is None:
        return []
    # A line without a subject has that of a line that is not shown here: most likely this message's own.
    found = places.get((above.date, above.name, above.subject or bare(block.subject)), [])
    return [found[0].token] if len(found) == 1 else []


def _mail(page: Page, block: _Block, above: list[bytes]) -> Mail:
    headers = {"subject": block.subject, "from": block.name, "date": mail_date(block.date.decode("ascii")).encode()}
    if not block.token.startswith(b"#"):
        headers["message-id"] = block.token
    start = block.sender + 1
    field = ""
    while start < block.end and page.lines[start].strip():
        line = page.lines[start]
        if found := re.match(rb"(?:  (To|Cc)|(In-Reply-To)): (.*)$", line, re.DOTALL):
            field = (found[1] or found[2]).decode("ascii").lower()
            headers[field], _, more = found[3].strip().partition(b"; +Cc: ")
            if more:
                field = "cc"
                headers["cc"] = more
        elif field and line[:1] in (b"\t", b" "):
            headers[field] += b" " + line.strip()
        else:
            break
        start += 1
    if above:
        headers["references"] = b" ".join(above)
        headers["in-reply-to"] = above[-1]
    return page.mail(block.first, [(start, block.end)], headers, FORM)


def _single(page: Page) -> list[Mail] | None:
    """The page of one message, which has its headers in full."""
    lines = page.lines
    begin = next((i for i, line in enumerate(lines[:_SEARCHED]) if line.startswith(b"From: ")), None)
    if begin is None:
        return None
    headers: dict[str, bytes] = {}
    at, name = begin, ""
    while at < len(lines) and lines[at].strip():
        if found := _HEADER.match(lines[at]):
            name = found[1].decode("ascii").lower()
            headers.setdefault(name, found[2].strip())
        elif name and lines[at][:1] in (b"\t", b" "):
            headers[name] += b" " + lines[at].strip()
        else:
            return None
        at += 1
    marks = headers.get("date", b"") + headers.get("message-id", b"") + headers.get("subject", b"")
    if b"[thread overview]" not in marks and b"(raw)" not in marks:
        return None
    headers = {name: value.replace(b"[thread overview]", b"").strip() for name, value in headers.items()}
    if "message-id" in headers:
        headers["message-id"] = headers["message-id"].removesuffix(b"(raw)").strip()
    ends = [i for i in range(at, len(lines)) if b"other threads:[" in lines[i] and b"reply" in lines[i]]
    if not ends:
        raise InputError(page.place, page.numbers[begin], "the page of a message without its end: it was cut off")
    if parent := headers.get("in-reply-to"):
        headers.setdefault("references", parent)
    return [page.mail(begin, [(at, ends[-1])], headers, FORM)]

"""Data of a file -> a page: lines with their numbers in the file, and the links on them.  Knows no form of archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import InputError
from harness.series.mail import Mail, Text
from harness.series.pages.html import is_html, read_html
from harness.series.pages.plain import own_address, plain_patch

MAX_PAGE_BYTES = 16 << 20  # the longest threads of the big archives are a few MiB
MAX_LINES = 500_000
MAX_LINE_BYTES = 1 << 20
MAX_MESSAGES = 10_000

_HEAD_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Page:
    """Text as a browser saves it; `links` are the targets of the anchors on a line, by index (of an HTML page only)."""

    place: str
    lines: Sequence[bytes]
    numbers: Sequence[int]
    charset: str
    links: dict[int, list[str]] = field(default_factory=dict)
    comments: Sequence[str] = ()  # of an HTML page, the first of them
    cut: bool = False  # the file is beyond all measure, and this its beginning only

    def mail(
        self,
        first: int,
        spans: Sequence[tuple[int, int]],
        headers: dict[str, bytes],
        form: str,
        *,
        damage: str = "",
        to_diff: bool = False,
    ) -> Mail:
        """The message whose block begins at line `first` and whose text is the lines of `spans` (ends exclusive).

        With `to_diff` the text ends with the diff in it.
        """
        picked: list[int] = []
        for start, end in spans:
            picked += self._without_blank_ends(start, end)
        lines = [self.lines[index] for index in picked]
        diff_end = 0
        if not damage:
            lines, diff_end = plain_patch(lines)
        if diff_end and to_diff:
            lines, picked = lines[:diff_end], picked[:diff_end]
        found = dict(headers)
        if diff_end and b"@" not in found.get("from", b"@"):
            found["from"] = own_address(found["from"], lines)
        text = Text(lines, [self.numbers[index] for index in picked])
        return Mail(self.place, self.numbers[first], b"", found, text, self.charset, form, damage)

    def quoted(
        self, picked: Sequence[int], lines: list[bytes], headers: dict[str, bytes], form: str, damage: str
    ) -> Mail:
        """A message of which this page has the text in another one: at the lines `picked`, as `lines`."""
        while lines and not lines[-1].strip():
            lines = lines[:-1]
        text = Text(lines, [self.numbers[index] for index in picked[: len(lines)]])
        return Mail(self.place, text.numbers[0], b"", headers, text, self.charset, form, damage)

    def _without_blank_ends(self, start: int, end: int) -> range:
        while start < end and not self.lines[start].strip():
            start += 1
        while end > start and not self.lines[end - 1].strip():
            end -= 1
        return range(start, end)


def open_page(place: str, data: bytes) -> Page | None:
    """The page in a file's data; None if it is no text.  Raises InputError on an HTML page beyond all measure."""
    cut = len(data) > MAX_PAGE_BYTES
    html = is_html(data)
    if cut and html:
        raise InputError(place, 0, f"a page of more than {MAX_PAGE_BYTES >> 20} MiB", fix="give the thread's mailbox")
    if cut:
        data = data[:_HEAD_BYTES]
    text, charset = _decode(data)
    if "\0" in text:
        return None
    if html:
        lines, numbers, links, comments = read_html(place, text)
        return Page(place, [line.encode() for line in lines], numbers, "UTF-8", links, comments)
    if cut := cut or text.count("\n") > MAX_LINES:
        text = text[:_HEAD_BYTES]
    # Not splitlines(): form feeds and the like are no ends of lines.
    raw = text.encode(charset).split(b"\n")
    if raw[0].endswith(b"\r"):
        raw = [line[:-1] if line.endswith(b"\r") else line for line in raw]
    if raw and not raw[-1]:
        raw.pop()
    if any(len(line) > MAX_LINE_BYTES for line in raw):
        return None
    return Page(place, raw, range(1, len(raw) + 1), charset, cut=cut)


def _decode(data: bytes) -> tuple[str, str]:
    """Text, and the character set that the messages will be in: UTF-8 if it can be that, else Latin-1."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").removeprefix("\ufeff"), "UTF-8"
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode(), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "ISO-8859-1"


def furniture(line: bytes) -> bytes:
    """A line of the page's own, for comparing: every run of blanks is one, no-break ones too."""
    return b" ".join(line.replace(b"\xc2\xa0", b" ").split())

"""Raw message -> headers and text: folding, RFC 2047, transfer encodings, multipart; and back to one plain mail.

What is checked must be what `git am` will see, so the mail that is handed on is written anew from the decoded parts.
Knows nothing of patches.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from itertools import pairwise

from harness.errors import InputError
from harness.series.sources.mailbox import RawMail, is_separator

_MAX_HEADER_BYTES = 64 << 10
_MAX_HEADERS = 1000
_MAX_DEPTH = 5
_MAX_PARTS = 100

_FIELD = re.compile(rb"([!-9;-~]{1,76}):[ \t]*")
_WORD = re.compile(r"=\?([A-Za-z0-9_.:*-]{1,40})\?([bBqQ])\?([^?\s]{0,2000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t]{1,80}(?==\?[A-Za-z0-9_.:*-]{1,40}\?[bBqQ]\?)")
# Codecs that are character sets: Python's decode() also knows others, some of them slow.
_CHARSET = re.compile(
    r"(?:utf-?8|us-ascii|ascii|iso-?8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(?:jp|kr)"
    r"|iso-2022-(?:jp|kr)|shift_jis)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """Lines without their ends, and the file's line number of each (of its part's start where it was base64)."""

    lines: list[bytes]
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class Mail:
    """A message: raw unfolded headers by lower-case name (the first of each), and the decoded text."""

    place: str
    line: int
    separator: bytes
    headers: dict[str, bytes]
    text: Text
    charset: str
    form: str = "mail"  # or the kind of archive page it was read from: patchwork, public-inbox, spinics, hypermail, -mm
    damage: str = ""  # what the page did to the text that makes it no patch as it stands: "whitespace lost"

    def header(self, name: str) -> str:
        """A header, decoded for people; "" where there is none."""
        return decode_words(self.headers.get(name, b""))

    def render(self, end: int) -> bytes:
        """This message as one plain mail for `git am --keep-cr`: no encodings, no other parts, no foreign headers.

        Blank lines at the end go, but none before line `end` of the text: a hunk may end in one.
        """
        last = len(self.text.lines)
        while last > end and not self.text.lines[last - 1].strip():
            last -= 1
        head = [
            title + b": " + self.headers[name]
            for name, title in (
                ("from", b"From"), ("date", b"Date"), ("subject", b"Subject"), ("message-id", b"Message-ID"),
            )
            if name in self.headers
        ]  # fmt: skip
        head += [b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=" + self.charset.encode()]
        head += [b"Content-Transfer-Encoding: 8bit", b""]
        body = self.text.lines[:last]
        if b"\nFrom " in b"\n".join([b"", *body]):
            body = [b">" + line if is_separator(line) else line for line in body]
        return b"\n".join([*head, *body, b""])


def parse_mail(raw: RawMail) -> Mail | None:
    """Take a message apart; None if it does not begin with headers.  Raises InputError."""
    lines = raw.lines
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if not _FIELD.match(lines[first]):
        return None
    if lines[first].endswith(b"\r"):  # the mail as a whole came with network line ends
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    numbers = list(range(raw.line, raw.line + len(lines)))
    headers, body = _headers(raw.place, Text(lines[first:], numbers[first:]))
    text = _decode(raw.place, headers, body, 0)
    return Mail(raw.place, raw.line, raw.separator, headers, text, charset_of(headers, text))


def header_names(lines: list[bytes]) -> frozenset[str]:
    """The names of the headers that a text begins with; none if what stands there is not headers alone."""
    found: set[str] = set()
    for line in lines:
        if not line.strip():
            if found:
                break
        elif match := _FIELD.match(line):
            found.add(match[1].decode("ascii").lower())
        elif not (found and line[:1] in (b" ", b"\t")) and not line.startswith((b"From ", b">From ")):
            return frozenset()
        if len(found) > _MAX_HEADERS:
            return frozenset()
    return frozenset(found)


def _headers(place: str, text: Text) -> tuple[dict[str, bytes], Text]:
    """Headers up to the blank line, and the rest."""
    found: dict[str, bytes] = {}
    name, value = "", [b""]
    count = 0

    def keep() -> None:
        joined = b" ".join(value).strip()
        if len(joined) > _MAX_HEADER_BYTES:
            raise InputError(place, text.numbers[0], f"the header {name}: has more than {_MAX_HEADER_BYTES} bytes")
        if name:
            found.setdefault(name, joined)

    end = len(text.lines)
    for index, line in enumerate(text.lines):
        if not line.strip():
            end = index + 1
            break
        if line[:1] in (b" ", b"\t"):
            value.append(line.strip())
        elif match := _FIELD.match(line):
            keep()
            name, value = match[1].decode("ascii").lower(), [line[match.end() :].rstrip()]
            count += 1
        elif count or not line.startswith((b"From ", b">From ")):
            raise InputError(place, text.numbers[index], "neither a mail header nor the blank line that ends them")
        if count > _MAX_HEADERS:
            raise InputError(place, text.numbers[index], f"more than {_MAX_HEADERS} mail headers")
    keep()
    return found, Text(text.lines[end:], text.numbers[end:])


def _parameter(value: bytes, name: bytes) -> bytes:
    found = re.search(rb"[;\s]" + name + rb'\s{0,9}=\s{0,9}(?:"([^"]{1,200})"|([^";\s]{1,200}))', value, re.IGNORECASE)
    return (found[1] or found[2]) if found else b""


def _decode(place: str, headers: dict[str, bytes], text: Text, depth: int) -> Text:
    """The text of a body, whatever it is wrapped in; parts that are no text are left out."""
    kind = headers.get("content-type", b"text/plain")
    if kind.lower().startswith(b"multipart/"):
        return _parts(place, _parameter(kind, b"boundary"), text, depth)
    if _parameter(kind, b"format").lower() == b"flowed" and any(line.startswith(b"diff --git ") for line in text.lines):
        at = text.numbers[0] if text.numbers else 0
        raise InputError(
            place,
            at,
            "sent as format=flowed, which breaks lines and blanks",
            fix="take the patch from the author's tree",
        )
    encoding = headers.get("content-transfer-encoding", b"").strip().lower()
    if encoding == b"quoted-printable":
        return _quoted_printable(text)
    if encoding == b"base64":
        return _base64(place, text)
    return text


def _parts(place: str, boundary: bytes, text: Text, depth: int) -> Text:
    start = text.numbers[0] if text.numbers else 0
    if not boundary or depth >= _MAX_DEPTH:
        raise InputError(place, start, "a multipart mail that cannot be taken apart")
    begin, end = b"--" + boundary, b"--" + boundary + b"--"
    cuts: list[int] = []
    for index, line in enumerate(text.lines):
        stripped = line.rstrip()
        if stripped in (begin, end):
            cuts.append(index)
            if stripped == end:
                break
    else:
        cuts.append(len(text.lines))
    if len(cuts) > _MAX_PARTS:
        raise InputError(place, start, f"a multipart mail of more than {_MAX_PARTS} parts")
    out = Text([], [])
    for here, there in pairwise(cuts):
        part = Text(text.lines[here + 1 : there], text.numbers[here + 1 : there])
        headers, body = _headers(place, part) if part.lines and part.lines[0].strip() else ({}, part)
        kind = headers.get("content-type", b"text/plain").lower()
        if kind.startswith((b"text/", b"multipart/")) and not kind.startswith(b"text/html"):
            inner = _decode(place, headers, body, depth + 1)
            out.lines.extend(inner.lines)
            out.numbers.extend(inner.numbers)
    return out


def _quoted_printable(text: Text) -> Text:
    out = Text([], [])
    pending: list[bytes] = []
    at = 0
    for line, number in zip(text.lines, text.numbers, strict=True):
        stripped = line.rstrip()
        at = at if pending else number
        if stripped.endswith(b"="):
            pending.append(stripped[:-1])
            continue
        _extend(out, binascii.a2b_qp(b"".join([*pending, stripped])), at)
        pending = []
    if pending:
        _extend(out, binascii.a2b_qp(b"".join(pending)), at)
    return out


def _base64(place: str, text: Text) -> Text:
    at = text.numbers[0] if text.numbers else 0
    # A mailing list's footer may follow in plain text; base64 ends at the first blank line after it began.
    packed: list[bytes] = []
    for line in text.lines:
        if line.strip():
            packed.append(line.strip())
        elif packed:
            break
    try:
        data = binascii.a2b_base64(b"".join(packed))
    except binascii.Error as error:
        raise InputError(place, at, f"broken base64 text: {error}") from error
    if b"\0" in data:
        raise InputError(place, at, "binary data (a NUL byte) in base64 text: this is no patch mail")
    out = Text([], [])
    _extend(out, data, at)
    if out.lines and not out.lines[-1]:
        out.lines.pop()
        out.numbers.pop()
    return out


def _extend(out: Text, data: bytes, number: int) -> None:
    for line in data.replace(b"\r\n", b"\n").split(b"\n"):
        out.lines.append(line)
        out.numbers.append(number)


def charset_of(headers: dict[str, bytes], text: Text) -> str:
    """UTF-8 if it is that, else what the mail says, else Latin-1 (git's own order)."""
    whole = b"\n".join(text.lines)
    if not whole.isascii():
        try:
            whole.decode()
        except UnicodeDecodeError:
            stated = _parameter(headers.get("content-type", b""), b"charset").decode("latin-1")
            return stated if _CHARSET.match(stated) else "ISO-8859-1"
    return "UTF-8"


def decode_words(value: bytes) -> str:
    """A header for people: RFC 2047 words decoded, control characters gone.  Never raises on bad input."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    if "=?" in text:
        text = _WORD.sub(_word, _BETWEEN_WORDS.sub(r"\1", text))
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text.strip()


def _word(match: re.Match[str]) -> str:
    charset, encoding, packed = match[1].split("*")[0], match[2].lower(), match[3]
    if not _CHARSET.match(charset):
        return match[0]
    try:
        data = packed.encode("ascii")
        raw = binascii.a2b_base64(data) if encoding == "b" else binascii.a2b_qp(data, header=True)
        return raw.decode(charset)
    except (ValueError, LookupError):  # binascii.Error and UnicodeError are ValueErrors
        return match[0]

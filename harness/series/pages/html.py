"""HTML -> the text that a browser would save, line by line, with the links and comments of the source.

A scanner of its own, not `html.parser`: that one takes quadratic time on broken markup (CVE-2025-6069), and what is
read here is a stranger's.  Every byte is looked at a fixed number of times, nothing is nested, and a tag has a limit.
Knows no archive.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.errors import InputError

_MAX_TAG = 64 << 10  # characters; search forms and data: images come near
_MAX_LINE = 1 << 20  # characters of text
_MAX_COMMENTS = 200
_MAX_COMMENT = 2000
_MAX_LINKS = 100_000
_MAX_LINES = 500_000
_MAX_TAGS = 500_000  # comments are counted too; a thread of a thousand mails has not half of it

_OPENER = re.compile(r"<(?=[A-Za-z/!?])")
# A quote counts after an equals sign only, as browsers have it.  Possessive: what has matched is never tried again.
_TAG = re.compile(r"<(/?[A-Za-z][^\s/>]{0,30}+)((?:[^>=]++|=\s{0,9}+(?:\"[^\"]*+\"|'[^']*+')?+)*+)>")
_HREF = re.compile(r"\shref\s{0,9}=\s{0,9}(?:\"([^\"]{0,2000})\"|'([^']{0,2000})'|([^\s\"'>]{1,2000}))", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#\d{1,7}(?!\d)|#[xX][0-9a-fA-F]{1,6}(?![0-9a-fA-F])|[A-Za-z][A-Za-z0-9]{1,31});?")
_BLANKS = re.compile(r"[ \t\r\n\f]++")
_LEADING = re.compile(r"[ \t\r\n\f]*+")
_MAX_BROKEN = 100  # tags whose quotes do not end

_SKIPPED = {"script", "style", "template", "title", "textarea", "select", "iframe", "noscript", "svg"}  # to their end
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "legend", "li", "main",
    "nav", "ol", "p", "pre", "section", "table", "tbody", "thead", "tr", "ul",
}  # fmt: skip
_APART = {
    "blockquote",
    "dl",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "ol",
    "p",
    "pre",
    "table",
    "ul",
}  # an empty line
_CELLS = {"td", "th"}


def is_html(data: bytes) -> bool:
    """Whether a file is an HTML page."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "replace").encode()
    head = head.lstrip().lower()
    while head.startswith((b"<!--", b"<?")):
        end = head.find(b"-->" if head.startswith(b"<!--") else b">")
        if end < 0:
            return b"<html" in data[:4096].lower()
        head = head[end + 1 :].lstrip(b"-> \t\r\n")
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<pre", b"<form", b"<h1"))


@dataclass(slots=True)
class _Text:
    """The lines as they are made."""

    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    links: dict[int, list[str]] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)  # of the line that is being made
    length: int = 0
    started: int = 0  # the number of its first line in the source
    space: bool = False  # blanks were met that count once there is more
    gap: bool = False  # an empty line is due before more
    link_count: int = 0

    def add(self, text: str, number: int) -> None:
        if self.gap and text:
            self.gap = False
            if self.lines and self.lines[-1]:
                self._store("", number)
        if not self.parts:
            self.started = number
        self.parts.append(text)
        self.length += len(text)

    def end(self, number: int) -> None:
        """End the line that is being made, empty or not."""
        self._store("".join(self.parts), self.started if self.parts else number)
        self.parts, self.length, self.space = [], 0, False

    def block(self, number: int) -> None:
        """Be at the start of a line."""
        if self.parts:
            self.end(number)
        self.space = False

    def link(self, target: str) -> None:
        if self.link_count < _MAX_LINKS:
            self.link_count += 1
            self.links.setdefault(len(self.lines) + bool(self.gap and self.lines and self.lines[-1]), []).append(target)

    def _store(self, line: str, number: int) -> None:
        self.lines.append(line)
        self.numbers.append(number)


def read_html(place: str, text: str) -> tuple[list[str], list[int], dict[int, list[str]], list[str]]:
    """Lines, their numbers in the source, the links on each by index, and the first comments.

    Raises InputError on a page beyond all measure.
    """
    out = _Text()
    comments: list[str] = []
    preformatted = after_pre = False
    number = 1
    for name, piece in _pieces(place, text):
        if not name:
            begin = _first_line_end(piece) if after_pre else 0  # it is none of the text
            if len(out.lines) > _MAX_LINES or out.length > _MAX_LINE or _beyond(piece, preformatted):
                raise _too_much(place, number)
            (_preformatted if preformatted else _flowing)(out, piece[begin:], number + bool(begin))
        elif name == "!--":
            if len(comments) < _MAX_COMMENTS and len(piece) < _MAX_COMMENT:
                comments.append(_plain(piece[4:-3]))
        elif name != "!":
            if name.removeprefix("/") == "pre":
                preformatted = name == "pre"
            _tag(out, name, piece, number, preformatted)
        after_pre = name == "pre" or (after_pre and not piece)
        number += piece.count("\n")
    out.block(number)
    if len(out.lines) > _MAX_LINES:
        raise _too_much(place, number)
    return out.lines, out.numbers, out.links, comments


def _too_much(place: str, number: int) -> InputError:
    return InputError(
        place, number, "a page of too many tags or lines, or of too long ones", fix="give the thread's mailbox"
    )


def _beyond(text: str, preformatted: bool) -> bool:
    """Whether a stretch of text has too many or too long lines; character references make a line longer here."""
    if len(text) <= _MAX_LINES:
        return False
    if preformatted and text.count("\n") > _MAX_LINES:
        return True
    return max(map(len, text.split("\n") if preformatted else [text])) > 4 * _MAX_LINE


def _first_line_end(text: str) -> int:
    """The length of the line end that a text begins with."""
    return 1 if text.startswith("\n") else 2 if text.startswith("\r\n") else 0


def _pieces(place: str, text: str) -> Iterator[tuple[str, str]]:
    """All of a page: text with the name "", comments "!--", declarations "!", tags by name; what is skipped too."""
    at, broken, count = 0, 0, 0
    while opener := _OPENER.search(text, at):
        start = opener.start()
        count += 1
        if count > _MAX_TAGS:
            raise _too_much(place, 0)
        yield "", text[at:start]
        if text.startswith("<!--", start):
            end = text.find("-->", start + 4)
            at = end + 3 if end >= 0 else len(text)
            yield "!--", text[start:at]
        elif found := _TAG.match(text, start, start + _MAX_TAG):
            name, at = found[1].lower(), found.end()
            yield name, found[0]
            if name in _SKIPPED:
                closing = re.compile(f"</{name}(?![A-Za-z])", re.IGNORECASE).search(text, at)
                end = closing.start() if closing else len(text)
                yield "!", text[at:end]
                at = end
        else:
            end = text.find(">", start, start + _MAX_TAG)
            broken += 1
            if broken > _MAX_BROKEN or (end < 0 and len(text) - start > _MAX_TAG):
                raise InputError(place, 0, "HTML that is broken beyond measure", fix="save the page as text")
            at = end + 1 if end >= 0 else len(text)
            yield "!", text[start:at]
    yield "", text[at:]


def _plain(text: str) -> str:
    """Text with its character references taken; none of them is an end of a line."""
    if "&" in text:
        text = _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
        text = text.replace("\n", " ") if "\n" in text else text
    return text.replace("\r", " ") if "\r" in text else text


def _preformatted(out: _Text, text: str, number: int) -> None:
    lines = text.replace("\r\n", "\n").split("\n")
    for index, line in enumerate(lines):
        if line:
            out.add(_plain(line), number + index)
        if index < len(lines) - 1:
            out.end(number + index)


def _flowing(out: _Text, text: str, number: int) -> None:
    """Text in which every run of blanks is one."""
    leading = _LEADING.match(text)
    assert leading is not None
    words = _BLANKS.sub(" ", text).strip(" ")
    if not words:
        out.space = out.space or bool(text)
        return
    apart = bool(out.parts) and (out.space or leading.end() > 0)
    out.add((" " if apart else "") + _plain(words), number + leading[0].count("\n"))
    out.space = text[-1] in " \t\r\n\f"


def _tag(out: _Text, name: str, tag: str, number: int, preformatted: bool) -> None:
    """What a tag does to the lines."""
    bare = name.removeprefix("/").removesuffix("/")
    if bare == "br":
        out.end(number)
    elif name == "a":
        if found := _HREF.search(tag):
            out.link(_plain(next(part for part in found.groups() if part is not None)))
    elif bare in _CELLS:
        out.space = True
    elif bare in _BLOCKS:
        out.block(number)
        out.gap = out.gap or bare in _APART

"""A commit message that lost its line ends: trailers on lines of their own, the rest wrapped anew.

Nothing but blanks and line ends is changed.  Knows no diffs.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 75
_RULE = b"---"
_TRAILER = re.compile(
    rb"(?:(?<= )|^)(?:(?:Signed-off|Reviewed|Acked|Tested|Reported|Suggested|Co-developed|Debugged|Bisected|Requested"
    rb"|Assisted)(?:-and-[a-z]{1,20})?-by|Fixes|Link|Closes|Cc|Message-ID): (?=\S)"
)
# Where a paragraph or a reference begins; the words are those of the -mm tree's notices and of everybody's footnotes.
_PARAGRAPH = re.compile(rb" (?=This patch \(of \d{1,4}\):(?: |$)|\[\d{1,3}\] (?:https?|git)://|-{3,}(?: |$))")
_AFTER = re.compile(rb"(?<=This patch \(of \d\):) |(?<=This patch \(of \d\d\):) ")
_STAT = re.compile(rb"(?:(?<= )|^)(?=\S{1,1000} \| +\d{1,7}(?: [+-]{1,400})?(?: |$)|\d{1,6} files? changed)")
_FOOTNOTE = re.compile(rb"\[\d{1,3}\]")  # stays with its URL, however long
_MISREAD = (
    b"diff ",
    b"Index: ",
    b"---",
    b"@@ ",
    b"From ",
    b">From ",
    b"+++ ",
)  # what git would take for something else


def rewrap(lines: Sequence[bytes]) -> list[bytes]:
    """The lines of a message of which only some line ends are left, if any; ends in `---` and the diffstat."""
    given = [line.strip() for line in lines if line.strip()]
    if _RULE not in given:
        given = [*given[:-1], *_at_rule(given[-1])] if given else [_RULE]
    rule = given.index(_RULE)
    out: list[bytes] = []
    trailers = False
    for line in given[:rule]:
        for block, is_trailers in _blocks(line):
            out += [*([b""] if out and not (trailers and is_trailers) else []), *block]
            trailers = is_trailers
    stat = (b" " + part.strip() for line in given[rule + 1 :] for part in _STAT.split(line) if part.strip())
    return [*out, _RULE, *stat]


def _at_rule(text: bytes) -> list[bytes]:
    """A line cut before and after its last `---`."""
    before, rule, after = (text + b" ").rpartition(b" --- ")
    return [part.strip() for part in (before, rule, after)] if rule else [text, _RULE]


def _blocks(text: bytes) -> Iterator[tuple[list[bytes], bool]]:
    """Paragraphs, and trailers at the end."""
    starts = _trailing(text, [match.start() for match in _TRAILER.finditer(text)])
    for part in _PARAGRAPH.split(text[: starts[0]] if starts else text):
        for piece in _AFTER.split(part):
            if piece.strip():
                yield _wrap(piece), False
    if starts:
        yield [text[a:b].strip() for a, b in zip(starts, [*starts[1:], len(text)], strict=True)], True


def _trailing(body: bytes, starts: Sequence[int]) -> list[int]:
    """The trailers at the end: each begins soon after the one before, so a `Link:` in the text is none."""
    kept: list[int] = []
    end = len(body)
    for start in reversed(starts):
        if end - start > 300:
            break
        kept.insert(0, start)
        end = start
    return kept


def _wrap(text: bytes) -> list[bytes]:
    """Lines of at most WIDTH columns where words allow it; none that git would take for more than text."""
    wrapped = textwrap.wrap(
        text.decode("utf-8", "surrogateescape"), WIDTH, break_long_words=False, break_on_hyphens=False
    )
    lines: list[bytes] = []
    for line in (line.encode("utf-8", "surrogateescape") for line in wrapped):
        if lines and (line.startswith(_MISREAD) or _FOOTNOTE.fullmatch(lines[-1])):
            lines[-1] += b" " + line
        else:
            lines.append(line)
    return lines

"""A commit message that lost its line ends: trailers on lines of their own, the rest wrapped anew.

Nothing but blanks and line ends is changed.  Knows no diffs.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

WIDTH = 75
_TRAILER = re.compile(
    rb"(?:(?<= )|^)(?:(?:Signed-off|Reviewed|Acked|Tested|Reported|Suggested|Co-developed|Debugged|Bisected|Requested"
    rb"|Assisted)(?:-and-[a-z]{1,20})?-by|Fixes|Link|Closes|Cc|Message-ID): (?=\S)"
)
# Where a paragraph or a reference begins; the words are those of the -mm tree's notices and of everybody's footnotes.
_PARAGRAPH = re.compile(rb" (?=This patch \(of \d{1,4}\):(?: |$)|\[\d{1,3}\] (?:https?|git)://|-{3,}(?: |$))")
_AFTER = re.compile(rb"(?<=This patch \(of \d\):) |(?<=This patch \(of \d\d\):) ")
_STAT = re.compile(rb"(?:(?<= )|^)(?=\S{1,1000} \| +\d{1,7}(?: [+-]{1,400})?(?: |$)|\d{1,6} files? changed)")
_MISREAD = (
    b"diff ",
    b"Index: ",
    b"---",
    b"@@ ",
    b"From ",
    b">From ",
    b"+++ ",
)  # what git would take for something else


def rewrap(text: bytes) -> list[bytes]:
    """The lines of a message that is one physical line with single blanks; ends in `---` and the diffstat, if any."""
    body, stat = _split_stat(text)
    trailers = list(_TRAILER.finditer(body))
    last = _trailing(body, [match.start() for match in trailers])
    lines: list[bytes] = []
    for part in _PARAGRAPH.split(body[: last[0]] if last else body):
        for piece in _AFTER.split(part):
            if piece.strip():
                lines += [*([b""] if lines else []), *_wrap(piece)]
    if last:
        lines.append(b"")
        for begin, end in zip(last, [*last[1:], len(body)], strict=True):
            lines.append(body[begin:end].strip())
    if stat:
        lines += [b"---", *(b" " + line for line in stat)]
    return lines if stat else [*lines, b"---"]


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


def _split_stat(text: bytes) -> tuple[bytes, list[bytes]]:
    """The text before the last `---`, and the lines of the diffstat behind it."""
    before, dashes, after = text.rpartition(b" --- ")
    if not dashes:
        return (text[: -len(b" ---")], []) if text.endswith(b" ---") else (text, [])
    return before, [line.strip() for line in _STAT.split(after) if line.strip()]


def _wrap(text: bytes) -> list[bytes]:
    """Lines of at most WIDTH columns where words allow it; none that git would take for more than text."""
    wrapped = textwrap.wrap(
        text.decode("utf-8", "surrogateescape"), WIDTH, break_long_words=False, break_on_hyphens=False
    )
    lines: list[bytes] = []
    for line in (line.encode("utf-8", "surrogateescape") for line in wrapped):
        if lines and line.startswith(_MISREAD):
            lines[-1] += b" " + line
        else:
            lines.append(line)
    return lines

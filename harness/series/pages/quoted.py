"""Whether a diff survived its page, and the patch that a reply quotes as a whole.

A patch that stands in a reply is the author's, not the replier's, and it is never a patch to be applied as it stands:
it says who made it, what it changes, and that it has to be had elsewhere or repaired.  Knows lines, not pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.series.pages.dates import mail_date
from harness.series.pages.plain import own_address, signers

LOST = "whitespace lost"
QUOTED = "quoted in a reply"

_HUNK = re.compile(rb"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_SIGNATURE = (b"--", b"-- ")
_DATE = (
    r"(?:[A-Z][a-z]{2}, )?(?:[A-Z][a-z]{2} \d{1,2}, \d{4} at \d{1,2}:\d\d(?::\d\d)? ?[AP]M(?: [+-]\d{4})?"
    r"|\d{1,2} [A-Z][a-z]{2} \d{4} \d{1,2}:\d\d(?::\d\d)?(?: [+-]\d{4})?(?: \([A-Z]{1,5}\))?"
    r"|\d{4}-\d\d-\d\d(?: at)? \d{1,2}:\d\d(?::\d\d)?(?: [+-]\d{4})?)"
)
_ATTRIBUTION = re.compile(rf"On ({_DATE}),? ([^<>]{{1,200}}?)(?: <([^<>\s]{{1,200}}@[^<>\s]{{1,200}})>)? wrote:$")
_ATTRIBUTION_LINES = 4


def unquote(lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """The lines that a reply quotes, one mark less, with their indexes; what the replier wrote is left out."""
    return [
        (index, line[2:] if line[1:2] == b" " else line[1:]) for index, line in enumerate(lines) if line[:1] == b">"
    ]


def damage(lines: Sequence[bytes]) -> str:
    """LOST if the diff in these lines does not close as it stands, but does when blanks are not asked for."""
    spans = list(_hunks(lines))
    if not spans or not closes(lines, blanks_lost=True):
        return ""
    if not closes(lines, blanks_lost=False):
        return LOST
    inside = [line for start, end in spans for line in lines[start + 1 : end]]
    # One context line that kept its blank shows that lines kept theirs; else runs of blanks must have survived.
    kept = any(line[:1] == b" " and line.strip() for line in inside) or any(
        b"\t" in line or b"  " in line for line in inside
    )
    return "" if kept else LOST


def _hunks(lines: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Where hunks begin, and where they end at the latest."""
    starts = [index for index, line in enumerate(lines) if line.startswith(b"@@ -") and _HUNK.match(line)]
    yield from pairwise([*starts, len(lines)])


def closes(lines: Sequence[bytes], *, blanks_lost: bool) -> bool:
    """Whether there is a diff and the counts of all its hunks come out."""
    found = False
    for start, limit in _hunks(lines):
        match = _HUNK.match(lines[start])
        assert match is not None
        old, new = (1 if part is None else int(part) for part in match.groups())
        at = start + 1
        while (old > 0 or new > 0) and at < limit:
            kind = lines[at][:1]
            if kind not in (b"", b" ", b"+", b"-", b"\\") and not blanks_lost:
                return False
            old -= kind not in (b"+", b"\\")
            new -= kind not in (b"-", b"\\")
            at += 1
        if old or new or not _ends(lines, at, limit):
            return False
        found = True
    return found


def _ends(lines: Sequence[bytes], at: int, limit: int) -> bool:
    """Whether what follows a hunk is no more of it."""
    rest = lines[at] if at < limit else b""
    return rest[:1] not in (b"+", b"-", b" ") or rest in _SIGNATURE or rest.startswith(b"--- ") or not rest.strip()


def quoted_patch(lines: Sequence[bytes]) -> tuple[list[int], list[bytes], dict[str, bytes], str] | None:
    """Indexes and text of a patch that a reply quotes whole, its author and date, its damage; None if there is none."""
    quoted = unquote(lines)
    text = [line for _, line in quoted]
    if not any(line.startswith((b"diff --git ", b"--- a/")) for line in text) or not closes(text, blanks_lost=True):
        return None
    headers: dict[str, bytes] = {}
    name, address, date = _attribution(lines[: quoted[0][0]])
    if name:
        headers["from"] = name + b" <" + address + b">" if address else own_address(name, text)
    elif len(people := signers(text)) == 1:
        headers["from"] = people[0]
    if date:
        headers["date"] = date
    return [index for index, _ in quoted], text, headers, damage(text) or QUOTED


def _attribution(lines: Sequence[bytes]) -> tuple[bytes, bytes, bytes]:
    """Name, address and date of the line that says who wrote what is quoted below; it may be broken in two."""
    above = [line for line in lines if line.strip()][-_ATTRIBUTION_LINES:]
    for count in range(1, len(above) + 1):
        text = " ".join(b" ".join(above[-count:]).decode("utf-8", "replace").split())
        if found := _ATTRIBUTION.match(text):
            return found[2].encode(), (found[3] or "").encode(), mail_date(found[1]).encode()
    return b"", b"", b""

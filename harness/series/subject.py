"""Subject lines: `[PATCH RESEND v3 02/10] mm: title`.  Knows text only: no mail, no patch."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BRACKETS = re.compile(r"\s*\[([^\[\]]{0,200})\]")
_REPLY = re.compile(r"\s*(?:re|aw|sv|antw|fwd?)(?:\[\d{1,4}\])?\s*:", re.IGNORECASE)
_COUNT = re.compile(r"(\d{1,4}|\?)/(\d{1,4})$")  # ?/m: of m, no more is known
_VERSION = re.compile(r"(?:patch)?v(\d{1,3})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject taken apart; `number` and `total` are None where there is no n/m."""

    title: str
    version: int = 1
    number: int | None = None
    total: int | None = None
    tagged: bool = False  # says PATCH or RFC
    resend: bool = False  # no version of its own: RESEND v3 is v3
    reply: bool = False


def parse_subject(text: str) -> Subject:
    """Take a decoded, unfolded subject apart.  All leading brackets go, as in `git am`."""
    version, number, total = 1, None, None
    tagged = resend = reply = False
    rest = " ".join(text.split())
    while True:
        if found := _REPLY.match(rest):
            reply = True
        elif found := _BRACKETS.match(rest):
            for word in re.split(r"[\s,:]+", found[1]):
                upper = word.upper()
                tagged |= upper.startswith("PATCH") or upper == "RFC"
                resend |= upper in ("RESEND", "REPOST")
                if count := _COUNT.match(word):
                    number, total = None if count[1] == "?" else int(count[1]), int(count[2])
                elif stated := _VERSION.match(word):
                    version = int(stated[1])
        else:
            break
        rest = rest[found.end() :]
    return Subject(rest.strip(), version, number, total, tagged, resend, reply)

"""The text of a reply -> the tags its author gives there: Reviewed-by and the like.

Only lines that the reply's author wrote count: nothing quoted, nothing forwarded, nothing of a patch that the reply
carries.  Knows one text at a time; which patch it answers is the survey's to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TRAILER = re.compile(
    rb"^([A-Z][A-Za-z-]{1,40}-[Bb]y):[ \t]{1,20}(\S.{0,300})(?:\n[ \t]{1,20}(<[^<>\n]{1,200}>)[ \t]{0,20})?$",
    re.MULTILINE,
)
# From here on the words are another's, or another mail's: a signature, scissors, a forwarded or top-quoted mail.
_END = re.compile(
    rb"^(?:-- ?|[ -]{0,40}(?:8<|>8)[ -].{0,100}|-{2,20} ?(?:Original|Forwarded) [Mm]essage.{0,60}|_{20,80}"
    rb"|diff --git .{1,1000}|--- a/.{1,1000})\r?$",
    re.MULTILINE,
)
_ADDRESS = re.compile(r"<([^<>\s]{1,200}@[^<>\s]{1,200})>")


def trailers_of(text: bytes, charset: str) -> tuple[str, ...]:
    """The tags in the unquoted lines of a reply, as `Name: value`, in their order and each once."""
    if b"-by:" not in text and b"-By:" not in text:
        return ()
    carries_patch = has_patch(text)
    if end := _END.search(text):
        text = text[: end.start()]
    found: list[str] = []
    for name, value, wrapped in _TRAILER.findall(text):
        # Whoever passes a patch on signs it; that is no word on the patch that is answered.
        if carries_patch and name.lower() == b"signed-off-by":
            continue
        words = b" ".join([value.strip(), wrapped]).strip()
        if b"@" in words:
            line = f"{name.decode('ascii')}: {words.decode(charset, 'replace')}"
            found.append("".join(char if char.isprintable() else " " for char in line))
    return merged(found)


def has_patch(text: bytes) -> bool:
    """Whether a diff stands in a text unquoted."""
    if text.startswith(b"diff --git ") or b"\ndiff --git " in text:
        return True
    return b"\n--- " in text and b"\n+++ " in text and b"\n@@ -" in text


def merged(trailers: Iterable[str]) -> tuple[str, ...]:
    """Without those that say the same of the same person; an address behind a mask is taken to be the open one's."""
    kept: dict[tuple[str, str], str] = {}
    for trailer in trailers:
        name, _, value = trailer.partition(":")
        key = name.lower(), person(value)
        if key not in kept or is_masked(kept[key]):
            kept[key] = trailer
    return tuple(kept.values())


def person(words: str) -> str:
    """A person's name to compare by, or the address where there is no name."""
    name = words.partition("<")[0].strip().strip('"').strip()
    if not name or "@" in name:
        name = words.partition("<")[2].partition(">")[0] or words
    return " ".join(name.casefold().split())


def is_masked(words: str) -> bool:
    """Whether an archive has hidden the domain of an address: `ada@xxxxxxxxxxx`."""
    return any(set(match.rpartition("@")[2].replace(".", "")) == {"x"} for match in _ADDRESS.findall(words))

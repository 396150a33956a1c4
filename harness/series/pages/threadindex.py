"""The tree of a thread that public-inbox writes under it: one line a message, two blanks a level.

    2026-01-01 10:00 [PATCH 0/1] mm: title A. Author
    2026-01-01 10:01 ` [PATCH 1/1] mm: other title A. Author
    2026-01-01 12:30   ` B. Reviewer                             (a subject that did not change is left out,
    2026-01-01 12:40   ` [PATCH 2/2] " A. Author                  and so are the words at its end that did not)
         [not found] ` <20260101.1@example.org>

Subject and author have nothing between them; the authors that the page names elsewhere tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_LINE = re.compile(
    rb"(?P<date>\d{4}-\d\d-\d\d [ \d]\d:\d\d| {1,9}\[not found\])"
    rb" (?P<indent> {0,2000})(?P<tick>` )?(?P<rest>\S.{0,2000})$"
)
_GHOST = re.compile(rb"<([^\s<>]{1,400})>\s{0,9}$")
_LEFT_OUT = re.compile(rb" {1,2100}(?:` )?\(\d{1,6} [a-z .]{1,40}\)\s{0,9}$")  # (9 preceding siblings ...)
_REPLY = re.compile(rb"(?:(?:re|aw)(?:\[\d{1,3}\])?:\s{0,9}){1,9}", re.IGNORECASE)
_MAX_NAME_WORDS = 40
_MAX_TRIED = 200  # entries of one author in one minute
_THIS = b" [this message]"


@dataclass(slots=True)
class Entry:
    """One line of the tree."""

    parent: Entry | None
    date: bytes
    name: bytes = b""
    subject: bytes = b""  # as far as the line shows it, or the line above it if this one has none
    exact: bool = False  # that is the whole of it
    token: bytes = b""  # what a References header calls the message; of one that is not on the page, its Message-ID
    used: bool = False

    def ancestors(self) -> list[bytes]:
        """The tokens of the messages above, root first, those that have one."""
        found: list[bytes] = []
        at = self.parent
        while at is not None and len(found) < _MAX_TRIED:
            if at.token:
                found.append(at.token)
            at = at.parent
        return found[::-1]


@dataclass(frozen=True, slots=True)
class Index:
    """The whole tree; an entry is looked up by date and author, then by subject."""

    entries: list[Entry] = field(default_factory=list)
    by_sender: dict[tuple[bytes, bytes], list[Entry]] = field(default_factory=dict)

    def take(self, date: bytes, name: bytes, subject: bytes) -> Entry | None:
        """The entry of a message, which no other message gets then; None if the tree has none."""
        wanted = bare(subject)
        free = [entry for entry in self.by_sender.get((date, name), ())[:_MAX_TRIED] if not entry.used]
        best = next((entry for entry in free if entry.exact and entry.subject == wanted), None)
        best = best or next((entry for entry in free if not entry.exact and wanted.startswith(entry.subject)), None)
        best = best or next(iter(free), None)
        if best:
            best.used = True
            self.by_sender[date, name].remove(best)
        return best or (self.take(date, b"", subject) if name else None)


def bare(subject: bytes) -> bytes:
    """A subject without its Re:, blanks as one."""
    return b" ".join(_REPLY.sub(b"", subject.strip(), count=1).split())


def read_index(lines: Sequence[bytes], names: set[bytes]) -> Index:
    """The tree in these lines, up to the first that is none of its own."""
    index = Index()
    above: list[tuple[int, Entry]] = []  # the last entry of each level down to this one
    last: Entry | None = None
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            if line.lstrip().startswith(b"-- ") or _LEFT_OUT.match(line):
                continue  # "strict thread matches above", "links below jump to …"
            break
        entry = Entry(None, found["date"])
        if found["date"].endswith(b"]"):
            ghost = _GHOST.match(found["rest"])
            entry.token = b"<" + ghost[1] + b">" if ghost else b""
        else:
            _told_apart(entry, found["rest"].removesuffix(_THIS), names, last)
            index.by_sender.setdefault((entry.date, entry.name), []).append(entry)
            last = entry
        level = len(found["indent"]) // 2 + 1 if found["tick"] else 0
        while above and above[-1][0] >= level:
            above.pop()
        entry.parent = above[-1][1] if above else None
        above.append((level, entry))
        index.entries.append(entry)
    return index


def _told_apart(entry: Entry, rest: bytes, names: set[bytes], last: Entry | None) -> None:
    """Author and subject of a line; one whose author is not known keeps an empty name."""
    words = rest.split(b" ")
    for count in range(min(len(words), _MAX_NAME_WORDS), 0, -1):
        if (name := b" ".join(words[-count:])) in names:
            entry.name = name
            subject = words[:-count]
            if not subject:
                entry.subject, entry.exact = (last.subject, last.exact) if last else (b"", False)
            else:
                entry.exact = subject[-1] != b'"'
                entry.subject = bare(b" ".join(subject if entry.exact else subject[:-1]))
            return
    entry.subject = bare(rest)

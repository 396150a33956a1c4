"""What the mails of a series say of the tree that it is for.  Knows words, not trees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.model import BaseHints

_COMMIT = re.compile(rb"^base-commit: ([0-9a-f]{12,64})\s{0,9}$")
_PREREQUISITE = re.compile(rb"^prerequisite-patch-id: ([0-9a-f]{12,64})\s{0,9}$")
_SAID = re.compile(
    rb"\b(?:appl(?:y|ies)(?: cleanly)? (?:on|over|to)|based (?:on|off)|on top of|rebased (?:on|to)|against)\b"
    rb".{0,80}\b(?:mm-(?:unstable|stable|new|hotfixes|everything)|linux-next|linus|mainline|v?[2-9]\.\d{1,2}(?:-rc\d)?|next-\d{8})",
    re.IGNORECASE,
)
_MAX_SAID = 5
_MAX_WORDS = 300  # characters of what a person says


def hints_in(lines: Sequence[bytes], charset: str) -> BaseHints:
    """The hints in a mail's text outside its diff."""
    commit = ""
    prerequisites: list[str] = []
    said: list[str] = []
    for line in lines:
        if line.startswith(b"base-commit:") and (found := _COMMIT.match(line)):
            commit = commit or found[1].decode()
        elif line.startswith(b"prerequisite-patch-id:") and (found := _PREREQUISITE.match(line)):
            prerequisites.append(found[1].decode())
        elif len(line) <= _MAX_WORDS and not line.startswith(b">") and len(said) < _MAX_SAID and _SAID.search(line):
            words = "".join(char if char.isprintable() else " " for char in line.decode(charset, "replace"))
            said.append(" ".join(words.split()))
    return BaseHints(commit, tuple(prerequisites), tuple(said))


def together(hints: Iterable[BaseHints]) -> BaseHints:
    """The hints of all mails of a series as one; the first commit that is named."""
    every = list(hints)
    return BaseHints(
        next((each.commit for each in every if each.commit), ""),
        tuple(dict.fromkeys(name for each in every for name in each.prerequisite_patch_ids)),
        tuple(dict.fromkeys(words for each in every for words in each.said))[:_MAX_SAID],
    )

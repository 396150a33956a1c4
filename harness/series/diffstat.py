"""The diffstat that a mail states, and whether the diff agrees.  Knows text and counts, neither mails nor trees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import FileChange

_SUMMARY = re.compile(
    rb"(?:^|[ \t])(\d{1,6}) files? changed(?:, (\d{1,9}) insertions?\(\+\))?(?:, (\d{1,9}) deletions?\(-\))?(?![,\d])"
)


@dataclass(frozen=True, slots=True)
class Stated:
    """`files` files changed, so many insertions and deletions, as the mail says."""

    files: int
    additions: int
    deletions: int

    def __str__(self) -> str:
        return f"{self.files} {'file' if self.files == 1 else 'files'}, +{self.additions} -{self.deletions}"


def stated_in(lines: Sequence[bytes]) -> Stated | None:
    """The last diffstat summary in these lines; None where there is none (or one that counts modifications too)."""
    for line in reversed(lines):
        if b" changed" in line and len(line) < 100_000 and (found := list(_SUMMARY.finditer(line))):
            return Stated(*(int(count or 0) for count in found[-1].groups()))
    return None


def counted(files: Sequence[FileChange]) -> Stated:
    """What the diff really does."""
    return Stated(len(files), sum(file.additions for file in files), sum(file.deletions for file in files))


def wrong_lines(stated: Stated | None, files: Sequence[FileChange]) -> str:
    """Why the patch cannot be what its author made: other line counts than stated; "" if they agree."""
    real = counted(files)
    if stated is None or (stated.additions, stated.deletions) == (real.additions, real.deletions):
        return ""
    return (
        f"the diffstat says +{stated.additions} -{stated.deletions}, the diff has +{real.additions} -{real.deletions}"
    )


def wrong_files(stated: Stated | None, files: Sequence[FileChange]) -> str:
    """A number of files other than stated; "" if they agree."""
    real = counted(files)
    if stated is None or stated.files == real.files:
        return ""
    return f"the diffstat says {stated.files} files, the diff changes {real.files}"

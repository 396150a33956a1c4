"""What a guest's console has said since it was last listened to, and whose it is.  Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from harness.guest.watch import begin_mark, untimed
from harness.model import Finding
from harness.verdict import console


@dataclass(frozen=True, slots=True)
class Heard:
    """A part of the console: complaints before a command, those from its begin mark on, and the text from there on.

    `late_dropped` and `dropped` are how many messages printk has dropped in each of them.
    """

    late: tuple[Finding, ...]
    late_dropped: int
    findings: tuple[Finding, ...]
    dropped: int
    text: str


def hear(text: str, first_line: int, name: str) -> Heard:
    """Cut a part of the console at a command's begin mark.  Where none is shown, all of it is the command's."""
    lines, mark = text.split("\n"), begin_mark(name)
    at = next((number for number, line in enumerate(lines) if untimed(line) == mark), 0)
    before, since = "\n".join(lines[:at]), "\n".join(lines[at:])
    late, findings = console.scan(before, first_line=first_line), console.scan(since, first_line=first_line + at)
    return Heard(late, console.dropped(before), findings, console.dropped(since), since)


def lines_after(text: str, number: int) -> str:
    """What follows the first `number` lines."""
    return text.split("\n", number)[-1] if text.count("\n") >= number else ""

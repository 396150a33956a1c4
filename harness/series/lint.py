"""A lint of our own on what a patch adds: conditions of assertions that do something.

VM_WARN_ON() and its kin are gone without CONFIG_DEBUG_VM, and with them whatever their condition did; one of WARN_ON()
is always evaluated, until somebody makes it a VM_WARN_ON().  Reads the diff of one commit, knows no C beyond
parentheses and the names of functions: `harness.series.effects` says which of these change something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.model import CompilerMessage
from harness.series.effects import effects_in

OPTION = "side-effect"
"""What messages of this lint are known by."""

CONTEXT_LINES = 25
"""Of a diff that is given to `side_effects`: an assertion may have begun before the lines that a patch adds."""

_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_FILE = re.compile(r"\+\+\+ (?:b/)?([^\t\n]{1,4096})")
_CHECKED = "VM_|VIRTUAL_|MAS_|MT_|DEBUG_NET_|RCU_LOCKDEP_"
"""Of assertions that are there in kernels with the checks of that part alone."""

_MACRO = re.compile(
    rf"\b((?:{_CHECKED})?(?:WARN|BUG)(?:_[A-Z]+)*|mmap_assert_\w+|vma_assert_\w+|lockdep_assert\w*)[ \t]*\("
)
_NOT_ALWAYS = re.compile(rf"(?:{_CHECKED})|\w+_assert|lockdep_assert")
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define\b")
_BLANKED = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'", re.DOTALL)
_END_OF_COMMENT = re.compile(r"\A(?:(?!/\*).)*?\*/", re.DOTALL)


@dataclass(slots=True)
class _Hunk:
    """The new side of a hunk."""

    path: str
    first: int  # the number of its first line
    lines: list[str] = field(default_factory=list)
    added: list[bool] = field(default_factory=list)


def side_effects(diff: str) -> tuple[CompilerMessage, ...]:
    """A message for each assertion with an added line whose condition changes something, in the order of the diff.

    An error where the assertion may be compiled out, a warning where it is always evaluated.
    """
    return tuple(message for hunk in _hunks(diff) for message in _in_hunk(hunk))


def _hunks(diff: str) -> Iterator[_Hunk]:
    """The hunks of C files; how long one is, is what its header says."""
    path, lines = "", iter(diff.split("\n"))
    for line in lines:
        if match := _FILE.match(line):
            path = match[1]
        elif match := _HUNK.match(line):
            hunk = _Hunk(path, int(match[2]))
            _fill(hunk, lines, old=int(match[1] or 1), new=int(match[3] or 1))
            if path.endswith((".c", ".h")):
                yield hunk


def _fill(hunk: _Hunk, lines: Iterator[str], *, old: int, new: int) -> None:
    """Take the lines of a hunk: `old` without those added, `new` without those removed."""
    while old > 0 or new > 0:
        line = next(lines, None)
        if line is None:
            return
        kind = line[:1] or " "
        if kind in " +":
            hunk.lines.append(line[1:])
            hunk.added.append(kind == "+")
        old -= kind in " -"
        new -= kind in " +"


def _in_hunk(hunk: _Hunk) -> Iterator[CompilerMessage]:
    text = _code_only("\n".join(hunk.lines))
    for macro in _MACRO.finditer(text):
        if _DEFINE.match(text[text.rfind("\n", 0, macro.start()) + 1 : macro.start()]):
            continue
        end = _closing(text, macro.end())
        first, last = (text.count("\n", 0, at) for at in (macro.start(), end))
        if not any(hunk.added[first : last + 1]):
            continue
        name = macro[1]
        for effect, at in effects_in(text[macro.end() : end]):
            line = hunk.first + text.count("\n", 0, macro.end() + at)
            gone = _NOT_ALWAYS.match(name) is not None
            why = "it is gone where the assertion is compiled out" if gone else "an assertion should only look"
            severity = "error" if gone else "warning"
            yield CompilerMessage(severity, hunk.path, line, f"{name}() does something: {effect}; {why}", OPTION)


def _code_only(text: str) -> str:
    """The text with comments and literals blanked out, of the same length and lines."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    return _BLANKED.sub(blank, _END_OF_COMMENT.sub(blank, text))


def _closing(text: str, start: int) -> int:
    """Where the parenthesis closes that was opened before `start`; the end of the text if it does not."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return len(text)

"""Whether C may go on in a new line at some place, judged by the characters around it.

Some readings are no C: those are out.  Between others that mean the same a kernel developer's habits choose; between
readings that mean different things nothing here does.  Knows no counts and no tree.
"""

from __future__ import annotations

import re

ODD = 3  # no kernel developer's
TWO_BLANKS = 8  # blank lines in a row

_OPERAND_ENDS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_)]\"'")
_OPERAND_START = re.compile(rb"[\w(]")
_C_FILE = re.compile(r"\.(?:[chS]|dts[io]?|lds)$")
_HEAD = re.compile(rb"(?:\}?(?:else|if|for|while|switch|do)|#|\w{0,40}for_each\w{0,60}\()")
_NO_OPERAND = (b"{", b"}", b"#", b")", b"]", b";", b",", b":", b"?")
_CONDITION = re.compile(rb"(?:\}?else)?(?:if|for|while|switch)\(")
_ASSIGNED = re.compile(rb"[^=!<>]=[^=]")


def is_c(path: str) -> bool:
    """Whether a file's lines are judged as C."""
    return _C_FILE.search(path) is not None


def may_begin(previous: bytes) -> bool:
    """Whether a line may begin with the operator `+`, by the character that the line before ends with."""
    return not previous or previous[0] in _OPERAND_ENDS


def may_join(before: bytes, after: bytes, *, increment: bool) -> bool:
    """Whether `+` may stand in a line between `before`, what it has so far, and `after`; `increment`: as in `++i`."""
    if increment or not before or in_comment(before) or _in_string(before):
        return True
    if after[:1] in _NO_OPERAND:
        return False
    return before[-1] in _OPERAND_ENDS and not _is_whole_head(before)


def may_split(line: bytes, after: bytes, *, increment: bool, star: bool, returns: bool) -> bool:
    """Whether an added line may end as `line` (bare) where one follows that begins with `after`.

    `star`: the line begins with a star and a blank, as lines do in a comment; all those below it do then.
    `returns`: it begins with `return`, so it ends in a semicolon or goes on.
    """
    if after.startswith(b"=") or increment or (star and b"*/" not in line and not after.startswith((b"*", b"+"))):
        return False
    if not line or not after or in_comment(line) or line.startswith(b"#"):
        return True
    if _in_string(line):
        return False
    if line[-1] not in _OPERAND_ENDS or line.endswith((b'"', b"'")) or not _OPERAND_START.match(after):
        return True
    if _HEAD.match(line):
        return line.count(b"(") <= line.count(b")")
    return not returns and line.count(b"(") <= line.count(b")") and not _ASSIGNED.search(line)


def split_cost(line: bytes, after: bytes) -> int:
    """How odd it would be to break a line here."""
    if not line or not after:
        return 0
    cost = ODD if line.startswith(b"+") else 0  # operators end lines, they do not begin them
    if in_comment(line):
        return cost + (0 if after.startswith(b"*") else ODD)
    unfinished = line[-1] in _OPERAND_ENDS and not _HEAD.match(line)
    return cost + (1 if unfinished and not after.startswith((b"{", b"}", b"#")) else 0)


def blank_cost(before: bytes, after: bytes, *, outside: bool) -> int:
    """How odd a blank line would be between two added lines, by the characters around it.

    `outside`: the line after it begins in the first column, where functions are apart from each other.
    """
    if before.endswith((b",", b"(", b"&", b"|", b"=", b"\\", b"+", b"*/")) or after.startswith(b"*"):
        return 2 * ODD
    if before.endswith(b"{") or after.startswith((b"}", b"{")):
        return ODD
    return 0 if outside and before.endswith((b"}", b";")) else 1


def _is_whole_head(line: bytes) -> bool:
    """Whether a line is `else`, `do`, or `if (…)` and the like up to the last bracket: a statement follows."""
    if line in (b"else", b"}else", b"do"):
        return True
    if not line.endswith(b")") or not _CONDITION.match(line):
        return False
    depth = 0
    for at in range(line.index(b"("), len(line)):
        depth += (line[at] == 0x28) - (line[at] == 0x29)
        if depth == 0:
            return at == len(line) - 1
    return False


def _in_string(line: bytes) -> bool:
    """Whether a string is open at a line's end: it goes on only on this line."""
    return line.replace(b"'\"'", b"").replace(b'\\"', b"").count(b'"') % 2 == 1


def in_comment(line: bytes) -> bool:
    """Whether a line's end may be inside a comment, as far as the line itself shows it (without its blanks)."""
    opened, closed = line.rfind(b"/*"), line.rfind(b"*/")
    if opened >= 0:
        return closed < opened + 1
    return b"//" in line or (line.startswith(b"*") and closed < 0 and not line.endswith(b";"))

"""Whether C may go on in a new line at some place, judged by the characters around it.

Only costs, to choose between readings that the counts allow; knows no counts and no tree.
"""

from __future__ import annotations

import re

CERTAIN = 100  # a reading that would be no C
UNLIKELY = 10  # no kernel developer's
ODD = 3

_OPERAND_END = re.compile(rb"[\w)\]\"']$")
_OPERAND_START = re.compile(rb"[\w(\"'&*~!]")
_C_FILE = re.compile(r"\.(?:[chS]|dts[io]?|lds)$")
_HEAD = re.compile(rb"(?:\}?(?:else|if|for|while|switch|do)\b|#|[A-Za-z_]\w*:$|\w{0,40}for_each\w{0,60}\()")
_DECLARATION = re.compile(rb"[A-Za-z_][\w*]{0,200}(?:\(.{0,500}\))?$")


def is_c(path: str) -> bool:
    """Whether a file's lines are judged as C."""
    return _C_FILE.search(path) is not None


def operator_cost(before: bytes, after: bytes) -> int:
    """What speaks against `before + after` on one line: bare text of the line so far, and what follows the `+`."""
    if after.startswith(b"="):
        return 0 if _OPERAND_END.search(before) else CERTAIN
    if _in_comment(before):
        return UNLIKELY if after.startswith((b"*", b"/*")) else 0
    if not _OPERAND_END.search(before) or not after or after.startswith(b"+"):
        return CERTAIN
    return 0 if _OPERAND_START.match(after) else CERTAIN


def split_cost(line: bytes, after: bytes) -> int:
    """What speaks against an added line `line` that ends here, before an added line that begins with `after`."""
    if after.startswith(b"="):
        return CERTAIN
    if not line or not after:
        return 0
    if _in_comment(line):
        return 0 if after.startswith(b"*") else UNLIKELY
    if not _OPERAND_END.search(line) or _HEAD.match(line) or line.endswith(b"\\"):
        return 0
    if line.count(b"(") > line.count(b")") and _OPERAND_START.match(after) and not line.endswith((b'"', b"'")):
        return CERTAIN
    return 0 if _DECLARATION.fullmatch(line) or after.startswith((b"{", b"}", b"#")) else ODD


def blank_cost(before: bytes, after: bytes) -> int:
    """What speaks against a blank line between two added lines, by the characters around it."""
    if before.endswith((b",", b"(", b"&", b"|", b"=", b"\\")) or after.startswith(b"*"):
        return UNLIKELY // 2
    return ODD if before.endswith(b"{") or after.startswith((b"}", b"{")) else 0


def _in_comment(line: bytes) -> bool:
    """Whether a line's end is inside a comment, as far as the line itself shows it (without its blanks)."""
    opened, closed = line.rfind(b"/*"), line.rfind(b"*/")
    if opened >= 0:
        return closed < opened + 1
    return line.startswith(b"*") and closed < 0 and not line.endswith(b";")

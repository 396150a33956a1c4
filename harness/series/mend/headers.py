"""File headers of a diff whose line ends may be gone: words in a known order.

Gives them back as lines, with the labels that quilt puts behind names taken off.  Knows no hunks and no tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.series.paths import mode_objection, path_objection, strip_first

_BLOB = rb"[0-9a-f]{7,64}"
_NAME = rb'[^\s"]{1,1000}'
_STAMP = rb"(?: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: [+-]\d{4})?)?"
_EXTENDED = (
    rb"(?: (?:(?:old|new|new file|deleted file) mode \d{6}|(?:dis)?similarity index \d{1,3}%"
    rb"|(?:rename|copy) (?:from|to) " + _NAME + rb"|index " + _BLOB + rb"\.\." + _BLOB + rb"(?: \d{6})?)){0,8}"
)
_NAMES = rb"--- (" + _NAME + rb")" + _STAMP + rb" \+\+\+ (" + _NAME + rb")" + _STAMP
_GIT = rb"diff --git (" + _NAME + rb") (" + _NAME + rb")(" + _EXTENDED + rb")(?: " + _NAMES + rb"(?= @@ -|$))?"
_PLAIN = (
    rb"(?:diff(?: -[\w-]{1,40}){1,6} " + _NAME + rb" " + _NAME + rb" )?(?:Index: " + _NAME + rb" ={10,100} )?"
    rb"(?:diff(?: -[\w-]{1,40}){1,6} " + _NAME + rb" " + _NAME + rb" )?" + _NAMES + rb"(?= @@ -|$)"
)
FILE = re.compile(rb"(?:(?<= )|^)(?:" + _GIT + rb"|" + _PLAIN + rb")(?= |$)")
"""A whole file header in a text with single blanks."""

_EACH = re.compile(
    rb"(?:old mode|new mode|new file mode|deleted file mode|similarity index|dissimilarity index"
    rb"|rename from|rename to|copy from|copy to|index) [^\s]{1,1000}(?: \d{6}(?= |$))?"
)
_NOTHING = b"/dev/null"


@dataclass(frozen=True, slots=True)
class Header:
    """One file's header; a path is None where there is no file."""

    lines: tuple[bytes, ...]
    old_path: str | None
    new_path: str | None
    old_blob: str
    new_blob: str
    has_names: bool  # --- and +++: there are hunks
    objection: str = ""


def parse_header(match: re.Match[bytes]) -> Header:
    """The header that FILE has found; `objection` says what is not allowed about it."""
    git_old, git_new, extended, named_old, named_new, plain_old, plain_new = match.groups()
    old, new = named_old or plain_old, named_new or plain_new
    each = _EACH.findall(extended or b"")
    values = dict(line.rsplit(b" ", 1) for line in each if not line.startswith(b"index "))
    index = next((line.split(b" ")[1] for line in each if line.startswith(b"index ")), b"")
    old_blob, _, new_blob = index.decode().partition("..")
    paths = _paths(old or git_old, new or git_new, values)
    lines: list[bytes] = []
    if git_old:
        lines = [b"diff --git " + git_old + b" " + git_new, *each]
    if old:
        lines += [b"--- " + _labelled(b"a/", paths[0]), b"+++ " + _labelled(b"b/", paths[1])]
    decoded = [None if path is None else path.decode("utf-8", "replace") for path in paths]
    return Header(
        tuple(lines), decoded[0], decoded[1], old_blob, new_blob, bool(old), _objection(paths, values)
    )  # fmt: skip


def _paths(old: bytes, new: bytes, values: dict[bytes, bytes]) -> tuple[bytes | None, bytes | None]:
    before = None if old == _NOTHING or b"new file mode" in values else strip_first(old)
    after = None if new == _NOTHING or b"deleted file mode" in values else strip_first(new)
    if before is not None and after is not None and before.startswith(after + b"~"):
        before = after  # quilt's label
    return values.get(b"rename from", values.get(b"copy from", before)), values.get(
        b"rename to", values.get(b"copy to", after)
    )


def _labelled(prefix: bytes, path: bytes | None) -> bytes:
    return _NOTHING if path is None else prefix + path


def _objection(paths: tuple[bytes | None, bytes | None], values: dict[bytes, bytes]) -> str:
    for path in paths:
        if path is not None and (path == b"" or path_objection(path)):
            return f"writes outside the tree: {path_objection(path) or 'a name without a/ or b/ before it'}"
    for key in (b"new mode", b"new file mode"):
        if key in values and (words := mode_objection(values[key])):
            return words
    if paths == (None, None):
        return "a diff between nothing and nothing"
    return ""

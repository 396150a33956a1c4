"""Which file names and modes a patch may have.  Knows names, not files: what is there is git's to check.

`git apply` refuses most of this too; here it is said before anything is touched, with the line that is to blame.
"""

from __future__ import annotations

import re

_MODES = {b"100644", b"100755"}
_FORBIDDEN = {
    b"120000": "a symbolic link",
    b"160000": "a submodule",
    b"040000": "a directory",
    b"020000": "a character device",
    b"060000": "a block device",
    b"010000": "a FIFO",
    b"140000": "a socket",
}
_DRIVE = re.compile(rb"[A-Za-z]:[\\/]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f\\]")
_ESCAPE = re.compile(rb'\\([abfnrtv"\\]|[0-3][0-7]{2})')
_LETTERS = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
# Names that a file system takes for .git: case, trailing dots or blanks, an NTFS short name, an NTFS stream.
_GIT_DIRECTORY = re.compile(rb"(?:\.git|git~\d)[. ]*(?::.*)?", re.IGNORECASE | re.DOTALL)


def mode_objection(mode: bytes) -> str:
    """What is wrong with a file mode; "" if nothing."""
    if mode in _MODES:
        return ""
    kind = _FORBIDDEN.get(mode[:2] + b"0000") if len(mode) == 6 else None
    return f"makes {kind or 'something other than a plain file'} (mode {mode[:12].decode('latin-1')})"


def path_objection(path: bytes) -> str:
    """What is wrong with a path relative to the tree; "" if nothing."""
    parts = path.split(b"/")
    objections = (
        (path.startswith(b"/") or _DRIVE.match(path), "an absolute path"),
        (b".." in parts, "a path that leaves the tree"),
        (any(_GIT_DIRECTORY.fullmatch(part) for part in parts), "a path inside .git"),
        (b"" in parts or b"." in parts, "a path that is not in its plain form"),
        (_CONTROL.search(path), "a path with control characters or backslashes"),
        (_not_utf8(path), "a path that is not UTF-8"),
        (not path.decode("utf-8", "replace").isprintable(), "a path with characters that cannot be seen"),
    )
    return next((words for found, words in objections if found), "")


def _not_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return True
    return False


def unquote(name: bytes) -> bytes | None:
    """A file name as git writes it, C-quoted where it must be; None if the quoting is broken."""
    if not name.startswith(b'"'):
        return name
    if len(name) < 2 or not name.endswith(b'"'):
        return None
    inner = name[1:-1]
    if b'"' in re.sub(rb"\\.", b"", inner):
        return None
    return _ESCAPE.sub(_byte, inner)


def _byte(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([_LETTERS[code] if code in _LETTERS else int(code, 8)])


def strip_first(path: bytes) -> bytes:
    """A path without its first directory, as `-p1` takes it; "" if it has none."""
    return path.partition(b"/")[2]

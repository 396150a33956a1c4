"""The diff in a mail: a line-based state machine in which every hunk's counts must close.

Takes what `git apply -p1` takes of text (git's extended headers and plain unified diffs) and refuses the rest with
file and line.  Other text between the files is passed over, as git does, so nothing that git would see is missed.
Knows no mail and no tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from harness.errors import InputError
from harness.model import FileChange
from harness.series.mail import Text
from harness.series.paths import mode_objection, path_objection, strip_first, unquote

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_BLOBS = re.compile(rb"([0-9a-f]{7,64})\.\.([0-9a-f]{7,64})")
_TIMESTAMP = re.compile(rb"\t.*$", re.DOTALL)
_NAMES = ((b"rename from ", 0), (b"rename to ", 1), (b"copy from ", 0), (b"copy to ", 1),
          (b"rename old ", 0), (b"rename new ", 1))  # fmt: skip
_NOTHING = b"/dev/null"
_EMPTY_BLOB = b"e69de29"  # git's name for an empty file


@dataclass(slots=True)
class _File:
    """What has been read of one file's part of the diff."""

    at: int
    header: bytes = b""  # the two names on the `diff --git` line
    names: list[bytes | None] = field(default_factory=lambda: [None, None])  # from and to, /dev/null for none
    created: bool = False
    deleted: bool = False
    changed: bool = False  # without any hunk: mode, rename, copy, empty file
    contents: bool = False  # the index line says that there must be hunks
    blobs: tuple[str, str] = ("", "")  # that the index line names
    additions: int = 0
    deletions: int = 0
    hunks: int = 0


@dataclass(frozen=True, slots=True)
class Diff:
    """The files that a mail changes; `start` and `end` are where the diff stands in its lines."""

    files: tuple[FileChange, ...]
    start: int
    end: int


def parse_diff(place: str, text: Text) -> Diff:
    """Walk all the lines of a mail's text.  Raises InputError on anything that is not whole or not allowed."""
    return _Walker(place, text).walk()


class _Walker:
    def __init__(self, place: str, text: Text) -> None:
        self._place = place
        self._lines = text.lines
        self._numbers = text.numbers
        self._at = 0
        self._files: list[FileChange] = []
        self._start = 0
        self._end = 0

    def walk(self) -> Diff:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.startswith(b"diff --git "):
                self._git_file()
            elif line.startswith(b"--- ") and self._peek(1)[:4] == b"+++ " and self._peek(2).startswith(b"@@ -"):
                self._plain_file()
            elif line.startswith((b"diff --cc ", b"diff --combined ")):
                self._fail("a combined diff of a merge cannot be applied", fix="make it with git format-patch")
            elif line.startswith(b"Binary files ") and line.endswith(b" differ"):
                self._binary()
            elif self._files and line.startswith(b"@@ -"):
                self._fail("a hunk without the file it belongs to")
            else:
                self._at += 1
        return Diff(tuple(self._files), self._start, self._end)

    def _peek(self, ahead: int) -> bytes:
        index = self._at + ahead
        return self._lines[index] if index < len(self._lines) else b""

    def _fail(self, what: str, *, at: int | None = None, fix: str = "") -> NoReturn:
        index = min(self._at if at is None else at, len(self._lines) - 1)
        raise InputError(self._place, self._numbers[index], what, fix=fix)

    def _binary(self) -> NoReturn:
        self._fail("a binary patch: only text can be reviewed and applied here", fix="leave the binary file out")

    def _git_file(self) -> None:
        """`diff --git`, its extended headers, and the hunks."""
        file = _File(self._at, header=self._lines[self._at][len(b"diff --git ") :].rstrip(b"\r"))
        self._at += 1
        while self._at < len(self._lines) and self._extended(file, self._lines[self._at].rstrip(b"\r")):
            self._at += 1
        self._finish(file)

    def _extended(self, file: _File, line: bytes) -> bool:
        """Take one extended header line; False if it is none."""
        if line.startswith((b"new file mode ", b"new mode ")):
            if objection := mode_objection(line.rpartition(b" ")[2]):
                self._fail(objection)
            file.created |= line.startswith(b"new file")
            file.changed = True
        elif line.startswith(b"deleted file mode "):
            file.deleted = file.changed = True
        elif line.startswith(b"index "):
            _, blobs, *mode = line.split(b" ")
            if mode and (objection := mode_objection(mode[0])):
                self._fail(objection)
            before, _, after = blobs.partition(b"..")
            if match := _BLOBS.fullmatch(blobs):
                file.blobs = match[1].decode(), match[2].decode()
            file.contents = before != after and not {_blob(before), _blob(after)} <= {b"", _EMPTY_BLOB}
        elif line.startswith(b"--- ") and self._peek(1).startswith(b"+++ "):
            self._names(file)
        elif line == b"GIT binary patch" or (line.startswith(b"Binary files ") and line.endswith(b" differ")):
            self._binary()
        elif found := next(((which, line[len(word) :]) for word, which in _NAMES if line.startswith(word)), None):
            which, name = found
            file.names[which] = self._checked(self._unquoted(name))
            file.changed = True
        else:
            return line.startswith((b"old mode ", b"similarity index ", b"dissimilarity index "))
        return True

    def _plain_file(self) -> None:
        """`---` and `+++` without a `diff --git` line before them."""
        file = _File(self._at)
        self._names(file)
        self._at += 1
        self._finish(file)

    def _names(self, file: _File) -> None:
        """The `---` and `+++` lines at the current position; leaves it on the second."""
        raw = [self._unquoted(_TIMESTAMP.sub(b"", self._peek(which)[4:].rstrip(b"\r"))) for which in (0, 1)]
        if not file.header and raw[0] == raw[1] and not raw[0].startswith((b"a/", b"b/")):
            self._fail("file names without the a/ and b/ before them (diff.noprefix)", fix="only -p1 patches are taken")
        for which, name in enumerate(raw):
            file.names[which] = name if name == _NOTHING else self._prefixed(name)
            self._at += 1 - which
        if file.names == [_NOTHING, _NOTHING]:
            self._fail("a diff between nothing and nothing")

    def _unquoted(self, name: bytes) -> bytes:
        plain = unquote(name.rstrip(b" ") if name.startswith(b'"') else name)
        if plain is None:
            self._fail("a file name with broken quotes")
        return plain

    def _prefixed(self, name: bytes) -> bytes:
        """A name with its a/ or b/, checked and taken off."""
        if name.startswith(b"/"):
            self._fail(f"writes outside the tree: an absolute path ({_show(name)})")
        if b"/" not in name:
            self._fail(f"a file name without the a/ or b/ before it ({_show(name)})", fix="only -p1 patches are taken")
        return self._checked(strip_first(name))

    def _checked(self, name: bytes) -> bytes:
        if objection := path_objection(name):
            self._fail(f"writes outside the tree: {objection} ({_show(name)})")
        return name

    def _finish(self, file: _File) -> None:
        """Read the hunks, then settle the names."""
        while self._at < len(self._lines) and self._lines[self._at].startswith(b"@@ -"):
            self._hunk(file)
        if not file.hunks and (file.contents or not file.changed):
            self._fail("a file header without hunks: the patch is cut short", at=file.at)
        if None in file.names:
            name = self._header_name(file)
            file.names = [part if part is not None else name for part in file.names]
        elif file.header:
            self._header_name(file, required=False)
        old, new = file.names
        before = None if file.created or old in (None, _NOTHING) else (old or b"").decode()
        after = None if file.deleted or new in (None, _NOTHING) else (new or b"").decode()
        self._files.append(FileChange(before, after, file.additions, file.deletions, *file.blobs))
        if len(self._files) == 1:
            self._start = file.at
        self._end = self._at

    def _header_name(self, file: _File, *, required: bool = True) -> bytes:
        """The one name on the `diff --git` line: both halves are the same but for a/ and b/."""
        found = b""
        for name in _halves(file.header):
            plain = unquote(name)
            if plain is not None and plain.startswith(b"/"):
                self._fail(f"writes outside the tree: an absolute path ({_show(plain)})", at=file.at)
            stripped = strip_first(plain) if plain is not None else b""
            if stripped and (objection := path_objection(stripped)):
                self._fail(f"writes outside the tree: {objection} ({_show(stripped)})", at=file.at)
            found = found or stripped
        if required and not found:
            self._fail("a diff --git line without a file name", at=file.at)
        return found

    def _hunk(self, file: _File) -> None:
        """One hunk: exactly as many lines as its header says."""
        start = self._at
        match = _HUNK.match(self._lines[start])
        if not match:
            self._fail("a hunk header that is not @@ -a,b +c,d @@")
        old, new = (int(count) if count is not None else 1 for count in (match[2], match[4]))
        lines, at, added, deleted = self._lines, start + 1, 0, 0
        end = len(lines)
        while old > 0 or new > 0:
            line = lines[at] if at < end else None
            kind = line[:1] if line is not None else None
            if kind == b" " or line in (b"", b"\r"):
                old -= 1
                new -= 1
            elif kind == b"+":
                new -= 1
                added += 1
            elif kind == b"-":
                old -= 1
                deleted += 1
            elif kind != b"\\":
                self._at = at
                self._fail(
                    f"the hunk is cut short: {max(old, 0)} old and {max(new, 0)} new lines are missing here"
                    f" (it begins at line {self._numbers[start]})",
                    fix="get the patch again: it was damaged on its way",
                )
            if old < 0 or new < 0:
                self._at = at
                self._fail(f"the hunk that begins at line {self._numbers[start]} does not fit the counts in its header")
            at += 1
        self._at = at
        file.additions += added
        file.deletions += deleted
        if self._peek(0).startswith(b"\\"):
            self._at += 1
        self._no_more(start)
        file.hunks += 1

    def _no_more(self, start: int) -> None:
        """What follows a hunk must not look like more of it: git would drop it without a word."""
        line = self._peek(0)
        if not line.strip() or line.rstrip() == b"--" or (line.startswith(b"--- ") and self._peek(1)[:4] == b"+++ "):
            return
        if line[:1] in (b"+", b"-", b" "):
            self._fail(f"the hunk that begins at line {self._numbers[start]} has more lines than its header says")


def _halves(header: bytes) -> list[bytes]:
    """The names on a `diff --git` line, as far as they can be told apart."""
    if header.startswith(b'"'):
        end = header.find(b'" ', 1)
        return [header[: end + 1], header[end + 2 :]] if end > 0 else []
    middle = len(header) // 2
    if header[middle : middle + 1] == b" " and strip_first(header[:middle]) == strip_first(header[middle + 1 :]):
        return [header[:middle], header[middle + 1 :]]
    left, found, right = header.partition(b" ")
    return [left, right] if found else []


def _blob(name: bytes) -> bytes:
    """A blob's abbreviated name; "" for the all-zero one."""
    return name[:7].strip(b"0") and name[:7]


def _show(name: bytes) -> str:
    return ascii(name[:120].decode("latin-1"))[1:-1]

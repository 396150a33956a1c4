"""A patch that lost its whitespace -> what can be said of it without the tree: files, hunks, stated numbers.

Two kinds: every line end gone (one physical line), or line ends kept and runs of blanks collapsed.
Knows mails; knows no tree, and infers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import InputError
from harness.model import FileChange
from harness.series.mail import Mail
from harness.series.mend.headers import FILE, Header, parse_header
from harness.series.mend.stream import Stream, bare, of_lines, one_line

MAX_BYTES = 4 << 20
MAX_HUNKS = 2000
_HUNK = re.compile(rb"(?:(?<= )|^)@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?= |$)")
_STAT_LINE = re.compile(rb"(?:(?<= )|^)(\S{1,1000}) \| +(\d{1,7})(?: (\+{0,200})(-{0,200}))?(?= |$)")
_STAT_SUM = re.compile(
    rb"(?:(?<= )|^)(\d{1,6}) files? changed(?:, (\d{1,9}) insertions?\(\+\))?(?:, (\d{1,9}) deletions?\(-\))?"
)
# What may follow the last line of a patch: a signature, the -mm tree's list, a mailing list's footer.
_AFTER = re.compile(rb" (?:--(?= \d+\.\d|$)|_(?= Patches currently|$)|_{20,})")


@dataclass(frozen=True, slots=True)
class DamagedHunk:
    """A hunk's header and what is left of its lines; `heading` is None where it runs into them."""

    title: bytes  # @@ -a,b +c,d @@
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    heading: bytes | None
    stream: Stream
    open_end: bool = False  # what follows the hunk's lines is not known
    ends: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DamagedFile:
    header: Header
    hunks: tuple[DamagedHunk, ...]
    change: FileChange  # counted as far as it can be without the tree

    @property
    def path(self) -> str:
        return self.change.path


@dataclass(frozen=True, slots=True)
class Stated:
    """What a patch says of itself: a count for each file, and the sums."""

    files: tuple[tuple[str, int, int, int], ...]  # name, changed lines, + and - in its graph
    file_count: int
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class Damaged:
    """A patch without its whitespace."""

    mail: Mail
    has_lines: bool
    message: tuple[bytes, ...]  # what stands before the diff: as many lines as are left
    stated: Stated | None
    files: tuple[DamagedFile, ...]

    @property
    def changes(self) -> tuple[FileChange, ...]:
        return tuple(file.change for file in self.files)


def read_damaged(mail: Mail) -> Damaged | None:
    """The patch that is left in a mail; None if there is none.  Raises InputError on what no repair may touch."""
    lines = mail.text.lines
    if sum(map(len, lines)) > MAX_BYTES:
        raise InputError(mail.place, mail.line, f"more than {MAX_BYTES >> 20} MiB: too big to be repaired")
    plain = [b" ".join(line.split()) for line in lines]
    if any(line.startswith(b"@@ -") and _HUNK.match(line) for line in plain):
        return _with_lines(mail, plain)
    return _one_line(mail, b" ".join(line for line in plain if line))


# --- one physical line ----------------------------------------------------------------------------------------


def _one_line(mail: Mail, text: bytes) -> Damaged | None:
    headers = list(FILE.finditer(text))
    if not headers or not _HUNK.search(text, headers[0].end()):
        return None
    if headers[-1].end() == len(text) and not headers[-1][0]:
        return None
    files = []
    for index, match in enumerate(headers):
        last = index == len(headers) - 1
        end = len(text) if last else headers[index + 1].start()
        files.append(_file(mail, parse_header(match), _hunks_of(text, match.end(), end, last=last)))
    message = _before(mail.text.lines, headers[0].start())
    return _damaged(mail, False, message, text[: headers[0].start()].rstrip(), files)


def _before(lines: Sequence[bytes], end: int) -> tuple[bytes, ...]:
    """The lines whose words, joined by blanks, stand before a place."""
    found: list[bytes] = []
    for line in lines:
        plain = b" ".join(line.split())
        if end <= 0:
            break
        if plain:
            found.append(plain[:end].rstrip())
            end -= len(plain) + 1
    return tuple(line for line in found if line)


def _hunks_of(text: bytes, begin: int, end: int, *, last: bool) -> list[DamagedHunk]:
    found = list(_HUNK.finditer(text, begin, end))
    hunks = []
    for index, match in enumerate(found):
        final = index == len(found) - 1
        body = text[match.end() : end if final else found[index + 1].start()]
        hunk = _hunk(match, None, one_line(body))
        if last and final:
            ends = frozenset(len(bare(body[: after.start()])) for after in _AFTER.finditer(body))
            hunk = replace(hunk, open_end=True, ends=ends)
        hunks.append(hunk)
    return hunks


def _hunk(match: re.Match[bytes], heading: bytes | None, stream: Stream) -> DamagedHunk:
    old, old_count, new, new_count = (1 if part is None else int(part) for part in match.groups())
    return DamagedHunk(match[0], old, old_count, new, new_count, heading, stream)


# --- lines without their blanks -------------------------------------------------------------------------------


def _with_lines(mail: Mail, lines: Sequence[bytes]) -> Damaged | None:
    starts = [at for at in range(len(lines)) if _starts_file(lines, at)]
    files: list[DamagedFile] = []
    for index, at in enumerate(starts):
        last = index == len(starts) - 1
        end = len(lines) if last else starts[index + 1]
        first = next((k for k in range(at, end) if _HUNK.match(lines[k])), end)
        stop = min(first, next((k for k in range(at, end) if not lines[k]), end))
        match = FILE.fullmatch(b" ".join(lines[at:stop]))
        if match is None:
            raise InputError(mail.place, mail.text.numbers[at], "a file header that is not whole")
        files.append(_file(mail, parse_header(match), _hunks_of_lines(lines, first, end, last=last)))
    if not files:
        return None
    message = mail.text.lines[: starts[0]]
    return _damaged(mail, True, tuple(message), b" ".join(b" ".join(lines[: starts[0]]).split()), files)


def _starts_file(lines: Sequence[bytes], at: int) -> bool:
    """Whether a file header starts at a line, and none that goes on there."""
    if lines[at].startswith(b"diff --git "):
        return True
    if not lines[at].startswith(b"--- ") or not b"".join(lines[at + 1 : at + 2]).startswith(b"+++ "):
        return False
    if not b"".join(lines[at + 2 : at + 3]).startswith(b"@@ -"):
        return False
    for before in reversed(lines[max(0, at - 8) : at]):
        if before.startswith(b"diff --git "):
            return False
        if not FILE_WORD.match(before):
            break
    return True


FILE_WORD = re.compile(
    rb"(?:old mode|new mode|new file mode|deleted file mode|similarity|dissimilarity|rename|copy|index) "
)


def _hunks_of_lines(lines: Sequence[bytes], begin: int, end: int, *, last: bool) -> list[DamagedHunk]:
    starts = [at for at in range(begin, end) if lines[at].startswith(b"@@ -") and _HUNK.match(lines[at])]
    hunks = []
    for index, at in enumerate(starts):
        match = _HUNK.match(lines[at])
        assert match is not None
        final = index == len(starts) - 1
        body = lines[at + 1 : end if final else starts[index + 1]]
        hunk = _hunk(match, lines[at][match.end() :].strip(), of_lines(body))
        hunks.append(replace(hunk, open_end=last and final))
    return hunks


# --- both -----------------------------------------------------------------------------------------------------


def _file(mail: Mail, header: Header, hunks: list[DamagedHunk]) -> DamagedFile:
    name = header.new_path or header.old_path or ""
    if header.objection:
        raise InputError(mail.place, mail.line, f"{ascii(name)[1:-1][:120]}: {header.objection}")
    if header.has_names and not hunks:
        raise InputError(mail.place, mail.line, f"{name}: a file header without hunks: the patch is cut short")
    added = [_added(hunk) for hunk in hunks]
    removed = [count - hunk.new_count + hunk.old_count for count, hunk in zip(added, hunks, strict=True)]
    change = FileChange(
        header.old_path, header.new_path, sum(added), sum(removed), header.old_blob, header.new_blob
    )  # fmt: skip
    return DamagedFile(header, tuple(hunks), change)


def _added(hunk: DamagedHunk) -> int:
    """How many lines a hunk adds: what looks like it, within what its counts allow."""
    seen = len(hunk.stream.pluses)
    return max(0, hunk.new_count - hunk.old_count, min(seen, hunk.new_count))


def _damaged(mail: Mail, has_lines: bool, message: tuple[bytes, ...], text: bytes, files: list[DamagedFile]) -> Damaged:
    if sum(len(file.hunks) for file in files) > MAX_HUNKS:
        raise InputError(mail.place, mail.line, f"more than {MAX_HUNKS} hunks: too much to be repaired")
    names = [file.path for file in files]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(mail.place, mail.line, f"{twice} is changed twice in one patch")
    return Damaged(mail, has_lines, message, read_stated(text), tuple(files))


def read_stated(text: bytes) -> Stated | None:
    """The last diffstat of a text with single blanks; None if it has none."""
    sums = list(_STAT_SUM.finditer(text))
    if not sums:
        return None
    count, additions, deletions = (int(part or 0) for part in sums[-1].groups())
    lines = []
    for match in _STAT_LINE.finditer(text, sums[-2].end() if len(sums) > 1 else 0, sums[-1].start()):
        lines.append((match[1].decode("utf-8", "replace"), int(match[2]), len(match[3] or b""), len(match[4] or b"")))
    return Stated(tuple(lines), count, additions, deletions)

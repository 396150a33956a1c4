"""A damaged patch and the tree it is for -> the patch, or the reason why not.

Removed and context lines come from the tree, counts say where lines end, and only the whitespace of added lines is
inferred.  What comes out is accepted when it has been proven against the tree, the counts, the stated numbers, the
document's own text and, where it names them, the blobs.  Knows no git and no repository: content is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.errors import InputError, UserError
from harness.model import FileChange
from harness.series.mail import Mail, Text
from harness.series.mend.align import Reading
from harness.series.mend.budget import Budget
from harness.series.mend.damaged import Damaged, DamagedFile, Stated
from harness.series.mend.infer import Image, Inference, Style
from harness.series.mend.known import Known
from harness.series.mend.message import rewrap
from harness.series.mend.place import Placed, Source, place_hunk, source_of
from harness.series.mend.proof import prove
from harness.series.mend.search import blob_id, find_blob

Content = Callable[[str, str], bytes | None]
"""Gives the bytes of a file of the tree (its path, the blob that the document wants or ""), None if there is none."""

MAX_FILE_BYTES = 16 << 20
_STEPS = 300_000
_WHOLE = "get the patch itself: its whitespace was lost on its way"


@dataclass(frozen=True, slots=True)
class Repaired:
    """A rebuilt patch.  `guessed` has every line whose whitespace was inferred; `notes` what was proven, and how."""

    whole: Mail
    mail: bytes  # the same for `git am`
    files: tuple[FileChange, ...]
    guessed: tuple[str, ...]
    notes: tuple[str, ...]
    images: dict[str, bytes | None]  # post-images; None for a deleted file


@dataclass(slots=True)
class _File:
    """A file on its way from damage to proof."""

    damaged: DamagedFile
    source: Source
    placed: list[Placed]
    image: Image | None = None
    content: bytes | None = None
    readings: tuple[Reading, ...] = ()
    proven: str = ""  # the blob that proves it


def repair(damaged: Damaged, content: Content) -> Repaired:
    """Rebuild a patch against a tree.  Raises UserError or InputError saying what did not agree."""
    budget = Budget(_STEPS)
    sources = _sources(damaged, content)
    files = []
    for file, source in zip(damaged.files, sources, strict=True):
        placed: list[Placed] = []
        for hunk in file.hunks:
            after = placed[-1].at + placed[-1].hunk.old_count if placed else 0
            placed.append(place_hunk(source, hunk, after, budget))
        files.append(_File(file, source, placed))
    known = Known()
    for item in files:
        for placement in item.placed:
            _add_removed(known, item.source, placement)
    trust = _blanks_are_told(files)
    for item in files:
        _rebuild(item, known, trust)
    changes = tuple(_counted(item) for item in files)
    notes = _compare_stated(damaged, changes)
    whole, mail = prove(damaged, _text(damaged, files), changes)
    return Repaired(
        whole=whole, mail=mail, files=changes, guessed=tuple(line for item in files for line in _guessed(item)),
        notes=(*notes, *(note for item in files for note in _notes(item))),
        images={path: data for item in files for path, data in _images(item)},
    )  # fmt: skip


# --- the tree -------------------------------------------------------------------------------------------------


def _sources(damaged: Damaged, content: Content) -> list[Source]:
    """The files that a patch is for.  Refuses a tree that has others than those whose blobs the patch names."""
    sources, wrong = [], []
    for file in damaged.files:
        change = file.change
        wanted = change.old_blob if change.old_blob.strip("0") else ""
        data = content(change.old_path or change.path, wanted)
        if data is not None and len(data) > MAX_FILE_BYTES:
            raise UserError(f"{change.path}: more than {MAX_FILE_BYTES >> 20} MiB: too big to be repaired")
        if change.old_path is None:
            if data is not None:
                wrong.append(f"{change.path} is there already")
            data = b""
        elif data is None:
            wrong.append(f"{change.old_path} is not there" + (f" (wanted blob {wanted})" if wanted else ""))
        elif wanted and not blob_id(data).startswith(wanted):
            wrong.append(f"{change.old_path} wants blob {wanted}, the tree has {blob_id(data)[: len(wanted)]}")
        sources.append(source_of(change.old_path or change.path, data or b""))
    if wrong:
        raise UserError(
            f"{damaged.mail.place}: whitespace lost, and this tree is not the one that the patch was made for: "
            + "; ".join(wrong),
            fix="give the patch's own tree with --tree, or get the patch itself",
        )
    return sources


def _add_removed(known: Known, source: Source, placed: Placed) -> None:
    """Lines that a hunk removes: moved code is among them."""
    run: list[bytes] = []
    at = placed.at
    for span in placed.readings[0].spans:
        if span.kind == b"-":
            run.append(source.lines[at])
        elif run:
            known.add(run)
            run = []
        at += span.kind in (b" ", b"-")
    if run:
        known.add(run)


def _blanks_are_told(files: Sequence[_File]) -> bool:
    """Whether the document still shows which lines began with a blank: known of the lines that were removed."""
    seen = False
    for item in files:
        for placed in item.placed:
            at = placed.at
            for span in placed.readings[0].spans:
                if span.kind == b"-" and span.end > span.start:
                    told = bool(placed.hunk.stream.gaps[span.start])
                    if told is not item.source.lines[at].startswith((b" ", b"\t")):
                        return False
                elif span.kind == b"+":
                    seen |= bool(placed.hunk.stream.gaps[span.start]) and span.end > span.start
                at += span.kind in (b" ", b"-")
    return seen


# --- rebuilding -----------------------------------------------------------------------------------------------


def _rebuild(item: _File, known: Known, trust: bool) -> None:
    """Write the post-image, or search for the one whose blob the document names."""
    wanted = item.damaged.change.new_blob
    wanted = wanted if wanted.strip("0") and item.damaged.change.new_path and item.placed else ""
    choices = _choices(item.placed)
    if len(choices) > 1 and not wanted:
        raise _ambiguous(next(placed for placed in item.placed if len(placed.readings) > 1))
    for readings in choices:

        def make(style: Style, readings: tuple[Reading, ...] = readings) -> Image:
            inference = Inference(item.source, style, known, trust_indented=trust)
            return inference.run(list(zip(item.placed, readings, strict=True)))

        ends = _ends_in_newline(item, readings)

        def join(image: Image, ends: bool = ends) -> bytes:
            return b"\n".join(image.lines) + (b"\n" if ends and image.lines else b"")

        image = find_blob(wanted, make, join) if wanted else make(Style())
        if image is not None:
            item.image, item.readings, item.content, item.proven = image, readings, join(image), wanted
            return
    raise UserError(
        f"{item.damaged.path}: no whitespace that was tried for its added lines gives the blob {wanted} that the"
        " document names",
        fix=_WHOLE,
    )


_MAX_CHOICES = 16


def _choices(placed: Sequence[Placed]) -> list[tuple[Reading, ...]]:
    """The readings of all hunks of a file, in every combination (as many as are worth trying)."""
    found: list[tuple[Reading, ...]] = [()]
    for item in placed:
        found = [(*before, reading) for before in found for reading in item.readings][:_MAX_CHOICES]
    return found


def _ambiguous(placed: Placed) -> UserError:
    one, two = ([s for s in reading.spans if s.kind != b"-"] for reading in placed.readings[:2])
    differs = next((a for a, b in zip(one, two, strict=False) if a != b), one[-1])
    text = placed.hunk.stream.text(differs.start, min(differs.end, differs.start + 60)).decode("utf-8", "replace")
    return UserError(
        f"{placed.where}: can be read in more than one way; the first line in doubt is {text!a}", fix=_WHOLE
    )


def _ends_in_newline(item: _File, readings: Sequence[Reading]) -> bool:
    """Whether the post-image does; raises UserError where the document says otherwise of the pre-image."""
    if not item.placed:
        return item.source.ends_in_newline
    placed, kinds = item.placed[-1], [span.kind for span in readings[-1].spans]
    at_end = placed.at + placed.hunk.old_count == len(item.source.lines)
    after = {kinds[index - 1] for index, kind in enumerate(kinds) if kind == b"\\" and index}
    old_open = bool(after & {b" ", b"-"})
    if (old_open if not at_end else old_open is item.source.ends_in_newline) and (item.source.lines or old_open):
        raise UserError(f"{placed.where}: the file's last line ends otherwise in the tree than in the document")
    if not at_end:
        return item.source.ends_in_newline
    return not after & {b" ", b"+"}


# --- the result -----------------------------------------------------------------------------------------------


def _lines_of(item: _File) -> list[bytes]:
    """A file's part of the diff."""
    lines = list(item.damaged.header.lines)
    if item.image is None:
        return lines
    new = 0
    done = 0
    for placed, reading in zip(item.placed, item.readings, strict=True):
        new += placed.at - done
        at = placed.at
        hunk = placed.hunk
        heading = hunk.heading
        if heading is None:
            heading = hunk.stream.text(0, reading.spans[0].start - (reading.spans[0].kind != b" "))
        lines.append(hunk.title + (b" " + heading if heading else b""))
        for span in reading.spans:
            if span.kind == b"-":
                lines.append(b"-" + item.source.lines[at])
            elif span.kind == b"\\":
                lines.append(b"\\ No newline at end of file")
            else:
                lines.append(span.kind + item.image.lines[new])
                new += 1
            at += span.kind in (b" ", b"-")
        done = at
    return lines


def _counted(item: _File) -> FileChange:
    kinds = [span.kind for reading in item.readings for span in reading.spans]
    return replace(item.damaged.change, additions=kinds.count(b"+"), deletions=kinds.count(b"-"))


def _text(damaged: Damaged, files: Sequence[_File]) -> Text:
    message = list(damaged.message) if damaged.has_lines else rewrap(damaged.message)
    while message and not message[-1].strip():
        message.pop()
    lines = [*message, b"", *(line for item in files for line in _lines_of(item))]
    return Text(lines, [damaged.mail.line] * len(lines))


def _compare_stated(damaged: Damaged, changes: Sequence[FileChange]) -> list[str]:
    """Notes where the stated diffstat has another number of files; raises InputError where it has other lines."""
    stated = damaged.stated
    if stated is None:
        return []
    place, line = damaged.mail.place, damaged.mail.line
    added, removed = sum(item.additions for item in changes), sum(item.deletions for item in changes)
    if (added, removed) != (stated.additions, stated.deletions):
        raise InputError(
            place, line,
            f"the patch says that it adds {stated.additions} and removes {stated.deletions} lines; what is left of it"
            f" adds {added} and removes {removed}", fix=_WHOLE,
        )  # fmt: skip
    for change in changes:
        if objection := _stated_otherwise(stated, change):
            raise InputError(place, line, objection, fix=_WHOLE)
    if len(changes) != stated.file_count:
        return [f"the patch says that it changes {stated.file_count} files; there are {len(changes)} in it"]
    return []


def _stated_otherwise(stated: Stated, change: FileChange) -> str:
    for name, count, pluses, minuses in stated.files:
        abbreviated = name.startswith(".../") and change.path.endswith(name[3:])
        if name != change.path and not abbreviated:
            continue
        exact = pluses + minuses == count  # a graph that is not scaled
        if count != change.additions + change.deletions or (exact and pluses != change.additions):
            return (
                f"{change.path}: the diffstat has +{pluses} -{minuses} of {count} lines, what is left has"
                f" +{change.additions} -{change.deletions}"
            )
    return ""


def _guessed(item: _File) -> list[str]:
    if item.image is None or item.proven:
        return []
    return [
        f"{item.damaged.path}:{number + 1}: {item.image.lines[number].decode('utf-8', 'replace')}"
        for number in item.image.added
    ]


def _notes(item: _File) -> list[str]:
    path = item.damaged.path
    notes = [f"{placed.where}: {placed.offset:+d} lines from where it says" for placed in item.placed if placed.offset]
    if item.proven:
        notes.append(f"{path}: all lines proven by the blob {item.proven}")
    elif item.image is not None and item.image.added:
        notes.append(f"{path}: whitespace inferred in lines {_ranges(item.image.added)}")
    return notes


def _ranges(numbers: Sequence[int]) -> str:
    """3, 5-9: lines from 0, shown from 1."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a + 1) if a == b else f"{a + 1}-{b + 1}" for a, b in parts)


def _images(item: _File) -> list[tuple[str, bytes | None]]:
    change = item.damaged.change
    found: list[tuple[str, bytes | None]] = []
    if (
        change.old_path
        and change.old_path != change.new_path
        and not any(line.startswith(b"copy ") for line in item.damaged.header.lines)
    ):
        found.append((change.old_path, None))
    if change.new_path:
        found.append((change.new_path, item.content))
    return found

"""Blobs that patches name, held against blobs that are there: what a file is before a patch and after it.

A patch's `index a..b` line names the file that it was made from and the file that it makes.  Pure: knows values, and
neither git nor trees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model import AppliedPatch, BaseState, FileBase, FileResult, Patch

_SHORTEST = 4  # characters of an abbreviated name; git takes no fewer
_SHA256_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Touch:
    """A file of a patch together with its fixups: what it is before and what it shall be after them."""

    before: str | None  # its path; None: the patch makes the file
    after: str | None
    wanted: str  # the blob before, "" where none is named
    makes: str  # the blob after, "" where none is named

    @property
    def path(self) -> str:
        return self.after or self.before or ""


def touches(patch: Patch) -> tuple[Touch, ...]:
    """The files of a patch, each once; a fixup is squashed into it, so what the last one names is what it makes."""
    found: dict[str, Touch] = {}
    for part in (patch, *patch.fixups):
        for change in part.files:
            first = found.pop(change.old_path or change.path, None)
            before, wanted = (first.before, first.wanted) if first else (change.old_path, name(change.old_blob))
            found[change.path] = Touch(before, change.new_path, wanted, name(change.new_blob))
    return tuple(found.values())


def name(blob: str) -> str:
    """A blob's name; "" for the all-zero one that stands for no file."""
    return blob if len(blob) >= _SHORTEST and blob.strip("0") else ""


def is_same(one: str, other: str) -> bool:
    """Whether two names, either of them abbreviated, are of the same blob."""
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _SHORTEST and longer.startswith(shorter)


def short(blob: str, like: str = "") -> str:
    """A blob's name as long as that of another, but no shorter than git shows them in a kernel."""
    return blob[: max(12, len(like))]


def first_wanted(patches: Iterable[Patch]) -> dict[str, str]:
    """The blob that the series names for each file as it first finds it; files without such a name are left out."""
    wanted: dict[str, str] = {}
    seen: set[str] = set()
    for patch in patches:
        for touch in touches(patch):
            if touch.before is not None and touch.before not in seen and touch.wanted:
                wanted[touch.before] = touch.wanted
            seen |= {path for path in (touch.before, touch.after) if path is not None}
    return wanted


def count_exact(wanted: Mapping[str, str], tree: Mapping[str, str]) -> int:
    """How many of the blobs that are wanted the tree has."""
    return sum(is_same(blob, tree.get(path, "")) for path, blob in wanted.items())


def last_made(patches: Iterable[Patch]) -> dict[str, str | None]:
    """The blob that the series says it leaves of each file: "" if the file is gone, None where no blob is named."""
    left: dict[str, str | None] = {}
    for patch in patches:
        for touch in touches(patch):
            if touch.before is not None and touch.before != touch.after:
                left[touch.before] = ""
            if touch.after is not None:
                left[touch.after] = touch.makes or None
    return left


def is_made(patches: Sequence[Patch], tree: Mapping[str, str]) -> bool:
    """Whether the tree has, of every file, the blob that the series says it leaves, and is not where it begins."""
    left = last_made(patches)
    there = [_is_there(made, tree.get(path, "")) for path, made in left.items()]
    begins = all(is_same(blob, tree.get(path, "")) for path, blob in first_wanted(patches).items())
    return bool(left) and all(there) and not begins


def _is_there(made: str | None, there: str) -> bool:
    """Whether a file is what a series leaves of it: "" is no file, None is not known."""
    return not there if made == "" else made is not None and is_same(made, there)


# --- before ---------------------------------------------------------------------------------------------------


def before_applying(patches: Sequence[Patch], tree: Mapping[str, str]) -> tuple[tuple[FileBase, ...], ...]:
    """The files of each patch before it, as far as that is known without applying anything.

    `tree` has the blob of each path, "" or nothing where there is no file.  Files that an earlier patch touches are
    held against the blob that it says it leaves; they are exact only if they were when the series first found them.
    """
    left: dict[str, tuple[str, BaseState]] = {}  # what the patches before say they leave, and how sure that is
    found: list[tuple[FileBase, ...]] = []
    for patch in patches:
        files = []
        for touch in touches(patch):
            earlier = left.get(touch.before or touch.path)
            base = (
                _chained(touch, *earlier) if earlier else held_against(touch, tree.get(touch.before or touch.path, ""))
            )
            files.append(base)
            if touch.before is not None and touch.before != touch.after:
                left[touch.before] = ("", BaseState.UNKNOWN)
            if touch.after is not None:
                left[touch.after] = (touch.makes, base.state)
        found.append(tuple(files))
    return tuple(found)


def _chained(touch: Touch, left: str, state: BaseState) -> FileBase:
    if not touch.wanted or not left:
        unknown = BaseState.NEW if touch.before is None else BaseState.UNKNOWN
        return FileBase(touch.path, touch.wanted, "", unknown, chained=True)
    if not is_same(touch.wanted, left):
        return FileBase(touch.path, touch.wanted, left, BaseState.BROKEN, chained=True)
    if state is BaseState.NEW:  # it was made by this series, from nothing
        state = BaseState.EXACT
    return FileBase(touch.path, touch.wanted, left if state is BaseState.EXACT else "", state, chained=True)


def held_against(touch: Touch, there: str) -> FileBase:
    """One file against the blob that is there ("" if there is none)."""
    if touch.before is None:
        return FileBase(touch.path, "", there, BaseState.MISMATCH if there else BaseState.NEW)
    if not there:
        state = BaseState.MISMATCH
    elif not touch.wanted:
        state = BaseState.UNKNOWN
    elif is_same(touch.wanted, there):
        state = BaseState.EXACT
    elif len(there) == _SHA256_CHARACTERS > len(touch.wanted):  # another kind of name: it cannot be compared
        state = BaseState.UNKNOWN
    else:
        state = BaseState.MISMATCH
    return FileBase(touch.path, touch.wanted, there, state)


# --- after ----------------------------------------------------------------------------------------------------


def as_applied(patch: Patch, stated: Sequence[FileBase], before: Mapping[str, str]) -> tuple[FileBase, ...]:
    """The files of a patch that did apply; `before` has their blobs, `stated` is what `before_applying` said."""
    found = []
    for touch, said in zip(touches(patch), stated, strict=True):
        base = held_against(touch, before.get(touch.before or touch.path, ""))
        if base.state is BaseState.MISMATCH:
            state = BaseState.BROKEN if said.state is BaseState.BROKEN else BaseState.OTHER
            base = replace(base, state=state)
        found.append(replace(base, chained=said.chained))
    return tuple(found)


def results(patch: Patch, after: Mapping[str, str]) -> tuple[FileResult, ...]:
    """The files of a patch after it; `after` has their blobs."""
    found = []
    for touch in touches(patch):
        there = after.get(touch.path, "") if touch.after is not None else ""
        if touch.after is None:
            exact: bool | None = not after.get(touch.path, "")
        elif not touch.makes or (len(there) == _SHA256_CHARACTERS > len(touch.makes)):
            exact = None
        else:
            exact = is_same(touch.makes, there)
        found.append(FileResult(touch.path, touch.makes, there, exact))
    return tuple(found)


def is_bit_exact(patches: Iterable[AppliedPatch]) -> bool:
    """Whether every file of every patch is the blob that the patch names; one that names none proves nothing."""
    files = [file for patch in patches for file in patch.results]
    return bool(files) and all(file.exact for file in files)

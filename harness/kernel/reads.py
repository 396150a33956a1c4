"""What a build read of its tree: a tree that differs from it only elsewhere makes the same kernel, and is not built.

kbuild notes beside each object which files went into it.  Those, and everything that make and kconfig read themselves,
are what a build is made of; documentation, another architecture's files, drivers that are not configured are not.  In
doubt a file counts as read.  The notes are made where a tree's own makefiles can write: they are believed as far as the
objects beside them are, upon which the next tree is built.

Knows nothing of what is built and where it is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import InfraError
from harness.kernel.git import Git

NEVER = ("Documentation/", "LICENSES/", "tools/testing/")
_TOP = ("MAINTAINERS", "CREDITS", "README", "COPYING", ".mailmap", ".gitignore")
ALWAYS = ("scripts/", "tools/", "usr/", "certs/")  # host programs, and what they make of lists and tables
_OF_MAKE = ("Kconfig", "Makefile", "Kbuild")  # how their files' names begin
_ALL_ZERO = "0" * 40


@dataclass(frozen=True, slots=True)
class Change:
    """A file that two trees do not have alike."""

    state: str  # mode and blob in the tree
    alone: bool  # one of the two has it, the other has not


@dataclass(frozen=True, slots=True)
class Inputs:
    """A tree, also as its difference from a base: so trees on one base can be compared where neither's objects are."""

    tree: str  # git's id
    base: str
    changes: Mapping[str, Change]


Difference = tuple[str, bool]
"""A file that two trees do not have alike, and whether one of them alone has it."""


def inputs_of(git: Git, base: str, tree: str) -> Inputs:
    """A tree and what it is made of.  Raises InfraError where git cannot read it."""
    changes = _changes(git, base, tree)
    if changes is None:
        raise InfraError(f"git cannot compare the trees {base} and {tree}")
    return Inputs(tree, base, changes)


def differences(git: Git, one: Inputs, two: Inputs) -> list[Difference] | None:
    """The files in which two trees differ; None where git does not have them and their bases are not the same."""
    if one.base == two.base:
        pairs = {path: (one.changes.get(path), two.changes.get(path)) for path in {*one.changes, *two.changes}}
        return [
            (path, any(change is not None and change.alone for change in pair))
            for path, pair in sorted(pairs.items())
            if pair[0] != pair[1]
        ]
    changes = _changes(git, one.tree, two.tree)
    return None if changes is None else [(path, change.alone) for path, change in changes.items()]


def _changes(git: Git, old: str, new: str) -> dict[str, Change] | None:
    if old == new:
        return {}
    done = git.run("diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", old, new)
    if not done.ok:
        return None
    words = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    changes = {}
    for meta, path in zip(words[::2], words[1::2], strict=False):
        _, mode, before, after, _ = meta.split(" ")
        changes[path] = Change(f"{mode} {after}", _ALL_ZERO in (before, after))
    return changes


def reads_of(objects: Path, source: Path) -> frozenset[str]:
    """The files of the tree that are named beside the objects of a build; empty where nothing is noted.

    Relative to the objects, which lie in the source, or by their whole path.
    """
    named = re.compile(rb"(?<!\S)(?:" + re.escape(f"{source}/".encode()) + rb"|\.\./)([^\s\\:;()\"']+)")
    found: set[bytes] = set()
    for note in objects.rglob(".*.cmd"):
        if note.is_file() and not note.is_symlink():
            found.update(named.findall(note.read_bytes()))
    return frozenset(path.decode("utf-8", "surrogateescape") for path in found)


def makes_the_same(
    differing: Iterable[Difference], reads: frozenset[str], *, always: Sequence[str] = ALWAYS,
    never: Sequence[str] = NEVER,
) -> bool:  # fmt: skip
    """Whether a tree makes what was built of another, by what that build read.

    `always` and `never` begin the paths of files that count as read, or do not, whatever is noted of them; those of a
    kernel where nothing is said.
    """
    return bool(reads) and not any(
        _is_read(path, reads, alone, tuple(always), tuple(never)) for path, alone in differing
    )


def _is_read(path: str, reads: frozenset[str], alone: bool, always: tuple[str, ...], never: tuple[str, ...]) -> bool:
    """Whether a change of a file may make a difference; `alone`: only one of the trees has it."""
    name = PurePosixPath(path)
    if name.name.startswith(_OF_MAKE):
        return True
    if path in _TOP or path.startswith(never):
        return False
    if path.startswith(always) or name.suffix not in (".c", ".S", ".h"):
        return True
    # A new header may stand before one of the same name that was read.
    return path in reads or (alone and name.suffix == ".h")


def to_json(inputs: Inputs) -> str:
    """For a file; `from_json` reads it."""
    changes = {path: [change.state, change.alone] for path, change in inputs.changes.items()}
    return json.dumps({"tree": inputs.tree, "base": inputs.base, "changes": changes})


def from_json(text: str) -> Inputs:
    """Raises ValueError, KeyError or TypeError for what `to_json` has not written."""
    found = json.loads(text)
    changes = {str(path): Change(str(state), bool(alone)) for path, (state, alone) in found["changes"].items()}
    return Inputs(str(found["tree"]), str(found["base"]), changes)

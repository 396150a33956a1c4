"""Directories of objects, kept in the work copy: the next patch of a series compiles what it changes.

kbuild names the sources of a build that happens directly below them relative to it (`srctree` is `..`): its commands
are the same wherever the work copy lies, and ccache need not rewrite them, which took half of its time.

make tells by dates what is to be compiled again, and git gives a new one to each file that it writes: what was made of
one commit is right to build the next one upon.  But only for the same configuration and tools, and only if nothing
interrupted make: the note of a directory, which lies beside the work copy, where the sandbox cannot write, is taken
away while make runs.
What compilers said of objects that stay is kept in the note, and is said again.

Knows nothing of what is configured, built or kept of it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.host.cache import remove_tree
from harness.kernel.checkout import NOTE, OBJECTS

MOST_KEPT = 8
"""Directories in one work copy: some 100 MiB each, more with debug information."""

_TAKING = threading.Lock()
"""Builds of one checkout begin one after the other: what has no note is in use, and is not removed to make room."""

_TARGET = re.compile(r"  [A-Z][A-Z0-9_]* +(?:\[\w+\] )?(?P<target>\S+)$")
_MAKE = re.compile(r"make(?:\[\d+\])?: ")


@dataclass(slots=True)
class Objects:
    """A directory that make works in, and what was said of each of its objects, by target."""

    directory: Path
    compiled: bool = False  # the objects of a whole kernel are there
    good: bool = False  # make came to its end: what is here can be built upon
    said: dict[str, list[str]] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        """A file at the top of the directory.  What stood there is replaced, never followed: make wrote it."""
        path = self.directory / name
        remove_tree(path)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        return path

    def keep(self, name: str, text: str) -> Path:
        """The same, but a file that has this text already stays as old as it is: make begins nothing for it."""
        path = self.directory / name
        if path.is_file() and not path.is_symlink() and path.read_bytes() == text.encode():
            return path
        return self.write(name, text)

    def hear(self, log: Iterable[str], source: Path) -> list[str]:
        """Take in the lines of a build's log; returns all that has been said of what is there now, old and new."""
        loose: list[str] = []
        new: dict[str, list[str]] = {}
        lines = loose
        for line in log:
            if match := _TARGET.match(line):
                lines = new.setdefault(match["target"], [])
            elif _MAKE.match(line):
                loose.append(line)
            elif line.strip():
                lines.append(line)
        self.said = {
            target: lines
            for target, lines in {**self.said, **new}.items()
            if lines and (target in new or _has_source(source, target))
        }
        return [*(line for lines in self.said.values() for line in lines), *loose]


@contextmanager
def kept_objects(checkout: Path, name: str, way: str) -> Iterator[Objects]:
    """The directory of that name in the checkout, empty unless its last build was made the same `way`.

    It stays if the caller says that it is good, and is gone after an error.  The process holds the checkout alone.
    """
    directory, note = checkout / f"{OBJECTS}{name}", checkout.parent / f"{OBJECTS}{name}{NOTE}"
    with _TAKING:
        record = _read(note, way) if directory.is_dir() else None
        note.unlink(missing_ok=True)
        if record is None:
            remove_tree(directory)
            _make_room(checkout)
            directory.mkdir()
    objects = Objects(directory, **(record or {}))
    try:
        yield objects
        if objects.good:
            note.write_text(json.dumps({"way": way, "compiled": objects.compiled, "said": objects.said}))
    finally:
        if not note.exists():
            remove_tree(directory)


def _read(note: Path, way: str) -> dict[str, Any] | None:
    try:
        record = json.loads(note.read_text())
        same = record["way"] == way
        return {"compiled": bool(record["compiled"]), "said": dict(record["said"])} if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make_room(checkout: Path) -> None:
    """Leave room for one more: the one whose last build is longest ago goes."""
    notes = sorted(checkout.parent.glob(f"{OBJECTS}*{NOTE}"), key=lambda path: path.stat().st_mtime)
    for note in notes[: max(0, len(notes) - MOST_KEPT + 1)]:
        remove_tree(checkout / note.name.removesuffix(NOTE))
        note.unlink(missing_ok=True)


def _has_source(source: Path, target: str) -> bool:
    """Whether an object's source is still in the tree; other targets are made anew whenever they change."""
    path = source / target
    return path.suffix != ".o" or any(path.with_suffix(suffix).exists() for suffix in (".c", ".S"))

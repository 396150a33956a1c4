"""Writes one git pack: the objects of one commit, uncompressed, with its index.

`git fast-import` does the same in three times the CPU time: it hashes a gigabyte and a half three times with a SHA-1
that also looks for attacks, and an import stands at the start of every cold run.  Formats: gitformat-pack(5).
Knows nothing of where the files come from.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path
from typing import IO

_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_DIRECTORY = "40000"
_HEADER = 12
_LARGE = 1 << 31


class Tree:
    """A directory while it is filled: names to (mode, object name) or to directories."""

    def __init__(self) -> None:
        self.entries: dict[bytes, tuple[str, bytes] | Tree] = {}

    def put(self, path: bytes, mode: str, name: bytes) -> None:
        """Place a file; what stood there or in its way before is replaced."""
        *parents, last = path.split(b"/")
        where = self
        for parent in parents:
            inner = where.entries.get(parent)
            if not isinstance(inner, Tree):
                inner = where.entries[parent] = Tree()
            where = inner
        where.entries[last] = (mode, name)

    def get(self, path: bytes) -> tuple[str, bytes] | None:
        """The file at a path, or None."""
        where: tuple[str, bytes] | Tree | None = self
        for part in path.split(b"/"):
            where = where.entries.get(part) if isinstance(where, Tree) else None
        return None if isinstance(where, Tree) else where


class Pack:
    """A pack being written to `file`, which must be empty; `finish` makes it a pack of a repository."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._file.write(bytes(_HEADER))
        self._offset = _HEADER
        self._objects: dict[bytes, tuple[int, int]] = {}  # name: offset, CRC

    def add(self, kind: str, data: bytes) -> bytes:
        """Write an object unless it is there already; its name (20 bytes)."""
        digest = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
        digest.update(data)
        name = digest.digest()
        if name not in self._objects:
            packed = _entry_header(_TYPES[kind], len(data)) + zlib.compress(data, 0)
            self._objects[name] = (self._offset, zlib.crc32(packed))
            self._file.write(packed)
            self._offset += len(packed)
        return name

    def add_tree(self, tree: Tree) -> bytes:
        """Write a directory and all below it."""
        # git sorts directories as if their names ended with a slash.
        lines = []
        for name, entry in tree.entries.items():
            if isinstance(entry, Tree):
                lines.append((name + b"/", _DIRECTORY, name, self.add_tree(entry)))
            else:
                lines.append((name, entry[0], name, entry[1]))
        return self.add(
            "tree", b"".join(b"%s %s\0%s" % (mode.encode(), name, sha) for _, mode, name, sha in sorted(lines))
        )

    def finish(self, path: Path, into: Path) -> None:
        """Complete the pack, whose file lies at `path`, and move it with its index to the directory `into`."""
        self._file.seek(0)
        self._file.write(b"PACK" + struct.pack(">II", 2, len(self._objects)))
        self._file.flush()
        with path.open("rb") as written:
            checksum = hashlib.file_digest(written, lambda: hashlib.sha1(usedforsecurity=False)).digest()
        self._file.seek(0, 2)
        self._file.write(checksum)
        self._file.close()
        (into / f"pack-{checksum.hex()}.idx").write_bytes(self._index(checksum))
        path.rename(into / f"pack-{checksum.hex()}.pack")

    def _index(self, checksum: bytes) -> bytes:
        """The index of version 2."""
        names = sorted(self._objects)
        counts = [0] * 256
        for name in names:
            counts[name[0]] += 1
        fanout, total = [], 0
        for count in counts:
            total += count
            fanout.append(total)
        offsets, large = [], []
        for name in names:
            offset = self._objects[name][0]
            if offset >= _LARGE:
                large.append(offset)
                offset = _LARGE | (len(large) - 1)
            offsets.append(offset)
        body = b"".join(
            (
                b"\xfftOc", struct.pack(">I256I", 2, *fanout), b"".join(names),
                struct.pack(f">{total}I", *(self._objects[name][1] for name in names)),
                struct.pack(f">{total}I", *offsets), struct.pack(f">{len(large)}Q", *large), checksum,
            )
        )  # fmt: skip
        return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _entry_header(kind: int, size: int) -> bytes:
    """Type and size in git's variable length: 4 bits of size in the first byte, 7 in each that follows."""
    byte, size = kind << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    header.append(byte)
    return bytes(header)

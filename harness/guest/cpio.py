"""The cpio "newc" format, as the kernel reads it for its initramfs (Documentation/driver-api/early-userspace).

A writer that needs no root rights for device nodes and always makes the same bytes of the same entries, and a reader
that the checks use.  Knows nothing of what is in an archive.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ALIGNMENT = 4
"""Archives may follow each other in one initramfs; each must begin at a multiple of this."""

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_HEADER_SIZE = 110


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive: `path` without a leading slash, `mode` with the file type, owned by root."""

    path: str
    mode: int
    data: bytes = b""  # a symbolic link's target
    device: tuple[int, int] = (0, 0)  # major, minor of a device node

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)


def directory(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, stat.S_IFDIR | mode)


def regular(path: str, data: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, stat.S_IFREG | mode, data)


def symlink(path: str, target: str) -> Entry:
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, mode: int = 0o600) -> Entry:
    return Entry(path, stat.S_IFCHR | mode, b"", (major, minor))


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with a directory entry before each that lacks its parent: the kernel makes none by itself."""
    known: set[str] = set()
    complete: list[Entry] = []
    for entry in entries:
        parts = entry.path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            parent = "/".join(parts[:depth])
            if parent not in known:
                known.add(parent)
                complete.append(directory(parent))
        if not (stat.S_ISDIR(entry.mode) and entry.path in known):
            complete.append(entry)
        known.add(entry.path)
    return complete


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    fields = (
        number, entry.mode, 0, 0, 2 if stat.S_ISDIR(entry.mode) else 1, 0, len(entry.data),
        0, 0, *entry.device, len(name), 0,
    )  # fmt: skip
    header = _MAGIC + b"".join(b"%08x" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def pack(entries: Iterable[Entry]) -> bytes:
    """An archive of the entries in their order.  Inode numbers count up and times are zero: same in, same out."""
    records = [_record(number, entry) for number, entry in enumerate(entries, start=1)]
    records.append(_record(0, Entry(_TRAILER, 0)))
    return b"".join(records)


def unpack(archive: bytes) -> Iterator[Entry]:
    """The entries of one archive, up to its trailer.  Raises ValueError for what is not such an archive."""
    position = 0
    while True:
        header = archive[position : position + _HEADER_SIZE]
        if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
            raise ValueError(f"no cpio newc header at byte {position}")
        fields = [int(header[at : at + 8], 16) for at in range(len(_MAGIC), _HEADER_SIZE, 8)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name_end = position + _HEADER_SIZE + name_size
        data_start = name_end + -name_end % ALIGNMENT
        if data_start + size > len(archive) or name_size < 1:
            raise ValueError(f"cpio entry at byte {position} is cut off")
        name = archive[position + _HEADER_SIZE : name_end - 1].decode()
        if name == _TRAILER:
            return
        yield Entry(name, mode, archive[data_start : data_start + size], (fields[9], fields[10]))
        position = data_start + size + -size % ALIGNMENT

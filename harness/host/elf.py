"""What ELF headers say: what a program needs to be loaded, and the build id that ties a running kernel to its file.

A small reader for 64-bit little-endian files (System V ABI, elf.h): all our architectures.  Runs nothing.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"  # 64-bit, little-endian
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_SHT_NOTE = 7
_NT_GNU_BUILD_ID = 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


class NotElf(ValueError):
    """Not a 64-bit little-endian ELF file, or a broken one."""


@dataclass(frozen=True, slots=True)
class Elf:
    """The loader's view of a program or library."""

    machine: int  # e_machine
    interpreter: str  # "" where none is asked for
    needed: tuple[str, ...]  # DT_NEEDED, in order


@dataclass(frozen=True, slots=True)
class _Segment:
    type: int
    offset: int
    address: int
    size: int


def is_elf(data: bytes) -> bool:
    return data.startswith(b"\x7fELF")


def read_elf(data: bytes) -> Elf:
    """Read the headers of an ELF file.  Raises NotElf."""
    if not data.startswith(_MAGIC):
        raise NotElf("no 64-bit little-endian ELF file")
    try:
        (machine,) = struct.unpack_from("<H", data, 18)
        segments = _segments(data)
        interpreter = ""
        for segment in segments:
            if segment.type == _PT_INTERP:
                interpreter = _text(data, segment.offset)
        return Elf(machine, interpreter, _needed(data, segments))
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise NotElf(f"broken ELF file: {error}") from error


def build_id(path: Path) -> str:
    """The GNU build id in hexadecimal, or "" where there is none or the file is no such ELF file."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[: len(_MAGIC)] != _MAGIC:
                return ""
            notes = (_id_in(data[offset : offset + size]) for offset, size in _notes(data))
            return next(filter(None, notes), "")
    except (OSError, ValueError, OverflowError, struct.error):  # ValueError: an empty file
        return ""


def has_lines(path: Path) -> bool:
    """Whether a file has debug information that leads from addresses to lines (a section .debug_line)."""
    return b".debug_line" in section_names(path)


def section_names(path: Path) -> set[bytes]:
    """The names of a file's sections; none where it is no such ELF file."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _section_names(data) if data[: len(_MAGIC)] == _MAGIC else set()
    except (OSError, ValueError, struct.error):  # ValueError: an empty file
        return set()


def _section_names(data: mmap.mmap) -> set[bytes]:
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, strings = struct.unpack_from("<HHH", data, 58)
    offset, length = struct.unpack_from("<QQ", data, table + strings * size + 24)
    return set(data[offset : offset + length].split(b"\0")) if count else set()


def _notes(data: mmap.mmap) -> list[tuple[int, int]]:
    """Where notes lie: by the program headers, then by the sections (a relocatable file has no others)."""
    found = [(segment.offset, segment.size) for segment in _segments(data) if segment.type == _PT_NOTE]
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    for index in range(count):
        _name, kind, _flags, _address, offset, length = struct.unpack_from("<IIQQQQ", data, table + index * size)
        if kind == _SHT_NOTE:
            found.append((offset, length))
    return found


def _id_in(notes: bytes) -> str:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        at += 12
        name = notes[at : at + name_size]
        at += (name_size + 3) & ~3
        if kind == _NT_GNU_BUILD_ID and name == b"GNU\0":
            return notes[at : at + size].hex()
        at += (size + 3) & ~3
    return ""


def _segments(data: bytes | mmap.mmap) -> list[_Segment]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(count):
        fields = struct.unpack_from("<IIQQQQ", data, table + index * size)
        found.append(_Segment(type=fields[0], offset=fields[2], address=fields[3], size=fields[5]))
    return found


def _needed(data: bytes, segments: list[_Segment]) -> tuple[str, ...]:
    names: list[int] = []
    strings = 0
    for segment in segments:
        if segment.type != _PT_DYNAMIC:
            continue
        for at in range(segment.offset, segment.offset + segment.size - 15, 16):
            tag, value = struct.unpack_from("<QQ", data, at)
            if tag == _DT_NULL:
                break
            if tag == _DT_NEEDED:
                names.append(value)
            elif tag == _DT_STRTAB:
                strings = _file_offset(value, segments)
    return tuple(_text(data, strings + name) for name in names)


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for segment in segments:
        if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    raise NotElf("the string table lies in no segment")


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    if not 0 <= at < len(data) or end < 0:
        raise NotElf("a string lies outside of the file")
    return data[at:end].decode()

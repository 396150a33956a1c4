"""What a program needs to be loaded: machine, interpreter and shared libraries, read from its ELF headers.

A small reader for 64-bit little-endian files (elf.h), enough for every architecture we run.  Runs nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAGIC = b"\x7fELF\x02\x01"  # 64-bit, little-endian
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
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


def _segments(data: bytes) -> list[_Segment]:
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

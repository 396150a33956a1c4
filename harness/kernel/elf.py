"""The build id of an ELF file: what ties a running kernel to the file it was built as.

Reads 64-bit little-endian ELF (System V ABI, elf.h), which all our architectures use.  Runs no program.
"""

from __future__ import annotations

import struct
from pathlib import Path

_NT_GNU_BUILD_ID = 3
_PT_NOTE = 4
_SHT_NOTE = 7


def build_id(path: Path) -> str:
    """The GNU build id in hexadecimal, or "" where there is none or the file is no such ELF file."""
    try:
        with path.open("rb") as file:
            header = file.read(64)
            if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
                return ""
            program_table, section_table = struct.unpack_from("<QQ", header, 32)
            program_size, programs, section_size, sections = struct.unpack_from("<4H", header, 54)
            notes: list[tuple[int, int]] = []
            for number in range(programs):
                file.seek(program_table + number * program_size)
                kind, _flags, offset, _va, _pa, size = struct.unpack("<IIQQQQ", file.read(40))
                if kind == _PT_NOTE:
                    notes.append((offset, size))
            for number in range(sections):
                file.seek(section_table + number * section_size)
                _name, kind, _flags, _address, offset, size = struct.unpack("<IIQQQQ", file.read(40))
                if kind == _SHT_NOTE:
                    notes.append((offset, size))
            for offset, size in notes:
                file.seek(offset)
                if found := _in_notes(file.read(min(size, 1 << 20))):
                    return found
    except (OSError, ValueError, struct.error):
        pass
    return ""


def _in_notes(data: bytes) -> str:
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<III", data, at)
        at += 12
        name = data[at : at + name_size]
        at += (name_size + 3) & ~3
        if kind == _NT_GNU_BUILD_ID and name == b"GNU\0":
            return data[at : at + size].hex()
        at += (size + 3) & ~3
    return ""

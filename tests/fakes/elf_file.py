"""Makes tiny ELF files: headers, an interpreter and needed libraries, and nothing to run."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_BASE = 0x400000


def make_elf(machine: int, *, needed: Sequence[str] = (), interpreter: str = "") -> bytes:
    """A 64-bit little-endian ELF file with one load segment over all of it."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    offsets = []
    at = 1
    for name in needed:
        offsets.append(at)
        at += len(name) + 1
    interp = interpreter.encode() + b"\0" if interpreter else b""
    count = 2 + bool(interp)
    data_start = 64 + 56 * count
    dynamic_start = data_start + len(strings) + len(interp)
    entries = [(1, offset) for offset in offsets] + [(5, _BASE + data_start), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    size = dynamic_start + len(dynamic)

    def segment(kind: int, start: int, length: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, 5, start, _BASE + start, _BASE + start, length, length, 0x1000)

    table = segment(1, 0, size) + segment(2, dynamic_start, len(dynamic))
    if interp:
        table += segment(3, data_start + len(strings), len(interp))
    ident = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, _BASE, 64, 0, 0, 64, 56, count, 0, 0, 0)
    return header + table + strings + interp + dynamic

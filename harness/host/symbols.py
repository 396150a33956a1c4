"""The functions of a kernel, by the addresses of its vmlinux (System V ABI, elf.h; nokaslr: they are those of a guest).

A reader of .symtab for 64-bit little-endian files.  Runs nothing.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.host.elf import NotElf

_MAGIC = b"\x7fELF\x02\x01"
_SHT_SYMTAB = 2
_SHF_EXECINSTR = 4
_STT_NOTYPE, _STT_FUNC = 0, 2
_MAPPING = re.compile(r"\$[adtx]|\.L|__pfx_|__kstrtab|__export_symbol_")
_UNNAMEABLE = re.compile(r"[^\w.$]", re.ASCII)
"""Of names: they come from a stranger's patches, and go to terminals and into files."""

_MADE = re.compile(r"(\.(isra|constprop|part|cold|llvm|lto_priv)(\.\d+)?|\.\d+)+$")


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A symbol of code.  `size` 0: nobody says where it ends."""

    address: int
    size: int
    name: str
    function: bool  # STT_FUNC; others are labels of assembler code


def source_name(name: str) -> str:
    """The function's name as its source has it, without what a compiler made of it: `foo.isra.0` is foo."""
    return _MADE.sub("", name)


class Symbols:
    """Code by address."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._starts: list[int] = []
        self._found: list[Symbol] = []
        self.by_name: dict[str, Symbol] = {}
        end = 0
        # Of several names for one address the function of the largest size; labels inside of a function are no
        # functions of their own.
        for symbol in sorted(symbols, key=lambda one: (one.address, not one.function, -one.size, len(one.name), one)):
            self.by_name.setdefault(symbol.name, symbol)
            if self._starts and self._starts[-1] == symbol.address:
                continue
            if not symbol.function and symbol.address < end:
                continue
            if symbol.function:
                end = max(end, symbol.address + symbol.size)
            self._starts.append(symbol.address)
            self._found.append(symbol)

    def at(self, address: int) -> Symbol | None:
        """The symbol that an address belongs to: the last one that begins at it or before."""
        at = bisect_right(self._starts, address)
        return self._found[at - 1] if at else None

    def end_of(self, symbol: Symbol) -> int:
        """The first address behind it."""
        if symbol.size:
            return symbol.address + symbol.size
        at = bisect_right(self._starts, symbol.address)
        return self._starts[at] if at < len(self._starts) else symbol.address + 1

    def __iter__(self) -> Iterator[Symbol]:
        """One symbol for each address, in the order of addresses."""
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def read_symbols(path: Path) -> Symbols:
    """The code of an ELF file.  Raises NotElf for one without a table of symbols, OSError."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise NotElf(f"{path} is no 64-bit little-endian ELF file")
    try:
        return Symbols(_symbols(data))
    except NotElf:
        raise
    except (struct.error, ValueError, IndexError) as error:
        raise NotElf(f"{path} is a broken ELF file: {error}") from error


def _symbols(data: bytes) -> Iterator[Symbol]:
    (table,) = struct.unpack_from("<Q", data, 40)
    entry, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + number * entry) for number in range(count)]
    code = {number for number, section in enumerate(sections) if section[2] & _SHF_EXECINSTR}
    found = next((section for section in sections if section[1] == _SHT_SYMTAB), None)
    if found is None:
        raise NotElf("the ELF file has no table of symbols")
    offset, size, strings = found[4], found[5], sections[found[6]][4]
    for name, info, _other, section, address, length in struct.iter_unpack("<IBBHQQ", data[offset : offset + size]):
        kind = info & 15
        if kind not in (_STT_FUNC, _STT_NOTYPE) or section not in code:
            continue
        at = strings + name
        text = _UNNAMEABLE.sub("?", data[at : data.index(b"\0", at)].decode("ascii", "replace"))
        if text and not _MAPPING.match(text):
            yield Symbol(address, length, text, kind == _STT_FUNC)

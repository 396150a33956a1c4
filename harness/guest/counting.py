"""Counts what an exact guest executes, instruction by instruction: a plugin of QEMU, written for this project in C.

The plugin is `plugin/*.c`.  It is compiled on the host for the interface that the QEMU at hand speaks (7.2 to 11.1);
it only watches, so that the guest's run is the one that it is without it.  This module makes it, tells it where the
kernel is entered, and reads what it wrote: by symbols of the kernel, as a `Profile` a case.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.costs import INTERRUPTS, OTHERS, USER, Profile
from harness.errors import InfraError, MissingTool
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.symbols import Symbols, source_name
from harness.model import Arch

NEWEST_API = 7
"""The newest version of the plugins' interface that plugin/api.h knows; QEMU says whether it still takes it."""

FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden")

_SOURCES = Path(__file__).with_name("plugin")
_DEADLINE_S = 120.0
_NOT_STARTED = 127
_UP_TO = re.compile(r"supports only up to version (\d+)")
_USER = 1 << 63


@dataclass(frozen=True, slots=True)
class Counting:
    """What a guest is watched with.  `output` is written when QEMU ends."""

    plugin: Path
    entries: str  # the plugin's file of entries
    output: Path


# --- the plugin -----------------------------------------------------------------------------------------------


def build_plugin(qemu: Path, *, processes: Processes, cache: Cache) -> Path:
    """The plugin for this QEMU, from the cache if nothing that it comes from has changed.

    Raises MissingTool without a compiler, InfraError for a QEMU that loads no plugins.
    """
    ask = _compiled("ask", ("ask.c",), NEWEST_API, processes, cache)
    tried = processes.run(
        [qemu, "-machine", "none", "-display", "none", "-nodefaults", "-plugin", f"file={_value(ask)}"],
        deadline_s=_DEADLINE_S,
    )
    found = _UP_TO.search(tried.words)
    if found is None:
        raise InfraError(f"{qemu.name} loads no TCG plugins", detail=tried.words, fix="use a QEMU built with plugins")
    names = tuple(sorted(file.name for file in _SOURCES.glob("*.c") if file.name != "ask.c"))
    return _compiled("counting", names, min(int(found[1]), NEWEST_API), processes, cache)


def _compiled(name: str, sources: tuple[str, ...], api: int, processes: Processes, cache: Cache) -> Path:
    asked = processes.run(["gcc", "--version"])
    if asked.exit_code == _NOT_STARTED:
        raise MissingTool("gcc", "gcc")
    digest = hashlib.sha256()
    for part in (name, str(api), asked.text.partition("\n")[0], *FLAGS, *sources):
        digest.update(part.encode() + b"\0")
    for file in sorted([*_SOURCES.glob("*.c"), *_SOURCES.glob("*.h")]):
        digest.update(file.read_bytes() + b"\0")

    def make(into: Path) -> None:
        argv = ["gcc", *FLAGS, f"-DAPI={api}", "-o", str(into / f"{name}.so"), *sources]
        done = processes.run(argv, cwd=_SOURCES, deadline_s=_DEADLINE_S)
        if not done.ok:
            raise InfraError(f"the plugin {name} does not compile", detail=done.words)

    entry, _ = cache.get("plugin", digest.hexdigest()[:32], make)
    return entry / f"{name}.so"


def _value(path: Path) -> str:
    """A path as the value of an option with several: QEMU reads a doubled comma as one."""
    return str(path).replace(",", ",,")


def counting_args(counting: Counting, entries: Path) -> list[str]:
    """QEMU's options; `entries` is the file that has been written of them."""
    return [
        "-plugin",
        f"file={_value(counting.plugin)},out={_value(counting.output)},entries={_value(entries)}",
    ]


# --- where the kernel is entered ------------------------------------------------------------------------------

_X86_FAULTS = (
    "page_fault", "general_protection", "stack_segment", "segment_not_present", "invalid_tss", "alignment_check",
    "divide_error", "device_not_available", "coprocessor_error", "simd_coprocessor_error", "double_fault", "bounds",
)  # fmt: skip
_X86_TRAPS = ("entry_SYSCALL_64", "entry_SYSCALL_compat", "entry_INT80_compat", "asm_int80_emulation")
_X86_TABLES = ("irq_entries_start", "spurious_entries_start")
_VECTORS, _VECTOR_SIZE = "vectors", 0x80
_VECTOR_LEVELS = ("el1t_64", "el1h_64", "el0t_64", "el0t_32")
_VECTOR_KINDS = ("sync", "irq", "fiq", "error")
_SWITCHES = {Arch.X86_64: "__switch_to_asm", Arch.ARM64: "cpu_switch_to"}


def entries_of(arch: Arch, symbols: Symbols) -> str:
    """The plugin's file of entries: where exceptions and interrupts lead to, and the switch of tasks.

    By the names of arch/x86/entry and of the vectors of arch/arm64/kernel/entry.S.  What a kernel has not is left out:
    then calls are shown less well, and counted as they were.
    """
    lines = _x86_entries(symbols) if arch is Arch.X86_64 else _arm64_entries(symbols)
    found = [f"{kind} {start:x} {end:x}" for kind, start, end in lines]
    if (switch := symbols.by_name.get(_SWITCHES[arch])) is not None:
        found.append(f"s {switch.address:x} {symbols.end_of(switch):x}")
    return "".join(f"{line}\n" for line in found)


def _x86_entries(symbols: Symbols) -> Iterator[tuple[str, int, int]]:
    faults = {f"asm_exc_{name}" for name in _X86_FAULTS}
    for name, symbol in symbols.by_name.items():
        start = symbol.address
        if name in _X86_TABLES:
            yield "i", start, symbols.end_of(symbol)
        elif name.startswith("asm_sysvec_") or name in ("asm_exc_nmi", "asm_exc_machine_check"):
            yield "i", start, start + 1
        elif name in faults:
            yield "f", start, start + 1
        elif name.startswith("asm_exc_") or name in _X86_TRAPS:
            yield "t", start, start + 1


def _arm64_entries(symbols: Symbols) -> Iterator[tuple[str, int, int]]:
    """One vector of four is that of synchronous exceptions: a system call tells itself by its instruction."""
    if (vectors := symbols.by_name.get(_VECTORS)) is not None:
        for number in range(len(_VECTOR_LEVELS) * len(_VECTOR_KINDS)):
            start = vectors.address + number * _VECTOR_SIZE
            yield "i" if number % len(_VECTOR_KINDS) else "f", start, start + 1


def _vector_name(offset: int) -> str:
    """The handler that a vector leads to, by the names of arch/arm64/kernel/entry.S."""
    level, kind = divmod(offset // _VECTOR_SIZE, len(_VECTOR_KINDS))
    return f"{_VECTOR_LEVELS[level]}_{_VECTOR_KINDS[kind]}" if level < len(_VECTOR_LEVELS) else _VECTORS


# --- what was counted -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Case:
    repetitions: list[tuple[bool, int, int, int]] = field(default_factory=list)  # measured, lane, instructions, faults
    counts: list[tuple[int, int, int, int, int, int]] = field(
        default_factory=list
    )  # lane, node, block, from, to, times


def read_counts(path: Path, symbols: Symbols) -> tuple[dict[int, Profile], ...]:
    """A profile for each thing that was timed (0: the case's main cost), of each case, in the order of the cases.

    Raises InfraError where the file is not whole: QEMU was killed, or the disk is full.
    """
    try:
        with path.open(encoding="ascii") as file:
            return _read(file, symbols)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InfraError(f"what was counted in the guest is not whole: {path}", detail=str(error)) from error


def _read(lines: Iterable[str], symbols: Symbols) -> tuple[dict[int, Profile], ...]:
    namer = _Namer(symbols)
    profiles: list[dict[int, Profile]] = []
    case, done, first = _Case(), False, True
    for line in lines:
        kind, *words = line.split()
        if first and line != "counting 1\n":
            raise ValueError(f"not a file of the plugin's: {line[:40]!r}")
        first = False
        if kind == "count":
            lane, node, block, start, end, times = map(int, words)
            case.counts.append((lane, node, block, start, end, times))
        elif kind == "block":
            namer.add_block(int(words[0]), int(words[1], 16), words[2])
        elif kind == "node":
            namer.add_node(int(words[0]), int(words[1]), int(words[2], 16))
        elif kind == "case":
            case = _Case()
        elif kind == "repetition":
            case.repetitions.append((words[1] == "measured", int(words[2]), int(words[3]), int(words[4])))
        elif kind == "end":
            profiles.append(
                {lane: _profile(case, lane, namer) for lane in sorted({one[1] for one in case.repetitions})}
            )
        done = kind == "done"
    if not done:
        raise ValueError("it does not come to an end")
    return tuple(profiles)


def _profile(case: _Case, lane: int, namer: _Namer) -> Profile:
    measured = [one for one in case.repetitions if one[0] and one[1] == lane]
    own: Tally[tuple[str, ...]] = Tally()
    entered: Tally[tuple[str, ...]] = Tally()
    for where, node, block, start, end, times in case.counts:
        if where != lane:
            continue
        for function, begins, count in namer.functions(block, start, end):
            stack = namer.stack(node, function)
            own[stack] += count * times
            entered[stack] += begins * times
    total = sum(one[2] for one in measured)
    if sum(own.values()) != total:
        raise ValueError(f"{sum(own.values())} instructions have an address, of {total}")
    return Profile(
        total, sum(one[3] for one in measured), tuple(one[2] for one in measured),
        {stack: (count, entered[stack]) for stack, count in own.items()},
    )  # fmt: skip


class _Namer:
    """Addresses of blocks and calls to names of functions."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._blocks: dict[int, tuple[int, str]] = {}
        self._stacks: dict[int, tuple[str, ...]] = {0: (), 1: (), 2: (OTHERS,), 3: (INTERRUPTS,)}
        self._runs: dict[tuple[int, int, int], list[tuple[str, int, int]]] = {}
        self._names: dict[int, tuple[str, int]] = {}

    def add_block(self, number: int, address: int, sizes: str) -> None:
        self._blocks[number] = (address, sizes)

    def add_node(self, number: int, parent: int, address: int) -> None:
        above, name = self._stacks[parent], self._name(address)[0]
        self._stacks[number] = above if above and above[-1] == name else (*above, name)

    def stack(self, node: int, function: str) -> tuple[str, ...]:
        """What is shown of an instruction of `function`: a jump to another function is shown as a call of it."""
        above = self._stacks[node]
        return above if above and above[-1] == function else (*above, function)

    def functions(self, block: int, start: int, end: int) -> list[tuple[str, int, int]]:
        """Functions of a part of a block: name, whether it begins there (1 or 0), and instructions."""
        key = (block, start, end)
        if key not in self._runs:
            self._runs[key] = self._split(*key)
        return self._runs[key]

    def _split(self, block: int, start: int, end: int) -> list[tuple[str, int, int]]:
        address, sizes = self._blocks[block]
        if end > len(sizes):
            raise ValueError(f"block {block} has no instruction {end}")
        runs: list[tuple[str, int, int]] = []
        for number, size in enumerate(sizes[:end]):
            if number >= start:
                name, begin = self._name(address)
                begins = int(address == begin)
                if runs and runs[-1][0] == name and not begins:
                    runs[-1] = (name, runs[-1][1], runs[-1][2] + 1)
                else:
                    runs.append((name, begins, 1))
            address += int(size, 16)
        return runs

    def _name(self, address: int) -> tuple[str, int]:
        """The function at an address, and where it begins."""
        if address < _USER:
            return USER, -1
        if address not in self._names:
            self._names[address] = self._find(address)
        return self._names[address]

    def _find(self, address: int) -> tuple[str, int]:
        symbol = self._symbols.at(address)
        if symbol is None:
            return f"{address:#x}", -1
        if symbol.name == _VECTORS:
            return _vector_name(address - symbol.address), symbol.address
        return source_name(symbol.name), symbol.address

"""What a guest's kernel says of itself around each command: counters, taint, and whether lockdep still works.

Reading it also arms the kernel's WARN_ONCE again, so that what one case has said is said in the next one too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model import Counter

_MARK = "--vmaharness--"
_FILES = ("/proc/vmstat", "/proc/sys/kernel/tainted", "/proc/lockdep_stats")

_REARM = "(echo 1 >/sys/kernel/debug/clear_warn_once) 2>/dev/null && echo armed"

READING = "; ".join([*(f"cat {name} 2>/dev/null; echo {_MARK}" for name in _FILES), f"{_REARM}; echo {_MARK}"])
"""The shell commands; what they print is for `parse_probe`."""

PROBE = ("sh", "-c", READING)
"""The same as one command."""

_PREFIX = "vma_lock_"
_ALSO = ("pgfault", "pgmajfault")
_TABLE = re.compile(r" {0,4}([a-z][a-z -]{1,60}):\s{1,40}(\d{1,15}) \[max: (\d{1,15})\]")

NEARLY_FULL = 0.9
"""Of one of lockdep's tables: when it is full lockdep switches itself off, and says so once."""


@dataclass(frozen=True, slots=True)
class Table:
    """One of lockdep's tables of fixed size (/proc/lockdep_stats, `NAME: USED [max: SIZE]`)."""

    name: str
    used: int
    size: int

    @property
    def nearly_full(self) -> bool:
        return self.used > NEARLY_FULL * self.size


@dataclass(frozen=True, slots=True)
class KernelState:
    """One reading.  `debug_locks` is None on a kernel without lockdep."""

    counters: dict[str, int]
    tainted: int
    debug_locks: bool | None
    tables: tuple[Table, ...] = ()
    armed: bool = True  # WARN_ONCE will fire again

    def since(self, before: KernelState) -> tuple[Counter, ...]:
        """The counters that matter to VMA locks, from an earlier reading to this one."""
        return tuple(
            Counter(name, before.counters.get(name, 0), value)
            for name, value in self.counters.items()
            if name.startswith(_PREFIX) or name in _ALSO
        )


def parse_probe(output: str) -> KernelState:
    """Read PROBE's output.  Raises ValueError when the guest did not give a whole account."""
    vmstat, tainted, lockdep, armed, *_ = (*output.split(f"{_MARK}\n"), "", "", "", "")
    pairs = (line.split() for line in vmstat.splitlines())
    counters = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    if not counters or not tainted.strip().isdigit():
        raise ValueError("the guest's /proc/vmstat or /proc/sys/kernel/tainted cannot be read")
    debug_locks = None
    for line in lockdep.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "debug_locks":
            debug_locks = value.strip() == "1"
    found = (_TABLE.match(line) for line in lockdep.splitlines())
    tables = tuple(Table(match[1].strip(), int(match[2]), int(match[3])) for match in found if match)
    return KernelState(counters, int(tainted), debug_locks, tables, armed.strip() == "armed")

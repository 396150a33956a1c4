"""What a guest's kernel says of itself around each command: counters, taint, and whether lockdep still works."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Counter

_MARK = "--vmaharness--"
_FILES = ("/proc/vmstat", "/proc/sys/kernel/tainted", "/proc/lockdep_stats")

PROBE = ("sh", "-c", "; ".join(f"cat {name} 2>/dev/null; echo {_MARK}" for name in _FILES))
"""One command, for a round trip over SSH costs more than the reading."""

_PREFIX = "vma_lock_"
_ALSO = ("pgfault", "pgmajfault")


@dataclass(frozen=True, slots=True)
class KernelState:
    """One reading.  `debug_locks` is None on a kernel without lockdep."""

    counters: dict[str, int]
    tainted: int
    debug_locks: bool | None

    def since(self, before: KernelState) -> tuple[Counter, ...]:
        """The counters that matter to VMA locks, from an earlier reading to this one."""
        return tuple(
            Counter(name, before.counters.get(name, 0), value)
            for name, value in self.counters.items()
            if name.startswith(_PREFIX) or name in _ALSO
        )


def parse_probe(output: str) -> KernelState:
    """Read PROBE's output.  Raises ValueError when the guest did not give a whole account."""
    vmstat, tainted, lockdep, *_ = (*output.split(f"{_MARK}\n"), "", "", "")
    pairs = (line.split() for line in vmstat.splitlines())
    counters = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    if not counters or not tainted.strip().isdigit():
        raise ValueError("the guest's /proc/vmstat or /proc/sys/kernel/tainted cannot be read")
    debug_locks = None
    for line in lockdep.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "debug_locks":
            debug_locks = value.strip() == "1"
    return KernelState(counters, int(tainted), debug_locks)

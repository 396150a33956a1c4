"""Taint: what the bits of /proc/sys/kernel/tainted say (kernel/panic.c, taint_flags).  Knows numbers only."""

from __future__ import annotations

SOFT_LOCKUP = 1 << 14
COMPLAINTS = 1 << 5 | 1 << 7 | 1 << 9
"""Bits that come with a report: bad page, oops, warning.  Others may be the machine's."""

_FLAGS = (
    ("P", "proprietary module"),
    ("F", "forced module load"),
    ("S", "CPU out of specification"),
    ("R", "forced module unload"),
    ("M", "machine check"),
    ("B", "bad page"),
    ("U", "userspace asked for it"),
    ("D", "oops"),
    ("A", "overridden ACPI table"),
    ("W", "warning"),
    ("C", "staging driver"),
    ("I", "firmware workaround"),
    ("O", "out-of-tree module"),
    ("E", "unsigned module"),
    ("L", "soft lockup"),
    ("K", "live patch"),
    ("X", "auxiliary"),
    ("T", "randomised structures"),
    ("N", "test"),
    ("J", "firmware control"),
)


def describe(taint: int) -> str:
    """`W (warning), L (soft lockup)` for a set of bits; "" for none."""
    names = []
    for bit in range(taint.bit_length()):
        if taint >> bit & 1:
            letter, words = _FLAGS[bit] if bit < len(_FLAGS) else (f"bit {bit}", "unknown")
            names.append(f"{letter} ({words})")
    return ", ".join(names)


def new_bits(before: int, after: int) -> int:
    """The bits that came."""
    return after & ~before

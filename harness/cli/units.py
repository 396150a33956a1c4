"""Sizes and ages as people read them."""

from __future__ import annotations


def size(number: int) -> str:
    """Bytes."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"


def ago(seconds: float) -> str:
    """Seconds since something happened."""
    for length, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    return "just now"

"""Values of a plan as people write them: 512M, 1h30m, 1..8, slower > 1 %."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from harness.costs import Limit

MEMORY = re.compile(r"([1-9][0-9]{0,6})([MG])")
_DURATION = re.compile(r"(?=.)(?:([0-9]{1,3})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,7})s)?")
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
SMALLEST_GUEST_MIB = 128
LARGEST_GUEST_MIB = 1024 * 1024

NONE = "none"

Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400, strict=True, allow_inf_nan=False)]


def memory_mib(size: str) -> int:
    """Mebibytes of a size such as 512M or 1G; raises ValueError for anything else."""
    match = MEMORY.fullmatch(size)
    if match is None:
        raise ValueError(f"must be a size such as 512M or 1G, not {size!r}")
    mib = int(match[1]) * (1024 if match[2] == "G" else 1)
    if not SMALLEST_GUEST_MIB <= mib <= LARGEST_GUEST_MIB:
        raise ValueError(f"must be {SMALLEST_GUEST_MIB}M to {LARGEST_GUEST_MIB // 1024}G, not {size}")
    return mib


def duration_s(text: str) -> float:
    """Seconds of a time such as 20m, 90s or 1h30m; raises ValueError for anything else, and for none."""
    match = _DURATION.fullmatch(text)
    seconds = (
        sum(int(part or 0) * size for part, size in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    )
    if not seconds:
        raise ValueError(f"must be a time such as 20m, 90s or 1h30m, not {text!r}")
    return float(seconds)


DEFAULT_SEEDS = (1, 2, 3, 4)
LARGEST_SEED = 2**31 - 1
_SEED = re.compile(r"([0-9]{1,10})(?:\.\.([0-9]{1,10}))?")


def parse_seeds(value: Any) -> tuple[int, ...]:
    """Seeds of `1..8`, `1,5,9`, a number, a list of them in that order, or none.  Raises PydanticCustomError."""
    if value == NONE:
        return ()
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    seeds: list[int] = []
    for part in parts:
        found = _SEED.fullmatch(str(part).strip()) if not isinstance(part, bool) else None
        if found is None:
            raise PydanticCustomError("seeds", "must be seeds such as 1..8 or 1,5,9, not {part}", {"part": repr(part)})
        first, last = int(found[1]), int(found[2] or found[1])
        if not 0 < first <= last <= LARGEST_SEED or last - first >= 10_000:
            raise PydanticCustomError("seeds", "{part}: seeds go from 1 upwards, 10000 at most", {"part": str(part)})
        seeds += range(first, last + 1)
    refuse_repeats([str(seed) for seed in seeds])
    return tuple(seeds)


_SEED_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": LARGEST_SEED}, {"type": "string"}]}
Seeds = Annotated[
    tuple[int, ...],
    BeforeValidator(parse_seeds),
    WithJsonSchema({"anyOf": [*_SEED_SCHEMA["anyOf"], {"type": "array", "items": _SEED_SCHEMA}]}),
]


_LIMIT = re.compile(r"(?:(\S{1,200}):\s+)?slower\s*>\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(%?)")


def parse_limit(text: str) -> Limit:
    """A limit such as `slower > 1 %` or `faults.anon.*: slower > 20`.  Raises ValueError."""
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"must be a limit such as slower > 1 % or faults.anon.1: slower > 20, not {text!r}")
    return Limit(text.strip(), found[1] or "*", float(found[2]), bool(found[3]))


def or_none(value: Any) -> Any:
    """A list, which the word none empties: a flag can only add to it otherwise."""
    return () if value == NONE or (isinstance(value, list | tuple) and list(value) == [NONE]) else value


def _one_or_several(value: Any) -> Any:
    return or_none([value] if isinstance(value, str) else value)


Limits = Annotated[tuple[Text, ...], BeforeValidator(_one_or_several)]


def refuse_repeats(names: list[str]) -> None:
    """Raises PydanticCustomError for a name that is there twice."""
    for name in names:
        if names.count(name) > 1:
            raise PydanticCustomError("repeated", "names {name} more than once", {"name": name})

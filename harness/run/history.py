"""How long each step took last time, so that progress can say what to expect.  Lost history is no error."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.model import StepTime

LEAST_S = 0.5
"""Less is no work but a look into the cache, and nobody waits for it."""


def load(path: Path) -> dict[str, float]:
    """Seconds by step name; empty where there is no history or it cannot be read."""
    with suppress(OSError, ValueError):
        read = json.loads(path.read_text())
        if isinstance(read, dict):
            return {str(name): float(seconds) for name, seconds in read.items() if isinstance(seconds, int | float)}
    return {}


def save(path: Path, steps: Iterable[StepTime]) -> None:
    """Remember the steps that did their work this time."""
    worked = (step for step in steps if not step.cached and step.seconds >= LEAST_S)
    known = load(path) | {step.name: round(step.seconds, 2) for step in worked}
    draft = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(known, indent=0, sort_keys=True))
        draft.replace(path)

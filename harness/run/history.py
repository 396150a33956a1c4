"""How long each step took last time, so that progress can say what to expect.  Lost history is no error.

Commands in guests are remembered as steps are, under names of their own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import fmean

from harness.model import StepTime

BOOT = "boot"
"""What is remembered of a guest's boot, as if it were a command."""

LEAST_S = 0.5
"""Less is no work but a look into the cache, and nobody waits for it."""

_OF_A_PATCH = re.compile(r"patch \d+/\d+: ")


class History:
    """What is remembered, by name."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = dict(seconds)
        patches: dict[str, list[float]] = {}
        for name, took in self._seconds.items():
            if found := _OF_A_PATCH.match(name):
                patches.setdefault(name[found.end() :], []).append(took)
        self._of_patches = {name: fmean(found) for name, found in patches.items()}

    def last_s(self, name: str) -> float:
        """How long it took last time; 0 if it never did any work."""
        return self._seconds.get(name, 0.0)

    def expected_s(self, name: str) -> float | None:
        """What it will take: as long as last time, for a patch never seen as long as for others, or for a whole series.

        None where nothing like it was measured.
        """
        if name in self._seconds:
            return self._seconds[name]
        found = _OF_A_PATCH.match(name)
        if found is None:
            return None
        bare = name[found.end() :]
        return self._of_patches.get(bare, self._seconds.get(bare))

    def commands_s(self, target: str, commands: Iterable[str]) -> float | None:
        """How long a guest of a target takes to boot and to run these; None where none has ever booted."""
        boot = self._seconds.get(name_of_command(target, BOOT))
        return None if boot is None else boot + sum(self.command_s(target, command) for command in commands)

    def command_s(self, target: str, command: str) -> float:
        """How long a command took last time in a guest of a target; 0 for one that was too short, or never run."""
        return self._seconds.get(name_of_command(target, command), 0.0)


def name_of_command(target: str, command: str) -> str:
    """`x86_64 lockdep: faults.same.unmap.2`."""
    return f"{target}: {command}"


def load(path: Path) -> History:
    """What is remembered; nothing where there is no history or it cannot be read."""
    return History(_read(path))


def _read(path: Path) -> dict[str, float]:
    with suppress(OSError, ValueError):
        read = json.loads(path.read_text())
        if isinstance(read, dict):
            return {str(name): float(seconds) for name, seconds in read.items() if isinstance(seconds, int | float)}
    return {}


def save(path: Path, steps: Iterable[StepTime]) -> None:
    """Remember the steps that did their work this time."""
    worked = (step for step in steps if not step.cached and step.seconds >= LEAST_S)
    known = _read(path) | {step.name: round(step.seconds, 2) for step in worked}
    draft = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(known, indent=0, sort_keys=True))
        draft.replace(path)

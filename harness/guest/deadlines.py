"""How long to wait: deadlines are written for hardware speed and stretched for the guest at hand, never shrunk.

Pure arithmetic over measured values; knows no clock but the one it is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.model import Accel

WORK_FACTOR: dict[Accel, float] = {Accel.TCG: 10.0, Accel.KVM: 1.0}
"""How much longer work takes than on hardware: translated code runs some ten times slower."""

SILENCE_FACTOR: dict[Accel, float] = {Accel.TCG: 4.0, Accel.KVM: 1.0}
"""A living guest says something now and then on any accelerator: silence stretches less than work."""

NOMINAL_INIT_S: dict[Accel, float] = {Accel.TCG: 2.5, Accel.KVM: 1.0}
"""QEMU's start to the guest's init on an idle host; a boot that takes longer says how slow this host is now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a guest is; `stretch` is what its own boot showed beyond its accelerator's factor."""

    accel: Accel
    stretch: float = 1.0

    def measured(self, init_s: float) -> Pace:
        """The pace after a boot that took `init_s` seconds to init."""
        return replace(self, stretch=max(1.0, init_s / NOMINAL_INIT_S[self.accel]))

    def work_s(self, seconds: float) -> float:
        """A deadline for a boot or a command."""
        return seconds * WORK_FACTOR[self.accel] * self.stretch

    def silence_s(self, seconds: float) -> float:
        """A deadline for the next sign of life."""
        return seconds * SILENCE_FACTOR[self.accel] * self.stretch


@dataclass(slots=True)
class Deadline:
    """A point in time that can be moved on by signs of life."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self._start

    @property
    def remaining_s(self) -> float:
        return max(0.0, self.seconds - self.elapsed_s)

    @property
    def expired(self) -> bool:
        return self.elapsed_s >= self.seconds

    def restart(self) -> None:
        self._start = self.clock()

"""How far a run goes.  Imports nothing, so that the command line can name goals before the engine is loaded."""

from __future__ import annotations

from enum import StrEnum


class Goal(StrEnum):
    """How far a run goes; each goal includes those before it."""

    APPLY = "apply"
    CONFIG = "config"
    BUILD = "build"
    GUEST = "guest"  # everything that a guest needs, but no guest
    RUN = "run"

    def reaches(self, other: Goal) -> bool:
        order = list(Goal)
        return order.index(self) >= order.index(other)

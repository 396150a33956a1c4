"""What became of a target's tasks, however its guests were run."""

from __future__ import annotations

from typing import Protocol

from harness.model import Boot, Case, Exact
from harness.run.tasks import Task


class TargetAccount(Protocol):
    """What results and capsules are made of."""

    @property
    def kernel_cases(self) -> list[Case]: ...

    @property
    def cases(self) -> list[Case]: ...

    @property
    def boots(self) -> list[Boot]: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def infra(self) -> tuple[str, ...]: ...

    @property
    def exact(self) -> Exact | None: ...

    @property
    def seconds(self) -> dict[str, float]:
        """How long each command took, by its title."""
        ...

    def task_of(self, suite: str, case: str) -> Task | None:
        """The task that reports a case of a suite."""
        ...

    def list_of(self, boot: Boot) -> tuple[Task, ...]:
        """What an exact guest worked through by itself."""
        ...

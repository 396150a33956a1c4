"""Commands that are run so often, whatever they come to, each time in a fresh guest: what the base is tried with.

How often, `harness.verdict.trials` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.model import TargetResult
from harness.run.target import TargetRunner
from harness.run.tasks import Task
from harness.verdict.tries import merged

BOOT = "kernel.boot"
"""What the boot alone is called among titles of commands."""


class TrialRunner(TargetRunner):
    """Runs each task as often as `often` says of its title; all that want another try share the guest of a round."""

    def __init__(self, *args: Any, often: Mapping[str, int], **more: Any) -> None:
        super().__init__(*args, **more)
        self._often = dict(often)
        self.cut_short = ""  # why there were fewer tries than were asked for

    def _run_all(self) -> None:
        if self._round:
            self._finish_round()
        else:
            self._run_first()
        for number in range(self._round + 1, max(self._often.values(), default=1)):
            if why := self._enough(self._every_case()):
                self.cut_short = why
                break
            self._say(f"round {number + 1} of {max(self._often.values())}")
            self._again = [task for task in self.tasks if self._often.get(task.title, 0) > number]
            self._try_again(number)

    def give_up(self, why: str) -> None:
        self.cut_short = why
        super().give_up(why)


def tasks_of(tasks: Sequence[Task], often: Mapping[str, int]) -> list[Task]:
    """Those of the tasks that are to be tried."""
    return [task for task in tasks if task.title in often]


def titles_of(tasks: Sequence[Task], cases: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How often each command is to be run for the cases to be tried so often; those that no command reports are not."""
    found: dict[str, int] = {}
    for (suite, case), number in cases.items():
        reports = [BOOT] if (suite, case) == ("kernel", "boot") else [t.title for t in tasks if t.reports(suite, case)]
        for title in reports[:1]:
            found[title] = max(number, found.get(title, 0))
    return found


def with_tries(result: TargetResult, later: Sequence[TargetResult]) -> TargetResult:
    """A result with those of later tries."""
    suites = []
    for suite in result.suites:
        tries = [other.cases for one in later for other in one.suites if other.suite == suite.suite]
        suites.append(replace(suite, cases=tuple(merged(suite.cases, *tries))))
    return replace(
        result, suites=tuple(suites),
        boots=(*result.boots, *(boot for one in later for boot in one.boots)),
        infra=(*result.infra, *(what for one in later for what in one.infra)),
    )  # fmt: skip

"""The commands of suites that are to be run on a target: which of them, and the cases that they stand for.

Knows nothing of guests.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model import Arch, Case, Command, Outcome, SuiteResult
from harness.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class Task:
    """A command of a suite that is to be run."""

    suite: Suite
    command: Command
    skip: str = ""  # why it has no place on the kernel at hand

    @property
    def title(self) -> str:
        """`hazards.same.unmap.2`."""
        return f"{self.suite.name}.{self.command.name}"

    def on_kernel(self, *, pace: float, has_vma_locks: bool) -> Task:
        """The same for a kernel that is slower by a factor, or has no VMA locks to take."""
        command = replace(
            self.command, timeout_s=self.command.timeout_s * pace,
            exercises_vma_locks=self.command.exercises_vma_locks and has_vma_locks,
        )  # fmt: skip
        return replace(self, command=command, skip="" if has_vma_locks else command.needs_vma_locks)

    def reports(self, suite: str, case: str) -> bool:
        """Whether this case is of this command."""
        return suite == self.suite.name and self.command.reports(case)


OF_THE_RUN = ("kernel", "series", "checks")
"""Suites of cases that every run has: no command is run for them."""


def select(
    suites: Sequence[Suite], patterns: Sequence[str], arch: Arch, smp: int, *, seed: int | None = None
) -> list[Task]:
    """The commands to run: all, or those with a case that matches one of the globs on SUITE.CASE or SUITE.CASE@SEED."""
    tasks = [Task(suite, command) for suite in suites for command in suite.commands(arch, smp)]
    return [
        task
        for task in tasks
        for names in [[*task.command.cases, *(f"{case}@{seed}" for case in task.command.cases if seed is not None)]]
        if any(_asked(patterns, task, name) for name in names)
    ]


def unknown(patterns: Sequence[str], tasks: Sequence[Task], also: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """The globs on cases by which none of the tasks is asked for.

    `also` are suites of which it is not known what cases they have; globs on those are not looked at.
    """
    ends = ["", *(f"@{seed}" for seed in seeds)]

    def is_known(pattern: str) -> bool:
        beginning = pattern.partition(".")[0]
        return any(fnmatch.fnmatchcase(suite, beginning) for suite in (*OF_THE_RUN, *also)) or any(
            _asked([pattern], task, f"{case}{end}") for task in tasks for case in task.command.cases for end in ends
        )

    return [pattern for pattern in patterns if not is_known(pattern)]


def _asked(patterns: Sequence[str], task: Task, case: str) -> bool:
    """Whether a command is asked for by this case; one whose other names are not known yet, by what it may report."""
    if not task.command.further_cases:
        return wanted(patterns, task.suite.name, case)
    words = [pattern.split(".") for pattern in patterns]
    beginnings = [".".join(some[:count]) for some in words for count in range(2, len(some) + 1)]
    return wanted([*patterns, *beginnings], task.suite.name, case)


def wanted(patterns: Sequence[str], suite: str, case: str) -> bool:
    """Whether a case is asked for."""
    return not patterns or any(fnmatch.fnmatchcase(f"{suite}.{case}", pattern) for pattern in patterns)


def not_run(task: Task, why: str, outcome: Outcome = Outcome.NOT_RUN) -> list[Case]:
    """The cases of a command that was never started."""
    return [Case(task.suite.name, name, outcome, message=why) for name in task.command.cases]


def by_suite(arch: str, profile: str, cases: Sequence[Case]) -> tuple[SuiteResult, ...]:
    """Cases grouped into suites, in the order of their first appearance."""
    names = dict.fromkeys(case.suite for case in cases)
    groups = ((name, tuple(case for case in cases if case.suite == name)) for name in names)
    return tuple(
        SuiteResult(name, arch, profile, members, seconds=sum(case.seconds for case in members))
        for name, members in groups
    )

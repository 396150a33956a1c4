"""What a suite is: command lines to run, and a pure function from their output to cases.

The caller (`harness.run`) runs each command in a guest, takes counters, taint and console around it, and judges.
A suite sees none of that.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from harness.model import Arch, Case, Command, CommandResult


class Suite(Protocol):
    """A named set of commands.  Implementations are frozen dataclasses: everything they know is in their fields."""

    @property
    def name(self) -> str: ...

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """The command lines, in order, for a guest of `arch` with `smp` CPUs."""
        ...

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """One case for each name in `command.cases`, in that order; without a result in the output: CRASH.

        A command with `further_cases` may have more, after those.
        """
        ...


@runtime_checkable
class ExactSuite(Suite, Protocol):
    """A suite that can run before a guest's first packet: its commands need neither network nor host."""

    def at_seed(self, seed: int) -> Suite:
        """The suite for an exact guest: all that its commands choose follows from `seed`."""
        ...

"""The `sizes` suite: what the kernel's objects around VMAs take, as the kernel of the guest has them.

The program is `programs/sizes`, written for this project; what it reads and measures is in docs/sizes.md.  Everything
is a metric of one case.  This module runs nothing, and compares nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.model import Arch, Case, Command, CommandResult, Payload, PayloadFile
from harness.suites import reported

GUEST_PROGRAM = "/vmaharness/bin/sizes"

CASE = "vma"

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class SizesSuite:
    """One case; what it says does not depend on a seed."""

    program: str = GUEST_PROGRAM
    name: str = "sizes"

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        return (Command(CASE, (self.program,), (CASE,), _TIMEOUT_S),)

    def at_seed(self, seed: int) -> SizesSuite:
        """The same: nothing is chosen."""
        return self

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        return reported.cases(self.name, command, result, least_share=0.0)


def payload(program: Path) -> Payload:
    """What the suite wants in the guest: a static program, no libraries."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),))

"""The `vma` suite: tools/testing/vma of the tree under test, one case for each of its tests by name.

The program is a userland build of mm/vma.c: it says nothing of the booted kernel, much of the patch.  It prints
`N tests run, P passed, F failed.` on standard output and only failures by name on standard error, so the names of
those that passed come from the sources, and the count is held against them.  Sources: tools/testing/vma/vma.c
(up to 6.x: one file) and main.c with tests/*.c (from 7.0 on).

Building it is `harness.suites.vma_program`.  This module runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.model import Arch, Case, Command, CommandResult, Outcome, Payload, PayloadFile

GUEST_PROGRAM = "/vmaharness/bin/vma"
GUEST_PACKAGES = ("libasan8", "libubsan1", "liburcu8")
"""Debian packages with the libraries that the program is linked with (by gcc 12 to 14)."""

_FIXED = "tools/testing/vma is compiled with CONFIG_PER_VMA_LOCK, which this kernel has not"

_SUMMARY = re.compile(r"(?m)^(\d+) tests? run, (\d+) passed, (\d+) failed\.$")
_FAILED = re.compile(r"(?m)^Test (\w+) FAILED$")
_SANITIZER = re.compile(r"(?m)^.*(ERROR: (?:Address|Leak|Undefined)\w*Sanitizer.*|runtime error: .*)$")
_TEST = re.compile(r"^[ \t]*TEST\([ \t]*(\w+)[ \t]*\);", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def names_of_tests(directory: Path) -> tuple[str, ...]:
    """The names of the tests in a tools/testing/vma directory, in the order in which they are run.

    Empty where the directory has none that we recognise.
    """
    sources = [directory / "vma.c", directory / "main.c", *sorted((directory / "tests").glob("*.c"))]
    texts = [source.read_text(errors="replace") for source in sources if source.is_file()]
    return tuple(dict.fromkeys(name for text in texts for name in _TEST.findall(_COMMENT.sub("", text))))


@dataclass(frozen=True, slots=True)
class VmaSuite:
    """The suite for one tree: `tests` are the names found in its sources."""

    tests: tuple[str, ...]
    program: str = GUEST_PROGRAM
    name: str = "vma"

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        """The program runs all tests in one go.  It is built with ASan, so a guest under TCG takes its time.

        Not for leaks: a test that fails leaks, and the leak checker ends the program before its summary is written.
        """
        argv = ("env", "ASAN_OPTIONS=detect_leaks=0", self.program)
        return (Command("vma", argv, self.tests, timeout_s=30.0, needs_vma_locks=_FIXED),)

    def at_seed(self, seed: int) -> VmaSuite:
        """It chooses nothing."""
        return self

    def leak_check(self) -> Command:
        """The same once more for leaks alone, where all tests pass."""
        return Command("leaks", (self.program,), ("leaks",), timeout_s=30.0)

    def parse_leak_check(self, result: CommandResult) -> Case:
        """Whether the tests that pass leave memory behind."""
        found = _SANITIZER.search(result.stderr)
        if found is None and result.exit_code == 0:
            return Case(self.name, "leaks", Outcome.PASS, result.seconds)
        message = found.group(1) if found else f"the program ended with {result.exit_code}"
        return Case(self.name, "leaks", Outcome.FAIL, result.seconds, message, result.stderr)

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        """A case for each test: named as failed, or passed when the whole account agrees."""
        output = f"{result.stdout}\n{result.stderr}".strip()
        failed = _FAILED.findall(result.stderr)
        doubt, doubtful = self._doubt(result, failed)
        cases = []
        for test in command.cases:
            if test in failed:
                about = re.search(
                    rf"(?m)^Assert FAILED at (.*)$(?=(?:\n(?!Test ).*)*\nTest {test} FAILED)", result.stderr
                )
                message = about.group(1) if about else f"test_{test}() failed"
                cases.append(Case(self.name, test, Outcome.FAIL, message=message, detail=output))
            elif doubt:
                cases.append(Case(self.name, test, doubtful, message=doubt, detail=output))
            else:
                cases.append(Case(self.name, test, Outcome.PASS, seconds=result.seconds / max(1, len(command.cases))))
        return tuple(cases)

    def _doubt(self, result: CommandResult, failed: list[str]) -> tuple[str, Outcome]:
        """Why a test that is not named as failed cannot be said to have passed; "" where it can."""
        summary = _SUMMARY.search(result.stdout)
        sanitizer = _SANITIZER.search(result.stderr)
        if sanitizer:
            return sanitizer.group(1), Outcome.FAIL if summary else Outcome.CRASH
        if summary is None:
            return f"the program ended with {result.exit_code} before its summary", Outcome.CRASH
        ran, passed, bad = (int(number) for number in summary.groups())
        if ran != len(self.tests) or passed + bad != ran:
            return f"the program ran {ran} tests, its sources name {len(self.tests)}", Outcome.ERROR
        if bad != len(set(failed)) or not set(failed) <= set(self.tests):
            return f"the program counts {bad} failures and names {len(set(failed))}", Outcome.ERROR
        if (result.exit_code == 0) != (bad == 0):
            return f"the program counts {bad} failures and ended with {result.exit_code}", Outcome.ERROR
        return "", Outcome.PASS


def payload(program: Path) -> Payload:
    """What the suite wants in the guest."""
    return Payload(files=(PayloadFile(GUEST_PROGRAM, program),), packages=GUEST_PACKAGES)

"""Whose fault is it?  The exception tree and the exit codes.

A kernel that fails is *data* (a failed case, a finding, a build with errors) and never an exception.
A harness that cannot go on raises one of these::

    HarnessError
    ├── UserError        what was asked for cannot be done: bad plan, patch does not apply, no such tree  (exit 2)
    │   └── InputError   the same, at a known place in a file the user gave: FILE:LINE: what; how to mend it
    ├── InfraError       the machine cannot do it: tool missing, disk full, no network, QEMU would not start  (exit 3)
    │   ├── MissingTool  a program, with the package that has it
    │   ├── LeftOut      a step that was not begun, for the run's budget was used up
    │   └── GuestLost    a live guest went away while somebody was talking to it (the suite runner makes data of it)
    └── Cancelled        Ctrl-C, SIGTERM, or another step failed; never reported as anything else  (exit 130)

Only `harness.cli` turns them into messages and exit codes.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the process says to its caller; documented in README.md."""

    PASS = 0
    KERNEL_FAILED = 1
    USER_ERROR = 2
    INFRA_ERROR = 3
    NOTHING_RAN = 4
    CANCELLED = 130


class HarnessError(Exception):
    """Base of everything the harness raises on purpose.

    `what` is one sentence; `fix` says what to do about it; `detail` is the other program's own words.
    """

    exit_code = ExitCode.INFRA_ERROR

    def __init__(self, what: str, *, fix: str = "", detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.detail = detail

    def __str__(self) -> str:
        return self.what


class UserError(HarnessError):
    """What was asked for cannot be done."""

    exit_code = ExitCode.USER_ERROR


class InputError(UserError):
    """A defect at a known place of a file the user gave (`line` counts from 1; 0: the file as a whole)."""

    def __init__(self, path: Path | str, line: int, what: str, *, fix: str = "", detail: str = "") -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {what}", fix=fix, detail=detail)
        self.path = Path(path)
        self.line = line


class InfraError(HarnessError):
    """The machine, not the kernel and not the user, is in the way."""


class MissingTool(InfraError):
    """A host program that a step needs is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} is not installed", fix=f"apt-get install {package}")
        self.program = program
        self.package = package


class LeftOut(InfraError):
    """A step was not begun: the run's budget of time is used up.  What did not run is never a pass."""


class GuestLost(InfraError):
    """The guest under a live session is gone; `reason` says how it was noticed (panic, exit, silence, deadline)."""

    def __init__(self, what: str, *, reason: str, detail: str = "") -> None:
        super().__init__(what, detail=detail)
        self.reason = reason


class Cancelled(HarnessError):
    """The run was told to stop."""

    exit_code = ExitCode.CANCELLED


_SPACE = "free some space; VMAHARNESS_CACHE, TMPDIR and --out choose other places (vmaharness doctor shows them)"
_MACHINE_PROBLEMS = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "VMAHARNESS_CACHE, TMPDIR and --out choose other places",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "close other programs: the machine has no more open files to give",
    errno.ENOMEM: "close other programs, or give guests less with --mem",
    errno.EAGAIN: "allow more processes: ulimit -u",
}
"""What the operating system may refuse to any program: number -> what to do."""


def machine_problem(error: OSError) -> InfraError | None:
    """A full disk and the like, wherever it struck, is the machine's fault and no bug; None for other errors."""
    fix = _MACHINE_PROBLEMS.get(error.errno or 0)
    if fix is None:
        return None
    place = f"{error.filename}: " if error.filename else ""
    return InfraError(f"{place}{error.strerror}", fix=fix)

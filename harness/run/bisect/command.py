"""A command of the user's in a checkout of a commit, confined as builds are: git bisect run's contract.

0 is good, 125 cannot tell, anything else below 126 is bad.  126 and 127 are a shell's for what it cannot start, and
from 128 on a signal ended it: nothing is said of the commit then.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.errors import InfraError
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.model import Case, Outcome

SKIP, CANNOT_START = 125, (126, 127)

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "dev", "proc")  # the sandbox has its own
_SHOWN_CHARS = 16_000


def confined(command: str, checkout: Path, log: Path, processes: Processes, sandbox: Sandbox) -> Case:
    """Run it in the checkout, which it may write to; what it said is in `log`, the end of it in the case.

    Raises InfraError where it could not be started, or a signal ended it.
    """
    argv = sandbox.wrap(["sh", "-c", command], cwd=checkout, writable=[checkout], readable=files_of(command))
    log.write_bytes(b"")
    done = processes.run(argv, cwd=checkout, log=log)
    text = log.read_text(errors="replace")[-_SHOWN_CHARS:]
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
    if done.exit_code in CANNOT_START:
        raise InfraError(
            f"the command could not be started: {last}",
            fix="give the whole path of a program that is not in the tree; in the sandbox there is no home directory "
            "but for the files that the command names",
        )
    if done.exit_code > max(CANNOT_START):
        raise InfraError(f"the command was ended by signal {done.exit_code - 128}", detail=text)
    outcome = {0: Outcome.PASS, SKIP: Outcome.SKIP}.get(done.exit_code, Outcome.FAIL)
    message = "" if outcome is Outcome.PASS else f"exit code {done.exit_code}: {last}"
    return Case("command", "command", outcome, done.seconds, message, text, log=log)


def files_of(command: str) -> list[Path]:
    """The files and directories outside of the system that a command names by whole paths: it can read these."""
    try:
        words = shlex.split(command, comments=False)
    except ValueError:  # quotes that the shell will complain of
        words = command.split()
    named = (Path(word.rstrip(";&|)")) for word in words if word.startswith("/"))
    return [path for path in dict.fromkeys(named) if len(path.parts) > 2 and not _is_system(path) and path.exists()]


def _is_system(path: Path) -> bool:
    return path.parts[1] in _SYSTEM and not path.is_relative_to("/dev/shm")

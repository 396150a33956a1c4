"""The command on the fake kernel, as many processes as a test wants: each a fork of this one, which has loaded it all.

To start a Python that loads it takes longer than the whole of such a run.  Standard input is a request a line, JSON:
`argv`, `cwd`, `env`, `out` (the file for both outputs), `programs` (a directory that every program is looked for in
first; confined ones may write to all that is beside it), and of what is not simulated, `guest` (QEMU is started).  What
is said: the process number, and at the end the exit status.
`HOLD` in the environment is a directory and the name of a file: the process waits before that file gets its name, says
so in the directory's `blocked`, and goes on when that is gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness.guest.guest
import harness.guest.rootfs
import harness.kernel.kconfig
import harness.kernel.toolchain
import harness.report.render
import harness.run.pipeline
import harness.run.suites
import harness.run.tester
from harness.cli.main import cli
from harness.host import process, sandbox
from harness.host.keeper import PR_SET_PDEATHSIG
from harness.host.process import Child
from harness.model import Payload
from harness.run.suites import Prepared
from tests.run.image_guest import ImageGuest, Names


def _look_here_first(programs: str) -> None:
    start = process._Nursery.start

    def standing_in(
        self: Any, argv: Any, cwd: Any, env: Mapping[str, str] | None, fds: Any, nice: int
    ) -> Child:  # fmt: skip
        variables = dict(os.environ if env is None else env)
        variables["PATH"] = f"{programs}:{variables.get('PATH', os.defpath)}"
        return start(self, argv, cwd, variables, fds, nice)

    process._Nursery.start = standing_in  # type: ignore[method-assign]
    _replace("harness.host.sandbox", "SYSTEM_PATH", f"{programs}:{process.SYSTEM_PATH}")
    mounts, place = sandbox._system_mounts(), str(Path(programs).parent)
    _replace("harness.host.sandbox", "_system_mounts", lambda: [*mounts, "--bind", place, place])
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"


def _hold(place: Path, name: str) -> None:
    rename = Path.replace

    def held(self: Path, target: Any) -> Path:
        if Path(target).name == name:
            (place / "blocked.new").write_text(f"{os.getpid()}\n")
            rename(place / "blocked.new", place / "blocked")
            while (place / "blocked").exists():
                time.sleep(0.01)
        return rename(self, target)

    Path.replace = held  # type: ignore[assignment, method-assign]


def _replace(module: str, name: str, value: object) -> None:
    setattr(sys.modules[module], name, value)


def _command(request: dict[str, Any]) -> int:
    with Path(request["out"]).open("wb") as out, Path(os.devnull).open("rb") as nothing:
        for number, file in enumerate((nothing, out, out)):
            os.dup2(file.fileno(), number)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    _look_here_first(request["programs"])
    if "HOLD" in os.environ:
        place, _, name = os.environ["HOLD"].rpartition("/")
        _hold(Path(place), name)
    # The registry's fragments are for real kernels; the suite is one of three names.
    _replace("harness.kernel.kconfig", "fragments_dir", lambda: Path("no-registry"))
    _replace("harness.kernel.toolchain", "_versions", lambda programs, *_: dict.fromkeys(programs, "1"))
    harness.run.suites.Workshop.faults = lambda *_: (  # type: ignore[method-assign]
        Prepared("faults", Names(), Payload())
    )
    if not request["guest"]:
        _replace("harness.run.tester", "Guest", ImageGuest)
    try:
        cli.main(request["argv"], prog_name="vmaharness")
    except SystemExit as ended:
        return int(ended.code or 0)


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            code = 70
            try:
                code = _command(json.loads(line))
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

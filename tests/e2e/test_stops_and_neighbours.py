"""A run that is killed at any stage leaves nothing that lives, and the next one works; two at once are no trouble."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import PATCHES, Run

pytestmark = pytest.mark.kernel
QUICK = ["--arch", "x86_64", "--suite", "faults", "--case", "faults.anon.1", "--accel", "tcg"]
# One that nothing else builds, so that there is something to compile.
UNBUILT = [*QUICK, "--series", str(PATCHES / "compiles-with-a-warning.patch")]


def start(out: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", "run", *arguments, "--out", out],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(run: subprocess.Popen[str], words: str) -> None:
    """Read the run's progress up to a line with these words."""
    assert run.stderr is not None
    for line in run.stderr:
        if words in line:
            return
    pytest.fail(f"the run ended without a word of {words!r}")


def family(pid: int) -> set[int]:
    """A process and all that it has started, by the kernel's own account."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended meanwhile
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found


def wait_until_gone(pids: set[int]) -> None:
    until = time.monotonic() + 20
    while left := {pid for pid in pids if is_alive(pid)}:
        assert time.monotonic() < until, f"processes {left} have outlived their run"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(
    ("words", "arguments"),
    [("build x86_64 lockdep … started", UNBUILT), ("test x86_64 lockdep … started", QUICK)],
    ids=["compiling", "in the guest"],
)
def test_nothing_survives_and_the_next_run_works(
    run: Run, tmp_path: Path, words: str, arguments: list[str], number: int
) -> None:
    stopped = start(tmp_path / "stopped", *arguments)
    wait_for(stopped, words)
    time.sleep(1.5)  # into the compiler's, or the guest's, own time
    started = family(stopped.pid)
    assert len(started) > 2, "there is something to survive"
    stopped.send_signal(number)
    stopped.communicate(timeout=60)
    assert stopped.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    wait_until_gone(started)
    again = run(*QUICK)
    assert again.exit_code == 0, again.words


def test_two_runs_at_once_share_a_cache(tmp_path: Path) -> None:
    both = [start(tmp_path / name, *QUICK) for name in ("one", "two")]
    words = [one.communicate(timeout=1200)[1] for one in both]
    assert [one.returncode for one in both] == [0, 0], words

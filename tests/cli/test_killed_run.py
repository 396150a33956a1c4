"""The command with the engine and the fake kernel: killed while make works, looked at, cleaned up, gone on with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.arch import host_arch
from harness.host import sessions
from harness.model import Arch
from tests.kernel.conftest import FAKE, git

PROJECT = Path(__file__).parents[2]
ARCH = host_arch() or Arch.X86_64

# The registry's fragments are for real kernels.
COMMAND = """
import sys
from pathlib import Path
import harness.kernel.kconfig
harness.kernel.kconfig.fragments_dir = lambda: Path("no-registry")
from harness.cli.main import cli
cli.main(sys.argv[1:], prog_name="vmaharness")
"""


class Bench:
    """A series whose kernel does not link before a file is there."""

    def __init__(self, place: Path) -> None:
        self.place, clone = place, place / "linux"
        self.env = os.environ | {"PYTHONPATH": str(PROJECT)}
        shutil.copytree(FAKE, clone)
        (place / "plain.config").write_text("CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=y\n")
        makefile = clone / "Makefile"
        text = makefile.read_text()
        assert "@cp $< $@" in text
        makefile.write_text(text.replace("@cp $< $@", f"@while [ ! -e {place}/go ]; do sleep 0.05; done; cp $< $@"))
        git(clone, "init", "-q")
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", "Fake 6.12")
        (clone / "mm/vma.c").write_text((clone / "mm/vma.c").read_text() + "int more;\n")
        git(clone, "commit", "-q", "-a", "-m", "mm: more")
        (place / "series.mbox").write_text(git(clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
        git(clone, "tag", "base", "HEAD~1")

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words], cwd=self.place, env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str, str]:
        program = self.start(*words)
        stdout, stderr = program.communicate(timeout=120)
        return program.returncode, stdout, stderr


@pytest.fixture
def bench(place: Path) -> Bench:
    return Bench(place)


@pytest.mark.slow
def test_from_the_kill_to_the_result(bench: Bench) -> None:
    cache = Path(os.environ["VMAHARNESS_CACHE"])
    killed = bench.start(
        "build", "--tree", "linux@base", "--series", "series.mbox", "--base-fix", "none", "--arch", ARCH,
        "--profile", "plain=./plain.config", "--no-sandbox", "--check", "none", "--out", "here",
    )  # fmt: skip
    until = time.monotonic() + 60
    while "make" not in {process.kind for process in sessions.processes(cache)}:
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    code, shown, _ = bench.run("ps")
    assert code == 0
    assert re.search(rf"{killed.pid}-\S+  vmaharness build .*  in {bench.place}/here\n", shown)
    assert re.search(r"^ +\d+ +\d+\.\d s  make: make -C ", shown, re.MULTILINE)
    assert "left" not in shown
    (run,) = json.loads(bench.run("runs", "--json")[1])
    assert (run["state"], run["directory"], run["goal"]) == ("running", f"{bench.place}/here", "build")
    assert "is at work, as process" in bench.run("run", "--resume", "here")[2]

    killed.kill()
    killed.communicate()
    while sessions.processes(cache):
        assert time.monotonic() < until, "its keepers end its programs"
        time.sleep(0.05)
    (run,) = json.loads(bench.run("runs", "--json")[1])
    assert run["state"] == "interrupted"
    left = bench.run("ps")[1]
    assert re.search(rf"^left  scratch {killed.pid}-", left, re.MULTILINE)
    assert "left  process" not in left
    assert f"removed  scratch {killed.pid}-" in bench.run("gc")[1]
    assert bench.run("ps")[1] == "nothing is running\n"

    (bench.place / "go").touch()
    code, shown, said = bench.run("run", "--resume", run["id"])
    assert code == 0, said
    assert f"ok   config {ARCH} plain (from the cache)" in said
    assert shown == (bench.place / "here/summary.txt").read_text()
    assert "continued 1 time: what had been done was not done again" in shown
    (run,) = json.loads(bench.run("runs", "--json")[1])
    assert (run["state"], run["verdict"][:1].isdigit()) == ("passed", True)
    code, _, said = bench.run("run", "--resume", "here")
    assert (code, "came to its end: passed" in said) == (2, True)


def test_ctrl_c_says_how_to_go_on(bench: Bench) -> None:
    stopped = bench.start(
        "build", "--tree", "linux@base", "--series", "series.mbox", "--base-fix", "none", "--arch", ARCH,
        "--profile", "plain=./plain.config", "--no-sandbox", "--check", "none", "--out", "here",
    )  # fmt: skip
    cache, until = Path(os.environ["VMAHARNESS_CACHE"]), time.monotonic() + 60
    while "make" not in {process.kind for process in sessions.processes(cache)}:
        assert time.monotonic() < until
        time.sleep(0.05)
    stopped.terminate()
    _, said = stopped.communicate()
    assert stopped.returncode == 130
    assert f"vmaharness: to go on: vmaharness run --resume {bench.place}/here\n" in said or "--resume here\n" in said
    (bench.place / "linux/README.md").write_text("another tree\n")
    git(bench.place / "linux", "commit", "-q", "-a", "-m", "another")
    git(bench.place / "linux", "tag", "-f", "base", "HEAD")
    code, _, said = bench.run("run", "--resume", "here")
    assert code == 2
    assert f"{bench.place}/here cannot be continued: tree is not what it was" in said
    (run,) = json.loads(bench.run("runs", "--json")[1])
    assert run["state"] == "interrupted"

"""The programs as a user starts them, on the fake kernel's clone: killed in the middle, and under plain git bisect run.

What is looked for is seen by a command in a checkout, so that nothing is built.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kernel.conftest import FAKE, git

PROGRAM = (sys.executable, "-m", "harness.cli.main")
BAD = 6


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "VMAHARNESS_CACHE": str(tmp_path / "cache"), "VMAHARNESS_ACCEL": "tcg"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Ten commits on a clean one, of which the sixth is bad."""
    clone = tmp_path / "linux"
    shutil.copytree(FAKE, clone)
    git(clone, "init", "-q")
    for number in range(11):
        with (clone / "mm" / "memory.c").open("a") as memory:
            memory.write(f"int patch_{number};\n{'int broken;' if number == BAD else ''}\n")
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", f"mm: patch {number}")
    return clone


@pytest.mark.slow
def test_plain_git_bisect_run(clone: Path, environment: dict[str, str]) -> None:
    git(clone, "bisect", "start", "HEAD", "HEAD~10")
    words = [*PROGRAM, "git-bisect-run", "--base-fix", "none", "--exec", "! grep -q broken mm/memory.c"]
    done = subprocess.run(
        ["git", "bisect", "run", *words], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(clone, "log", "-1", "--format=%s", "refs/bisect/bad").strip() == f"mm: patch {BAD}"
    git(clone, "bisect", "reset")
    assert git(clone, "status", "--porcelain") == ""
    git(clone, "bisect", "start", "HEAD", "HEAD~10")
    wrong = subprocess.run(
        ["git", "bisect", "run", *words[:-1], "./nowhere"], cwd=clone, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert wrong.returncode != 0
    assert "could not be started" in wrong.stderr
    marks = git(clone, "bisect", "log").splitlines()
    assert not [line for line in marks if line.startswith("git bisect ") and "start" not in line]


@pytest.mark.slow
def test_killed_and_gone_on_with(clone: Path, environment: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = "sleep 1; ! grep -q broken mm/memory.c"
    words = [
        *PROGRAM, "bisect", "--tree", str(clone), "--range", "HEAD~10..HEAD", "--base-fix", "none", "--exec", command,
        "--out", str(out),
    ]  # fmt: skip
    killed = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = out / "bisect.jsonl"
    while killed.poll() is None and not (log.exists() and log.read_bytes().count(b'"step": "run') > 1):
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = log.read_text().splitlines()
    done = subprocess.run(
        [*PROGRAM, "bisect", "--resume", str(out), "--json"], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [one["subject"] for one in result["culprits"]] == [f"mm: patch {BAD}"]
    assert log.read_text().splitlines()[: len(before)] == before
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert len(steps) == len(set(steps))

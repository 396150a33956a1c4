"""Which of ten patches on a real kernel did it: what is run to find out, and what is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.host.cache import Cache, default_root
from harness.host.process import Processes
from harness.kernel.source import resolve_tree
from harness.run.sources import Archives
from tests.e2e.conftest import mentioned
from tests.e2e.ten_patches import (
    BREAKS_USERLAND_VMA,
    DOES_NOT_BUILD_ON_ARM64,
    LOOKS_UP_WITHOUT_RCU,
    NOW_AND_THEN,
    Line,
    make_line,
)

pytestmark = pytest.mark.kernel

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "VMAHARNESS_ACCEL": "tcg"}
COMMAND = (sys.executable, "-m", "harness.cli.main")


@dataclass(frozen=True)
class Searched:
    exit_code: int
    words: str
    directory: Path

    @property
    def result(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.directory / "bisect.json").read_text())
        return loaded

    @property
    def culprits(self) -> list[int]:
        return [one["number"] for one in self.result["culprits"]]


def bisect(directory: Path, *arguments: str) -> Searched:
    done = subprocess.run(
        [*COMMAND, "bisect", *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=3000,
        cwd=directory.parent,
    )  # fmt: skip
    assert mentioned(directory) == [], "something has outlived its run"
    return Searched(done.returncode, done.stderr + done.stdout, directory)


@pytest.fixture(scope="module")
def tree() -> tuple[Path, str]:
    """The repository of Debian's 6.12 and its commit."""
    with Processes() as processes, Cache(default_root()) as cache:
        archives = Archives(processes, cache, lambda _: None)
        found = resolve_tree(
            "debian:linux-source-6.12", processes=processes, cache=cache, archive_for=archives, say=lambda _: None
        )
        return found.repo, found.commit


def asked(line: Line, directory: Path, *more: str) -> tuple[str, ...]:
    return ("--tree", line.tree, "--range", line.range, "--out", str(directory), *more)


def test_a_command_finds_it_without_a_kernel(tmp_path: Path, tree: tuple[Path, str]) -> None:
    line = make_line(tmp_path, *tree, BREAKS_USERLAND_VMA, at=7)
    command = """
        grep -q vmaharness_patch_5 mm/mlock.c && ! grep -q vmaharness_patch_6 mm/msync.c && exit 125
        ! grep -A2 'can_vma_merge_before(struct' mm/vma.c | grep -q 'return false'
    """
    ended = bisect(tmp_path / "out", *asked(line, tmp_path / "out", "--exec", command))
    assert (ended.exit_code, ended.culprits) == (0, [7]), ended.words
    assert (ended.result["builds"], ended.result["boots"], ended.result["proven"]) == (0, 0, True)


def test_what_the_host_shows_needs_no_kernel(tmp_path: Path, tree: tuple[Path, str]) -> None:
    line = make_line(tmp_path, *tree, BREAKS_USERLAND_VMA, at=4)
    ended = bisect(tmp_path / "out", *asked(line, tmp_path / "out", "--case", "vma.*", "--parallel"))
    assert (ended.exit_code, ended.culprits) == (0, [4]), ended.words
    result = ended.result
    assert (result["sought"]["rung"], result["builds"], result["boots"]) == ("host", 0, 0)
    assert "the tip without it: clean" in ended.words
    log = subprocess.run(
        ["git", "-C", tmp_path / "out" / "bisect.git", "bisect", "log"], capture_output=True, text=True, check=True
    ).stdout
    assert "# first bad commit" in log


def test_a_guest_finds_it_also_after_a_kill_and_nothing_is_done_twice(tmp_path: Path, tree: tuple[Path, str]) -> None:
    """Nine patches change documentation only: two kernels are all that there is to build and to boot."""
    line, out = make_line(tmp_path, *tree, LOOKS_UP_WITHOUT_RCU, at=6, same_kernels=True), tmp_path / "out"
    ask = asked(line, out, "--arch", "x86_64", "--case", "kernel.boot")
    killed = subprocess.Popen(
        [*COMMAND, "bisect", *ask], env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = out / "bisect.jsonl"
    while killed.poll() is None and not (log.exists() and b'"step": "sought"' in log.read_bytes()):
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    time.sleep(2)  # keepers notice
    before = log.read_bytes()
    ended = bisect(out, "--resume", str(out))
    assert (ended.exit_code, ended.culprits) == (0, [6]), ended.words
    result = ended.result
    assert (result["sought"]["rung"], result["proven"]) == ("guest", True)
    assert result["builds"] <= 2
    assert log.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    steps = [json.loads(text)["step"] for text in log.read_text().splitlines()]
    assert len(steps) == len(set(steps))
    assert "suspicious RCU usage" in result["sought"]["title"]


def test_a_build_that_breaks_on_one_architecture_takes_no_boot(tmp_path: Path, tree: tuple[Path, str]) -> None:
    line = make_line(tmp_path, *tree, DOES_NOT_BUILD_ON_ARM64, at=7, same_kernels=True)
    ended = bisect(tmp_path / "out", *asked(line, tmp_path / "out", "--arch", "arm64", "--build"))
    assert (ended.exit_code, ended.culprits) == (0, [7]), ended.words
    result = ended.result
    assert (result["sought"]["rung"], result["boots"], result["proven"]) == ("build", 0, True)
    assert result["builds"] <= 5, "one more than the rounds of a search among ten"


def test_a_failure_of_one_boot_in_three_takes_as_many_as_its_rate_needs(tmp_path: Path, tree: tuple[Path, str]) -> None:
    """Seventeen boots that are good say so with 99.9 %."""
    line = make_line(tmp_path, *tree, NOW_AND_THEN, at=6, same_kernels=True)
    sure = ("--rate", "1/3", "--confidence", "99.9")
    ended = bisect(
        tmp_path / "out", *asked(line, tmp_path / "out", "--arch", "x86_64", "--case", "kernel.boot", *sure)
    )  # fmt: skip
    assert (ended.exit_code, ended.culprits) == (0, [6]), ended.words
    assert (ended.result["sought"]["rung"], ended.result["proven"]) == ("guest", True)
    assert ended.result["boots"] >= 17

"""A run with a real guest that is killed in the middle of its commands goes on, and asks nothing twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_stops_and_neighbours import family, start, wait_until_gone

pytestmark = pytest.mark.kernel

SOME = ["--arch", "x86_64", "--suite", "faults", "--accel", "tcg", "--baseline", "never", "--retries", "0"]


def vmaharness(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *words], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, timeout=3000,
    )  # fmt: skip


def answered(directory: Path) -> list[str]:
    try:
        found = json.loads((directory / "answers-x86_64-lockdep.json").read_text())
    except OSError:
        return []
    return list(found["answered"]["seconds"])


def state(directory: Path) -> dict[str, Any]:
    runs = json.loads(vmaharness("runs", str(directory), "--json").stdout)
    return next(run for run in runs if run["directory"] == str(directory))


def test_a_killed_run_asks_for_the_rest_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = start(out, *SOME)
    until = time.monotonic() + 2400
    while len(answered(out)) < 3:
        assert killed.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)
    started = family(killed.pid)
    assert str(out) in vmaharness("ps").stdout
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    wait_until_gone(started)
    before = answered(out)
    assert state(out)["state"] == "interrupted"
    assert f" of {killed.pid}-" not in vmaharness("ps").stdout, "no process of it is left"
    assert f"removed  scratch {killed.pid}-" in vmaharness("gc").stdout

    done = vmaharness("run", "--resume", str(out))
    assert done.returncode == 0, done.stderr
    for step in ("config", "build"):
        assert f"ok   {step} x86_64 lockdep (from the cache)" in done.stderr, done.stderr
    consoles = [path.read_text(errors="replace") for path in sorted(out.glob("console-*.log"))]
    assert len(consoles) == 2
    asked = Counter(re.findall(r"vmaharness: end of faults (\S+)", "\n".join(consoles)))
    results = json.loads((out / "results.json").read_text())
    cases = {case["name"] for suite in results["targets"][0]["suites"] for case in suite["cases"]}
    known = [title.removeprefix("faults.") for title in before]
    assert set(known) <= set(asked) & cases
    assert {asked[name] for name in known} == {1}, "each was answered once, by the guest that was killed"
    assert sum(asked.values()) <= len(asked) + 1, "one may have ended when nobody could write it down any more"
    assert any(note.startswith("continued 1 time") for note in results["notes"])
    assert (state(out)["state"], list(out.glob("answers-*"))) == ("passed", [])

"""The command as a user runs it, with real trees, compilers and guests.

The cache is the user's own (VMAHARNESS_CACHE or ~/.cache/vmaharness): faster when it is warm, never needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATCHES = Path(__file__).parent.parent / "data" / "patches"

DOCS = """\
From: A U Thor <author@example.org>
Date: Wed, 25 Nov 2026 12:00:00 +0000
Subject: [PATCH] docs: a page that no build reads

Signed-off-by: A U Thor <author@example.org>
---
diff --git a/Documentation/mm/a_page_more.rst b/Documentation/mm/a_page_more.rst
new file mode 100644
--- /dev/null
+++ b/Documentation/mm/a_page_more.rst
@@ -0,0 +1 @@
+A page
"""
"""A patch that no kernel is made of."""


@dataclass(frozen=True)
class Ended:
    """A finished `vmaharness run`."""

    exit_code: int
    words: str
    directory: Path

    @property
    def results(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.directory / "results.json").read_text())
        return loaded

    def cases(self, arch: str) -> dict[str, dict[str, Any]]:
        """The cases of an architecture, or of the host, by SUITE.CASE."""
        suites = list(self.results["host_suites"])
        suites += [suite for target in self.results["targets"] for suite in target["suites"]]
        return {
            f"{suite['suite']}.{case['name']}": case
            for suite in suites
            if suite["arch"] == arch
            for case in suite["cases"]
        }

    def outcomes(self, arch: str) -> dict[str, str]:
        return {name: case["outcome"] for name, case in self.cases(arch).items()}


Run = Callable[..., Ended]


def mentioned(directory: Path) -> list[str]:
    """Processes with this directory on their command line: QEMU's has its console."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            if str(directory).encode() in cmdline.read_bytes():
                found.append(cmdline.parent.name)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(arguments…)`: vmaharness run (or another `verb`) with a results directory of its own, under TCG."""

    def start(*arguments: str, verb: str = "run") -> Ended:
        directory = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli.main", verb, *arguments, "--accel", "tcg", "--out", directory],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True, text=True, check=False, timeout=3000,
        )  # fmt: skip
        assert mentioned(directory) == [], "something has outlived its run"
        return Ended(done.returncode, done.stderr + done.stdout, directory)

    return start

"""What `ci/bench console` measures: how fast the console rules read a guest's console."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from harness.verdict.console import scan

SIZE_MB = 64
ROUNDS = 3
LOGS = Path(__file__).parents[1] / "tests" / "data" / "console"

Row = Callable[[str, str, str, str], None]


def measure(row: Row) -> None:
    """A quiet console, one with a report in every megabyte, and the reports alone."""
    quiet = _text("clean-x86_64", "clean-arm64")
    reports = "".join(_text(log.stem) for log in sorted(LOGS.glob("*.log")) if not log.stem.startswith("empty"))
    chunk = quiet * max(1, 1_000_000 // len(quiet))
    _row(row, "console without a report", chunk * SIZE_MB, "50 MB/s")
    _row(row, "console with a report in each MB", (chunk + _text("lockdep-circular-x86_64")) * SIZE_MB, "50 MB/s")
    _row(row, "console of nothing but reports", reports * max(1, 4_000_000 // len(reports)), "-")


def _row(row: Row, what: str, text: str, aim: str) -> None:
    size_mb = len(text.encode()) / 1e6
    seconds = []
    found = 0
    for _ in range(ROUNDS):
        started = time.process_time()
        found = len(scan(text, first_line=1))
        seconds.append(time.process_time() - started)
    rates = f"{size_mb / max(seconds):.0f} to {size_mb / min(seconds):.0f}"
    row(
        what, f"{size_mb / min(seconds):.0f} MB/s", aim, f"{size_mb:.0f} MB, {rates} MB/s of CPU time, {found} findings"
    )


def _text(*names: str) -> str:
    """Logs without the lines that say what they are for, and without kernels' first words, each a reboot."""
    lines = [line for name in names for line in (LOGS / f"{name}.log").read_text(errors="replace").splitlines(True)]
    return "".join(line for line in lines if not line.startswith("# ") and "Linux version" not in line)

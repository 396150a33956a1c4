"""Console logs in files, with what is found in them beside (`pytest --update-golden` writes it; read the diff)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.model import Finding
from harness.verdict.console import scan
from tests.conftest import Golden

LOGS = sorted((Path(__file__).parent.parent / "data" / "console").glob("*.log"))


def account(finding: Finding) -> dict[str, object]:
    """A finding without its text, but with where that begins and ends."""
    lines = finding.text.splitlines()
    return {
        "type": finding.type, "title": finding.title, "function": finding.function, "timing": finding.timing,
        "fingerprint": finding.fingerprint, "line": finding.line, "lines": len(lines),
        "first": lines[0], "last": lines[-1], "corrupted": finding.corrupted,
        "frames": [frame.text for frame in finding.frames],
    }  # fmt: skip


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_findings_of_a_log(log: Path, golden: Golden) -> None:
    found = [account(finding) for finding in scan(log.read_bytes().decode("utf-8", "replace"))]
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    assert text == golden(log.with_suffix(".json"), text)


def test_logs_say_what_they_are_for() -> None:
    assert len(LOGS) >= 60
    assert all(log.read_text(errors="replace").startswith(("# Made: ", "# Real, ")) for log in LOGS)
    assert {log.with_suffix(".json") for log in LOGS} == set(LOGS[0].parent.glob("*.json"))


def test_clean_logs_are_clean_and_others_are_not() -> None:
    """Guards the golden files themselves: an update cannot turn a report into silence."""
    for log in LOGS:
        silent = log.stem.startswith(("clean", "empty"))
        assert (json.loads(log.with_suffix(".json").read_text()) == []) == silent, log.stem

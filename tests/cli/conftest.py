"""Each test has a working directory, a cache and an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    for name in (
        "VMAHARNESS_ACCEL",
        "VMAHARNESS_JOBS",
        "VMAHARNESS_PROGRAM",
        "CI_PROJECT_DIR",
        "WORKSPACE",
        "NO_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VMAHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # traces of bugs
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def invoke() -> Invoke:
    """Run a command line with a given engine."""

    def run(*words: str, engine: Any = None) -> Result:
        return CliRunner().invoke(cli, list(words), obj=engine, prog_name="vmaharness")

    return run

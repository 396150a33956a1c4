"""History: what was measured is remembered, what was cached is not, and damage is no error."""

from __future__ import annotations

from pathlib import Path

from harness.model import StepTime
from harness.run.history import load, save


def test_only_real_work_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "times.json"
    save(path, [StepTime("build", 200.0, False), StepTime("boot", 3.0, False)])
    save(path, [StepTime("build", 0.1, True), StepTime("boot", 4.0, False), StepTime("apply", 0.1, False)])
    assert load(path) == {"build": 200.0, "boot": 4.0}


def test_damage_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    assert load(path) == {}
    path.write_text("{broken")
    assert load(path) == {}
    path.write_text('["a"]')
    assert load(path) == {}

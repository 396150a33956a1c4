"""History: what was measured is remembered, what was cached is not, and damage is no error."""

from __future__ import annotations

from pathlib import Path

from harness.model import StepTime
from harness.run.history import History, load, name_of_command, save


def test_only_real_work_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "times.json"
    save(path, [StepTime("build", 200.0, False), StepTime("boot", 3.0, False)])
    save(path, [StepTime("build", 0.1, True), StepTime("boot", 4.0, False), StepTime("apply", 0.1, False)])
    assert [load(path).last_s(name) for name in ("build", "boot", "apply")] == [200.0, 4.0, 0.0]


def test_damage_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    assert load(path).expected_s("build") is None
    path.write_text("{broken")
    assert load(path).expected_s("build") is None
    path.write_text('["a"]')
    assert load(path).expected_s("build") is None


def test_what_was_never_measured_takes_as_long_as_what_is_like_it() -> None:
    past = History({"build x": 100.0, "patch 1/9: build x": 10.0, "patch 2/9: build x": 20.0, "test x": 50.0})
    assert past.expected_s("patch 2/9: build x") == 20.0
    assert past.expected_s("patch 3/4: build x") == 15.0
    assert past.expected_s("patch 3/4: test x") == 50.0
    assert past.expected_s("baseline build x") is None
    assert past.last_s("patch 3/4: build x") == 0.0


def test_commands_have_names_of_their_own() -> None:
    past = History({name_of_command("arm64 lockdep", "faults.anon"): 3.0})
    assert past.command_s("arm64 lockdep", "faults.anon") == 3.0
    assert past.command_s("x86_64 lockdep", "faults.anon") == 0.0


def test_commands_take_as_long_as_they_did_after_a_boot() -> None:
    history = History({"x86_64 lockdep: boot": 8.0, "x86_64 lockdep: faults.anon.1": 2.0})
    assert history.commands_s("x86_64 lockdep", ["faults.anon.1", "faults.cow.1"]) == 10.0
    assert history.commands_s("arm64 lockdep", ["faults.anon.1"]) is None

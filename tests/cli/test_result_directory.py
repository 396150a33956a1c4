"""Where results go: never over files of others, never two runs into one place, again over an earlier run's."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from harness.cli.results import MARK, result_directory
from harness.errors import InfraError, UserError
from harness.report.files import Layout

NOW = datetime(2026, 11, 21, 12, 30, 59)


def _run(out: Path | None, cwd: Path, *, name: str = "results.json") -> Path:
    with result_directory(str(out) if out else None, cwd=cwd, now=NOW) as directory:
        if name:
            (directory / name).write_text("new")
    return directory


def test_a_new_directory_is_named_by_the_time(tmp_path: Path) -> None:
    assert _run(None, tmp_path) == tmp_path / "vmaharness-20261121-123059"
    assert _run(None, tmp_path) == tmp_path / "vmaharness-20261121-123059-2"


def test_a_run_that_found_nothing_leaves_no_directory(tmp_path: Path) -> None:
    assert not _run(None, tmp_path, name="").exists()
    empty = tmp_path / "mine"
    empty.mkdir()
    assert _run(empty, tmp_path, name="").exists()


def test_an_earlier_runs_files_make_place_and_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run(out, tmp_path)
    (out / "console-arm64-lockdep.log").write_text("old")
    (out / "notes.txt").write_text("mine")
    assert _run(out, tmp_path, name="junit.xml") == out
    assert sorted(entry.name for entry in out.iterdir()) == [MARK, "junit.xml", "notes.txt"]


def test_every_file_of_a_run_makes_place(tmp_path: Path) -> None:
    layout, one = Layout(tmp_path / "out"), ("arm64", "lockdep")
    _run(layout.directory, tmp_path)
    files = [
        layout.junit, layout.summary, layout.metrics, layout.table, layout.page, layout.style_sheet,
        layout.console(*one, 2), layout.exact_console(*one, 1, again=True), layout.watched_console(*one, 1),
        layout.flame(*one, "faults.anon.1"), layout.stacks(*one, "faults.anon.1"), layout.bloat(*one),
        layout.build_log(*one), layout.config(*one), layout.guest_files(*one), layout.capsule("capsule-arm64-lockdep"),
    ]  # fmt: skip
    for file in files:
        file.write_text("old")
    _run(layout.directory, tmp_path)
    assert sorted(entry.name for entry in layout.directory.iterdir()) == [MARK, "results.json"]


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_killed_run_was_writing_goes(tmp_path: Path, resume: bool) -> None:
    out = tmp_path / "out"
    _run(out, tmp_path)
    kept = [".notes.txt.1", ".results.json.old"] + ["baseline/.mine.2"] * resume
    (out / "baseline").mkdir()
    for name in (".results.json.4711", ".console-arm64-lockdep.log.1", "baseline/.answers-x.json.2", *kept):
        (out / name).write_text("half")
    (out / "baseline/.mine.2").write_text("mine")
    with result_directory(str(out), cwd=tmp_path, now=NOW, resume=resume):
        left = {str(path.relative_to(out)) for path in out.rglob(".*")}
    assert left == {MARK, *kept}


def test_results_that_were_copied_without_the_mark_count_too(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("old")
    assert _run(tmp_path, tmp_path) == tmp_path
    assert (tmp_path / "results.json").read_text() == "new"


def test_a_directory_of_someone_else_is_left_alone(place: Path) -> None:
    (place / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="has files, and none are of an earlier run") as caught:
        _run(place, place)
    assert caught.value.fix == "choose a new or empty --out"
    assert [entry.name for entry in place.iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="is not a directory"):
        _run(place / "thesis.tex", place)


def test_two_runs_at_once_do_not_share_a_directory(tmp_path: Path) -> None:
    with result_directory(str(tmp_path / "out"), cwd=tmp_path, now=NOW) as directory:
        (directory / "results.json").write_text("first")
        with pytest.raises(UserError, match="another run is writing to"):
            _run(directory, tmp_path)
        assert (directory / "results.json").read_text() == "first"


def test_a_place_that_cannot_be_written_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfraError, match="cannot write results to"):
        _run(tmp_path / "file" / "out", tmp_path)

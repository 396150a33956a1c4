"""Two runs held against each other: patches matched, results compared, and what a person reads of it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from harness.cli.main import cli
from harness.model import AppliedPatch, Kinship, PatchRole, RunResult
from harness.report import render
from harness.run.compare import compare_runs, pairs
from tests.kernel.conftest import git
from tests.run.image_guest import Bench
from tests.run.test_patches import run


def patch(number: int, subject: str, patch_id: str) -> AppliedPatch:
    return AppliedPatch(PatchRole.SERIES, number, subject, "", "", "", "", (), patch_id=patch_id)


def test_patches_are_known_by_what_they_change_then_by_subject() -> None:
    before = [patch(1, "one", "a"), patch(2, "two", "b"), patch(3, "three", "c"), patch(4, "four", "d")]
    after = [patch(1, "new", "x"), patch(2, "one", "a"), patch(3, "renamed", "c"), patch(4, "two", "y")]
    assert [(pair.kinship, pair.before, pair.after) for pair in pairs(before, after)] == [
        (Kinship.ADDED, 0, 1), (Kinship.SAME, 1, 2), (Kinship.SAME, 3, 3), (Kinship.CHANGED, 2, 4),
        (Kinship.DROPPED, 4, 0),
    ]  # fmt: skip


def test_patches_without_an_id_are_known_by_subject_and_never_called_the_same() -> None:
    (pair,) = pairs([patch(1, "one", "")], [patch(1, "one", "")])
    assert pair.kinship is Kinship.CHANGED


def two_versions(bench: Bench) -> tuple[RunResult, RunResult]:
    """The first breaks `cow` with its second patch; the second mends that, breaks `anon`, and has a patch more."""
    bench.commit()
    bench.commit(text="int one;\n")
    bench.commit("cow_fails", text="int one;\n")
    before = run(bench, 2)
    git(bench.clone, "reset", "-q", "--hard", "HEAD~1")
    bench.commit("anon_fails", text="int one;\n")
    bench.commit("anon_fails", text="int one;\nint three;\n")
    return before, run(bench, 3)


def test_what_changed_between_two_versions(bench: Bench, tmp_path: Path) -> None:
    before, after = two_versions(bench)
    found = compare_runs(before, after)
    assert (found.worse, found.notes) == (1, ())
    assert [(pair.kinship.value, pair.before, pair.after) for pair in found.patches] == [
        ("same", 1, 1), ("added", 0, 2), ("added", 0, 3), ("dropped", 2, 0),
    ]  # fmt: skip
    assert {(one.case, one.relation.value) for one in found.differences} == {("anon", "new"), ("cow", "fixed")}
    assert after.per_patch[0].cached, "the first patch is as it was: nothing is done again"

    for name, result in (("one", before), ("two", after)):
        (tmp_path / name).mkdir()
        render.publish(result, tmp_path / name)
    done = CliRunner().invoke(cli, ["compare", str(tmp_path / "one"), str(tmp_path / "two")])
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0] == "WORSE  1 case that did not fail before"
    assert any(line.split()[:3] == ["1:", "1", "="] for line in lines)
    assert any(line.split()[:3] == ["-:", "3", ">"] for line in lines)
    assert any(line.split()[:3] == ["2:", "-", "<"] for line in lines)
    assert [line.split()[0] for line in lines if line.startswith("  ") and "plain.faults" in line] == ["Worse", "Fixed"]
    back = CliRunner().invoke(cli, ["compare", str(tmp_path / "two"), str(tmp_path / "two")])
    assert (back.exit_code, back.output.splitlines()[0].split()[0]) == (0, "NO")


def test_a_run_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", str(tmp_path), str(tmp_path)])
    assert done.exit_code == 2
    assert "results.json" in done.output

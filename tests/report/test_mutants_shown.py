"""mutants.json and the table of a run of mutants."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.model import Fate, MutantResult, MutantsResult, MutantTarget, Outcome, Sighting
from harness.report.mutants import after, publish, summary
from tests.report import samples

SEEN = Sighting(
    "hazards.same.forbid.2", Outcome.FAIL, "kernel: lock held", "lockdep", "lock held when returning to user space",
    180, 700, 3, 1.5,
)  # fmt: skip


def result(console: Path | None = None) -> MutantsResult:
    targets = (
        MutantTarget("host", "", Fate.SURVIVED),
        MutantTarget("x86_64", "lockdep", Fate.CAUGHT, sightings=(SEEN,), ran=5, left_out=40, console=console),
        MutantTarget("arm64", "lockdep", Fate.SURVIVED, "45 cases passed", ran=45),
    )
    mutant = MutantResult("keeps-lock", "mm: keep", "missing unlock", ("hazards.*",), "\x1b[31mred", "k.patch", targets)
    return MutantsResult(
        "0.1.0", ("vmaharness", "mutants"), "2026-11-25T12:00:00+00:00", 61.0, {}, {}, samples.tree(), (), (mutant,),
        (), (), Outcome.FAIL, "1 of 2 caught; survived: keeps-lock on arm64 lockdep",
    )  # fmt: skip


def test_the_table_has_a_row_a_mutant_and_a_column_a_target() -> None:
    lines = summary(result()).splitlines()
    assert lines[0] == "FAIL  1 of 2 caught; survived: keeps-lock on arm64 lockdep"
    assert lines[1].startswith("      1 mutant of 6.12.117 ")
    header = next(at for at, line in enumerate(lines) if "vma on the host" in line)
    assert lines[header].split("  ")[-1].strip() == "arm64 lockdep"
    assert lines[header + 1].split() == ["keeps-lock", "passed", "caught", "SURVIVED"]


def test_a_catch_has_its_case_finding_and_work() -> None:
    text = summary(result(), width=160)
    assert "keeps-lock on x86_64 lockdep: hazards.same.forbid.2 (fail): lock held when returning to user space" in text
    assert "within 180 operations of the case (1.5 s), after 3 cases with 700 operations" in text
    assert after(replace(SEEN, operations=None, cases_before=0, seconds=0.0)) == (
        "in a case that came to no count, the first that ran"
    )


def test_what_a_patch_says_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in summary(result())
    assert "SURVIVED  keeps-lock  arm64 lockdep: 45 cases passed" in summary(result())


def test_the_file_has_paths_below_it(tmp_path: Path) -> None:
    publish(result(tmp_path / "mutant-keeps-lock" / "console.log"), tmp_path)
    data = json.loads((tmp_path / "mutants.json").read_text())
    assert data["mutants"][0]["targets"][1]["console"] == "mutant-keeps-lock/console.log"
    assert data["outcome"] == "fail"
    assert (tmp_path / "summary.txt").read_text().startswith("FAIL")

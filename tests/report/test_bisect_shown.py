"""bisect.json and what a person reads of a search."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import (
    BisectEnd,
    BisectResult,
    Candidate,
    ProbeResult,
    ProbeRole,
    Rung,
    Sought,
    Tries,
    Verdict,
)
from harness.report.bisect import publish, summary
from tests.report import samples

SOUGHT = Sought(Rung.GUEST, "x86_64", "lockdep", "hazards", "same.unmap.2", "WARNING in do_fault", ("ab" * 32,))
ONCE = Tries(0, 1)
LINE = tuple(Candidate(number, f"{number:040}", f"mm: change {number}") for number in range(11))


def probe(number: int, verdict: Verdict, role: ProbeRole = ProbeRole.SEARCH, runs: Tries = ONCE) -> ProbeResult:
    one, bad = LINE[number], verdict is Verdict.BAD
    why, detail = (
        ("hazards.same.unmap.2: WARNING in do_fault", "\x1b[31mthe report\nof the kernel\n") if bad else ("", "")
    )
    return ProbeResult(role, number, one.commit, one.subject, verdict, why, detail, runs, Path("/x") / one.commit)


def result(directory: Path | None = None) -> BisectResult:
    once = Tries(1, 1)
    return BisectResult(
        "0.1.0", ("vmaharness", "bisect"), "2026-11-25T12:00:00+00:00", 61.0, {}, {}, samples.tree(), "mm: a series",
        LINE, SOUGHT, Tries(3, 3), 1, 1.0,
        (
            probe(10, Verdict.BAD, ProbeRole.TIP, Tries(3, 3)), probe(0, Verdict.GOOD, ProbeRole.BASE),
            probe(5, Verdict.SKIP), probe(6, Verdict.GOOD), probe(7, Verdict.BAD, runs=once),
        ),
        (LINE[7],), ("its parent, 6: clean in 1 run", "with it: fails", "the tip without it: clean in 1 run"), True, 4,
        7, 5, (directory or Path("/x")) / "culprit.patch", BisectEnd.FOUND, "7 “mm: change 7”",
    )  # fmt: skip


def test_the_patch_and_its_failure_come_first() -> None:
    lines = summary(result()).splitlines()
    assert lines[0] == "FOUND  7/10 000000000000 “mm: change 7”"
    assert lines[1] == "       x86_64.lockdep.hazards.same.unmap.2: WARNING in do_fault"
    assert lines[2].startswith("       mm: a series: 10 patches on 6.12.117 ")


def test_commits_are_in_the_order_of_the_series() -> None:
    lines = summary(result()).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("the base"))
    words = [line.split() for line in lines[at : at + 5]]
    assert [line[0] for line in words] == ["the", "5/10", "6/10", "7/10", "10/10"]
    assert "bad" in words[3]


def test_proof_and_cost_are_said() -> None:
    text = summary(result(), width=160)
    assert "Proven  by three trees\n        its parent, 6: clean in 1 run\n" in text
    assert "it failed in every one of 3 runs" in text
    assert "Cost    4 builds, 7 boots for 5 trees, by guests; a search among 10 and its proof need 5 at least" in text
    assert "NOT fully proven" in summary(replace(result(), proven=False))


def test_a_flaky_failure_says_how_sure_it_is() -> None:
    flaky = replace(result(), rate=Tries(3, 9), runs=8, confidence=0.961)
    assert "it failed in 3 of 9 runs, so 8 runs without it make a commit good; 96.1% that" in summary(flaky, width=160)


@pytest.mark.parametrize(
    ("end", "word"),
    [(BisectEnd.TIP_GOOD, "NOT THERE"), (BisectEnd.BASE_BAD, "NOT NEW"), (BisectEnd.UNTESTABLE, "UNTESTABLE"),
     (BisectEnd.UNFINISHED, "UNFINISHED")],
)  # fmt: skip
def test_other_ends_say_why(end: BisectEnd, word: str) -> None:
    text = summary(replace(result(), end=end, culprits=(), proof=(), message="because", patch=None))
    assert text.startswith(f"{word}  because\n")


def test_candidates_are_listed() -> None:
    text = summary(replace(result(), end=BisectEnd.CANDIDATES, culprits=LINE[5:8], message="cannot bisect more"))
    assert text.startswith("NOT ONE  cannot bisect more\n    5/10 000000000000 “mm: change 5”\n")


def test_what_a_kernel_says_cannot_drive_the_terminal(tmp_path: Path) -> None:
    publish(result(tmp_path), tmp_path)
    assert "\x1b" not in (tmp_path / "summary.txt").read_text()
    data = json.loads((tmp_path / "bisect.json").read_text())
    assert (data["end"], data["culprits"][0]["number"], data["patch"]) == ("found", 7, "culprit.patch")

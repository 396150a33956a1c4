"""What a reader is told of the base of a series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.model import (
    BaseReport,
    BaseState,
    FilePresence,
    PatchPresence,
    Prerequisite,
    Presence,
    RunResult,
    SuiteResult,
)
from harness.report import junit, results
from harness.report.terminal import summary
from tests.report import samples

EXACT = BaseReport(BaseState.EXACT, "", "1" * 40, exact=3, stated=3, bit_exact=True)
FILES = (FilePresence("mm/vma.c", 9, 3, reverts=False), FilePresence("mm/mmap.c", 4, 4, reverts=True))


def presence(number: int, state: Presence, evidence: str = "lines", commit: str = "") -> PatchPresence:
    return PatchPresence(number, f"patch {number}", state, evidence, commit, FILES)


MERGED = replace(
    EXACT,
    presence=(
        presence(1, Presence.IN, "patch-id", "a" * 40),
        presence(2, Presence.PARTLY),
        presence(3, Presence.IN, "reverts"),
    ),
)  # fmt: skip


def result(report: BaseReport) -> RunResult:
    return replace(samples.passed(), base=report)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (EXACT, "exact (3 of 3 blobs), bit-exact"),
        (replace(EXACT, bit_exact=False), "exact (3 of 3 blobs)"),
        (
            replace(EXACT, state=BaseState.OTHER, exact=1, bit_exact=False, choice="commit abc chosen"),
            "applies, other base (1 of 3 blobs exact), commit abc chosen",
        ),
        (replace(EXACT, state=BaseState.UNKNOWN, exact=0, stated=0, bit_exact=False), "unknown"),
        (MERGED, "2 of 3 patches are in the tree already, 1 in part; the series cannot be taken out"),
        (
            replace(MERGED, presence=MERGED.presence[:1], reverted="b" * 40),
            "1 of 1 patches are in the tree already; taken out in commit bbbbbbbbbbbb",
        ),
    ],
)
def test_one_line_says_it(report: BaseReport, words: str) -> None:
    assert report.text == words
    assert f"\nBase    {words}" in summary(result(report), width=200)


def test_each_patch_of_a_merged_series_has_its_line() -> None:
    text = summary(result(replace(MERGED, notes=("there is no base",))), width=200)
    assert "\n        patch 1 in the tree, as commit aaaaaaaaaaaa\n" in text
    assert "\n        patch 2 partly in the tree: mm/vma.c 3 of 9 lines, mm/mmap.c can be taken back\n" in text
    assert "Note    there is no base\n" in text


def test_no_series_no_line() -> None:
    assert "Base " not in summary(replace(samples.passed(), base=None))


def test_words_of_the_document_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in summary(result(replace(EXACT, choice="at \x1b[2J", notes=("\x1b]0;x",))))


def test_it_comes_back_from_the_file(tmp_path: Path) -> None:
    whole = result(replace(MERGED, prerequisites=(Prerequisite("c" * 40, ""),), notes=("so",)))
    results.write(whole, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json").base == whole.base


def test_the_account_is_the_suites_output(tmp_path: Path) -> None:
    case = samples.fault_case("apply")
    suite = SuiteResult("series", "host", "", (case,), output="base: exact (3 of 3 blobs), bit-exact\n")
    junit.write(replace(result(EXACT), host_suites=(suite,)), tmp_path / "junit.xml")
    found = ElementTree.parse(tmp_path / "junit.xml").find("testsuite[@name='host.series']/system-out")
    assert found is not None
    assert "bit-exact" in (found.text or "")

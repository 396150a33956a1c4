"""The summary: verdict first, every failure with its log and command, nothing that drives a terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Case, Outcome, SuiteResult
from harness.report.terminal import summary
from tests.conftest import Golden
from tests.report import samples

GOLDEN = Path(__file__).with_name("golden")
FREE = re.compile(r"    (again|log )  |Results ")  # lines that are there to be copied


@pytest.mark.parametrize("name", samples.ALL)
def test_golden(name: str, golden: Golden) -> None:
    text = summary(samples.ALL[name](), directory=samples.DIRECTORY)
    assert text == golden(GOLDEN / f"summary-{name}.txt", text)


@pytest.mark.parametrize("name", samples.ALL)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    result = samples.ALL[name]()
    coloured = summary(result, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == summary(result)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("name", samples.ALL)
def test_width_is_kept(name: str, width: int) -> None:
    lines = summary(samples.ALL[name](), directory=samples.DIRECTORY, width=width).splitlines()
    assert not [line for line in lines if len(line) > width and not FREE.match(line)]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome.PASS, "PASS  "), (Outcome.FAIL, "FAIL  "), (Outcome.CRASH, "FAIL  "), (Outcome.ERROR, "ERROR  "),
     (Outcome.NOT_RUN, "NOTHING RAN  ")],
)  # fmt: skip
def test_the_first_word_is_the_verdict(outcome: Outcome, word: str) -> None:
    assert summary(replace(samples.passed(), outcome=outcome)).startswith(word)


def test_logs_are_named_from_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = samples.crashed()
    console = tmp_path / "results" / "console-x86_64-lockdep.log"
    (suite,) = [suite for suite in result.targets[0].suites if suite.suite == "faults"]
    moved = replace(suite, cases=tuple(replace(case, log=console) for case in suite.cases))
    result = replace(result, targets=(replace(result.targets[0], suites=(moved,)), result.targets[1]))
    for directory in (Path("results"), tmp_path / "results"):
        assert "    log    console-x86_64-lockdep.log:901\n" in summary(result, directory=directory)
    assert f"    log    {console}:901\n" in summary(result, directory=Path("/elsewhere"))


def test_many_failures_are_counted_not_listed() -> None:
    cases = tuple(Case("vma", f"t{number}", Outcome.FAIL, message="no") for number in range(25))
    result = replace(samples.nothing_ran(), outcome=Outcome.FAIL, host_suites=(SuiteResult("vma", "host", "", cases),))
    text = summary(result)
    assert text.count("FAILED  host.vma") == 10
    assert "… and 15 more" in text
    assert "25 FAILED" in text


def test_many_numbers_are_one_a_workload() -> None:
    names = [f"{work}.{threads}" for work in ("anon", "shm", "file", "cow", "refault") for threads in (1, 2)]
    text = summary(samples.with_fault_cases(*map(samples.fault_case, names), outcome=Outcome.PASS))
    shown = re.findall(r"^faults (\S+)", text, re.MULTILINE)
    assert shown == ["anon.1", "cow.1", "shm.1", "file.1", "refault.1"]
    assert "… and 5 cases more" in text


def test_a_suite_without_cases_is_not_overlooked() -> None:
    result = replace(samples.nothing_ran(), host_suites=(SuiteResult("vma", "host", "", ()),))
    assert "NO CASES" in summary(result)


@given(st.text(st.characters(exclude_categories=())))
def test_guests_cannot_drive_the_terminal(text: str) -> None:
    case = Case("faults", f"anon{text}", Outcome.FAIL, message=text, detail=text)
    result = replace(samples.with_fault_cases(case, message=text), notes=(text,), series=text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", summary(result, directory=Path("/r")))

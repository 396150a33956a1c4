"""What people and CI servers see of cases that are new, the base's too, known or flaky."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from harness.model import Against, Baseline, Case, Difference, Outcome, Relation, RunResult, SuiteResult, Tries
from harness.report import junit, results, terminal
from harness.report.text import standing
from harness.verdict.judge import overall
from tests.report import samples

BAD = Case("faults", "anon.1", Outcome.FAIL, 1.0, "kernel: WARNING in f", "the console's words")
NEW = replace(BAD, name="cow.1", relation=Relation.NEW, tries=Tries(3, 3))
SAME = replace(BAD, relation=Relation.SAME, excused="the same without the series")
KNOWN = replace(BAD, name="fork.1", known="in review (until 2027-01-01, k.yaml:2)", excused="known: in review")
FLAKY = replace(BAD, name="exit.1", relation=Relation.NEW, tries=Tries(1, 3))
GOOD = Case("faults", "read.1", Outcome.PASS, 1.0)


def run(*cases: Case) -> RunResult:
    result = samples.passed()
    (target, *others) = result.targets
    suite = SuiteResult("faults", target.arch, target.profile, (GOOD, *cases))
    kernel = tuple(one for one in target.suites if one.suite == "kernel")
    targets = (replace(target, suites=(*kernel, suite)), *others)
    differences = (
        Difference(Relation.NEW, "x86_64", "lockdep", "faults", "cow.1", "", "pass", "fail"),
        Difference(Relation.SAME, "x86_64", "lockdep", "faults", "anon.1", "", "fail", "fail"),
        Difference(Relation.FIXED, "x86_64", "lockdep", "faults", "read.1", "a" * 16, "WARNING in g", ""),
    )
    result = replace(result, targets=targets, baseline=Baseline("1" * 40, "2" * 40, result.targets, (), differences))
    outcome, message = overall(result.suites)
    return replace(result, outcome=outcome, message=message)


def elements(result: RunResult, directory: Path) -> dict[str, ElementTree.Element]:
    junit.write(result, directory / "junit.xml")
    found = ElementTree.parse(directory / "junit.xml").getroot().iter("testcase")
    return {str(one.get("name")): one for one in found if str(one.get("classname")).endswith("x86_64.lockdep.faults")}


def test_a_failure_that_does_not_count_is_skipped_and_says_how_it_failed(tmp_path: Path) -> None:
    found = elements(run(NEW, SAME, KNOWN, FLAKY), tmp_path)
    assert {name: next((child.tag for child in one), "") for name, one in found.items()} == {
        "read.1": "", "cow.1": "failure", "anon.1": "skipped", "fork.1": "skipped", "exit.1": "failure",
    }  # fmt: skip
    skipped = found["anon.1"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "the same without the series (fail): kernel: WARNING in f"
    assert "the console's words" in (skipped.text or "")
    failure = found["exit.1"].find("failure")
    assert failure is not None
    assert failure.get("message") == "new, flaky (1 of 3): kernel: WARNING in f"


def test_a_run_with_nothing_new_is_good_in_junit_too(tmp_path: Path) -> None:
    result = run(SAME, KNOWN)
    assert result.outcome is Outcome.PASS
    junit.write(result, tmp_path / "junit.xml")
    text = (tmp_path / "junit.xml").read_text()
    assert "<failure" not in text
    assert "<error" not in text


def test_the_summary_says_how_many_are_new_and_lists_only_what_counts() -> None:
    text = terminal.summary(run(NEW, SAME, KNOWN, FLAKY))
    assert text.startswith("FAIL  2 new, 1 same as the base, 1 known, 1 flaky; 2 of ")
    assert "FAILED  x86_64.lockdep.faults  cow.1\n    new, 3 of 3 tries: kernel: WARNING in f" in text
    assert "FAILED  x86_64.lockdep.faults  anon.1" not in text
    assert "Against the base: 1 new, 1 same, 1 fixed (cases and findings)" in text
    assert "Fixed  x86_64.lockdep.faults.read.1: WARNING in g" in text
    assert "Same  x86_64.lockdep.faults.anon.1: fail" in text
    assert "New  " not in text
    assert "Known  x86_64.lockdep.faults  fork.1: known: in review (fail): kernel: WARNING in f" in text
    assert "1 passed, 2 FAILED, 1 same as the base, 1 known" in text


def test_a_good_summary_says_what_it_excuses() -> None:
    text = terminal.summary(run(SAME, KNOWN))
    assert text.startswith("PASS  ")
    assert "1 same as the base, 1 known" in text.partition("\n\n")[0]


def test_a_base_without_a_fault_is_said() -> None:
    result = samples.passed()
    result = replace(result, baseline=Baseline("1" * 40, "2" * 40, result.targets, ()))
    assert "Against the base: nothing is new, and nothing was wrong before" in terminal.summary(result)


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    result = run(NEW, SAME, KNOWN, FLAKY)
    results.write(result, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == result


def test_a_target_s_result_travels_as_json(tmp_path: Path) -> None:
    (target, *_) = run(NEW).targets
    made = results.to_json(target, samples.DIRECTORY)
    moved = results.from_json(type(target), made, tmp_path)
    assert moved.boots[0].console == tmp_path / target.boots[0].console.name
    assert moved.suites[-1].cases[1] == NEW


def test_what_stands_before_a_message() -> None:
    assert standing(GOOD) == standing(BAD) == ""
    assert standing(replace(SAME, excused="")) == "the same without the series: "
    assert standing(replace(KNOWN, excused="")).startswith("known: in review (until")
    assert standing(replace(FLAKY, against=Against(Tries(0, 12), 0.2))) == "new, flaky (1 of 3; base 0 of 12, p 0.2): "
    assert standing(replace(NEW, against=Against(Tries(0, 3), 0.05))) == "new, 3 of 3 tries; base 0 of 3, p 0.05: "


def test_ci_servers_are_told_in_words_what_tries_of_the_base_say(tmp_path: Path) -> None:
    flaky = replace(FLAKY, against=Against(Tries(0, 12), 0.2))
    (failure,) = elements(run(flaky), tmp_path)["exit.1"].iter("failure")
    assert (
        "It failed 1 of 3 tries with the series, 0 of 12 without it. Of kernels that fail alike, so many of these "
        "failures or more would be the series' with a probability of 0.2."
    ) in (failure.text or "")

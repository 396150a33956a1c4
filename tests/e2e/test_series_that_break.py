"""What a broken series looks like: each defect is found, named, and blamed on the kernel and not on the harness.

One architecture each, taken in turn: the paths are the same and the defects are in common code.
"""

from __future__ import annotations

import pytest

from tests.e2e.conftest import PATCHES, Run

pytestmark = pytest.mark.kernel


def series(name: str) -> list[str]:
    """A series by itself: held against the base in one test of its own, for that takes a second kernel."""
    alone = ["--baseline", "never", "--retries", "0"]
    return ["--series", str(PATCHES / f"{name}.patch"), "--arch", "x86_64", *alone]


def test_a_series_that_does_not_apply(run: Run) -> None:
    ended = run(*series("does-not-apply"))
    assert ended.exit_code == 2
    assert "does not apply" in ended.words


def test_a_kernel_that_does_not_compile(run: Run) -> None:
    ended = run(*series("does-not-compile"), "--suite", "faults")
    outcomes = ended.outcomes("x86_64")
    assert ended.exit_code == 1, ended.words
    assert outcomes["kernel.build"] == "fail"
    assert "mm/" in ended.cases("x86_64")["kernel.build"]["message"]
    assert {outcome for name, outcome in outcomes.items() if name.startswith("faults.")} == {"not-run"}


def test_a_kernel_that_panics_early(run: Run) -> None:
    ended = run(*series("panics-at-boot"), "--suite", "faults")
    outcomes = ended.outcomes("x86_64")
    assert ended.exit_code == 1, ended.words
    assert outcomes["kernel.boot"] == "crash"
    assert "Kernel panic" in ended.words, "the last console lines are shown at once"


def test_a_kernel_that_panics_in_the_middle_of_a_suite(run: Run) -> None:
    ended = run(*series("panics-in-suite"), "--suite", "faults")
    outcomes = ended.outcomes("x86_64")
    assert ended.exit_code == 1, ended.words
    assert "crash" in outcomes.values()
    assert "pass" in {outcome for name, outcome in outcomes.items() if name.startswith("faults.")}, (
        "a fresh guest goes on"
    )
    assert len(ended.results["targets"][0]["boots"]) > 1


def test_a_warning_that_comes_once_a_boot_fails_every_case_that_runs_into_it(run: Run) -> None:
    ended = run(*series("warns-once"), "--suite", "faults")
    bad = {name: case for name, case in ended.cases("x86_64").items() if case["outcome"] == "fail"}
    assert ended.exit_code == 1, ended.words
    assert len(bad) > 1, "WARN_ONCE was armed again"
    assert {case["findings"][0]["type"] for case in bad.values()} == {"warning"}
    assert len({case["findings"][0]["fingerprint"] for case in bad.values()}) == 1
    frames = next(iter(bad.values()))["findings"][0]["frames"]
    assert frames[0]["sources"][0].startswith("mm/mprotect.c:")
    assert all(frame["sources"] for frame in frames), "those in assembly too"
    assert all((ended.directory / case["capsule"] / "capsule.json").is_file() for case in bad.values())


def test_a_broken_lock_rule(run: Run) -> None:
    ended = run(*series("leaks-a-lock"), "--suite", "faults")
    found = [finding for case in ended.cases("x86_64").values() for finding in case["findings"]]
    assert ended.exit_code == 1, ended.words
    assert "lockdep" in {finding["type"] for finding in found}
    assert all(finding["frames"][0]["sources"][-1].startswith("mm/") for finding in found), "where it was taken"


def test_a_page_with_the_wrong_content(run: Run) -> None:
    ended = run(*series("returns-a-dirty-page"), "--suite", "faults", "--case", "faults.anon.*")
    assert ended.exit_code == 1, ended.words
    assert "fail" in ended.outcomes("x86_64").values()


def test_a_guest_that_hangs_is_ended_at_its_deadline(run: Run) -> None:
    ended = run(*series("hangs-in-fault"), "--suite", "faults", "--case", "faults.anon.1", "--command-timeout", "5")
    case = ended.cases("x86_64")["faults.anon.1"]
    assert ended.exit_code == 1, ended.words
    assert case["outcome"] == "timeout"


def test_a_lock_that_is_never_taken_is_not_exercised(run: Run) -> None:
    ended = run(*series("never-takes-the-lock"), "--suite", "faults", "--case", "faults.anon.*")
    outcomes = ended.outcomes("x86_64")
    assert ended.exit_code == 1, ended.words
    assert outcomes["faults.anon.2"] == "not-exercised"


def test_a_unit_test_that_fails_on_the_host(run: Run) -> None:
    ended = run(*series("fails-a-vma-test"), "--suite", "vma")
    assert ended.exit_code == 1, ended.words
    assert "fail" in ended.outcomes("host").values()
    assert "fail" in ended.outcomes("x86_64").values()


def test_a_broken_series_is_new_to_its_base(run: Run) -> None:
    """The base's kernel is built, for a case failed, and passes it; the failure comes again in a fresh guest."""
    ended = run(
        "--series", str(PATCHES / "returns-a-dirty-page.patch"), "--arch", "x86_64", "--suite", "faults",
        "--case", "faults.anon.1", "--retries", "1",
    )  # fmt: skip
    case = ended.cases("x86_64")["faults.anon.1"]
    assert ended.exit_code == 1, ended.words
    assert (case["outcome"], case["relation"]) == ("fail", "new")
    assert case["tries"] == {"failed": 2, "of": 2}

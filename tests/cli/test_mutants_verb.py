"""`vmaharness mutants`: from a command line to files, standard output and exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Cancelled
from harness.model import Arch, Outcome
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeEngine
from tests.report.test_mutants_shown import result


def test_names_and_flags_reach_the_engine(place: Path, invoke: Invoke) -> None:
    engine = FakeEngine()
    done = invoke("mutants", "fork-*", "x", "--arch", "arm64", "--all-cases", "--out", "here", engine=engine)
    assert engine.plan is not None
    assert (engine.wanted, engine.everything) == (("fork-*", "x"), True)
    assert (engine.plan.arch, engine.plan.series) == ((Arch.ARM64,), None)
    assert done.exit_code == 1
    assert done.stdout.startswith("FAIL  1 of 2 caught")
    assert {entry.name for entry in (place / "here").iterdir()} >= {"mutants.json", "summary.txt"}


def test_the_tree_is_tested_without_a_word_on_the_demo_series(invoke: Invoke) -> None:
    assert "demo series" not in invoke("mutants", "--tree", "debian:linux-source-7.2", engine=FakeEngine()).stderr


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.PASS, 0), (Outcome.FAIL, 1), (Outcome.ERROR, 3), (Outcome.NOT_RUN, 4)],
)
def test_the_outcome_is_the_exit_code(invoke: Invoke, outcome: Outcome, code: int) -> None:
    assert invoke("mutants", engine=FakeEngine(mutants=replace(result(), outcome=outcome))).exit_code == code


def test_json_is_all_there_is_on_standard_output(invoke: Invoke) -> None:
    assert json.loads(invoke("mutants", "--json", engine=FakeEngine()).stdout)["mutants"][0]["name"] == "keeps-lock"


def test_what_was_found_until_an_interrupt_is_kept(place: Path, invoke: Invoke) -> None:
    done = invoke("mutants", "--out", "here", engine=FakeEngine(error=Cancelled("interrupted (SIGINT)")))
    assert done.exit_code == 130
    assert f"what was found out until then is in {place}/here" in done.stderr


def test_results_may_go_over_those_of_an_earlier_run(place: Path, invoke: Invoke) -> None:
    for _ in range(2):
        assert invoke("mutants", "--out", "here", engine=FakeEngine()).exit_code == 1

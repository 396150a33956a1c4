"""`vmaharness bench`: from a command line to files, standard output and exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Cancelled
from harness.model import Arch, Outcome
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeEngine
from tests.report import samples
from tests.report.test_cost_shown import RELEASE, X86, report


def _priced() -> FakeEngine:
    result = samples.passed()
    target = replace(result.targets[0], arch=Arch(X86), profile=RELEASE)
    return FakeEngine(result=replace(result, targets=(target,), cost=report()))


def test_a_bare_bench_prices_the_demo_series_on_the_release_kernel(place: Path, invoke: Invoke) -> None:
    engine = _priced()
    done = invoke("bench", "--out", "here", engine=engine)
    assert engine.plan is not None
    assert [profile.name for profile in engine.plan.profiles] == ["release"]
    assert (engine.plan.guest.smp, engine.plan.guest_seeds, engine.plan.suites) == (
        1,
        (1, 2, 3, 4),
        ("bench", "faults", "sizes"),
    )
    assert done.exit_code == 0
    assert "Cost    instructions for each operation, counted in exact guests; 3 seeds" in done.stdout
    assert (place / "here" / "results.json").is_file()


def test_flags_reach_the_engine(place: Path, invoke: Invoke) -> None:
    engine = _priced()
    invoke(
        "bench", "--series", "a..b", "--fail", "slower > 1 %", "--fail", "faults.*: slower > 20", "--same", "0.05",
        "--again", "2", "--no-moved", "--mode", "relative", "--boots", "3", "--seeds", "1..8", engine=engine,
    )  # fmt: skip
    assert engine.plan is not None
    assert engine.plan.bench.model_dump() == {
        "mode": "relative", "fail": ("slower > 1 %", "faults.*: slower > 20"), "same": 0.05, "again": 2, "moved": False,
        "where": True,
        "boots": 3,
    }  # fmt: skip


def test_a_plan_of_ones_own_says_everything(place: Path, invoke: Invoke) -> None:
    (place / "p.yaml").write_text("series: a..b\nbench: {fail: slower > 1 %}\n")
    engine = _priced()
    assert invoke("bench", "p.yaml", engine=engine).exit_code == 0
    assert engine.plan is not None
    assert engine.plan.bench.fail == ("slower > 1 %",)
    assert [profile.name for profile in engine.plan.profiles] == ["lockdep"]


def test_a_limit_that_is_none_is_refused(invoke: Invoke) -> None:
    done = invoke("bench", "--fail", "faster", engine=_priced())
    assert done.exit_code == 2
    assert "--fail: must be a limit such as slower > 1 % or faults.anon.1: slower > 20, not 'faster'" in done.stderr


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.PASS, 0), (Outcome.FAIL, 1), (Outcome.ERROR, 3)])
def test_the_outcome_is_the_exit_code(invoke: Invoke, outcome: Outcome, code: int) -> None:
    engine = _priced()
    engine.result = replace(engine.result, outcome=outcome)
    assert invoke("bench", engine=engine).exit_code == code


def test_what_was_found_until_an_interrupt_is_kept(place: Path, invoke: Invoke) -> None:
    engine = _priced()
    engine.error = Cancelled("interrupted (SIGINT)")
    done = invoke("bench", "--out", "here", engine=engine)
    assert done.exit_code == 130
    assert f"what was found out until then is in {place}/here" in done.stderr


def test_prices_are_kept_under_a_name_and_shown(place: Path, invoke: Invoke) -> None:
    kept = place / "kept"
    done = invoke("bench", "--save", "v1", "--history", "kept", engine=_priced())
    assert done.exit_code == 0
    assert (kept / "v1.json").is_file()
    shown = invoke("bench", "history", "faults.anon.*", "--history", "kept")
    assert shown.stdout.startswith("faults.anon.1  x86_64 release: instructions, fault by fault\n  v1 ")
    again = invoke("bench", "--save", "v1", "--history", "kept", engine=_priced())
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)


@pytest.mark.parametrize("words", [("--save", "../x"), ("--save", "")])
def test_a_name_that_is_none_is_refused_before_anything_is_done(invoke: Invoke, words: tuple[str, ...]) -> None:
    engine = _priced()
    assert invoke("bench", *words, engine=engine).exit_code == 2
    assert engine.plan is None


def test_a_history_of_nothing_says_so(place: Path, invoke: Invoke) -> None:
    done = invoke("bench", "history", "faults.anon.1", "--history", "nowhere")
    assert done.exit_code == 2
    assert f"nothing is kept of faults.anon.1 in {place}/nowhere" in done.stderr or "nothing is kept" in done.stderr
    (place / "odd").mkdir()
    (place / "odd" / "x.json").write_text("{}")
    assert "holds no prices that were kept" in invoke("bench", "history", "x", "--history", "odd").stderr

"""`vmaharness bisect` and `git-bisect-run`: from a command line to files, standard output and exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Cancelled, InfraError, UserError
from harness.model import Arch, BisectEnd, Rung, Tries, Verdict
from harness.report import results
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeEngine
from tests.report import samples
from tests.report.test_bisect_shown import result


def test_flags_say_what_to_look_for(place: Path, invoke: Invoke) -> None:
    engine = FakeEngine()
    done = invoke(
        "bisect", "--series", "a..b", "--tree", "linux", "--case", "hazards.*", "--arch", "arm64", "--rate", "1/3",
        "--runs", "4", "--confidence", "99", "--parallel", "--out", "here", engine=engine,
    )  # fmt: skip
    assert engine.plan is not None
    assert engine.order is not None
    assert (engine.plan.cases, engine.plan.arch, engine.plan.series) == (("hazards.*",), (Arch.ARM64,), "a..b")
    order = engine.order
    assert (order.rate, order.runs, order.confidence, order.parallel) == (Tries(1, 3), 4, 0.99, True)
    assert done.exit_code == 0
    assert done.stdout.startswith("FOUND  7/10")
    assert {entry.name for entry in (place / "here").iterdir()} >= {"bisect.json", "summary.txt", "bisect.jsonl"}


def test_a_cost_is_looked_for_on_the_kernel_that_is_priced(invoke: Invoke) -> None:
    engine = FakeEngine()
    invoke("bisect", "--series", "a..b", "--metric", "faults.anon.1", "--slower", "0.2%", engine=engine)
    assert engine.plan is not None
    assert engine.order is not None
    assert (engine.order.metric, engine.order.slower) == ("faults.anon.1", "0.2%")
    assert ([one.name for one in engine.plan.profiles], engine.plan.series) == (["release"], "a..b")


@pytest.mark.parametrize(
    ("end", "code"),
    [(BisectEnd.FOUND, 0), (BisectEnd.CANDIDATES, 1), (BisectEnd.TIP_GOOD, 4), (BisectEnd.BASE_BAD, 4),
     (BisectEnd.UNTESTABLE, 4)],
)  # fmt: skip
def test_the_end_is_the_exit_code(invoke: Invoke, end: BisectEnd, code: int) -> None:
    engine = FakeEngine(bisected=replace(result(), end=end))
    assert invoke("bisect", "--build", engine=engine).exit_code == code


def test_json_is_all_there_is_on_standard_output(invoke: Invoke) -> None:
    assert json.loads(invoke("bisect", "--build", "--json", engine=FakeEngine()).stdout)["end"] == "found"


def test_a_range_needs_no_series(invoke: Invoke) -> None:
    engine = FakeEngine()
    done = invoke("bisect", "--tree", "linux", "--range", "v1..v2", "--exec", "make test", engine=engine)
    assert engine.plan is not None
    assert engine.order is not None
    assert (engine.plan.series, engine.order.range, engine.order.command) == (None, "v1..v2", "make test")
    assert "demo series" not in done.stderr
    both = invoke("bisect", "--series", "x", "--range", "a..b", "--build", engine=FakeEngine())
    assert (both.exit_code, "exclude each other" in both.stderr) == (2, True)


@pytest.mark.parametrize("rate", ["1", "0/3", "4/3", "a/b", "1/0"])
def test_a_bad_rate_is_refused(invoke: Invoke, rate: str) -> None:
    done = invoke("bisect", "--build", "--rate", rate, engine=FakeEngine())
    assert (done.exit_code, f"--rate {rate}: not a rate" in done.stderr) == (2, True)


def test_a_run_says_everything(place: Path, invoke: Invoke) -> None:
    ran = samples.failed()
    suite, case = next((suite, case) for suite in ran.suites for case in suite.cases if case.outcome.blames_kernel)
    plan = {"tree": "debian:linux-source-6.12", "series": "/x/series.mbox", "arch": [suite.arch], "retries": 5}
    plan["arch"] = ["arm64"]
    results.write(replace(ran, plan=plan), place / "results.json")
    engine = FakeEngine()
    done = invoke("bisect", f"{place}#{suite.suite}.{case.name}", "--mem", "2G", engine=engine)
    assert engine.order is not None, done.stderr
    assert engine.plan is not None
    assert (engine.plan.arch, engine.plan.series, engine.plan.guest.memory) == ((Arch.ARM64,), "/x/series.mbox", "2G")
    assert engine.order.sought is not None
    assert engine.order.sought.rung in (Rung.GUEST, Rung.HOST, Rung.BUILD)
    assert engine.order.tip == ran.patches[-1].tree_id
    more = invoke("bisect", f"{place}#{suite.suite}.{case.name}", "--build", engine=FakeEngine())
    assert (more.exit_code, "says what to look for" in more.stderr) == (2, True)


def test_a_stopped_search_says_how_to_go_on(place: Path, invoke: Invoke) -> None:
    done = invoke("bisect", "--build", "--out", "here", engine=FakeEngine(error=Cancelled("interrupted (SIGINT)")))
    assert done.exit_code == 130
    assert f"to go on: vmaharness bisect --resume {place}/here" in done.stderr
    kept = (place / "here" / "bisect.jsonl").stat().st_ino
    again = invoke("bisect", "--resume", "here", engine=FakeEngine())
    assert again.exit_code == 0
    assert (place / "here" / "bisect.jsonl").stat().st_ino == kept, "nothing of it is cleared away"


def test_resume_takes_nothing_beside_it(place: Path, invoke: Invoke) -> None:
    (place / "here").mkdir()
    done = invoke("bisect", "--resume", "here", "--build", engine=FakeEngine())
    assert (done.exit_code, "from the log" in done.stderr) == (2, True)
    done = invoke("bisect", "--resume", "nowhere", engine=FakeEngine())
    assert (done.exit_code, "is no directory of a search" in done.stderr, (place / "nowhere").exists()) == (
        2,
        True,
        False,
    )


# --- git bisect run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.GOOD, 0), (Verdict.BAD, 1), (Verdict.SKIP, 125)])
def test_git_bisect_run_is_answered_in_its_codes(invoke: Invoke, verdict: Verdict, code: int) -> None:
    engine = FakeEngine(verdict=verdict)
    done = invoke("git-bisect-run", "--case", "faults.*", engine=engine)
    assert done.exit_code == code
    assert done.stdout == f"0123456789ab is {verdict}: it passes\n"
    assert engine.plan is not None
    assert (engine.plan.cases, engine.plan.series) == (("faults.*",), None)


@pytest.mark.parametrize(
    "error",
    [UserError("no clone"), InfraError("no QEMU"), Cancelled("interrupted"), RuntimeError("a bug"), OSError(28)],
)
def test_no_error_is_a_verdict(invoke: Invoke, error: Exception) -> None:
    assert invoke("git-bisect-run", "--build", engine=FakeEngine(error=error)).exit_code >= 128


@pytest.mark.parametrize("words", [("--typo",), ("--runs", "0"), ("--rate", "x"), ("no-such-plan.yaml",)])
def test_nor_is_a_wrong_command_line(invoke: Invoke, words: tuple[str, ...]) -> None:
    assert invoke("git-bisect-run", "--build", *words, engine=FakeEngine()).exit_code >= 128


def test_other_verbs_keep_their_codes(invoke: Invoke) -> None:
    assert invoke("bisect", "--typo", engine=FakeEngine()).exit_code == 2
    assert invoke("bisect", "--build", engine=FakeEngine(error=InfraError("no QEMU"))).exit_code == 3

"""`run --resume`, `runs`, `ps` and `gc` from a command line to what they say and do."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.cli.results import MARK
from harness.host.cache import Cache
from harness.host.sessions import this_session
from harness.plan.model import Plan
from harness.report import results
from harness.run import record, registry
from harness.run.goal import Goal
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeEngine
from tests.report import samples


def begun(place: Path, *, state: str = record.INTERRUPTED, name: str = "here", **plan: Any) -> record.Record:
    """A run in a directory, as it was left."""
    directory = place / name
    directory.mkdir()
    (directory / MARK).touch()
    (directory / "console-arm64-lockdep.log").write_text("as it was")
    root = Path(os.environ["VMAHARNESS_CACHE"])
    session = this_session(root)
    recorder = record.begin(
        directory, session, command=("vmaharness", "run", "--arch", "arm64"), goal="run",
        plan=Plan.model_validate(plan).model_dump(mode="json"), resume=False,
    )  # fmt: skip
    recorder.start()
    registry.add(root, session.name, directory)
    found = replace(recorder.record, state=state, message="3 of 9 cases failed" if state == record.FAILED else "")
    path = directory / record.NAME
    path.write_text(json.dumps(results.to_json(found, directory)))
    return found


def test_an_interrupted_run_goes_on_in_its_directory_by_its_own_plan(place: Path, invoke: Invoke) -> None:
    begun(place, arch=["arm64"], retries=7)
    engine = FakeEngine()
    done = invoke("run", "--resume", "here", engine=engine)
    assert done.exit_code == 0, done.stderr
    assert engine.resume
    assert engine.plan is not None
    assert (engine.plan.retries, engine.plan.arch, engine.directory) == (7, ("arm64",), place / "here")
    assert engine.goal is Goal.RUN
    assert (place / "here/summary.txt").exists()


def test_it_is_known_by_its_id_too(place: Path, invoke: Invoke) -> None:
    found = begun(place)
    engine = FakeEngine()
    assert invoke("run", "--resume", found.id, engine=engine).exit_code == 0
    assert engine.directory == place / "here"


def test_what_does_not_matter_may_be_said_anew(place: Path, invoke: Invoke) -> None:
    begun(place, jobs=3, budget="5m", arch=["arm64"])
    engine = FakeEngine()
    words = ("--jobs", "1", "--budget", "2h", "--arch", "arm64")
    assert invoke("run", "--resume", "here", *words, engine=engine).exit_code == 0
    assert engine.plan is not None
    assert (engine.plan.jobs, engine.plan.budget_s) == (1, 7200.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--arch", "x86_64"), "was run with another --arch\nfix: leave --arch out, or start a new run"),
        (("--retries", "3", "--exact"), "was run with another --retries, --exact"),
        (("other.yaml",), "--resume takes the plan of the run that it continues"),
    ],
)  # fmt: skip
def test_it_is_no_other_run(place: Path, invoke: Invoke, words: tuple[str, ...], said: str) -> None:
    begun(place, arch=["arm64"])
    engine = FakeEngine()
    done = invoke("run", "--resume", "here", *words, engine=engine)
    assert done.exit_code == 2
    assert said in done.stderr
    assert engine.plan is None
    assert (place / "here/console-arm64-lockdep.log").read_text() == "as it was"


def test_the_environment_counts_as_well(place: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says that KVM must not be touched is heard."""
    begun(place)
    monkeypatch.setenv("VMAHARNESS_ACCEL", "tcg")
    done = invoke("run", "--resume", "here", engine=FakeEngine())
    assert done.exit_code == 2
    assert "was run with another VMAHARNESS_ACCEL" in done.stderr


@pytest.mark.parametrize(
    ("state", "said"),
    [(record.PASSED, "came to its end: passed"), (record.FAILED, "came to its end: failed"),
     (record.RUNNING, "is at work, as process")],
)  # fmt: skip
def test_what_ended_or_works_is_refused(place: Path, invoke: Invoke, state: str, said: str) -> None:
    begun(place, state=state)
    done = invoke("run", "--resume", "here", engine=FakeEngine())
    assert done.exit_code == 2
    assert said in done.stderr


def test_what_is_no_run_is_refused(place: Path, invoke: Invoke) -> None:
    done = invoke("run", "--resume", "nowhere", engine=FakeEngine())
    assert done.exit_code == 2
    assert f"{place}/nowhere/run.json: no such file\nfix: give the directory of a run" in done.stderr
    begun(place, series="-")
    done = invoke("run", "--resume", "here", engine=FakeEngine())
    assert "came from standard input" in done.stderr


def test_runs_are_listed_with_what_they_came_to(place: Path, invoke: Invoke) -> None:
    begun(place, name="one")
    begun(place, name="two", state=record.FAILED)
    begun(place, name="three", state=record.RUNNING)
    (place / "old").mkdir()
    started = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    results.write(replace(samples.passed(), started=started), place / "old/results.json")
    done = invoke("runs", "old")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("passed")
    assert str(place / "old") in lines[0]
    by_state = {line.split()[0]: line for line in lines if line[0] != " "}
    assert {"passed", "interrupted", "failed", "running"} <= set(by_state)
    assert str(place / "two") in by_state["failed"]
    assert "            3 of 9 cases failed" in lines
    found = json.loads(invoke("runs", "--json").stdout)
    assert {run["state"] for run in found} == {"interrupted", "failed", "running"}
    assert {"id", "directory", "verdict", "started", "seconds", "bytes", "goal"} <= set(found[0])


def test_a_directory_without_a_run_is_an_error_and_none_at_all_is_not(place: Path, invoke: Invoke) -> None:
    assert invoke("runs").stdout == "no runs\n"
    done = invoke("runs", str(place))
    assert done.exit_code == 2
    assert "results.json: no such file" in done.stderr


def test_a_directory_that_a_later_run_took_is_listed_once(place: Path, invoke: Invoke) -> None:
    first = begun(place)
    (place / "here" / record.NAME).write_text(
        (place / "here" / record.NAME).read_text().replace(first.id, "1-00000000")
    )
    root = Path(os.environ["VMAHARNESS_CACHE"])
    registry.add(root, "1-00000000", place / "here")
    assert [run["id"] for run in json.loads(invoke("runs", "--json").stdout)] == ["1-00000000"]
    assert "removed  entry run " in invoke("gc").stdout
    assert set(registry.known(root)) == {"1-00000000"}


def test_what_works_and_what_is_left(invoke: Invoke) -> None:
    root = Path(os.environ["VMAHARNESS_CACHE"])
    assert invoke("ps").stdout == "nothing is running\n"
    with Cache(root) as cache:
        cache.tell(command=["vmaharness", "run"], directory="/results")
        (root / "scratch/1-00000000").mkdir()
        os.utime(root / "scratch/1-00000000", (0, 0))
        assert invoke("ps").stdout == (f"{cache.session.name}  vmaharness run  in /results\nleft  scratch 1-00000000\n")
        shown = json.loads(invoke("ps", "--json").stdout)
        assert [one["directory"] for one in shown["running"]] == ["/results"]
        assert [item["name"] for item in shown["left"]] == ["1-00000000"]
        assert invoke("gc", "--dry-run").stdout == "would go  scratch 1-00000000\n1 would be removed, 0.0 MiB\n"
        assert (root / "scratch/1-00000000").exists()
        assert invoke("gc").stdout == "removed  scratch 1-00000000\n1 removed, 0.0 MiB\n"
        assert not (root / "scratch/1-00000000").exists()
        assert (root / "scratch" / cache.session.name).exists()

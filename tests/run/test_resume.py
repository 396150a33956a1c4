"""A run that was interrupted goes on: what had been done is not done again, and nothing else is believed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.errors import Cancelled, InputError, UserError
from harness.events import EventKind
from harness.host.process import Processes
from harness.model import Against, CommandResult, Outcome, Relation, RunResult, Tries
from harness.plan.model import Plan
from harness.run import pipeline, record, registry
from harness.run.goal import Goal
from harness.run.probe import PROBE
from tests.kernel.conftest import git
from tests.run.image_guest import Bench, ImageGuest, cases


class Interrupted(ImageGuest):
    """A guest in which the run is interrupted when so many commands were answered."""

    ran: ClassVar[list[str]] = []
    after: ClassVar[int] = 1000
    stop: ClassVar[Any] = None

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        if tuple(argv) == PROBE or argv[0] == "sh":
            return super().run(argv, timeout_s=timeout_s)
        if len(self.ran) == self.after:
            self.stop.set("interrupted")
            raise Cancelled("interrupted")
        self.ran.append(argv[0])
        return super().run(argv, timeout_s=timeout_s)


@pytest.fixture(autouse=True)
def guests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    del bench  # which has guests of its own
    monkeypatch.setattr("harness.run.tester.Guest", Interrupted)
    Interrupted.ran.clear()
    yield
    Interrupted.after = 1000


class Job:
    """A run of the last commit as a series, that can be begun and continued."""

    def __init__(self, bench: Bench, **plan: Any) -> None:
        git(bench.clone, "tag", "-f", "base", "HEAD~1")
        self.bench = bench
        self.mailbox = bench.posted()
        settings = {"tree": f"{bench.clone}@base", "series": str(self.mailbox), "retries": 0, "checks": ()}
        self.plan = bench.plan(**settings | plan)
        self.directory = bench.out()
        self.published: list[RunResult] = []

    def go(self, *, after: int = 1000, resume: bool = False) -> RunResult:
        """Begin or go on; interrupted when so many commands were answered, by all together."""
        Interrupted.after = after
        self.bench.events.clear()
        self.published.clear()
        with Processes() as processes:
            Interrupted.stop = processes.stop
            return pipeline.run_plan(
                self.plan, directory=self.directory, goal=Goal.RUN, processes=processes, cache=self.bench.cache,
                emit=self.bench.events.append, command=("vmaharness", "run"), publish=self.published.append,
                resume=resume,
            )  # fmt: skip

    def interrupt(self, after: int) -> None:
        with pytest.raises(Cancelled):
            self.go(after=after)

    @property
    def compiled(self) -> list[str]:
        done = [event for event in self.bench.events if event.kind is EventKind.FINISHED and not event.cached]
        return [event.step for event in done if "build " in event.step or "config " in event.step]


def test_answered_commands_are_not_asked_again(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    job = Job(bench, baseline="never")
    job.interrupt(after=2)
    assert Interrupted.ran == ["anon", "cow"]
    assert record.load(job.directory).state == record.INTERRUPTED
    result = job.go(resume=True)
    assert Interrupted.ran == ["anon", "cow", "fork"]
    assert {name: case.outcome for name, case in cases(result).items()} == {
        "anon": Outcome.PASS, "cow": Outcome.FAIL, "fork": Outcome.PASS,
    }  # fmt: skip
    assert job.compiled == []
    assert [boot.console.name for boot in result.targets[0].boots] == [
        cases(result)["cow"].log.name, cases(result)["fork"].log.name,  # type: ignore[union-attr]
    ]  # fmt: skip
    assert cases(result)["cow"].capsule is not None
    assert "continued 1 time: what had been done was not done again" in result.notes
    assert result.seconds > record.load(job.directory).steps["tree"].seconds
    assert record.load(job.directory).seconds == pytest.approx(result.seconds, abs=2)


@pytest.mark.slow
def test_it_says_what_it_would_have_said_in_one_go(bench: Bench) -> None:
    bench.commit("fork_fails")
    bench.commit("fork_fails", "cow_warns", "anon_flakes")
    whole = Job(bench, retries=2).go()
    for after in range(1, 12):
        job = Job(bench, retries=2)
        Interrupted.ran.clear()
        try:
            job.go(after=after)
        except Cancelled:
            job.go(resume=True)
        result = job.published[-1]
        assert {name: (case.outcome, case.tries, case.relation) for name, case in cases(result).items()} == {
            name: (case.outcome, case.tries, case.relation) for name, case in cases(whole).items()
        }, f"interrupted after {after}"
        assert result.outcome is whole.outcome


def test_no_command_is_asked_twice_in_a_round_that_failed_ones_are_tried_in(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails", "fork_fails")
    job = Job(bench, retries=1, baseline="never")
    job.interrupt(after=4)  # three for the first time, and one again
    assert Interrupted.ran == ["anon", "cow", "fork", "anon"]
    result = job.go(resume=True)
    assert Interrupted.ran == ["anon", "cow", "fork", "anon", "fork"]
    assert [str(case.tries and case.tries.text) for case in cases(result).values()] == ["2 of 2", "None", "2 of 2"]


def test_tries_of_the_base_go_on_where_they_were(bench: Bench) -> None:
    bench.commit("anon_seldom")
    bench.commit("anon_seldom", text="int one;\n")
    job = Job(bench, retries=2)
    job.interrupt(after=3 + 2 + 3 + 5)  # the series, again, the base, and five tries of it
    assert Interrupted.ran[-7:] == ["cow", "fork", *["anon"] * 5]
    result = job.go(resume=True)
    assert Interrupted.ran == ["anon", "cow", "fork", "anon", "anon", "anon", "cow", "fork", *["anon"] * 11]
    found = cases(result)["anon"]
    assert (found.tries, found.relation, found.against) == (Tries(1, 3), Relation.SAME, Against(Tries(1, 12), 0.371))
    assert not list(job.directory.rglob("answers-*"))


def test_a_finished_target_starts_no_guest(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    job = Job(bench)  # the base comes after the series' guest, with three commands more
    job.interrupt(after=4)
    consoles = len(ImageGuest.booted)
    result = job.go(resume=True)
    assert Interrupted.ran == ["anon", "cow", "fork"] * 2
    assert [path.parent.name for path in ImageGuest.booted[consoles:]] == ["baseline"]
    assert result.baseline is not None


def test_patch_by_patch(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    bench.commit("cow_fails", text="int two;\n")
    git(bench.clone, "tag", "-f", "start", "HEAD~2")
    job = Job(bench, per_patch=True, baseline="never")
    job.mailbox.write_text(git(bench.clone, "format-patch", "--stdout", "HEAD~2..HEAD"))
    job.plan = job.plan.model_copy(update={"tree": f"{bench.clone}@start"})
    job.interrupt(after=4)
    ran = len(Interrupted.ran)
    result = job.go(resume=True)
    assert ran == 4
    assert sorted(Interrupted.ran) == sorted(["anon", "cow", "fork"] * 2)
    assert [blame.number for blame in result.blames] == [1]


def test_a_killed_run_is_one_that_was_interrupted(bench: Bench) -> None:
    """SIGKILL: nothing was published, and nobody could write down that it ended."""
    bench.commit()
    bench.commit(text="int one;\n")
    job = Job(bench)
    job.interrupt(after=1)
    path = job.directory / record.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "running", "ended": "", "pid": 2**22 + 1}))
    (run,) = registry.runs(bench.cache.root, ())
    assert (run.state, run.directory) == (record.INTERRUPTED, job.directory)
    assert record.resumable(job.directory).plan["tree"] == job.plan.tree
    assert job.go(resume=True).outcome is Outcome.PASS
    assert Interrupted.ran == ["anon", "cow", "fork"]
    (run,) = registry.runs(bench.cache.root, ())
    assert (run.state, run.verdict) == (record.PASSED, job.published[-1].message)
    assert not list(job.directory.rglob("answers-*"))


@pytest.mark.parametrize("change", ["series", "tree", "kernel"])
def test_with_another_input_it_is_refused_and_left_as_it_was(bench: Bench, change: str) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    job = Job(bench)
    job.interrupt(after=1)
    before = (job.directory / record.NAME).read_text()
    what = change
    if change == "series":
        job.mailbox.write_text(job.mailbox.read_text().replace("int one", "int other"))
    elif change == "tree":
        (bench.clone / "README.md").write_text("new\n")
        git(bench.clone, "commit", "-q", "-a", "-m", "new")
        git(bench.clone, "tag", "-f", "base", "HEAD")
    else:
        (bench.directory / "plain.config").write_text("CONFIG_SMP=y\n")
        what = "config"
    with pytest.raises(UserError, match=f"cannot be continued: {what}.* is not what it was"):
        job.go(resume=True)
    assert job.published == []
    assert json.loads((job.directory / record.NAME).read_text())["state"] == record.INTERRUPTED
    assert json.loads(before)["steps"].keys() == json.loads((job.directory / record.NAME).read_text())["steps"].keys()
    assert Interrupted.ran == ["anon"]


def test_answers_of_another_guest_are_not_believed(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    job = Job(bench)
    job.interrupt(after=2)
    job.plan = Plan.model_validate(job.plan.model_dump() | {"guest": {"accel": "tcg", "memory": "256M"}})
    job.go(resume=True)
    assert Interrupted.ran == ["anon", "cow", "anon", "cow", "fork"]


def test_half_a_file_of_answers_is_none(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    job = Job(bench)
    job.interrupt(after=2)
    (answers,) = job.directory.glob("answers-*")
    answers.write_bytes(answers.read_bytes()[:-100])
    assert job.go(resume=True).outcome is Outcome.PASS
    assert Interrupted.ran == ["anon", "cow", "anon", "cow", "fork"]


def test_what_ended_or_is_at_work_is_not_continued(bench: Bench, tmp_path: Path) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    job = Job(bench)
    job.go()
    with pytest.raises(UserError, match="came to its end: passed"):
        record.resumable(job.directory)
    path = job.directory / record.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "running"}))
    with pytest.raises(UserError, match="is at work, as process"):
        record.resumable(job.directory)
    path.write_text("{")
    with pytest.raises(InputError, match="no record of a run"):
        record.resumable(job.directory)
    with pytest.raises(InputError, match="no such file"):
        record.resumable(tmp_path)


def test_twice_on_the_same_input_nothing_is_compiled(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="this is no C;\n")
    first = Job(bench)
    assert first.go().outcome is Outcome.FAIL
    assert len(first.compiled) > 0
    again = Job(bench)
    result = again.go()
    assert again.compiled == []
    assert result.targets[0].suites[0].cases[1].message.startswith("mm/memory.c:")

"""What an exact failure leaves, and what is made of it again: the same run, or a word that it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.guest.exact import JobList, checksum
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Arch, Outcome, Profile, SuiteResult
from harness.plan.model import Plan
from harness.report import capsule as capsule_file
from harness.report.capsule import Capsule, ExactRun
from harness.report.files import Layout
from harness.run import capsules, rerun
from harness.run.account import TargetAccount
from harness.run.exact import AllSeeds, ExactRunner, job_list
from harness.run.graph import Node, State
from harness.run.outcomes import account_of, target_result
from harness.run.rerun import Again, Files
from harness.run.targets import Target
from tests.report import samples
from tests.run.test_exact import Bench as Guests
from tests.run.test_exact import FakeExact, Named

SUITE = Named(("good", "wrong", "warns"))


def node(value: Any) -> Node[Any]:
    made: Node[Any] = Node("test", lambda _: value, (), "")
    made._value, made.state = value, State.DONE
    return made


def ran(directory: Path) -> ExactRunner:
    return Guests(directory).runner(*SUITE.names)


def leave(directory: Path, runner: ExactRunner) -> tuple[Capsule, Path]:
    """The capsule of the command `wrong`."""
    whole: TargetAccount = AllSeeds([runner])
    target = Target(Arch.ARM64, Profile("lockdep", ()), test=node(whole))
    boots = tuple(replace(boot, exact_sha256=checksum(runner._parts[0])) for boot in runner.boots)
    runner.boots[:] = boots
    suites = (SuiteResult("faults", "arm64", "lockdep", tuple(whole.cases)),)
    found = replace(samples.target(Arch.ARM64), boots=boots, suites=suites)
    result = replace(samples.passed(), targets=(found,), plan={"suites": ["faults"]})
    plan = Plan.model_validate({"seeds": 7})
    left = capsules.leave(result, plan, Layout(directory), [target], directory / "store")
    place = left.targets[0].suites[0].cases[1].capsule
    assert place is not None
    return capsule_file.load(place)


def test_a_capsule_has_the_whole_list_the_seed_and_the_checksum(tmp_path: Path) -> None:
    runner = ran(tmp_path)
    capsule, place = leave(tmp_path, runner)
    assert place.name == "capsule-arm64-lockdep-faults-wrong_7"
    assert (capsule.case, capsule.guest.seed) == ("wrong@7", 7)
    assert capsule.command is not None
    assert capsule.command.name == "wrong"
    assert capsule.exact is not None
    assert [command.name for command in capsule.exact.commands] == list(SUITE.names)
    assert capsule.exact.suites == ("faults",) * 3
    assert capsule.exact.sha256 == checksum(runner._parts[0])
    assert capsule.exact.list_sha256 == checksum(job_list(runner.tasks).segment)
    assert capsule.before == ("faults.good@7",)
    assert "'faults.wrong@7'" in capsule.again.replace('"', "'") or "faults.wrong@7" in capsule.again


@pytest.mark.parametrize(
    "harm",
    [{"seed": 8}, {"sha256": "x"}, {"suites": ["faults"]}, {"suites": ["../x"] * 3}, {"commands": [], "suites": ["a"]},
     {"seed": 0}],
)  # fmt: skip
def test_a_capsule_that_asks_for_what_none_of_ours_does_is_refused(tmp_path: Path, harm: dict[str, Any]) -> None:
    _, place = leave(tmp_path, ran(tmp_path))
    data = json.loads((place / "capsule.json").read_text())
    data["exact"] |= harm
    (place / "capsule.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"exact"):
        capsule_file.load(place)


@pytest.fixture
def again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Again, list[JobList]]]]:
    """Run a capsule again on a guest that plays; `noise` is what its host puts into its console."""
    monkeypatch.setattr(rerun, "revive", lambda _name, _command: SUITE)
    with Processes() as processes, Cache(tmp_path / "cache") as cache:

        def run(capsule: Capsule, noise: str = "") -> tuple[Again, list[JobList]]:
            given: list[JobList] = []

            class Bench(rerun.Bench):
                @contextmanager
                def guest(self, number: int = 1, jobs: JobList | None = None) -> Iterator[FakeExact]:  # type: ignore[override]
                    assert jobs is not None
                    given.append(jobs)
                    yield FakeExact(tmp_path / "again.log", jobs, noise=noise)

            files = Files(tmp_path / "kernel", tmp_path / "initramfs", None)
            bench = Bench(capsule, files, processes, cache, lambda _: None, tmp_path / "again.log")
            return bench.again(), given

        yield run


def test_the_same_run_again(tmp_path: Path, again: Callable[..., tuple[Again, list[JobList]]]) -> None:
    runner = ran(tmp_path)
    capsule, _ = leave(tmp_path, runner)
    found, given = again(capsule)
    assert given == [job_list(runner.tasks)], "one guest, with all that ran before the case and after it"
    assert (found.case.name, found.case.outcome, found.same_outcome) == ("wrong@7", Outcome.FAIL, True)
    assert found.same_run
    assert found.exact.startswith("bit-identical to the run at seed 7 (sha256 ")


def test_another_run_is_told_apart(tmp_path: Path, again: Callable[..., tuple[Again, list[JobList]]]) -> None:
    capsule, _ = leave(tmp_path, ran(tmp_path))
    found, _ = again(capsule, "[    1.0] the host was here\n")
    assert not found.same_run
    assert found.exact.startswith("NOT the run at seed 7: sha256 ")
    assert "job list" not in found.exact


def test_another_job_list_is_the_reason(tmp_path: Path, again: Callable[..., tuple[Again, list[JobList]]]) -> None:
    capsule, _ = leave(tmp_path, ran(tmp_path))
    assert capsule.exact is not None
    other: ExactRun = replace(capsule.exact, sha256="0" * 64, list_sha256="1" * 64)
    assert "packs another job list" in again(replace(capsule, exact=other))[0].exact


def test_seeds_that_came_to_their_end_are_results_where_others_did_not(tmp_path: Path) -> None:
    runner = ran(tmp_path)
    waiting: Node[TargetAccount] = Node("test", lambda _: AllSeeds([]), (), "")
    target = Target(Arch.ARM64, Profile("lockdep", ()), test=waiting, seeds=(node(runner), Node("2", ran, (), "")))  # type: ignore[arg-type]
    found = account_of(target)
    assert found is not None
    assert [case.name for case in found.cases] == ["good@7", "wrong@7", "warns@7"]
    result = target_result(target)
    assert result.exact is not None
    assert result.exact.seeds == (7,)
    assert result.exact.proofs[0].same

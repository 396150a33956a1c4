"""Searches for the patch that did it, in series of the fake kernel with guests that do what its image says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import Cancelled, InfraError, InputError, UserError
from harness.events import EventKind
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import (
    AppliedTree,
    Arch,
    BisectEnd,
    BisectResult,
    Case,
    Command,
    CommandResult,
    Outcome,
    ProbeRole,
    Rung,
    Sought,
    SuiteResult,
    Tries,
    Verdict,
)
from harness.plan.load import Override, load_plan
from harness.report import results
from harness.report.bisect import publish, summary
from harness.run import pipeline
from harness.run.bisect.command import files_of
from harness.run.bisect.log import NAME, Log
from harness.run.bisect.order import Order
from harness.run.bisect.origin import read_origin, with_flags
from harness.suites.vma_program import VmaProgram
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, ImageGuest, Names, fake_surroundings

CASE: dict[str, Any] = {"cases": ("faults.cow",)}
BROKEN = "this is no C;\n"


class Searches(Bench):
    """Series of the fake kernel, and searches in them."""

    directory_of_search: Path

    def series(self, patches: int, bad: int, *, defect: str = "cow_fails", broken: Sequence[int] = ()) -> None:
        """So many commits after a clean one; number `bad` has the defect, and `broken` ones do not compile."""
        self.commit()
        main, vma = self.clone / "init" / "main.c", self.clone / "mm" / "vma.c"
        compiles = vma.read_text()
        for number in range(1, patches + 1):
            if number == bad:
                self.defects(defect)
            else:
                main.write_text(f"{main.read_text()}\nint patch_{number};\n")
            vma.write_text(compiles + (BROKEN if number in broken else ""))
            git(self.clone, "add", "-A")
            git(self.clone, "commit", "-q", "-m", f"mm: {defect if number == bad else f'patch {number}'}")
        vma.write_text(compiles)

    def post(self, patches: int) -> dict[str, Any]:
        """The last commits as a series on the one before them."""
        git(self.clone, "tag", "-f", "start", f"HEAD~{patches}")
        mailbox = self.directory / "series.mbox"
        mailbox.write_text(git(self.clone, "format-patch", "--stdout", f"HEAD~{patches}..HEAD"))
        return {"tree": f"{self.clone}@start", "series": str(mailbox), "checks": ()}

    def bisect(self, patches: int, order: Order | None = None, **plan: Any) -> BisectResult:
        self.directory_of_search = self.out()
        published: list[BisectResult] = []
        planned = self.plan(**(plan if "tree" in plan else self.post(patches) | plan))
        result = pipeline.run_bisect(
            planned, order or Order(), directory=self.directory_of_search, processes=self.processes, cache=self.cache,
            emit=self.events.append, command=("vmaharness", "bisect"), publish=published.append,
        )  # fmt: skip
        assert published == [result]
        publish(result, self.directory_of_search)
        return result

    def resume(self) -> BisectResult:
        """Go on, as another process does."""
        with Processes() as processes:
            return pipeline.resume_bisect(
                self.directory_of_search, processes=processes, cache=self.cache, emit=self.events.append,
                publish=lambda _: None,
            )  # fmt: skip

    @property
    def tools(self) -> dict[str, Any]:
        return {
            "directory": self.directory, "processes": self.processes, "cache": self.cache, "emit": self.events.append,
        }  # fmt: skip

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory_of_search / NAME).read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, cache: Cache) -> Searches:
    return Searches(fake_surroundings(tmp_path, monkeypatch), processes, cache, tmp_path)


def found(result: BisectResult) -> list[int]:
    return [one.number for one in result.culprits]


def probed(result: BisectResult, role: ProbeRole = ProbeRole.SEARCH) -> list[tuple[int, Verdict]]:
    return [(probe.number, probe.verdict) for probe in result.probes if probe.role is role]


def built(bench: Bench) -> list[str]:
    done = [event for event in bench.events if event.kind is EventKind.FINISHED and not event.cached]
    return [event.step for event in done if " build " in f" {event.step}"]


@pytest.mark.parametrize("bad", [1, 4, 7, 10])
def test_the_patch_is_found_and_proven(bench: Searches, bad: int) -> None:
    bench.series(10, bad)
    result = bench.bisect(10, **CASE)
    assert (result.end, found(result), result.proven) == (BisectEnd.FOUND, [bad], True)
    assert result.sought is not None
    assert result.sought.where == f"{ARCH}.plain.faults.cow"
    assert len(probed(result)) <= 4
    searched = [name for name in built(bench) if not name.startswith(("10-", "00-"))]
    assert len(searched) <= result.minimum, "beside both ends"
    assert result.builds == len(built(bench))
    assert result.boots == len(ImageGuest.booted)
    assert [words.partition(":")[0][:10] for words in result.proof] == ["its parent", "with it", "the tip wi"]
    assert result.patch is not None
    assert "+const char cow_fails" in result.patch.read_text()
    said = summary(result, directory=bench.directory_of_search)
    assert said.startswith(f"FOUND  {bad}/10 ")
    assert "Proven  by three trees" in said


def test_git_bisect_is_where_the_search_is(bench: Searches) -> None:
    bench.series(4, 2)
    bench.bisect(4, **CASE)
    state = bench.directory_of_search / "bisect.git"
    log = git(state, "bisect", "log")
    assert "# first bad commit: [" in log
    assert log.count("git bisect good") + log.count("git bisect bad") >= 2
    assert "mm: cow_fails" in git(state, "bisect", "visualize", "--oneline")


def test_the_failure_is_told_by_its_fingerprint(bench: Searches) -> None:
    """Another failure of the same case is neither good nor bad."""
    bench.commit()
    bench.commit(text="int one;\n")
    bench.commit("cow_fails", text="int two;\n")
    bench.commit("cow_warns", text="int three;\n")
    bench.commit("cow_warns", text="int four;\n")
    result = bench.bisect(4, Order(finding="warning: WARNING in do_fault"))
    assert result.sought is not None
    assert "do_fault" in result.sought.title
    verdicts = dict(probed(result))
    assert verdicts.get(2, Verdict.SKIP) is Verdict.SKIP
    assert result.end is BisectEnd.CANDIDATES
    assert found(result) == [2, 3]
    assert "cannot bisect more" in summary(result)


def test_a_build_failure_needs_no_guest(bench: Searches) -> None:
    bench.series(6, 99, broken=(4, 5, 6))
    result = bench.bisect(6, Order(build=True))
    assert (result.end, found(result), result.boots) == (BisectEnd.FOUND, [4], 0)
    assert ImageGuest.booted == []
    assert result.sought is not None
    assert result.sought.errors
    names = built(bench)
    assert len(names) == len(set(names)), "nothing is compiled twice"


def test_another_build_failure_is_skipped(bench: Searches) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    bench.commit(text="#error another\n")
    bench.commit(text="#error sought\n")
    bench.commit(text="#error sought\nint four;\n")
    result = bench.bisect(4, Order(build=True))
    assert found(result) == [2, 3]


@pytest.mark.slow
def test_neighbours_that_do_not_build_are_skipped_by_git_s_rules(bench: Searches) -> None:
    bench.series(8, 6, broken=(3, 4))
    result = bench.bisect(8, **CASE)
    assert (result.end, found(result)) == (BisectEnd.FOUND, [6])
    bench.series(8, 5, broken=(4, 5))
    result = bench.bisect(8, **CASE)
    assert (result.end, found(result)) == (BisectEnd.CANDIDATES, [4, 5, 6])
    assert "cannot bisect more: 3 commits are left" in result.message
    assert "it does not build" in next(probe.why for probe in result.probes if probe.verdict is Verdict.SKIP)


@pytest.mark.slow
def test_both_ends_must_be_as_they_are_said_to_be(bench: Searches) -> None:
    bench.series(3, 99)
    good = bench.bisect(3, **CASE)
    assert (good.end, found(good)) == (BisectEnd.TIP_GOOD, [])
    assert "(3 looks; a rare one wants --rate or --runs)" in good.message
    assert "(8 looks" in bench.bisect(3, Order(rate=Tries(1, 3)), **CASE).message
    bench.commit("cow_fails")
    bench.commit("cow_fails", text="int more;\n")
    bad = bench.bisect(1, **CASE)
    assert (bad.end, found(bad)) == (BisectEnd.BASE_BAD, [])
    bench.commit("cow_fails", text=BROKEN)
    bench.commit("cow_fails", text="int two;\n")
    untestable = bench.bisect(1, **CASE)
    assert untestable.end is BisectEnd.UNTESTABLE
    assert untestable.message.startswith("the base cannot be tested: it does not build")
    bench.commit("cow_fails", text=BROKEN)
    untestable = bench.bisect(1, **CASE)
    assert untestable.end is BisectEnd.UNTESTABLE
    assert untestable.message.startswith("the tip cannot be tested: guest")


@pytest.mark.slow
def test_kernels_that_are_there_are_tried_first_and_nothing_is_done_twice(bench: Searches) -> None:
    bench.series(10, 6)
    bench.bisect(10, **CASE)
    bench.events.clear()
    again = bench.bisect(10, **CASE)
    assert (found(again), again.builds, again.boots) == ([6], 0, 0)
    assert built(bench) == []


def test_a_patch_by_patch_run_has_all_the_answers(bench: Searches) -> None:
    bench.series(5, 3, broken=(2,))
    ran = bench.run(per_patch=True, retries=2, **bench.post(5))
    directory = bench.directory / "out1"
    results.write(ran, directory / "results.json")
    origin = read_origin(f"{directory}#faults.cow")
    bench.events.clear()
    bench.directory_of_search = bench.out()
    plan = load_plan(None, [Override((key,), value, "run") for key, value in origin.plan.items()], cwd=bench.directory)
    result = pipeline.run_bisect(
        plan, origin.order, directory=bench.directory_of_search, processes=bench.processes, cache=bench.cache,
        emit=bench.events.append, command=(), publish=lambda _: None,
    )  # fmt: skip
    assert found(result) == [2, 3]
    assert (result.builds, result.boots) == (0, 0), "the base too: the run has compared with it"


@pytest.mark.parametrize(
    ("name", "words"), [("faults.fork", "did not fail"), ("faults.nothing", "no failure is called")]
)
def test_a_run_s_case_must_have_failed(bench: Searches, name: str, words: str) -> None:
    bench.series(1, 1)
    directory = bench.directory / "out1"
    results.write(bench.run(**bench.post(1)), directory / "results.json")
    with pytest.raises(UserError, match=words) as caught:
        read_origin(f"{directory}#{name}")
    assert "faults.cow" in caught.value.fix
    with pytest.raises(InputError, match="no such file"):
        read_origin(f"{bench.directory}#{name}")


def test_another_series_than_the_run_s_is_refused(bench: Searches) -> None:
    bench.series(2, 1)
    with pytest.raises(UserError, match="another one than that of"):
        bench.bisect(2, Order(tip="0" * 40, run="results.json"), **CASE)


@pytest.fixture
def vma_on_host(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tools/testing/vma whose test `merge` fails where the tree says so; what became of it each time that it ran."""
    ran: list[str] = []

    def compile_program(_: Any, applied: AppliedTree, arch: Arch, source: Any, say: Any) -> VmaProgram:
        del applied, say
        place = source()
        fails = "cow_fails" in (place / "mm" / "memory.c").read_text()
        return VmaProgram(
            arch, Outcome.PASS, Path("/fails" if fails else "/passes"), ("merge",), "", Path("/log"), False
        )

    def run(program: VmaProgram, *_: Any) -> SuiteResult:
        bad = str(program.program) == "/fails"
        ran.append(str(program.program))
        case = Case("vma", "merge", Outcome.FAIL if bad else Outcome.PASS, message="wrong" if bad else "")
        return SuiteResult("vma", "host", "", (case, Case("vma", "other", Outcome.PASS)))

    monkeypatch.setattr("harness.run.suites.Workshop.vma_program", compile_program)
    monkeypatch.setattr("harness.run.programs.run_on_host", run)
    return ran


def test_what_the_host_shows_needs_no_kernel(bench: Searches, vma_on_host: list[str]) -> None:
    bench.series(8, 5)
    result = bench.bisect(8, suites=["vma", "faults"], cases=("vma.*", "faults.cow"))
    assert (result.end, found(result), result.proven) == (BisectEnd.FOUND, [5], True)
    assert result.sought is not None
    assert (result.sought.where, result.builds, result.boots) == ("host.vma.merge", 0, 0)
    assert len(vma_on_host) == len(result.probes)


def test_a_guest_s_failure_that_the_host_shows_too_needs_no_kernel(bench: Searches, vma_on_host: list[str]) -> None:
    bench.series(3, 2)
    sought = Sought(Rung.GUEST, ARCH.value, "plain", "vma", "merge", "wrong")
    result = bench.bisect(3, Order(sought=sought), suites=["vma"])
    assert (found(result), result.builds, result.boots) == ([2], 0, 0)
    assert vma_on_host


def test_one_commit_needs_no_kernel_either(bench: Searches, vma_on_host: list[str]) -> None:
    bench.commit("cow_fails")
    plan = bench.plan(suites=["vma"], cases=("vma.merge",))
    assert pipeline.bisect_once(plan, Order(), bench.clone, **bench.tools).verdict is Verdict.BAD
    bench.commit()
    assert pipeline.bisect_once(plan, Order(), bench.clone, **bench.tools).verdict is Verdict.GOOD
    assert len(vma_on_host) == 2


def test_a_flaky_failure_gets_the_runs_that_its_rate_needs(bench: Searches) -> None:
    bench.series(6, 4, defect="cow_rarely")
    result = bench.bisect(6, **CASE)
    assert (result.end, found(result)) == (BisectEnd.FOUND, [4])
    assert result.rate is not None
    assert 0 < result.rate.failed < result.rate.of
    assert result.runs == pytest.approx(8, abs=4)
    parent = next(probe for probe in result.probes if probe.number == 3)
    assert parent.runs == Tries(0, result.runs)
    assert result.confidence >= 0.95
    assert "so " in summary(result)


def test_the_budget_of_a_run_is_not_that_of_a_search(bench: Searches) -> None:
    bench.series(2, 1)
    assert found(bench.bisect(2, budget="1s", **CASE)) == [1]


def test_a_guest_that_hangs_is_not_waited_for_once_its_complaint_is_known(bench: Searches) -> None:
    bench.series(5, 3, defect="cow_hangs")
    result = bench.bisect(5, **CASE)
    assert (found(result), result.proven) == ([3], True)
    assert ImageGuest.lost[0] == "deadline", "what is looked for is not known before"
    assert set(ImageGuest.lost[1:]) == {"complaint"}
    result = bench.bisect(5, Order(finding="warning: *do_fault*"))
    assert (found(result), set(ImageGuest.lost)) == ([3], {"complaint"})


def test_another_complaint_than_the_one_that_is_looked_for_ends_no_guest(bench: Searches) -> None:
    bench.series(3, 2, defect="cow_hangs")
    first = bench.bisect(3, Order(finding="warning: *do_fault*"), **CASE)
    assert first.sought is not None
    other = bench.bisect(3, Order(finding="kasan: *"), **CASE)
    assert (other.end, set(ImageGuest.lost)) == (BisectEnd.TIP_GOOD, {"deadline"})


def test_the_rate_and_the_runs_can_be_said(bench: Searches) -> None:
    bench.series(2, 2)
    assert bench.bisect(2, Order(rate=Tries(1, 2)), **CASE).runs == 5
    assert bench.bisect(2, Order(runs=3), **CASE).runs == 3


def test_two_at_once(bench: Searches) -> None:
    bench.series(9, 5)
    result = bench.bisect(9, Order(parallel=True), **CASE)
    assert (result.end, found(result), result.proven) == (BisectEnd.FOUND, [5], True)
    turns = [step["commits"] for step in bench.log if step["step"].startswith("choose ")]
    assert [len(turn) for turn in turns] == [2, 2]


def test_a_command_sees_the_tree_and_says_what_git_bisect_run_takes(bench: Searches) -> None:
    bench.series(7, 3)
    unknown = "grep -q patch_4 init/main.c && ! grep -q patch_5 init/main.c && exit 125"
    command = f"{unknown}; touch left-behind; ! grep -q cow_fails mm/memory.c"
    result = bench.bisect(7, Order(command=command))
    assert (result.end, found(result), result.builds, result.boots) == (BisectEnd.FOUND, [3], 0, 0)
    assert not (bench.clone / "left-behind").exists()


def test_files_that_a_command_names_by_whole_paths_can_be_read(tmp_path: Path) -> None:
    script = tmp_path / "check it.sh"
    script.touch()
    assert files_of(f"cd x; sh '{script}' /nowhere/at/all /usr/bin/true /tmp; {tmp_path};") == [script, tmp_path]
    assert files_of(f"echo 'unfinished {script.parent}/x") == []


def test_a_series_of_one_patch(bench: Searches) -> None:
    bench.series(1, 1)
    result = bench.bisect(1, **CASE)
    assert (result.end, found(result), result.proven, result.minimum) == (BisectEnd.FOUND, [1], True, 1)


@pytest.mark.parametrize(
    ("command", "words"), [("./no-such-program", "could not be started"), ("kill -9 $$", "signal 9")]
)
def test_a_command_that_cannot_be_started_moves_nothing(bench: Searches, command: str, words: str) -> None:
    bench.series(2, 1)
    with pytest.raises(InfraError, match=words):
        bench.bisect(2, Order(command=command))
    assert not [step for step in bench.log if step["step"].startswith("run ")]


def test_the_machine_never_moves_the_search(bench: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.series(6, 3)
    enter = ImageGuest.__enter__

    def fails(guest: ImageGuest) -> ImageGuest:
        if "03-" in str(guest._console):
            raise InfraError("QEMU was taken away")
        return enter(guest)

    monkeypatch.setattr(ImageGuest, "__enter__", fails)
    with pytest.raises(InfraError, match="QEMU was taken away") as caught:
        bench.bisect(6, **CASE)
    assert "--resume" in caught.value.fix
    before = len(ImageGuest.booted)
    monkeypatch.setattr(ImageGuest, "__enter__", enter)
    result = bench.resume()
    assert (result.end, found(result)) == (BisectEnd.FOUND, [3])
    assert result.boots == len(ImageGuest.booted)
    assert len(ImageGuest.booted) > before


def test_an_error_at_the_tip_is_not_a_tip_without_the_failure(bench: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.series(2, 1)

    def parse(_: Any, command: Command, result: CommandResult) -> tuple[Case, ...]:
        return (Case("faults", command.name, Outcome.ERROR, message="SSH went away"),)

    monkeypatch.setattr(Names, "parse", parse)
    with pytest.raises(InfraError, match="SSH went away"):
        bench.bisect(2, **CASE)
    assert [step["step"] for step in bench.log if step["step"].startswith(("look", "run", "sought"))] == []


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


@pytest.mark.parametrize("steps", [1, 2, 4, 6, 9, 12, 15])
def test_a_search_that_is_killed_goes_on_where_it_was(
    bench: Searches, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    bench.series(6, 4)
    add, count = Log.add, 0

    def dies(log: Log, name: str, **values: Any) -> Any:
        nonlocal count
        if count == steps:
            raise Killed
        count += 1
        return add(log, name, **values)

    monkeypatch.setattr(Log, "add", dies)
    with pytest.raises(Killed):
        bench.bisect(6, **CASE)
    monkeypatch.setattr(Log, "add", add)
    with (bench.directory_of_search / NAME).open("ab") as torn:
        torn.write(b'{"step": "run half a li')
    result = bench.resume()
    assert (result.end, found(result), result.proven) == (BisectEnd.FOUND, [4], True)
    names = [step["step"] for step in bench.log]
    assert len(names) == len(set(names))
    compiled = [name.rpartition(": ")[0] for name in built(bench)]
    assert len(compiled) == len(set(compiled)), "no kernel twice"


def test_the_repository_of_the_search_outlives_the_cache_s_scratch_space(bench: Searches, tmp_path: Path) -> None:
    """The base fix included, which is in no repository that stays."""
    bench.series(4, 2)
    (bench.clone / "README").write_text("mended\n")
    fix, plan = tmp_path / "fix", bench.post(4)
    fix.mkdir()
    git(bench.clone, "add", "-A")
    git(bench.clone, "commit", "-q", "-m", "docs: mend")
    (fix / "0001-mend.patch").write_text(git(bench.clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
    result = bench.bisect(4, base_fix=str(fix), **plan, **CASE)
    assert (found(result), result.proven, result.candidates[0].subject) == ([2], True, "docs: mend")
    alternates = (bench.directory_of_search / "bisect.git/objects/info/alternates").read_text().split()
    assert alternates
    assert not [path for path in alternates if Path(path).is_relative_to(tmp_path / "cache" / "scratch")]
    git(bench.directory_of_search / "bisect.git", "fsck", "--connectivity-only", "bad-end", "good-end")


def test_a_range_of_the_clone_s_own_history(bench: Searches) -> None:
    bench.series(6, 3)
    before = _untouched(bench.clone)
    plan = {"tree": str(bench.clone), "series": None} | CASE
    result = bench.bisect(6, Order(range="HEAD~6..HEAD"), **plan)
    assert (result.end, found(result), result.proven) == (BisectEnd.FOUND, [3], True)
    assert result.culprits[0].commit == git(bench.clone, "rev-parse", "HEAD~3").strip()
    assert _untouched(bench.clone) == before


@pytest.mark.parametrize("parallel", [False, True])
def test_a_history_with_a_merge(bench: Searches, parallel: bool) -> None:
    """The failure came with a commit of the branch that was merged."""
    bench.series(3, 99)
    git(bench.clone, "tag", "good")
    git(bench.clone, "checkout", "-q", "-b", "side")
    bench.defects("cow_fails")
    git(bench.clone, "commit", "-q", "-a", "-m", "mm: cow_fails")
    culprit = git(bench.clone, "rev-parse", "HEAD").strip()
    git(bench.clone, "checkout", "-q", "-b", "trunk", "good")
    for name in ("one", "two"):
        (bench.clone / "mm" / "vma.c").write_text((bench.clone / "mm" / "vma.c").read_text() + f"\nint {name};\n")
        git(bench.clone, "commit", "-q", "-a", "-m", f"mm: {name}")
    git(bench.clone, "merge", "-q", "--no-edit", "side")
    plan = {"tree": str(bench.clone), "series": None} | CASE
    result = bench.bisect(0, Order(range="good..HEAD", parallel=parallel), **plan)
    assert [one.commit for one in result.culprits] == [culprit]
    assert result.proven


def _untouched(clone: Path) -> list[tuple[str, int]]:
    """All files and when they were written; git notes the use of an object by its date, in whatever repository."""
    objects = clone / ".git" / "objects"
    return sorted(
        (str(path), 0 if path.is_relative_to(objects) else path.stat().st_mtime_ns) for path in clone.rglob("*")
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [("HEAD", "not a range"), ("a...b", "not a range"), ("HEAD..nowhere", "no commit"), ("HEAD..HEAD~1", "not in the")],
)
def test_a_bad_range_is_refused(bench: Searches, spec: str, words: str) -> None:
    bench.series(2, 1)
    with pytest.raises(UserError, match=words):
        bench.bisect(2, Order(range=spec), tree=str(bench.clone), series=None, **CASE)


@pytest.mark.parametrize(
    ("order", "plan"),
    [
        (Order(), {}), (Order(build=True, command="true"), {}), (Order(build=True), CASE),
        (Order(finding="x", command="y"), {}),
    ],
)  # fmt: skip
def test_one_thing_must_be_looked_for(bench: Searches, order: Order, plan: dict[str, Any]) -> None:
    bench.series(2, 1)
    with pytest.raises(UserError, match=r"nothing is said|exclude each other"):
        bench.bisect(2, order, **plan)


def test_a_case_of_no_suite_is_refused_before_anything_is_built(bench: Searches) -> None:
    bench.series(2, 1)
    with pytest.raises(UserError, match=r"no suite has a case that is called fault\.cow"):
        bench.bisect(2, cases=("fault.cow",))
    assert built(bench) == []


def test_a_case_that_no_program_has_is_looked_for_once(bench: Searches) -> None:
    bench.series(2, 1)
    result = bench.bisect(2, cases=("faults.nosuch",))
    assert result.end is BisectEnd.UNTESTABLE
    assert result.message.endswith("no case is called faults.nosuch")
    assert len(ImageGuest.booted) == 1


def test_what_is_no_search_cannot_be_resumed(bench: Searches) -> None:
    bench.directory_of_search = bench.out()
    with pytest.raises(InputError, match="no such file"):
        bench.resume()
    (bench.directory_of_search / NAME).write_text("{}\n")
    with pytest.raises(InputError, match="no step of a search"):
        bench.resume()


def test_a_stop_leaves_a_result_and_a_log(bench: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.series(4, 2)
    enter = ImageGuest.__enter__

    def stops(guest: ImageGuest) -> ImageGuest:
        if len(ImageGuest.booted) == 4:
            bench.processes.stop.set("interrupted (SIGINT)")
            raise Cancelled("interrupted (SIGINT)")
        return enter(guest)

    monkeypatch.setattr(ImageGuest, "__enter__", stops)
    published: list[BisectResult] = []
    directory = bench.out()
    with pytest.raises(Cancelled):
        pipeline.run_bisect(
            bench.plan(**bench.post(4) | CASE), Order(), directory=directory, processes=bench.processes,
            cache=bench.cache, emit=bench.events.append, command=(), publish=published.append,
        )  # fmt: skip
    assert [result.end for result in published] == [BisectEnd.UNFINISHED]
    assert (directory / NAME).stat().st_size


def test_plain_git_bisect_run_in_a_clone(bench: Searches) -> None:
    """What the script says of each commit, by git's own search."""
    bench.series(6, 4, broken=(2,))
    git(bench.clone, "bisect", "start", "HEAD", "HEAD~6")
    plan = bench.plan(**CASE)
    for _ in range(6):
        if "first bad commit" in git(bench.clone, "bisect", "log"):
            break
        before = _untouched(bench.clone)
        told = pipeline.bisect_once(
            plan, Order(), bench.clone, directory=bench.out(), processes=bench.processes, cache=bench.cache,
            emit=bench.events.append,
        )  # fmt: skip
        assert _untouched(bench.clone) == before
        assert told.commit == git(bench.clone, "rev-parse", "HEAD").strip()
        git(bench.clone, "bisect", told.verdict.value)
    assert "+const char cow_fails" in git(bench.clone, "show", "refs/bisect/bad")


def test_one_commit_that_does_not_build_cannot_be_told(bench: Searches) -> None:
    bench.commit(text=BROKEN)
    told = pipeline.bisect_once(bench.plan(**CASE), Order(), bench.clone, **bench.tools)
    assert (told.verdict, "does not build" in told.why) == (Verdict.SKIP, True)
    told = pipeline.bisect_once(bench.plan(), Order(build=True), bench.clone, **bench.tools)
    assert told.verdict is Verdict.BAD
    told = pipeline.bisect_once(bench.plan(), Order(command="exit 3"), bench.clone, **bench.tools)
    assert (told.verdict, told.why) == (Verdict.BAD, "exit code 3: it said nothing")


def test_flags_say_more_than_a_run() -> None:
    assert with_flags(Order(rate=Tries(1, 3)), rate=None, runs=None, finding="") == Order(rate=Tries(1, 3))
    assert with_flags(Order(), parallel=True, confidence=0.9) == replace(Order(), parallel=True, confidence=0.9)

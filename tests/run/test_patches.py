"""Runs patch by patch, of the fake kernel with guests that do what its image says."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UserError
from harness.events import EventKind
from harness.model import Against, Outcome, PatchResult, Relation, RunResult, Tries
from harness.report.patches import rows
from harness.report.terminal import summary
from harness.run.goal import Goal
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, ImageGuest

BUILD, TEST = f"{ARCH}.plain.build", f"{ARCH}.plain.faults"


def run(bench: Bench, patches: int, *, goal: Goal = Goal.RUN, **plan: Any) -> RunResult:
    """The last commits as a series on the one before them, patch by patch."""
    git(bench.clone, "tag", "-f", "start", f"HEAD~{patches}")
    mailbox = bench.directory / "series.mbox"
    mailbox.write_text(git(bench.clone, "format-patch", "--stdout", f"HEAD~{patches}..HEAD"))
    settings: dict[str, Any] = {"tree": f"{bench.clone}@start", "series": str(mailbox), "per_patch": True, "checks": ()}
    return bench.run(goal=goal, **settings | plan)


def stages(result: RunResult) -> list[dict[str, Outcome]]:
    return [{case.name: case.outcome for case in patch.stages.cases} for patch in result.per_patch]


def table(result: RunResult) -> list[list[str]]:
    """Build and tests of each patch, as a person reads them."""
    return [[word for word, _ in cells] for _, cells in rows(result)[1]]


def built(bench: Bench) -> list[str]:
    """The kernels that were compiled, by the name of the step."""
    done = [event for event in bench.events if event.kind is EventKind.FINISHED and not event.cached]
    return [event.step for event in done if " build " in f" {event.step}"]


def booted() -> list[str]:
    return [path.parent.name for path in ImageGuest.booted]


def test_a_good_series_is_good_patch_by_patch(bench: Bench) -> None:
    bench.commit()
    for text in ("one", "two", "three"):
        bench.commit(text=f"int {text};\n")
    result = run(bench, 3)
    assert (result.outcome, result.blames) == (Outcome.PASS, ())
    assert [(patch.number, patch.stages.suite) for patch in result.per_patch] == [
        (1, "patch-1"), (2, "patch-2"), (3, "patch-3"),
    ]  # fmt: skip
    assert all(outcome is Outcome.PASS for one in stages(result) for outcome in one.values())
    assert table(result) == [["ok", "ok"]] * 3
    assert booted() == ["patch-1", "patch-2", "out1"]
    assert result.baseline is None
    names = {suite.classname for suite in result.suites}
    assert {"host.patch-1", "host.patch-2"} < names
    assert "host.patch-3" not in names, "it is the series as a whole"


def test_a_failure_is_the_doing_of_the_patch_that_it_came_with(bench: Bench) -> None:
    bench.commit("fork_fails")
    bench.commit("fork_fails", text="int one;\n")
    bench.commit("fork_fails", "anon_warns")
    bench.commit("fork_fails", "anon_warns", "cow_fails")
    result = run(bench, 3)
    assert result.outcome is Outcome.FAIL
    assert [(blame.number, blame.where, blame.fixed_by) for blame in result.blames] == [
        (2, f"{TEST}.anon", 0), (3, f"{TEST}.cow", 0),
    ]  # fmt: skip
    assert "do_fault" in result.blames[0].title
    assert table(result) == [["ok", "ok"], ["ok", "FAILED"], ["ok", "FAILED"]]
    first, second, third = (stage(patch, TEST) for patch in result.per_patch)
    assert first.outcome is Outcome.PASS
    assert (second.message, second.excused) == ("1 of 3 failed: anon: WARNING in do_fault", "")
    assert (third.message, third.excused) == ("2 of 3 failed: cow: wrong", "")
    said = summary(result)
    assert "Broken by patch 2/3 “mm: fork_fails anon_warns”:" in said
    assert "Broken by patch 3/3 “mm: fork_fails anon_warns cow_fails”:" in said


def test_what_is_broken_stays_so_and_counts_once(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    bench.commit("cow_fails", text="int two;\n")
    bench.commit(text="int three;\n")
    result = run(bench, 3)
    assert result.outcome is Outcome.FAIL, "whoever bisects will meet it"
    assert [(blame.number, blame.fixed_by) for blame in result.blames] == [(1, 3)]
    assert table(result) == [["ok", "FAILED"], ["ok", "since 1"], ["ok", "ok"]]
    assert "1 of " in result.message
    assert "Broken by patch 1/3 “mm: cow_fails” (until patch 3):" in summary(result)


def test_a_patch_that_does_not_build_alone_keeps_nobody_from_the_next(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="int one;\n")
    bench.commit(text="this is no C;\n")
    bench.commit(text="int three;\n")
    result = run(bench, 3)
    assert result.outcome is Outcome.FAIL
    assert [(blame.number, blame.where, blame.fixed_by) for blame in result.blames] == [
        (2, f"{ARCH}.plain.kernel.build", 3)
    ]
    bad = stage(result.per_patch[1], BUILD)
    assert bad.outcome is Outcome.FAIL
    assert bad.message.startswith("not bisectable at 2/3: ")
    assert "mm/memory.c:" in bad.message
    assert bad.log == bench.directory / "out1" / "patch-2" / f"build-{ARCH}-plain.log"
    assert "this is no C" in bad.log.read_text()
    assert table(result) == [["ok", "ok"], ["FAILED", "-"], ["ok", "ok"]]
    assert booted() == ["patch-1", "out1"]


def test_what_was_broken_before_a_patch_that_does_not_build_is_not_the_next_one_s_doing(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    bench.commit("cow_fails", text="this is no C;\n")
    bench.commit("cow_fails", text="int three;\n")
    bench.commit(text="int four;\n")
    result = run(bench, 4)
    assert [(blame.number, blame.where, blame.fixed_by) for blame in result.blames] == [
        (1, f"{TEST}.cow", 4), (2, f"{ARCH}.plain.kernel.build", 3),
    ]  # fmt: skip
    assert table(result) == [["ok", "FAILED"], ["FAILED", "-"], ["ok", "since 1"], ["ok", "ok"]]
    lines = summary(result).splitlines()
    assert lines[lines.index("Broken by patch 1/4 “mm: cow_fails” (until patch 4):") + 1].startswith(
        f"    {TEST}.cow: "
    )


def test_one_kernel_is_booted_once_whatever_patches_make_it(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    (bench.clone / "Documentation").mkdir(exist_ok=True)
    (bench.clone / "Documentation" / "two.rst").write_text("two\n")
    git(bench.clone, "add", "-A")
    git(bench.clone, "commit", "-q", "-m", "docs: two")
    bench.commit(text="int three;\n")
    result = run(bench, 3)
    assert [one.number for one in result.per_patch[1].same] == [1]
    assert booted() == ["patch-1", "baseline", "out1"] or sorted(booted()) == ["baseline", "out1", "patch-1"]
    assert table(result)[1][1] == "since 1"
    assert "patch 2/3: " + f"{ARCH} plain: the kernel of patch 1, bit for bit" in " ".join(summary(result).split())


def test_the_same_again_is_taken_from_the_cache(bench: Bench) -> None:
    bench.commit()
    for text in ("one", "two", "three"):
        bench.commit(text=f"int {text};\n")
    run(bench, 3)
    bench.events.clear()
    again = run(bench, 3)
    assert built(bench) == []
    assert booted() == [], "that of the series neither"
    assert [patch.cached for patch in again.per_patch] == [(f"{ARCH} plain",), (f"{ARCH} plain",), ()]
    assert table(again) == [["ok", "ok"]] * 3


def test_new_warnings_are_those_of_the_patch(bench: Bench) -> None:
    bench.commit(text="#warning old\n")
    bench.commit(text="int one;\n#warning old\n")
    bench.commit(text="int one;\n\n#warning old\n#warning new\n")
    bench.commit(text="int three;\n#warning old\n#warning new\n")
    result = run(bench, 3)
    assert [[warning.rpartition(": ")[2] for warning in patch.warnings] for patch in result.per_patch] == [
        [], ["#warning new [-Wcpp]"], [],
    ] or [len(patch.warnings) for patch in result.per_patch] == [0, 1, 0]  # fmt: skip


def test_a_series_of_one_patch(bench: Bench) -> None:
    bench.commit()
    bench.commit("cow_fails")
    result = run(bench, 1)
    assert [(blame.number, blame.where) for blame in result.blames] == [(1, f"{TEST}.cow")]
    assert table(result) == [["ok", "FAILED"]]


def stage(patch: PatchResult, name: str) -> Any:
    return next(case for case in patch.stages.cases if case.name == name)


def test_only_building_is_enough_to_know_whether_each_patch_builds(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="this is no C;\n")
    bench.commit(text="int two;\n")
    result = run(bench, 2, goal=Goal.BUILD)
    assert [list(one) for one in stages(result)] == [[BUILD], [BUILD]]
    assert table(result) == [["FAILED"], ["ok"]]
    assert booted() == []


@pytest.mark.parametrize("plan", [{"series": None}, {"merged": True}])
def test_without_a_series_that_is_applied_it_is_refused(bench: Bench, plan: dict[str, Any]) -> None:
    bench.commit()
    bench.commit()
    with pytest.raises(UserError, match="no series"):
        bench.run(per_patch=True, **plan)


def test_the_base_is_tried_as_often_as_each_patch_was(bench: Bench) -> None:
    bench.commit("anon_seldom")
    bench.commit("anon_seldom", "fork_fails")
    bench.commit("anon_seldom", "fork_fails", text="int two;\n")
    result = run(bench, 2, retries=2)
    for suites in (result.per_patch[0].suites, result.suites):
        found = {case.name: case for suite in suites for case in suite.cases if suite.suite == "faults"}
        assert (found["fork"].relation, found["fork"].against) == (Relation.NEW, Against(Tries(0, 3), 0.05))
        assert (found["anon"].relation, found["anon"].against) == (Relation.SAME, Against(Tries(1, 12), 0.371))
    assert [(blame.number, blame.where) for blame in result.blames] == [(1, f"{TEST}.fork")]
    assert booted().count("baseline") == 1
    assert booted().count("tries") == 11, "once for all patches"

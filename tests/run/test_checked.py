"""A profile with checkers beside one without, on the fake kernel: which tree each is built from, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.model import Case, Outcome, RunResult
from harness.report import terminal
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, booted, cases


def checkers(bench: Bench) -> Path:
    """Two checkers: the first breaks the case `fork` of the kernels that it is in, the second changes mm/vma.c."""
    directory = bench.directory / "checkers"
    directory.mkdir()
    clone = bench.clone
    git(clone, "checkout", "-q", "-b", "checkers", "base")
    for name, path, old, new in (
        ("0001-core", "init/main.c", "", 'const char check[] = "defect_fork_fails";\n'),
        ("0002-lock", "mm/vma.c", "\tvma->locked = 1;\n", "\tvma->locked = 1; /* checked */\n"),
    ):
        text = (clone / path).read_text()
        (clone / path).write_text(text.replace(old, new, 1) if old else text + new)
        git(clone, "commit", "-q", "-a", "-m", f"checker {name}")
        (directory / f"{name}.patch").write_text(git(clone, "format-patch", "--stdout", "-1"))
    (directory / "series").write_text("0001-core.patch\n0002-lock.patch\n")
    git(clone, "checkout", "-q", "main")
    return directory


def run(bench: Bench, directory: Path | str, **plan: Any) -> RunResult:
    config = str(bench.directory / "plain.config")
    profiles = [
        {"name": "plain", "fragments": [config]},
        {"name": "checked", "fragments": [config], "checkers": str(directory)},
    ]
    return bench.run(profiles=profiles, **plan)


def of(result: RunResult, profile: str) -> dict[str, Case]:
    target = next(target for target in result.targets if target.profile == profile)
    return {case.name: case for suite in target.suites for case in suite.cases}


def host(result: RunResult) -> dict[str, Case]:
    return {case.name: case for suite in result.host_suites for case in suite.cases}


def start(bench: Bench, **change: str) -> None:
    """A base, and a series on it that changes mm/vma.c if told to."""
    bench.commit()
    git(bench.clone, "tag", "-f", "base", "HEAD")
    if change:
        path = bench.clone / "mm" / "vma.c"
        path.write_text(path.read_text().replace(change["old"], change["new"]))
    bench.commit(text="/* better */\n")


def test_checkers_are_in_the_kernels_of_their_profile_alone(bench: Bench) -> None:
    start(bench)
    result = run(bench, checkers(bench), baseline="never")
    assert of(result, "plain")["fork"].outcome is Outcome.PASS
    assert of(result, "checked")["fork"].outcome is Outcome.FAIL
    assert [(kernel.profile, [one.name for one in kernel.checkers]) for kernel in result.checkers] == [
        ("checked", ["core", "lock"])
    ]
    assert all(one.commit for one in result.checkers[0].checkers)
    assert [patch.subject for patch in result.patches] == ["mm: clean"]
    assert host(result)["checkers-checkers"].outcome is Outcome.PASS
    assert "checked: 2 of 2 checkers apply: core, lock" in terminal.summary(result)


def test_the_base_of_such_a_profile_has_them_too(bench: Bench) -> None:
    start(bench)
    result = run(bench, checkers(bench))
    fork = of(result, "checked")["fork"]
    assert (result.outcome, fork.outcome, fork.excused) == (Outcome.PASS, Outcome.FAIL, "the same without the series")
    assert booted("baseline") == 1, "plain had nothing to compare"


def test_one_that_no_longer_applies_is_skipped_by_name_and_the_others_work(bench: Bench) -> None:
    start(bench, old="\tvma->locked = 1;\n", new="\tvma->locked = 1 + 0;\n")
    result = run(bench, checkers(bench), baseline="never")
    case = host(result)["checker-checkers-lock"]
    assert (case.outcome, case.message) == (Outcome.SKIP, "no longer applies: mm/vma.c, hunk 1 of 1, line 5")
    assert of(result, "checked")["fork"].outcome is Outcome.FAIL, "core is in it"
    note = "checked: 1 of 2 checkers apply: core; no longer: lock (mm/vma.c, hunk 1 of 1, line 5)"
    assert note in result.notes


def test_a_tree_for_which_there_are_none_is_said_to_have_none(bench: Bench) -> None:
    makefile = bench.clone / "Makefile"
    makefile.write_text(makefile.read_text().replace("VERSION = 6", "VERSION = 5", 1))
    start(bench)
    result = run(bench, "auto", baseline="never")
    case = host(result)["checkers"]
    assert (case.outcome, case.message) == (Outcome.SKIP, "there are no checkers for Linux 5.12.999-fake")
    assert "checked: there are no checkers for this version of the kernel" in result.notes
    assert [kernel.checkers for kernel in result.checkers] == [()]
    assert of(result, "checked")["fork"].outcome is Outcome.PASS
    assert cases(result) and ARCH


def test_a_checker_that_does_not_compile_is_no_failure_of_the_series(bench: Bench) -> None:
    start(bench)
    directory = checkers(bench)
    lock = directory / "0002-lock.patch"
    lock.write_text(lock.read_text().replace("/* checked */", "no C;       "))
    result = run(bench, directory, baseline="never")
    assert of(result, "plain")["build"].outcome is Outcome.PASS
    build = of(result, "checked")["build"]
    assert (build.outcome, build.message.partition(":")[0]) == (
        Outcome.ERROR, "a checker does not compile on this series",
    )  # fmt: skip
    assert "--profile checked=checkers=DIRECTORY" in build.detail
    assert result.outcome is Outcome.ERROR


def test_what_does_not_compile_beside_checkers_may_be_their_doing(bench: Bench) -> None:
    start(bench, old="\tvma->locked = 0;\n", new="\tvma->locked = no C;\n")
    result = run(bench, checkers(bench), baseline="never")
    build = of(result, "checked")["build"]
    assert (build.outcome, "it may be one of them" in build.message) == (Outcome.FAIL, True)

"""From a command line to result files, standard output and exit code, with an engine that only plays."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Cancelled, GuestLost, InfraError, InputError, UserError
from harness.model import Case, CommandResult, Outcome, RunResult, SuiteResult
from harness.report import results
from harness.run.goal import Goal
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeEngine, FakeGuest
from tests.report import samples


def test_run_leaves_all_results_in_one_directory_and_shows_the_summary(place: Path, invoke: Invoke) -> None:
    engine = FakeEngine()
    done = invoke("run", "--out", "here", "--arch", "arm64", engine=engine)
    assert done.exit_code == 0
    assert {entry.name for entry in (place / "here").iterdir()} >= {"results.json", "junit.xml", "summary.txt"}
    assert done.stdout == (place / "here/summary.txt").read_text()
    assert "build x86_64 lockdep" in done.stderr
    assert engine.command == ("vmaharness", "run", "--out", "here", "--arch", "arm64")
    assert engine.goal is Goal.RUN
    assert results.load(place / "here/results.json").command == engine.command


def test_run_makes_a_new_directory_when_none_is_named(place: Path, invoke: Invoke) -> None:
    for _ in range(2):
        assert invoke("run", engine=FakeEngine()).exit_code == 0
    names = sorted(entry.name for entry in place.iterdir())
    assert len(names) == 2
    assert all(name.startswith("vmaharness-2") for name in names)


def test_json_is_all_there_is_on_standard_output(invoke: Invoke) -> None:
    done = invoke("run", "--json", engine=FakeEngine())
    assert json.loads(done.stdout)["outcome"] == "pass"
    assert "build x86_64 lockdep" in done.stderr


def _ended(outcome: Outcome) -> RunResult:
    return replace(samples.passed(), outcome=outcome, message="for a reason")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (samples.passed(), 0), (samples.failed(), 1), (samples.crashed(), 1), (samples.timed_out(), 1),
        (samples.not_exercised(), 1), (samples.build_failed(), 1), (_ended(Outcome.ERROR), 3),
        (_ended(Outcome.NOT_RUN), 4), (_ended(Outcome.SKIP), 4),
    ],
)  # fmt: skip
def test_the_outcome_is_the_exit_code(invoke: Invoke, result: RunResult, code: int) -> None:
    assert invoke("run", engine=FakeEngine(result)).exit_code == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("patch 3 does not apply", detail="mm/vma.c: no", fix="rebase it"), 2,
         "vmaharness: patch 3 does not apply\n  mm/vma.c: no\nfix: rebase it\n"),
        (InputError("x.mbox", 7, "is no mail"), 2, "vmaharness: x.mbox:7: is no mail\n"),
        (InfraError("the disk is full"), 3, "vmaharness: the disk is full\n"),
        (Cancelled("interrupted (SIGINT)"), 130, "vmaharness: interrupted (SIGINT)\n"),
    ],
)  # fmt: skip
def test_an_error_is_told_and_what_was_found_until_then_is_kept(
    place: Path, invoke: Invoke, error: Exception, code: int, said: str
) -> None:
    done = invoke("run", "--out", "here", engine=FakeEngine(samples.cancelled(), error))
    assert done.exit_code == code
    assert done.stderr.endswith(f"vmaharness: what was found out until then is in {place}/here\n{said}")
    assert done.stdout == ""
    assert results.load(place / "here/results.json").outcome is samples.cancelled().outcome


def test_a_bug_is_called_one_and_its_trace_kept(tmp_path: Path, invoke: Invoke) -> None:
    done = invoke("run", engine=FakeEngine(error=ZeroDivisionError("oh")))
    assert done.exit_code == 3
    (crash,) = tmp_path.glob("vmaharness-crash-*")
    assert f"this is a bug in vmaharness: ZeroDivisionError: oh\nfix: report it with {crash}\n" in done.stderr
    assert "Traceback" in crash.read_text()
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_no_bug(invoke: Invoke) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/cache/store/x")
    done = invoke("run", engine=FakeEngine(error=full))
    assert done.exit_code == 3
    assert "vmaharness: /cache/store/x: No space left on device\nfix: free some space; " in done.stderr
    done = invoke("run", engine=FakeEngine(error=OSError(errno.ENOTDIR, "Not a directory", "/x")))
    assert (done.exit_code, "this is a bug in vmaharness" in done.stderr) == (3, True)


@pytest.mark.parametrize("words", [("fly",), ("run", "--fly"), ("run", "--arch", "mips"), ("run", "--smp", "two")])
def test_a_wrong_command_line_is_a_user_error(invoke: Invoke, words: tuple[str, ...]) -> None:
    assert invoke(*words, engine=FakeEngine()).exit_code == 2


def test_a_plan_that_is_wrong_starts_nothing(place: Path, invoke: Invoke) -> None:
    (place / "plan.yaml").write_text("keep: true\nsmp: 4\n")
    engine = FakeEngine()
    done = invoke("run", "plan.yaml", engine=engine)
    assert (done.exit_code, engine.plan) == (2, None)
    assert done.stderr.startswith("vmaharness: plan.yaml:2: smp: unknown key\n")
    assert [entry.name for entry in place.iterdir()] == ["plan.yaml"]


def test_build_only_builds(invoke: Invoke) -> None:
    engine = FakeEngine(samples.build_failed())
    assert invoke("build", engine=engine).exit_code == 1
    assert engine.goal is Goal.BUILD


def test_apply_prints_the_commits_and_keeps_nothing(place: Path, invoke: Invoke) -> None:
    engine = FakeEngine()
    done = invoke("apply", engine=engine)
    assert (done.exit_code, engine.goal) == (0, Goal.APPLY)
    assert f"{2:040x}"[:12] + "  series    2  mm: measure waits for VMA write locks\n" in done.stdout
    assert "000000000000  base-fix  1  tools/testing/vma: add a stub for vma_close()\n" in done.stdout
    assert not list(place.iterdir())
    listed = json.loads(invoke("apply", "--json", engine=engine).stdout)
    assert [patch["role"] for patch in listed["patches"]] == ["base-fix", "series", "series"]


def test_apply_tells_what_the_checks_say_and_fails_with_them(invoke: Invoke) -> None:
    checks = (
        Case("checks", "w1.x86_64.mm/vma.c", Outcome.FAIL, message="mm/vma.c:12: warning: unused variable"),
        Case("checks", "checkpatch.1", Outcome.PASS),
    )
    suites = (*samples.passed().host_suites, SuiteResult("checks", "host", "", checks))
    engine = FakeEngine(replace(samples.failed(), host_suites=suites))
    done = invoke("apply", engine=engine)
    assert done.exit_code == 1
    assert done.stdout.endswith(
        "check fail w1.x86_64.mm/vma.c mm/vma.c:12: warning: unused variable\ncheck pass checkpatch.1\n"
    )
    listed = json.loads(invoke("apply", "--json", engine=engine).stdout)
    assert [(case["name"], case["outcome"]) for case in listed["checks"]] == [
        ("w1.x86_64.mm/vma.c", "fail"),
        ("checkpatch.1", "pass"),
    ]


@pytest.mark.parametrize(
    ("result", "code"), [(_ended(Outcome.NOT_RUN), 0), (_ended(Outcome.ERROR), 3), (samples.failed(), 1)]
)
@pytest.mark.parametrize("verb", ["apply", "config"])
def test_verbs_that_test_nothing_fail_all_the_same(invoke: Invoke, verb: str, result: RunResult, code: int) -> None:
    assert invoke(verb, engine=FakeEngine(result)).exit_code == code


def test_config_prints_or_keeps_the_configurations(place: Path, invoke: Invoke) -> None:
    engine = FakeEngine()
    done = invoke("config", engine=engine)
    assert (done.exit_code, engine.goal) == (0, Goal.CONFIG)
    assert done.stdout == "# config-x86_64-lockdep\ntext of config-x86_64-lockdep\n"
    assert not list(place.iterdir())
    assert invoke("config", "--out", "here", engine=engine).exit_code == 0
    assert (place / "here/config-x86_64-lockdep").exists()


def test_report_shows_an_earlier_run_again(place: Path, invoke: Invoke) -> None:
    shown = invoke("run", "--out", "here", engine=FakeEngine(samples.failed()))
    (place / "here/junit.xml").unlink()
    done = invoke("report", "here")
    assert (done.exit_code, done.stdout) == (0, shown.stdout)
    assert (place / "here/junit.xml").exists()
    assert json.loads(invoke("report", "here", "--json").stdout)["outcome"] == "fail"
    assert invoke("report", "gone").exit_code == 2
    assert invoke("report", "here", "--mail").stdout.startswith("Tested with vmaharness 0.1.0 on 6.12.117:")
    assert (place / "here/report.html").exists()
    assert invoke("report", "here", "--mail", "--json").exit_code == 2


@pytest.mark.parametrize("variable", ["CI_PROJECT_DIR", "WORKSPACE"])
def test_logs_are_attachments_of_the_ci_job(
    place: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    invoke("run", "--out", "here", engine=FakeEngine(samples.failed()))
    assert "[[ATTACHMENT|" not in (place / "here/junit.xml").read_text()
    monkeypatch.setenv(variable, str(samples.DIRECTORY.parent))
    invoke("report", "here")
    assert "[[ATTACHMENT|results/console-x86_64-lockdep.log]]" in (place / "here/junit.xml").read_text()


def test_boot_runs_one_command_and_hands_its_exit_code_on(invoke: Invoke) -> None:
    guest = FakeGuest(result=CommandResult(42, "out\n", "err\n", 0.1))
    done = invoke("boot", "--arch", "arm64", "--command-timeout", "5", "--", "sh", "-c", "exit 42",
                  engine=FakeEngine(guest=guest))  # fmt: skip
    assert (done.exit_code, done.stdout) == (42, "out\n")
    assert done.stderr.endswith("err\n")
    assert guest.ran == [(("sh", "-c", "exit 42"), 5.0)]
    assert guest.left


def test_boot_takes_a_plan_before_the_command(place: Path, invoke: Invoke) -> None:
    (place / "p.yaml").write_text("arch: [arm64]\nprofiles: [a, b]\n")
    engine = FakeEngine()
    assert invoke("boot", "p.yaml", "--", "--odd", engine=engine).exit_code == 0
    assert engine.guest.ran[0][0] == ("--odd",)
    assert engine.plan is not None
    assert (engine.plan.arch, [profile.name for profile in engine.plan.profiles]) == (("arm64",), ["a"])


def test_boot_of_a_guest_that_dies_or_never_comes_is_the_kernels_fault(invoke: Invoke) -> None:
    lost = FakeGuest(result=GuestLost("the guest panicked", reason="panic", detail="Kernel panic"))
    done = invoke("boot", "--", "true", engine=FakeEngine(guest=lost))
    assert done.exit_code == 1
    assert "vmaharness: the guest panicked\n  Kernel panic\n" in done.stderr
    dead = FakeGuest(outcome=Outcome.CRASH)
    done = invoke("boot", "--", "true", engine=FakeEngine(guest=dead))
    assert (done.exit_code, dead.ran, dead.left) == (1, [], True)
    assert "the guest did not come up: panic: no init" in done.stderr


def test_boot_is_for_one_guest_and_a_shell_for_a_terminal(invoke: Invoke) -> None:
    done = invoke("boot", "--arch", "arm64", "--arch", "x86_64", "--", "true", engine=FakeEngine())
    assert (done.exit_code, "--arch names 2" in done.stderr) == (2, True)
    done = invoke("boot", engine=FakeEngine())
    assert (done.exit_code, "a shell needs a terminal" in done.stderr) == (2, True)


def test_series_show_names_the_patches(place: Path, invoke: Invoke) -> None:
    demo = Path(__file__).parents[2] / "patches" / "demo"
    done = invoke("series", "show", str(demo), "--json")
    assert done.exit_code == 0
    (series,) = json.loads(done.stdout)["series"]
    patches = series["patches"]
    assert [patch["n"] for patch in patches] == list(range(1, len(patches) + 1))
    text = invoke("series", "show", str(demo)).stdout
    assert all(patch["subject"] in text for patch in patches)
    assert invoke("series", "show", str(place)).exit_code == 2

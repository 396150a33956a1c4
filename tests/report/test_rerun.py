"""The command that runs one case again."""

from __future__ import annotations

import fnmatch
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.main import cli
from harness.cli.options import PLAN_FLAGS
from harness.model import Arch, Case, Outcome, SuiteResult
from harness.report.rerun import rerun_command
from tests.report import samples


def again(*command: str, accel: str = "auto", case: str = "anon.1") -> str:
    result = replace(
        samples.passed(), command=command, plan={"suites": ["vma", "faults"], "guest": {"accel": accel, "smp": 2}}
    )
    return rerun_command(result, samples.faults_suite(Arch.ARM64), samples.fault_case(case))


NARROW = "--arch arm64 --profile lockdep --suite faults --case faults.anon.1"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((), f"vmaharness run {NARROW}"),
        (("vmaharness", "run"), f"vmaharness run {NARROW}"),
        (("ci/vmaharness", "run", "plan.yaml"), f"ci/vmaharness run plan.yaml {NARROW}"),
        (("vmaharness", "run", "--series", "a b.mbox"), f"vmaharness run --series 'a b.mbox' {NARROW}"),
        (("vmaharness", "run", "--arch", "x86_64", "--arch=arm64", "--smp", "4"), f"vmaharness run --smp 4 {NARROW}"),
        (("vmaharness", "run", "--suite", "vma", "--case=x", "--json", "--out", "d"), f"vmaharness run {NARROW}"),
    ],
)
def test_it_is_the_command_of_the_run_made_narrow(command: tuple[str, ...], expected: str) -> None:
    assert again(*command) == expected


def test_an_accelerator_from_elsewhere_is_said() -> None:
    assert again("vmaharness", "run", accel="tcg") == f"vmaharness run {NARROW} --accel tcg"
    assert again("vmaharness", "run", "--accel", "tcg", accel="tcg") == f"vmaharness run --accel tcg {NARROW}"
    assert again("vmaharness", "run", "--accel=tcg", accel="tcg") == f"vmaharness run --accel=tcg {NARROW}"


def test_a_profile_made_in_the_plan_is_spelled_out() -> None:
    profiles = [{"name": "lockdep", "fragments": ["base", "./my own.config"]}, {"name": "other", "fragments": []}]
    result = replace(samples.passed(), plan={"profiles": profiles})
    suite, case = samples.faults_suite(Arch.ARM64), samples.fault_case("anon.1")
    assert "--profile 'lockdep=base,./my own.config'" in rerun_command(result, suite, case)
    assert rerun_command(result, replace(suite, profile="other"), case) == "vmaharness run"


def test_the_checkers_of_a_profile_are_not_lost() -> None:
    profiles = [
        {"name": "lockdep", "fragments": ["base"], "checkers": "/src/own"},
        {"name": "checked", "fragments": [], "checkers": "none"},
    ]
    result = samples.passed()
    result = replace(
        result, plan={"profiles": profiles},
        targets=(*result.targets, replace(result.targets[1], profile="checked")),
    )  # fmt: skip
    suite, case = samples.faults_suite(Arch.ARM64), samples.fault_case("anon.1")
    assert "--profile lockdep=base,checkers=/src/own" in rerun_command(result, suite, case)
    assert "--profile checked=checkers=none" in rerun_command(result, replace(suite, profile="checked"), case)


def test_kernel_cases_need_no_guest_to_be_built_again() -> None:
    result = samples.build_failed()
    suite = result.targets[1].suites[0]
    commands = [rerun_command(result, suite, case) for case in suite.cases]
    assert commands == [
        "vmaharness config --arch arm64 --profile lockdep",
        "vmaharness build --arch arm64 --profile lockdep",
        "vmaharness run --arch arm64 --profile lockdep",
    ]


def test_host_cases() -> None:
    result = samples.passed()
    series, vma = result.host_suites
    assert rerun_command(result, series, series.cases[0]) == "vmaharness apply"
    assert rerun_command(result, vma, vma.cases[0]) == "vmaharness run --suite vma --case vma.merge_new"
    checks = SuiteResult("checks", "host", "", (Case("checks", "w1.arm64.mm/vma.c", Outcome.FAIL, message="warning"),))
    assert rerun_command(result, checks, checks.cases[0]) == "vmaharness apply --check w1"


@given(st.text(min_size=1))
def test_the_glob_selects_the_case_and_no_other(name: str) -> None:
    words = shlex.split(again("vmaharness", "run", case=name))
    pattern = words[words.index("--case") + 1]
    assert fnmatch.fnmatchcase(f"faults.{name}", pattern)
    assert not fnmatch.fnmatchcase(f"faults.{name}x", pattern)
    assert pattern.isprintable()


def test_the_verdict_is_reached_by_the_whole_command() -> None:
    result = replace(samples.cancelled(), command=("vmaharness", "run", "--arch", "arm64", "--json"))
    verdict = Case("run", "verdict", Outcome.ERROR, message="cancelled")
    suite = SuiteResult("run", "host", "", (verdict,))
    assert rerun_command(result, suite, verdict) == "vmaharness run --arch arm64 --json"


def test_unplanned_suites_are_not_asked_for() -> None:
    result = samples.passed()
    suite = SuiteResult("guest", "arm64", "lockdep", (Case("guest", "console", Outcome.FAIL, message="splat"),))
    assert rerun_command(result, suite, suite.cases[0]) == "vmaharness run --arch arm64 --profile lockdep"


def test_its_words_are_the_command_lines() -> None:
    known = {name for flag in PLAN_FLAGS for name in flag.names}
    assert {"--arch", "--profile", "--suite", "--case", "--accel", "--out"} <= known
    assert {"run", "apply", "config", "build"} <= set(cli.commands)

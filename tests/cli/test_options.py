"""Everything a plan can say can be said by a flag, and flags win."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
import pytest

from harness.cli.options import BENCH_FLAGS, CHECKS, PLAN_FLAGS
from harness.data import plans_dir
from harness.model import Arch
from harness.plan.model import BenchPlan, Check, GuestPlan, Plan, ProfilePlan
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeEngine


def test_every_key_of_a_plan_has_a_flag() -> None:
    keys: set[tuple[str, ...]] = {(name,) for name in Plan.model_fields if name not in ("guest", "bench")}
    keys |= {("guest", name) for name in GuestPlan.model_fields}
    assert set(ProfilePlan.model_fields) == {"name", "fragments", "checkers"}, "all that --profile can say"
    assert {flag.key for flag in PLAN_FLAGS} == keys
    assert {flag.key for flag in BENCH_FLAGS} == {("bench", name) for name in BenchPlan.model_fields}


@pytest.mark.parametrize("name", ["accel", "machine"])
def test_the_choices_of_a_flag_are_those_of_the_plan(name: str) -> None:
    (flag,) = [flag for flag in PLAN_FLAGS if flag.key == ("guest", name)]
    choice = flag.settings["type"]
    assert isinstance(choice, click.Choice)
    assert tuple(choice.choices) == get_args(GuestPlan.model_fields[name].annotation)


def _plan(invoke: Invoke, *words: str) -> Plan:
    engine = FakeEngine()
    done = invoke("run", *words, engine=engine)
    assert engine.plan is not None, done.stderr
    return engine.plan


def test_a_plan_goes_by_its_path_or_its_name(place: Path, invoke: Invoke) -> None:
    assert _plan(invoke, "quick").suites == ("vma",)
    (place / "quick").write_text("suites: [faults]\n")
    assert _plan(invoke, "quick").suites == ("faults",), "a file of that name is meant"
    done = invoke("run", "quik")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "vmaharness: quik: there is no such plan\nfix: name a plan file (YAML), or one of ours: "
    )
    assert ", quick, " in done.stderr


def test_all_flags_at_once(place: Path, invoke: Invoke) -> None:
    plan = _plan(
        invoke, "--tree", "linux", "--series", "a..b", "--base", "v6.12",
        "--base-candidate", "other", "--base-candidate", "debian:linux-source-7.2", "--merged", "--per-patch",
        "--budget", "1h30m",
        "--base-fix", "fix", "--arch", "arm64", "--arch", "x86_64",
        "--profile", "lockdep", "--profile", "mine=base,./mine.config", "--profile", "checked=checkers=none",
        "--profile", "own=base,checkers=./own", "--suite", "faults", "--suite", "vma",
        "--check", "w1", "--check", "sparse",
        "--case", "faults.*", "--baseline", "always", "--strict", "--known", "known.yaml", "--retries", "9",
        "--flaky", "allow", "--exact", "--seeds", "2..4",
        "--accel", "tcg", "--machine", "q35", "--smp", "4", "--mem", "2G", "--cmdline", "a=b c",
        "--boot-timeout", "1.5", "--command-timeout", "2", "--silence-timeout", "3", "--jobs", "5", "--no-sandbox",
        "--repair", "--out", "there", "--keep",
    )  # fmt: skip
    assert plan.model_dump(mode="json") == {
        "tree": f"{place}/linux", "series": "a..b", "base": "v6.12",
        "base_candidates": [f"{place}/other", "debian:linux-source-7.2"], "merged": True, "per_patch": True,
        "budget": "1h30m",
        "base_fix": f"{place}/fix", "arch": ["arm64", "x86_64"],
        "profiles": [{"name": "lockdep", "fragments": [], "checkers": None},
                     {"name": "mine", "fragments": ["base", f"{place}/mine.config"], "checkers": None},
                     {"name": "checked", "fragments": [], "checkers": "none"},
                     {"name": "own", "fragments": ["base"], "checkers": f"{place}/own"}],
        "suites": ["faults", "vma"], "checks": ["w1", "sparse"], "cases": ["faults.*"], "baseline": "always",
        "strict": True,
        "known": f"{place}/known.yaml", "retries": 9, "flaky": "allow", "exact": True, "seeds": [2, 3, 4],
        "guest": {"accel": "tcg", "machine": "q35", "smp": 4, "memory": "2G", "cmdline": "a=b c", "boot_s": 1.5,
                  "command_s": 2.0, "silence_s": 3.0},
        "bench": {"mode": "exact", "fail": [], "same": 0.1, "again": 1, "moved": True, "where": True, "boots": 10},
        "jobs": 5, "sandbox": False, "repair": True, "out": f"{place}/there", "keep": True,
    }  # fmt: skip


def test_no_flags_are_the_default_plan(invoke: Invoke) -> None:
    plan = _plan(invoke)
    assert plan.series == str(plans_dir().parent / "patches" / "demo")
    assert plan.model_copy(update={"series": None}) == Plan()


def test_no_check_at_all_is_said_by_a_word(invoke: Invoke) -> None:
    assert _plan(invoke, "--check", "none").checks == ()
    assert get_args(Check) == CHECKS


TAKEN_BACK = {
    "--series": ("series: ./s.mbox", None), "--known": ("known: ./k.yaml", None), "--budget": ("budget: 20m", None),
    "--case": ("cases: [vma.*, faults.*]", ()), "--base-candidate": ("base_candidates: [./other]", ()),
    "--check": ("checks: [w1]", ()), "--seeds": ("seeds: 1..8", ()), "--base-fix": ("base_fix: ./fix", "none"),
    "--base": ("base: auto", "none"),
}  # fmt: skip


@pytest.mark.parametrize("flag", TAKEN_BACK)
def test_what_a_plan_asks_for_a_flag_can_take_back(place: Path, invoke: Invoke, flag: str) -> None:
    text, nothing = TAKEN_BACK[flag]
    key = text.partition(":")[0]
    (place / "p.yaml").write_text(f"{text}\n")
    asked, taken_back = _plan(invoke, "p.yaml"), _plan(invoke, "p.yaml", flag, "none")
    assert getattr(asked, key) != getattr(taken_back, key) == nothing
    (place / "none.yaml").write_text(f"{key}: none\n")
    assert _plan(invoke, "none.yaml") == taken_back


def test_seeds_that_are_taken_back_ask_for_no_exact_guests(place: Path, invoke: Invoke) -> None:
    (place / "p.yaml").write_text("seeds: 1..8\n")
    assert _plan(invoke, "p.yaml").exact
    assert not _plan(invoke, "p.yaml", "--seeds", "none").exact
    assert not _plan(invoke, "p.yaml", "--not-exact").exact
    assert _plan(invoke, "p.yaml", "--seeds", "none", "--exact").guest_seeds == (1, 2, 3, 4)
    (place / "p.yaml").write_text("seeds: 1..8\nexact: true\n")
    assert _plan(invoke, "p.yaml", "--seeds", "none").guest_seeds == (1, 2, 3, 4)
    (place / "p.yaml").write_text("bench: {fail: slower > 1 %}\n")
    done = invoke("bench", "p.yaml", "--fail", "none", engine=(engine := FakeEngine()))
    assert engine.plan is not None, done.stderr
    assert engine.plan.bench.fail == ()


def test_flags_win_over_a_plan_and_a_plan_over_nothing(place: Path, invoke: Invoke) -> None:
    (place / "p.yaml").write_text("guest: {smp: 8, memory: 2G}\nkeep: true\nsandbox: false\narch: [arm64]\n")
    plan = _plan(invoke, "p.yaml", "--smp", "4", "--sandbox")
    assert (plan.guest.smp, plan.guest.memory, plan.keep, plan.sandbox, plan.arch) == (
        4,
        "2G",
        True,
        True,
        (Arch.ARM64,),
    )
    assert plan.series is None


def test_the_environment_stands_between_plan_and_flags(
    place: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "p.yaml").write_text("guest: {accel: auto}\njobs: 1\n")
    monkeypatch.setenv("VMAHARNESS_ACCEL", "tcg")
    monkeypatch.setenv("VMAHARNESS_JOBS", "7")
    plan = _plan(invoke, "p.yaml")
    assert (plan.guest.accel, plan.jobs) == ("tcg", 7)
    plan = _plan(invoke, "p.yaml", "--accel", "auto", "-j", "2")
    assert (plan.guest.accel, plan.jobs) == ("auto", 2)
    monkeypatch.setenv("VMAHARNESS_JOBS", "-1")
    done = invoke("run", engine=FakeEngine())
    assert "vmaharness: VMAHARNESS_JOBS: must be at least 0, not the number -1\n" in done.stderr


def test_a_tree_of_ones_own_is_not_given_the_demo_series(invoke: Invoke) -> None:
    assert _plan(invoke, "--tree", "debian:linux-source-7.2").series is None
    assert _plan(invoke, "--tree", "debian:linux-source-7.2", "--series", "a..b").series == "a..b"
    done = invoke("run", "--tree", "debian:linux-source-7.2", engine=FakeEngine())
    assert "the tree is tested as it is, without the demo series" in done.stderr


def test_a_plan_can_be_named_as_in_configs(place: Path, invoke: Invoke) -> None:
    assert _plan(invoke, "quick").suites == ("vma",)
    (place / "quick").write_text("suites: [faults]\n")
    assert _plan(invoke, "quick").suites == ("faults",)


def test_plan_prints_what_can_be_read_again(place: Path, invoke: Invoke) -> None:
    words = (
        "--profile",
        "mine=base,lockdep",
        "--cmdline",
        "a=b: #c",
        "--mem",
        "2G",
        "--case",
        "vma.*",
        "--series",
        "a..b",
    )
    printed = invoke("plan", *words).stdout
    (place / "again.yaml").write_text(printed)
    assert _plan(invoke, "again.yaml") == _plan(invoke, *words)
    assert invoke("plan", "again.yaml").stdout == printed

"""Runs of the fake kernel with guests that do what its image says: when the base is tested, and what it changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.arch import host_arch
from harness.errors import InfraError
from harness.events import Event, EventKind
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import (
    Accel,
    Arch,
    Boot,
    Case,
    Command,
    CommandResult,
    Outcome,
    Payload,
    Relation,
    Rootfs,
    RunResult,
    Tries,
)
from harness.plan.model import Plan
from harness.run import pipeline
from harness.run.goal import Goal
from harness.run.probe import PROBE
from harness.run.suites import Prepared
from tests.kernel.conftest import FAKE, git

ARCH = host_arch() or Arch.X86_64
WARNING = (
    "[    5.000000][   T77] ------------[ cut here ]------------\n"
    "[    5.000001][   T77] WARNING: CPU: 0 PID: 77 at mm/memory.c:12 {}+0x12/0x34\n"
    "[    5.000002][   T77] ---[ end trace 0000000000000000 ]---\n"
)


@dataclass(frozen=True)
class Names:
    """A suite of three cases."""

    name: str = "faults"

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        return tuple(Command(name, (name,), (name,), 1.0) for name in ("anon", "cow", "fork"))

    def parse(self, command: Command, result: CommandResult) -> tuple[Case, ...]:
        bad = result.exit_code != 0
        outcome = Outcome.FAIL if bad else Outcome.PASS
        return (Case(self.name, command.name, outcome, message="wrong" if bad else ""),)


class ImageGuest:
    """A guest of the fake kernel: `defect_CASE_KIND` in its image says what goes wrong in which case."""

    booted: ClassVar[list[Path]] = []

    def __init__(self, *, image: Path, console: Path, profile: str, **_: Any) -> None:
        self._console, self._profile = console, profile
        found = re.findall(rb"defect_([a-z]+)_([a-z]+)\0", image.read_bytes())
        self._defects = {case.decode(): kind.decode() for case, kind in found}

    def __enter__(self) -> ImageGuest:
        self._console.write_text("Linux version 6.12\n")
        ImageGuest.booted.append(self._console)
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def boot(self) -> Boot:
        return Boot(
            ARCH, self._profile, Outcome.PASS, "", Accel.TCG, "", "virt", 2, 1024, (), "", 1.0, 1.5, 2.0, self._console
        )

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        if tuple(argv) == PROBE:
            mark = "--vmaharness--\n"
            return CommandResult(0, f"vma_lock_success 5\n{mark}0\n{mark} debug_locks: 1\n{mark}", "", 0.1)
        kind = self._defects.get(argv[0], "")
        if kind == "warns":
            with self._console.open("a") as console:
                console.write(WARNING.format("do_fault"))
        flaked = kind == "flakes" and self._console.name == f"console-{ARCH}-plain.log"  # the first guest's
        return CommandResult(1 if kind == "fails" or flaked else 0, "", "", 0.1)

    def mark(self, text: str) -> None:
        return None

    def console_text(self) -> str:
        return self._console.read_text()

    def settle(self) -> None:
        return None


class Bench:
    """The fake kernel's clone, and runs of series on it."""

    def __init__(self, clone: Path, processes: Processes, cache: Cache, directory: Path) -> None:
        self.clone, self.processes, self.cache, self.directory = clone, processes, cache, directory
        self.runs = 0
        self.events: list[Event] = []
        (directory / "plain.config").write_text("CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=y\n")

    def commit(self, *defects: str, text: str = "") -> None:
        """Commit a kernel with these defects."""
        memory = self.clone / "mm" / "memory.c"
        clean = memory.read_text().partition("/* defects */")[0]
        lines = "".join(f'const char {defect}[] = "defect_{defect}";\n' for defect in defects)
        memory.write_text(f"{clean}/* defects */\n{lines}{text}")
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "--allow-empty", "-m", f"mm: {' '.join(defects) or 'clean'}")

    def posted(self) -> Path:
        """The last commit as somebody would send it."""
        mailbox = self.directory / f"series{len(list(self.directory.glob('*.mbox')))}.mbox"
        mailbox.write_text(git(self.clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
        return mailbox

    def run(self, **plan: Any) -> RunResult:
        """Run the last commit as a series on the one before."""
        git(self.clone, "tag", "-f", "base", "HEAD~1")
        mailbox = self.posted()
        self.runs += 1
        directory = self.directory / f"out{self.runs}"
        directory.mkdir()
        ImageGuest.booted.clear()
        settings: dict[str, Any] = {
            "tree": f"{self.clone}@base", "series": str(mailbox), "base_fix": "none", "arch": [ARCH.value],
            "profiles": [{"name": "plain", "fragments": [str(self.directory / "plain.config")]}],
            "suites": ["faults"], "sandbox": False, "guest": {"accel": "tcg", "memory": "128M"}, "retries": 0,
        }  # fmt: skip
        published: list[RunResult] = []
        result = pipeline.run_plan(
            Plan.model_validate(settings | plan), directory=directory, goal=Goal.RUN, processes=self.processes,
            cache=self.cache, emit=self.events.append, command=("vmaharness", "run"), publish=published.append,
        )  # fmt: skip
        assert published == [result]
        return result


def cases(result: RunResult) -> dict[str, Case]:
    return {case.name: case for suite in result.suites for case in suite.cases if suite.suite == "faults"}


def booted(what: str) -> int:
    """How many guests of the series or of the base were booted."""
    return sum(("baseline" if "baseline" in path.parts else "series") == what for path in ImageGuest.booted)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    image, clone = tmp_path / "initramfs", tmp_path / "linux"
    image.touch()
    rootfs = Rootfs(ARCH, image, 0, "r" * 32, ())
    monkeypatch.setattr("harness.run.tester.Guest", ImageGuest)
    monkeypatch.setattr("harness.run.steps.build_rootfs", lambda arch, payloads, **_: replace(rootfs, arch=arch))
    monkeypatch.setattr("harness.run.suites.Workshop.faults", lambda *_: Prepared("faults", Names(), Payload()))
    # The registry's fragments are for real kernels.
    monkeypatch.setattr("harness.kernel.kconfig.fragments_dir", lambda: tmp_path / "no-registry")
    shutil.copytree(FAKE, clone)
    git(clone, "init", "-q")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "Fake 6.12")
    with Processes() as processes, Cache(tmp_path / "cache") as cache:
        yield Bench(clone, processes, cache, tmp_path)


def test_a_good_series_costs_no_second_kernel(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="/* better */\n")
    result = bench.run()
    assert (result.outcome, result.baseline) == (Outcome.PASS, None)
    assert booted("baseline") == 0


def test_what_the_series_broke_is_new_and_what_was_broken_is_the_same(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", "cow_fails")
    result = bench.run()
    assert result.outcome is Outcome.FAIL
    assert result.message.startswith("1 new, 1 same as the base; 1 of ")
    found = cases(result)
    assert (found["cow"].relation, found["cow"].fails) == (Relation.NEW, True)
    assert (found["anon"].relation, found["anon"].fails) == (Relation.SAME, False)
    assert result.baseline is not None
    assert {one.case: one.relation for one in result.baseline.differences} == {
        "cow": Relation.NEW, "anon": Relation.SAME,
    }  # fmt: skip


def test_a_base_as_broken_as_the_series_passes_unless_it_is_strict(bench: Bench) -> None:
    bench.commit("anon_warns")
    bench.commit("anon_warns", text="/* better */\n")
    result = bench.run()
    assert (result.outcome, cases(result)["anon"].outcome) == (Outcome.PASS, Outcome.FAIL)
    assert "1 same as the base" in result.message
    strict = bench.run(strict=True)
    assert strict.outcome is Outcome.FAIL
    assert booted("baseline") == 0, "the base's result is kept"
    assert strict.baseline is not None
    assert strict.baseline.targets[0].boots[0].console == bench.directory / "out2" / "baseline" / (
        f"console-{ARCH}-plain.log"
    )
    assert "WARNING" in strict.baseline.targets[0].boots[0].console.read_text()


def test_what_the_series_fixed_is_seen_where_the_base_is_always_tested(bench: Bench) -> None:
    bench.commit("anon_warns")
    bench.commit()
    result = bench.run(baseline="always")
    assert result.outcome is Outcome.PASS
    assert cases(result)["anon"].relation is Relation.FIXED
    assert cases(result)["cow"].relation is Relation.SAME
    assert result.baseline is not None
    assert [one.relation for one in result.baseline.differences] == [Relation.FIXED, Relation.FIXED]
    assert booted("baseline") == 1


def test_without_a_baseline_every_failure_counts(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", text="/* better */\n")
    result = bench.run(baseline="never")
    assert (result.outcome, result.baseline) == (Outcome.FAIL, None)
    assert cases(result)["anon"].relation is None


def test_a_bare_base_has_no_baseline(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_fails")
    result = bench.run(series=None, tree=str(bench.clone), baseline="always")
    assert (result.outcome, result.baseline) == (Outcome.FAIL, None)


def test_a_series_that_does_not_compile_has_broken_what_ran(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="this is no C;\n")
    result = bench.run()
    kernel = {case.name: case for suite in result.suites for case in suite.cases if suite.suite == "kernel"}
    assert (kernel["build"].outcome, kernel["build"].relation) == (Outcome.FAIL, Relation.NEW)
    assert cases(result)["anon"].relation is Relation.GONE
    assert result.outcome is Outcome.FAIL


def test_a_base_that_does_not_compile_is_nobody_s_excuse(bench: Bench) -> None:
    bench.commit(text="this is no C;\n")
    bench.commit("anon_fails")
    result = bench.run()
    assert result.outcome is Outcome.FAIL
    assert cases(result)["anon"].relation is Relation.NEW


def test_a_base_that_cannot_be_tested_leaves_the_failure_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InfraError("no room for another tree")

    bench.commit()
    bench.commit("anon_fails")
    monkeypatch.setattr("harness.run.baseline.apply_series", refuse)
    result = bench.run()
    assert (result.outcome, cases(result)["anon"].relation) == (Outcome.FAIL, None)
    assert "nothing to compare with: no room for another tree" in result.notes


def test_a_known_finding_passes_until_its_day_and_then_fails_the_run(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_warns")
    known = bench.directory / "known.yaml"
    text = "known:\n  - finding: 'warning: WARNING in do_fault*'\n    reason: in review\n    expires: {}\n"
    known.write_text(text.format("2999-01-01"))
    result = bench.run(known=str(known))
    assert result.outcome is Outcome.PASS
    assert cases(result)["anon"].known == f"in review (until 2999-01-01, {known}:2)"
    known.write_text(text.format("2020-01-01"))
    expired = bench.run(known=str(known))
    assert expired.outcome is Outcome.FAIL
    told = [event.text for event in bench.events if event.kind is EventKind.NOTE]
    assert told
    assert told[0].startswith(f"{known}:2: ")
    assert f"{known}:2" in next(
        case.message for suite in expired.host_suites for case in suite.cases if suite.suite == "known"
    )


def test_an_entry_that_matched_nothing_is_noted(bench: Bench) -> None:
    bench.commit()
    bench.commit(text="/* better */\n")
    known = bench.directory / "known.yaml"
    known.write_text("known:\n  - {case: faults.gone, reason: r, expires: 2999-01-01}\n")
    assert f"{known}:2: matched nothing: faults.gone (r)" in bench.run(known=str(known)).notes


def test_a_merged_series_is_held_against_the_tree_without_it(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", "cow_fails")
    result = bench.run(tree=str(bench.clone), merged=True)
    assert result.message.startswith("1 new, 1 same as the base; 1 of ")
    assert result.baseline is not None
    assert result.base is not None
    assert result.baseline.commit == result.base.reverted


def test_a_merged_series_that_cannot_be_taken_out_leaves_nothing_to_compare_with(bench: Bench) -> None:
    bench.commit("anon_fails")
    bench.commit("anon_fails", "cow_fails")
    series = bench.posted()
    bench.commit("anon_fails", "cow_fails", text="/* on top of it */\n")
    bench.commit("cow_fails")
    result = bench.run(tree=str(bench.clone), series=str(series), merged=True)
    assert result.outcome is Outcome.FAIL
    assert cases(result)["cow"].relation is None
    assert [note for note in result.notes if "there is no base to compare with" in note]


def test_a_flaky_failure_is_new_and_counts_unless_it_is_allowed(bench: Bench) -> None:
    bench.commit()
    bench.commit("anon_flakes")
    result = bench.run(retries=2)
    assert result.message.startswith("1 new, 1 flaky; 1 of ")
    assert (cases(result)["anon"].tries, cases(result)["anon"].relation) == (Tries(1, 3), Relation.NEW)
    allowed = bench.run(retries=2, flaky="allow")
    assert allowed.outcome is Outcome.PASS
    assert "1 flaky" in allowed.message

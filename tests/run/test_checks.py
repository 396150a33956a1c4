"""Runs of the fake kernel as far as its patches: what the checks say of them, and of the tree without them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.arch import host_arch
from harness.events import Event
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel import touched
from harness.kernel.checkpatch import parse
from harness.kernel.touched import Kind
from harness.model import Arch, Case, Outcome, RunResult
from harness.plan.model import Plan
from harness.run import pipeline
from harness.run.goal import Goal
from tests.kernel.conftest import FAKE, git

ARCH = host_arch() or Arch.X86_64

# What the real one prints, for every added line that has its own name in it.
SCRIPT = r"""#!/usr/bin/env perl
my ($mail) = @ARGV[-1];
open(my $in, '<', $mail) or die "no mail";
while (<$in>) {
    print "mm/vma.c:$.: WARNING:AVOID_BUG: Do not crash the kernel\n" if /^\+.*BUG_ON/;
    print ":$.: ERROR:MISSING_SIGN_OFF: Missing Signed-off-by: line(s)\n" if /^\+.*unsigned_off/;
    exit 7 if /^\+.*breaks_checkpatch/;
}
"""


@dataclass
class Bench:
    """The fake kernel's clone, and runs of its last commit as a series on the one before."""

    clone: Path
    directory: Path
    processes: Processes
    cache: Cache
    runs: int = 0

    def commit(self, **files: str) -> None:
        """Add lines to files below mm/."""
        for name, text in files.items():
            path = self.clone / "mm" / f"{name}.c"
            path.write_text((path.read_text() if path.exists() else "") + text)
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "--allow-empty", "-s", "-m", "mm: change")

    def run(self, *checks: str, **plan: Any) -> RunResult:
        git(self.clone, "tag", "-f", "base", "HEAD~1")
        self.runs += 1
        directory = self.directory / f"out{self.runs}"
        directory.mkdir()
        mailbox = self.directory / f"{self.runs}.mbox"
        mailbox.write_text(git(self.clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
        settings: dict[str, Any] = {
            "tree": f"{self.clone}@base", "series": str(mailbox), "base_fix": "none", "arch": [ARCH.value],
            "profiles": [{"name": "plain", "fragments": [str(self.directory / "plain.config")]}],
            "checks": checks, "sandbox": False,
        }  # fmt: skip
        emitted: list[Event] = []
        return pipeline.run_plan(
            Plan.model_validate(settings | plan), directory=directory, goal=Goal.APPLY, processes=self.processes,
            cache=self.cache, emit=emitted.append, command=("vmaharness", "apply"), publish=lambda _: None,
        )  # fmt: skip


def cases(result: RunResult) -> dict[str, Case]:
    return {case.name: case for suite in result.host_suites for case in suite.cases if suite.suite == "checks"}


def outcomes(result: RunResult) -> dict[str, Outcome]:
    return {name: case.outcome for name, case in cases(result).items()}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, cache: Cache) -> Bench:
    clone = tmp_path / "linux"
    monkeypatch.setattr("harness.kernel.kconfig.fragments_dir", lambda: tmp_path / "no-registry")
    (tmp_path / "plain.config").write_text("CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=y\n")
    shutil.copytree(FAKE, clone)
    (clone / "scripts" / "checkpatch.pl").write_text(SCRIPT)
    git(clone, "init", "-q")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "Fake 6.12")
    return Bench(clone, tmp_path, processes, cache)


def test_a_good_patch(bench: Bench) -> None:
    bench.commit(vma="int fine;\n")
    result = bench.run("checkpatch", "side-effects")
    assert outcomes(result) == {"checkpatch.1": Outcome.PASS, "side-effects.1": Outcome.PASS}
    assert result.outcome is Outcome.PASS
    assert [note for note in result.notes if note.startswith(("checkpatch", "side-effects"))] == []


def test_style_is_told_and_counts_only_for_strict(bench: Bench) -> None:
    bench.commit(vma="void bad(int x) { BUG_ON(x); }\n")
    result = bench.run("checkpatch")
    assert result.outcome is Outcome.PASS
    assert "Do not crash the kernel [AVOID_BUG]" in cases(result)["checkpatch.1"].detail
    assert [note for note in result.notes if note.startswith("checkpatch: patch 1: mm/vma.c:")]
    assert bench.run("checkpatch", strict=True).outcome is Outcome.FAIL


def test_what_was_checked_is_not_checked_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.commit(vma="void bad(int x) { BUG_ON(x); }\n")
    first = bench.run("checkpatch", "side-effects", "w1")
    monkeypatch.setattr("harness.run.checks.Checkpatch", None)
    monkeypatch.setattr("harness.run.object_checks.ObjectCheck.run", None)
    again = bench.run("checkpatch", "side-effects", "w1")
    assert cases(again) == cases(first)
    assert again.notes == first.notes
    assert [step.cached for step in again.steps if step.name.startswith("check ")] == [True] * 3


def test_a_side_effect_that_may_be_compiled_out_fails_the_run(bench: Bench) -> None:
    bench.commit(vma="void bad(int x) { VM_WARN_ON_ONCE(!refcount_dec_and_test(x)); }\n")
    result = bench.run("side-effects")
    assert (result.outcome, outcomes(result)) == (Outcome.FAIL, {"side-effects.1": Outcome.FAIL})


def test_a_script_that_breaks_is_no_pass(bench: Bench) -> None:
    bench.commit(vma="int breaks_checkpatch;\n")
    found = cases(bench.run("checkpatch"))["checkpatch.1"]
    assert (found.outcome, found.message) == (
        Outcome.ERROR,
        "scripts/checkpatch.pl ended with 7 and said: nothing",
    )


def test_a_tree_without_the_script_is_said(bench: Bench) -> None:
    (bench.clone / "scripts" / "checkpatch.pl").unlink()
    bench.commit()
    bench.commit(vma="int fine;\n")
    found = cases(bench.run("checkpatch"))["checkpatch"]
    assert (found.outcome, found.message) == (Outcome.SKIP, "the tree has no scripts/checkpatch.pl")


def test_only_warnings_that_the_series_makes_count(bench: Bench) -> None:
    bench.commit(vma="int old(int unused) { return 1; }\n", memory="int older(int unused) { return 1; }\n")
    bench.commit(vma="int young(int unused) { return 1; }\n", memory="int fine;\n")
    result = bench.run("w1")
    found = cases(result)
    assert outcomes(result) == {f"w1.{ARCH}.mm/memory.c": Outcome.PASS, f"w1.{ARCH}.mm/vma.c": Outcome.FAIL}
    failed = found[f"w1.{ARCH}.mm/vma.c"]
    assert failed.message.startswith("mm/vma.c:") and failed.message.endswith("[-Wunused-parameter]")


def test_a_file_that_compiles_on_neither_tree_is_skipped_and_one_that_broke_fails(bench: Bench) -> None:
    bench.commit(memory="#error not here\n")
    bench.commit(memory="int more;\n", vma="int broken = ;\n", new="int added;\n")
    assert outcomes(bench.run("w1")) == {
        f"w1.{ARCH}.mm/memory.c": Outcome.SKIP,
        f"w1.{ARCH}.mm/new.c": Outcome.PASS,
        f"w1.{ARCH}.mm/vma.c": Outcome.FAIL,
    }


def test_a_file_that_compiles_on_neither_tree_is_not_skipped_where_something_new_is_said(bench: Bench) -> None:
    bench.commit(memory="void broken(void) { return nothing; }\n")
    bench.commit(memory="int young(int unused) { return 1; }\n")
    found = cases(bench.run("w1"))[f"w1.{ARCH}.mm/memory.c"]
    assert (found.outcome, "[-Wunused-parameter]" in found.message) == (Outcome.FAIL, True)


def test_a_header_is_seen_through_the_files_that_include_it(bench: Bench) -> None:
    header = bench.clone / "include" / "linux" / "mm.h"
    header.write_text(f"{header.read_text()}\nstatic inline int young(int unused) {{ return 1; }}\n")
    bench.commit()
    result = bench.run("w1")
    assert outcomes(result) == {f"w1.{ARCH}.include/linux/mm.h": Outcome.FAIL}


def test_a_header_that_nothing_includes_is_no_pass(bench: Bench) -> None:
    header = bench.clone / "include" / "linux" / "mm.h"
    header.write_text(f"{header.read_text()}\nextern int fine;\n")
    (header.parent / "lonely.h").write_text("extern int broken(;\n")
    bench.commit()
    assert outcomes(bench.run("w1")) == {
        f"w1.{ARCH}.include/linux/lonely.h": Outcome.SKIP,
        f"w1.{ARCH}.include/linux/mm.h": Outcome.PASS,
    }


def test_a_missing_program_is_a_skip_with_its_package(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.checks.KINDS", (Kind("sparse", program="no-such-sparse", package="sparse"),))
    bench.commit(vma="int fine;\n")
    found = cases(bench.run("sparse"))[f"sparse.{ARCH}"]
    assert (found.outcome, found.message) == (
        Outcome.SKIP,
        "no-such-sparse is not installed (apt-get install sparse)",
    )


def test_documents_and_userland_have_nothing_to_compile(bench: Bench) -> None:
    (bench.clone / "tools" / "testing" / "vma" / "vma.c").write_text("int changed;\n")
    bench.commit()
    assert outcomes(bench.run("w1")) == {f"w1.{ARCH}": Outcome.SKIP}


def test_every_kind_of_check_is_known_to_a_plan() -> None:
    kinds = {kind.name for kind in touched.KINDS}
    plan = Plan.model_validate({"checks": ["checkpatch", "side-effects", *kinds]})
    assert set(plan.checks) == {"checkpatch", "side-effects", *kinds}


def test_what_checkpatch_prints() -> None:
    said = parse(
        ":10: WARNING:TYPO_SPELLING: 'teh' may be misspelled - perhaps 'the'?\n"
        "mm/vma.c:13: ERROR:TRAILING_WHITESPACE: trailing whitespace\n"
        "1.patch:3: CHECK:BRACES: no braces\nnot of the form\n",
        "1.patch",
    )
    assert [(one.severity, one.path, one.line, one.option) for one in said] == [
        ("warning", "", 10, "TYPO_SPELLING"),
        ("error", "mm/vma.c", 13, "TRAILING_WHITESPACE"),
        ("warning", "", 3, "BRACES"),
    ]

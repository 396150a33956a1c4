"""The kselftest suite in whole runs of the fake kernel: what its tree has is built, put into the guest and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Arch, Case, CommandResult, Outcome, Payload, Relation, Rootfs, RunResult
from harness.plan.model import Plan
from harness.run.goal import Goal
from harness.run.steps import Steps
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, ImageGuest, fake_surroundings
from tests.run.test_patches import run as run_patches

pytestmark = pytest.mark.skipif(ARCH is not Arch.X86_64, reason="the fake tree's Makefile is asked for x86_64")

MAKEFILE = "TEST_GEN_FILES = mremap_test madv_populate\ninclude ../lib.mk\n"
SOURCE = "int main(void) { return 0; }\n"
GOOD = "TAP version 13\n1..2\nok 1 simple\nok 2 fixed\n"


class PrintingGuest(ImageGuest):
    """Its mremap_test prints `said` of the tree that it was built from, by the directory of its console."""

    said: ClassVar[dict[str, str]] = {"series": GOOD, "baseline": GOOD}
    ran: ClassVar[list[str]] = []

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        if not any("kselftest/" in word for word in argv):
            return super().run(argv, timeout_s=timeout_s)
        said = self.said.get(self._console.parent.name, self.said["series"])
        self.ran.append(argv[-1])
        return CommandResult(1 if "not ok" in said else 0, said, "", 0.2)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, cache: Cache) -> Iterator[Bench]:
    clone, libraries = fake_surroundings(tmp_path, monkeypatch), tmp_path / "libraries"
    libraries.mkdir()
    rootfs = Rootfs(ARCH, tmp_path / "initramfs", 0, "r" * 32, ())
    payloads: list[Payload] = []

    def build_rootfs(arch: Arch, wanted: list[Payload], **_: Any) -> Rootfs:
        payloads.extend(wanted)
        content = b"".join(file.host_path.read_bytes() for payload in wanted for file in payload.files)
        return replace(rootfs, arch=arch, digest=sha256(content).hexdigest())

    monkeypatch.setattr("harness.run.tester.Guest", PrintingGuest)
    monkeypatch.setattr("harness.run.programs.build_rootfs", build_rootfs)
    monkeypatch.setattr("harness.suites.kselftest_programs.sysroot", lambda *_, **__: libraries)
    monkeypatch.setattr(PrintingGuest, "said", {"series": GOOD, "baseline": GOOD})
    PrintingGuest.ran.clear()
    tests = clone / "tools/testing/selftests/mm"
    (tests / "Makefile").write_text(MAKEFILE)
    (tests / "mremap_test.c").write_text(SOURCE)
    (tests / "madv_populate.c").write_text("#include <no_such_header.h>\n")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "selftests")
    opened = Bench(clone, processes, cache, tmp_path)
    opened.commit(text="/* better */\n")
    yield opened
    assert {file.guest_path for payload in payloads for file in payload.files} == {
        "/vmaharness/bin/kselftest/mm/mremap_test"
    }


def _run(bench: Bench, **plan: Any) -> tuple[RunResult, dict[str, Case]]:
    result = bench.run(suites=["kselftest"], **plan)
    return result, {case.name: case for suite in result.suites for case in suite.cases if suite.suite == "kselftest"}


def test_tests_are_built_run_and_told_by_name(bench: Bench) -> None:
    result, cases = _run(bench)
    assert [cases[name].outcome for name in ("mremap_test", "mremap_test.simple", "mremap_test.fixed")] == [
        Outcome.PASS
    ] * 3
    broken = cases["madv_populate"]
    assert (broken.outcome, broken.relation) == (Outcome.FAIL, Relation.SAME), "it does not build without it either"
    assert "no_such_header.h" in broken.message
    assert "no_such_header.h" in broken.detail
    assert cases["uffd-stress-anon"].message == "the tree has no tools/testing/selftests/mm/uffd-stress.c"
    assert PrintingGuest.ran == ["1", "1"], "mremap_test -p 1, in the guest of the series and in that of the base"
    assert result.outcome is Outcome.PASS
    assert result.baseline is not None
    # What is not asked for is not missing.
    _, few = _run(bench, cases=["kselftest.mremap_test*"])
    assert sorted(few) == ["mremap_test", "mremap_test.fixed", "mremap_test.simple"]
    with pytest.raises(
        UserError, match=r"--case kselftest\.mremmap_test: no case of the suites kselftest is called so"
    ):
        _run(bench, cases=["kselftest.mremmap_test"])


@pytest.mark.slow
def test_a_result_is_compared_by_its_own_name(bench: Bench) -> None:
    PrintingGuest.said["baseline"] = GOOD.replace("ok 1", "not ok 1")
    PrintingGuest.said["series"] = GOOD.replace("ok 1", "not ok 1").replace("ok 2", "not ok 2")
    result, cases = _run(bench, cases=["kselftest.mremap_test.fixed"])
    assert (cases["mremap_test"].relation, cases["mremap_test.simple"].relation) == (Relation.SAME, Relation.SAME)
    assert (cases["mremap_test.fixed"].relation, result.outcome) == (Relation.NEW, Outcome.FAIL)
    capsule = cases["mremap_test.fixed"].capsule
    assert capsule is not None
    assert '"further_cases": true' in (capsule / "capsule.json").read_text()


@pytest.mark.slow
def test_a_program_that_ends_early_is_worse_than_one_that_fails(bench: Bench) -> None:
    PrintingGuest.said["baseline"] = GOOD.replace("ok 1", "not ok 1")
    PrintingGuest.said["series"] = PrintingGuest.said["baseline"].replace("ok 2 fixed\n", "")
    result, cases = _run(bench)
    assert (cases["mremap_test"].outcome, cases["mremap_test"].relation) == (Outcome.CRASH, Relation.NEW)
    assert result.outcome is Outcome.FAIL


@pytest.mark.slow
def test_results_that_are_no_longer_there_are_gone_with_coverage(bench: Bench) -> None:
    PrintingGuest.said["series"] = GOOD.replace("1..2", "1..1").replace("ok 2 fixed\n", "")
    result, _ = _run(bench, baseline="always")
    assert result.baseline is not None
    gone = [one.case for one in result.baseline.differences if one.relation is Relation.GONE]
    assert gone == ["mremap_test.fixed"]


@pytest.mark.slow
def test_patch_by_patch_each_tree_has_its_own(bench: Bench) -> None:
    """The second patch changes tests alone: the kernel is the first one's, what is run in it is not."""
    (bench.clone / "tools/testing/selftests/mm/mremap_test.c").write_text("int main(void) { return 3; }\n")
    bench.commit(text="/* better */\n")
    (bench.clone / "Documentation").mkdir(exist_ok=True)
    (bench.clone / "Documentation" / "three.rst").write_text("three\n")
    bench.commit(text="/* better */\n")
    bench.commit(text="int four;\n")
    PrintingGuest.said["patch-2"] = GOOD.replace("ok 2", "not ok 2")
    result = run_patches(bench, 4, suites=["faults", "kselftest"])
    assert {(blame.number, blame.fixed_by) for blame in result.blames} == {(2, 4)}
    assert [blame.where.rpartition("kselftest.")[2] for blame in result.blames] == ["mremap_test", "mremap_test.fixed"]
    assert [[same.number for same in patch.same] for patch in result.per_patch] == [[], [], [2], []]


def test_they_are_built_only_for_what_there_is_a_kernel_of(processes: Processes, cache: Cache, tmp_path: Path) -> None:
    plan = Plan.model_validate({"profiles": ["up"], "suites": ["kselftest"]})
    steps = Steps(plan, directory=tmp_path, goal=Goal.RUN, processes=processes, cache=cache, emit=lambda _: None)
    steps.add_targets()
    names = [node.name for node in steps.graph.nodes]
    assert len(plan.arch) == 2
    assert [name for name in names if "kselftest" in name or "initramfs" in name] == [
        "kselftest programs x86_64", "initramfs x86_64"
    ]  # fmt: skip

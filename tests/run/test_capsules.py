"""What a run leaves of each failure, and what is made of it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.cache import Cache
from harness.model import (
    Accel,
    Arch,
    Boot,
    Build,
    Case,
    Command,
    Finding,
    Frame,
    Outcome,
    Payload,
    PayloadFile,
    Profile,
    Rootfs,
    RunResult,
    SuiteResult,
)
from harness.plan.model import Plan
from harness.report import capsule as capsule_file
from harness.report.capsule import Capsule
from harness.report.files import Layout
from harness.run import capsules
from harness.run.account import TargetAccount
from harness.run.graph import Node, State
from harness.run.rerun import compare, console_for, locate, result_of
from harness.run.suites import DESCRIPTIONS, Prepared, revive
from harness.run.target import TargetRunner
from harness.run.targets import Target
from harness.run.tasks import Task
from harness.suites.faults import FaultsSuite
from tests.report import samples

WARNING = Finding(
    "warning", "WARNING in do_fault", "do_fault", "WARNING: CPU: 0", 12, "0123456789abcdef",
    frames=(Frame("do_fault", 0x12, 0x34, ("mm/memory.c:12",)), Frame("caller", 1, 2)), corrupted=True,
    undecoded="no reason",
)  # fmt: skip
COMMAND = Command("anon.1", ("/vmaharness/bin/faults", "anon", "--seed", "7"), ("anon.1",), 10.0)


class Bench:
    """A finished run: one guest, in which a case passed and another one failed."""

    def __init__(self, directory: Path, cache: Cache) -> None:
        self.cache = cache
        self.out = directory / "out"
        self.out.mkdir()
        self.kernel, self.initramfs = self._stored("build", "image"), self._stored("rootfs", "initramfs.gz")
        self.program = directory / "faults"
        self.program.write_bytes(b"program")
        self.layout = Layout(self.out)
        self.console = self.layout.console("arm64", "lockdep")
        self.console.write_text("[    1.0] Linux version\n")
        self.layout.config("arm64", "lockdep").write_text("CONFIG_SMP=y\n")
        self.layout.build_log("arm64", "lockdep").write_text("  CC      mm/vma.o\n")

    def _stored(self, kind: str, name: str) -> Path:
        work = self.cache.scratch(kind)
        (work / name).write_bytes(f"{kind}'s {name}".encode())
        return self.cache.publish(kind, "0123", work) / name

    @property
    def build(self) -> Build:
        return replace(samples.build(Arch.ARM64), image=self.kernel, vmlinux=None, directory=self.kernel.parent)

    @property
    def boot(self) -> Boot:
        return replace(samples.boot(Arch.ARM64), console=self.console, machine="virt", argv=("qemu", "-append", "a b"))

    def failing(self, **changes: object) -> Case:
        case = Case("faults", "anon.1", Outcome.FAIL, 1.0, "kernel: WARNING", findings=(WARNING,), log=self.console)
        return replace(case, **changes)  # type: ignore[arg-type]

    def leave(self, *cases: Case, kernel: tuple[Case, ...] = (), keep: bool = False) -> RunResult:
        runner = TargetRunner(
            Arch.ARM64, "lockdep", [Task(FaultsSuite(), COMMAND)], start=lambda _: NotImplemented, config_digest="",
            say=lambda _: None,
        )  # fmt: skip
        runner.cases = [Case("vma", "merge", Outcome.PASS, log=self.console), *cases]
        node: Node[TargetAccount] = Node("test", lambda _: runner, (), "")
        node._value, node.state = runner, State.DONE
        payload = Payload((PayloadFile("/vmaharness/bin/faults", self.program),))
        target = Target(
            Arch.ARM64, Profile("lockdep", ()), test=node, prepared=(Prepared("faults", FaultsSuite(), payload),)
        )
        suites = (
            SuiteResult("kernel", "arm64", "lockdep", kernel), SuiteResult("faults", "arm64", "lockdep", tuple(cases)),
        )  # fmt: skip
        found = replace(
            samples.target(Arch.ARM64), build=self.build, boots=(self.boot,), suites=suites,
            rootfs=Rootfs(Arch.ARM64, self.initramfs, 1, "0123", ()),
        )  # fmt: skip
        result = replace(samples.passed(), targets=(found,), plan={"suites": ["faults"]})
        plan = Plan.model_validate({"keep": keep, "guest": {"smp": 3}})
        return capsules.leave(result, plan, self.layout, [target], self.cache.root / "store")

    def capsule(self, *cases: Case, keep: bool = False) -> tuple[Capsule, Path]:
        result = self.leave(*cases, keep=keep)
        assert result.notes == ()
        place = result.targets[0].suites[1].cases[0].capsule
        assert place is not None
        return capsule_file.load(place)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Cache(tmp_path / "cache") as cache:
        yield Bench(tmp_path, cache)


def test_a_failure_leaves_all_that_it_takes(bench: Bench) -> None:
    capsule, place = bench.capsule(bench.failing())
    assert place == bench.out / "capsule-arm64-lockdep-faults-anon.1"
    assert {entry.name for entry in place.iterdir()} == {
        "README.txt", "capsule.json", "config", "console.log", "findings.txt", "qemu.txt",
    }  # fmt: skip
    assert (place / "console.log").read_text() == bench.console.read_text()
    assert (place / "qemu.txt").read_text() == "qemu -append 'a b'\n"
    assert (capsule.command, capsule.runs, capsule.seed) == (COMMAND, "faults", "7")
    assert capsule.before == ("vma.merge",)
    assert (capsule.guest.smp, capsule.guest.machine, capsule.guest.accel) == (3, "virt", "tcg")
    kernel = capsule.part("kernel")
    assert kernel is not None
    assert (kernel.stored, kernel.copied) == ("build/0123/image", False)
    assert kernel.sha256 == hashlib.sha256(bench.kernel.read_bytes()).hexdigest()
    assert [(one.guest_path, one.sha256) for one in capsule.programs] == [
        ("/vmaharness/bin/faults", hashlib.sha256(b"program").hexdigest())
    ]
    assert capsule.again.startswith("vmaharness run --arch arm64 --profile lockdep --suite faults --case")
    assert capsule.findings == (WARNING,)


def test_the_findings_are_told_with_their_frames(bench: Bench) -> None:
    _, place = bench.capsule(bench.failing())
    text = (place / "findings.txt").read_text()
    assert "do_fault+0x12/0x34 (mm/memory.c:12)\n  caller+0x1/0x2\n" in text
    assert "no file and line: no reason" in text
    assert "cut:" in text
    assert capsule_file.RECORD in (place / "README.txt").read_text()


def test_what_is_good_or_never_ran_leaves_none(bench: Bench) -> None:
    good = [Case("faults", name, outcome) for name, outcome in (
        ("a", Outcome.PASS), ("b", Outcome.SKIP), ("c", Outcome.NOT_RUN))]  # fmt: skip
    assert bench.leave(*good).targets[0].suites[1].cases == tuple(good)
    assert not list(bench.out.glob("capsule-*"))


def test_the_kernel_s_own_failures_have_one_too(bench: Bench) -> None:
    kernel = (
        Case("kernel", "build", Outcome.FAIL, message="it does not compile"),
        Case("kernel", "boot", Outcome.CRASH, message="panic", log=bench.console),
        Case("kernel", "after-faults.anon.1", Outcome.FAIL, message="late", log=bench.console),
    )
    result = bench.leave(kernel=kernel)
    build, boot, late = (case.capsule for case in result.targets[0].suites[0].cases)
    assert build is not None
    assert (build / "build.log").is_file()
    assert not (build / "console.log").exists()
    assert boot is not None
    assert (boot / "console.log").is_file()
    assert late is not None
    assert capsule_file.load(late)[0].command == COMMAND, "what came after a command is that command's"
    assert capsule_file.load(boot)[0].command is None
    with pytest.raises(UserError, match="no kernel to boot") as caught:
        locate(*capsule_file.load(build), bench.cache)
    assert caught.value.fix == "to see it again, run: vmaharness build --arch arm64 --profile lockdep"


def test_odd_names_get_a_directory_each(bench: Bench) -> None:
    result = bench.leave(bench.failing(name="a/b"), bench.failing(name="a b"), bench.failing(name="../.."))
    places = [case.capsule for case in result.targets[0].suites[1].cases]
    assert len(set(places)) == 3
    assert all(place is not None and place.parent == bench.out for place in places)


def test_a_capsule_that_cannot_be_written_is_noted_and_costs_nothing_else(bench: Bench) -> None:
    (bench.out / "capsule-arm64-lockdep-faults-anon.1").mkdir()
    bench.kernel.unlink()
    bench.program.unlink()  # its hash cannot be taken
    result = bench.leave(bench.failing())
    assert "could not be written: No such file" in result.notes[0]
    assert result.targets[0].suites[1].cases[0].capsule is None
    assert not list(bench.out.glob("capsule-*"))


# --- and again ------------------------------------------------------------------------------------------------


def test_files_are_found_in_the_cache_by_what_they_are(bench: Bench) -> None:
    capsule, place = bench.capsule(bench.failing())
    files = locate(capsule, place, bench.cache)
    assert (files.kernel, files.initramfs, files.vmlinux) == (bench.kernel, bench.initramfs, None)


def test_what_the_cache_has_no_more_is_named_with_what_makes_it_again(bench: Bench) -> None:
    capsule, place = bench.capsule(bench.failing())
    bench.kernel.write_bytes(b"another kernel")
    with pytest.raises(UserError, match=r"the kernel \(build/0123/image\) of arm64 .* in the cache no more") as caught:
        locate(capsule, place, bench.cache)
    assert caught.value.fix == f"to make them again, run: {capsule.again}"
    bench.initramfs.unlink()
    with pytest.raises(UserError, match=r"the kernel .* and the initramfs .* are in the cache no more"):
        locate(capsule, place, bench.cache)


def test_copies_stand_in_where_the_plan_says_keep(bench: Bench) -> None:
    capsule, place = bench.capsule(bench.failing(), keep=True)
    bench.kernel.unlink()
    bench.initramfs.unlink()
    files = locate(capsule, place, bench.cache)
    assert (files.kernel, files.initramfs) == (place / "kernel", place / "initramfs")
    (place / "kernel").write_bytes(b"tampered")
    with pytest.raises(UserError, match="the kernel"):
        locate(capsule, place, bench.cache)


def test_the_console_of_a_rerun_is_a_new_file(bench: Bench, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (bench.out / "console-again.log").symlink_to(victim)
    path = console_for(bench.out, bench.cache)
    path.write_text("console")
    assert victim.read_text() == "precious"
    assert console_for(tmp_path / "nowhere", bench.cache).is_relative_to(bench.cache.root)


def test_then_and_now(bench: Bench) -> None:
    capsule, _ = bench.capsule(bench.failing())
    other = replace(WARNING, fingerprint="f" * 16)
    stall = replace(WARNING, fingerprint="e" * 16, timing=True)
    same = compare(capsule, bench.failing(findings=(replace(WARNING, line=99), stall)), Accel.TCG)
    assert (same.same_outcome, same.same_findings) == (True, True)
    changed = compare(capsule, bench.failing(outcome=Outcome.CRASH, findings=(other,)), Accel.TCG)
    assert (changed.same_outcome, changed.gone, changed.new) == (False, (WARNING,), (other,))
    assert compare(capsule, bench.failing(outcome=Outcome.PASS, findings=()), Accel.TCG).gone == (WARNING,)


def test_what_stands_in_the_way_of_the_case_is_the_result(bench: Bench) -> None:
    capsule, _ = bench.capsule(bench.failing())
    dead = Case("kernel", "boot", Outcome.CRASH, message="panic")
    left = Case("faults", "anon.1", Outcome.NOT_RUN, message="panic")
    fine = Case("kernel", "boot", Outcome.PASS)
    assert result_of(capsule, [dead], [left]) is dead
    assert result_of(capsule, [fine], [left]) is left
    assert result_of(capsule, [dead], [bench.failing()]).outcome is Outcome.FAIL
    late = replace(capsule, suite="kernel", case="after-faults.anon.1")
    assert result_of(late, [fine], [bench.failing(outcome=Outcome.PASS)]).outcome is Outcome.PASS
    assert result_of(capsule, [fine], []).outcome is Outcome.NOT_RUN


def test_every_suite_can_be_revived() -> None:
    assert [revive(name, COMMAND).name for name in DESCRIPTIONS] == list(DESCRIPTIONS)
    with pytest.raises(UserError, match="no suite is called"):
        revive("else", COMMAND)


def test_a_capsule_is_json_that_others_can_read(bench: Bench) -> None:
    _, place = bench.capsule(bench.failing())
    data = json.loads((place / "capsule.json").read_text())
    assert (data["schema"], data["outcome"], data["parts"][0]["name"]) == (1, "fail", "kernel")

"""Results of runs that never were, for the tests of everything that shows results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.model import (
    Accel,
    AppliedPatch,
    Arch,
    Boot,
    Build,
    Case,
    CompilerMessage,
    Counter,
    FileChange,
    Finding,
    Metric,
    Outcome,
    Package,
    PatchRole,
    Rootfs,
    RunResult,
    StepTime,
    SuiteResult,
    TargetResult,
    Toolchain,
    Tree,
)

DIRECTORY = Path("/home/dev/vma/results")
CACHE = Path("/home/dev/.cache/vmaharness")
SPLAT = """\
[   12.345678] ======================================================
[   12.345679] WARNING: possible circular locking dependency detected
[   12.345680] 6.12.117 #1 Not tainted
[   12.345681] faults/98 is trying to acquire lock:"""


def tree() -> Tree:
    return Tree("debian:linux-source-6.12", "6.12.117", CACHE / "store/tree/1", "1" * 40, "2" * 40)


def patch(number: int, subject: str, role: PatchRole = PatchRole.SERIES) -> AppliedPatch:
    return AppliedPatch(
        role, number, subject, "A Developer <dev@example.org>", "d" * 64, f"{number:040x}", "3" * 40,
        (FileChange("mm/memory.c", "mm/memory.c", 12, 3), FileChange(None, "mm/vma_stats.c", 40, 0)),
    )  # fmt: skip


def patches() -> tuple[AppliedPatch, ...]:
    return (
        patch(1, "tools/testing/vma: add a stub for vma_close()", PatchRole.BASE_FIX),
        patch(1, "mm: count VMA write locks"),
        patch(2, "mm: measure waits for VMA write locks"),
    )


def build(arch: Arch = Arch.X86_64, outcome: Outcome = Outcome.PASS, *, cached: bool = False) -> Build:
    directory = CACHE / f"store/build/{arch}"
    good = outcome is Outcome.PASS
    return Build(
        arch=arch, profile="lockdep", key=f"{arch}-key", outcome=outcome, directory=directory,
        image=directory / "image" if good else None, vmlinux=directory / "vmlinux" if good else None,
        config=directory / ".config", config_digest="c" * 64, build_id="b" * 40 if good else "",
        log=directory / "build.log", messages=(), seconds=84.0, cpu_seconds=160.0, cached=cached,
        sandbox="bubblewrap", toolchain=Toolchain(arch, "", "gcc 12.2.0", "GNU ld 2.40", True, "t" * 64),
    )  # fmt: skip


def boot(arch: Arch = Arch.X86_64, outcome: Outcome = Outcome.PASS, message: str = "") -> Boot:
    good = outcome is Outcome.PASS
    return Boot(
        arch=arch, profile="lockdep", outcome=outcome, message=message, accel=Accel.TCG,
        accel_reason="/proc/cpuinfo shows neither vmx nor svm", machine="microvm", smp=2,
        memory_mib=1024, argv=("qemu-system-x86_64", "-M", "microvm"), cmdline="console=ttyS0 panic=-1",
        init_s=1.7, ssh_s=1.93 if good else 0.0, total_s=25.4, console=DIRECTORY / f"console-{arch}-lockdep.log",
    )  # fmt: skip


def rootfs(arch: Arch = Arch.X86_64) -> Rootfs:
    return Rootfs(
        arch, CACHE / f"store/rootfs/{arch}/initramfs", 9_500_000, "r" * 64, (Package("busybox", "1:1.35.0-4", arch),)
    )


def kernel_suite(arch: Arch, *failed: Case) -> SuiteResult:
    """config, build and boot: those given, and the others passed before them and not run after."""
    cases = {case.name: case for case in failed}
    made: list[Case] = []
    for name, took in (("config", 3.2), ("build", 84.0), ("boot", 1.93)):
        if name in cases:
            made.append(cases[name])
        elif made and made[-1].outcome is not Outcome.PASS:
            made.append(Case("kernel", name, Outcome.NOT_RUN, 0.0, f"{made[-1].name} failed"))
        else:
            made.append(Case("kernel", name, Outcome.PASS, took))
    return SuiteResult("kernel", arch, "lockdep", tuple(made), 89.13)


def vma_suite(arch: str = "x86_64", profile: str = "lockdep") -> SuiteResult:
    cases = tuple(Case("vma", name, Outcome.PASS, 0.01) for name in ("merge_new", "simple_merge", "vma_merge_special"))
    return SuiteResult("vma", arch, profile, cases, 0.42, "3 tests run, 3 passed, 0 failed.\n")


def fault_case(name: str, value: float = 16_512.4) -> Case:
    return Case(
        "faults", name, Outcome.PASS, 1.25, metrics=(Metric("fault", value, "ns/fault", 42_000),),
        counters=(Counter("vma_lock_success", 1_000, 43_100), Counter("vma_lock_miss", 0, 1)),
    )  # fmt: skip


def faults_suite(arch: Arch, *changed: Case) -> SuiteResult:
    cases = {
        name: fault_case(name, 16_512.4 if arch is Arch.X86_64 else 14_090.0) for name in ("anon.1", "anon.2", "cow.1")
    }
    cases |= {case.name: case for case in changed}
    return SuiteResult("faults", arch, "lockdep", tuple(cases.values()), 12.0)


def target(arch: Arch = Arch.X86_64, *faults: Case) -> TargetResult:
    return TargetResult(
        arch, "lockdep", build(arch), rootfs(arch), (boot(arch),),
        (kernel_suite(arch), vma_suite(arch), faults_suite(arch, *faults)),
    )  # fmt: skip


def passed() -> RunResult:
    """Everything good on both architectures."""
    return RunResult(
        version="0.1.0", command=("vmaharness", "run"), started="2026-03-04T05:06:07+00:00", seconds=312.0,
        host={"machine": "x86_64", "cpus": "2"},
        plan={"suites": ["vma", "faults"], "profiles": ["lockdep"], "guest": {"accel": "auto", "smp": 2}},
        tree=tree(), series="mm: VMA write lock statistics", patches=patches(),
        host_suites=(
            SuiteResult("series", "host", "", (Case("series", "apply", Outcome.PASS, 0.8),), 0.8),
            vma_suite("host", ""),
        ),
        targets=(target(Arch.X86_64), target(Arch.ARM64)),
        steps=(StepTime("tree", 0.1, True), StepTime("build x86_64 lockdep", 84.0, False)),
        notes=(), outcome=Outcome.PASS, message="22 cases passed on x86_64 and arm64",
    )  # fmt: skip


def with_fault_cases(
    *changed: Case, outcome: Outcome = Outcome.FAIL, message: str = "1 of 22 cases failed"
) -> RunResult:
    """As `passed`, but for these cases of `faults` on x86_64."""
    good = passed()
    return replace(good, targets=(target(Arch.X86_64, *changed), good.targets[1]), outcome=outcome, message=message)


def failed() -> RunResult:
    """A lockdep splat and wrong data; plan, flags and everything that deserves a note."""
    splat = Finding(
        "lockdep", "possible circular locking dependency in vma_start_write", "vma_start_write", SPLAT, 812, "f" * 16
    )
    result = with_fault_cases(
        Case("faults", "anon.2", Outcome.FAIL, 1.0, f"the kernel said: {splat.title}", findings=(splat,)),
        Case("faults", "cow.1", Outcome.FAIL, 0.5, "page 17 holds the parent's data", "wrote 0x55, read 0xaa\n"),
        message="2 of 22 cases failed",
    )
    warning = CompilerMessage("warning", "mm/memory.c", 5512, "unused variable ‘seq’", "-Wunused-variable")
    x86_64 = replace(result.targets[0], build=replace(build(), messages=(warning,)))
    return replace(
        result, targets=(x86_64, result.targets[1]),
        tree=replace(tree(), notes=("dirty: 3 changed files were not used",)),
        command=("ci/vmaharness", "run", "my plan.yaml", "--arch=x86_64", "--arch", "arm64", "--out", "r", "--smp=2"),
        plan={"suites": ["vma", "faults"], "guest": {"accel": "tcg"}},
        notes=("make and compilers ran unconfined: --no-sandbox",),
    )  # fmt: skip


def crashed() -> RunResult:
    """anon.2 takes the first guest with it; a second one runs what is left, and dies too."""
    panic = Finding(
        "panic", "Kernel panic - not syncing: Fatal exception", "", "Kernel panic - not syncing", 901, "e" * 16
    )
    first = boot()
    second = replace(first, console=DIRECTORY / "console-x86_64-lockdep.2.log")
    result = with_fault_cases(
        Case(
            "faults",
            "anon.2",
            Outcome.CRASH,
            2.0,
            f"the guest panicked: {panic.title}",
            findings=(panic,),
            log=first.console,
        ),
        Case("faults", "cow.1", Outcome.CRASH, 2.0, "the guest went away", log=second.console),
        Case("faults", "race.1", Outcome.NOT_RUN, 0.0, "2 guests were lost"),
        message="x86_64 lockdep: 2 of 23 cases crashed the guest",
    )
    return replace(result, targets=(replace(result.targets[0], boots=(first, second)), result.targets[1]))


def timed_out() -> RunResult:
    return with_fault_cases(
        Case("faults", "anon.2", Outcome.TIMEOUT, 90.0, "no output for 90 s (deadline for silence)"),
        message="x86_64 lockdep: anon.2 did not end",
    )


def not_exercised() -> RunResult:
    idle = replace(
        fault_case("anon.2"), outcome=Outcome.NOT_EXERCISED, counters=(Counter("vma_lock_success", 1_000, 1_000),),
        message="vma_lock_success did not grow: no fault took the per-VMA path",
    )  # fmt: skip
    return with_fault_cases(idle, message="x86_64 lockdep: anon.2 did not exercise per-VMA locks")


def build_failed() -> RunResult:
    """arm64 does not compile, so nothing runs there."""
    good = passed()
    message = "mm/memory.c:5512: ‘struct vm_area_struct’ has no member named ‘vm_lokc’"
    arm64 = TargetResult(
        Arch.ARM64, "lockdep", build(Arch.ARM64, Outcome.FAIL), None, (),
        (
            kernel_suite(Arch.ARM64, Case("kernel", "build", Outcome.FAIL, 31.0, message)),
            SuiteResult("vma", "arm64", "lockdep", (Case("vma", "merge_new", Outcome.NOT_RUN, 0.0, "no kernel"),)),
        ),
    )  # fmt: skip
    return replace(
        good,
        targets=(good.targets[0], arm64),
        outcome=Outcome.FAIL,
        message="arm64 lockdep: the kernel does not compile",
    )


def nothing_ran() -> RunResult:
    return replace(
        passed(), host_suites=(), targets=(), outcome=Outcome.NOT_RUN, seconds=0.4,
        message="no case matches faults.nope",
    )  # fmt: skip


def cancelled() -> RunResult:
    """Ctrl-C while arm64 was compiling: what was known is kept."""
    good = passed()
    arm64 = TargetResult(Arch.ARM64, "lockdep", None, None, (), ())
    return replace(
        good, targets=(good.targets[0], arm64), outcome=Outcome.ERROR, seconds=65.0,
        message="cancelled (Ctrl-C) while building arm64 lockdep",
    )  # fmt: skip


ALL = {
    make.__name__.replace("_", "-"): make
    for make in (passed, failed, crashed, timed_out, not_exercised, build_failed, nothing_ran, cancelled)
}

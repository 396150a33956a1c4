"""The values that travel from stage to stage: plain, frozen, typed, serialisable.

Standard-library dataclasses only, so that this file imports in milliseconds; `harness.report.schema` turns the
result values into JSON and JSON Schema, and a remote worker would send the same values over a wire.
Nothing here does anything: no I/O, no processes, no third-party library.

Conventions: `_s` is seconds of wall time, `_mib` mebibytes; `Path`s are absolute; tuples, not lists.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Arch(StrEnum):
    """A guest architecture, by its kernel-developer name (`uname -m` says aarch64 for arm64)."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class Accel(StrEnum):
    """What runs the guest's instructions."""

    TCG = "tcg"
    KVM = "kvm"


class Outcome(StrEnum):
    """How a case ended.  Only PASS is good, and only positive evidence makes a PASS."""

    PASS = "pass"
    FAIL = "fail"
    CRASH = "crash"  # the guest died or panicked under it
    TIMEOUT = "timeout"  # no end, or silence, until the deadline
    NOT_EXERCISED = "not-exercised"  # it ended well without running the code it is there for
    ERROR = "error"  # the harness could not find out
    SKIP = "skip"  # not applicable here, with the reason
    NOT_RUN = "not-run"  # something before it failed, with the reason

    @property
    def blames_kernel(self) -> bool:
        """Whether this outcome makes the run fail with exit code 1."""
        return self in (Outcome.FAIL, Outcome.CRASH, Outcome.TIMEOUT, Outcome.NOT_EXERCISED)


# --- series and tree ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of one patch; `old_path`/`new_path` are None for created and deleted files."""

    old_path: str | None
    new_path: str | None
    additions: int
    deletions: int
    old_blob: str = ""  # of the document's `index a..b` line, abbreviated as there; "" where it names none
    new_blob: str = ""

    @property
    def path(self) -> str:
        return self.new_path or self.old_path or ""


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch as it will be given to `git am`: `mail` is the whole message."""

    number: int  # position in the order of application, from 1
    subject: str  # without [PATCH n/m]
    author: str  # Name <address>
    date: str
    message_id: str  # "" where the document has none
    files: tuple[FileChange, ...]
    mail: bytes
    source: str  # where it was read: FILE, FILE:LINE or a commit
    fixups: tuple[Patch, ...] = ()  # -mm's `-fix` mails: squashed into this one, whose author and message stay

    @property
    def digest(self) -> str:
        """What tells this patch, with its fixups, from every other."""
        found = hashlib.sha256(self.mail)
        for fixup in self.fixups:
            found.update(fixup.mail)
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class BaseHints:
    """What the mails say of the tree that a series is for."""

    commit: str = ""  # of a `base-commit:` trailer
    prerequisite_patch_ids: tuple[str, ...] = ()  # of `prerequisite-patch-id:` trailers
    said: tuple[str, ...] = ()  # a person's words: "applies over mm-unstable"


@dataclass(frozen=True, slots=True)
class Series:
    """Patches in the order of application; a cover letter is kept, never applied."""

    source: str
    title: str
    version: int
    patches: tuple[Patch, ...]
    cover: str = ""
    base: BaseHints = BaseHints()
    warnings: tuple[str, ...] = ()  # what a reader of the results must know of the document


@dataclass(frozen=True, slots=True)
class Tree:
    """A kernel tree at a commit: `repo` is a git repository of ours that has it (never the user's own)."""

    spec: str  # as the user gave it
    kernel_version: str  # 6.12.117, from the Makefile
    repo: Path
    commit: str
    tree_id: str  # git's name for the content
    notes: tuple[str, ...] = ()  # "dirty: 3 changed files were not used"


class PatchRole(StrEnum):
    BASE_FIX = "base-fix"
    SERIES = "series"


@dataclass(frozen=True, slots=True)
class AppliedPatch:
    """What became of a patch: one commit."""

    role: PatchRole
    number: int
    subject: str
    author: str
    digest: str
    commit: str
    tree_id: str
    files: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class AppliedTree:
    """A tree with base fixes and series on top; `repo` holds `commit`, no files are checked out yet."""

    base: Tree
    patches: tuple[AppliedPatch, ...]
    repo: Path
    commit: str
    tree_id: str


# --- configuration and build ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Profile:
    """A named kernel configuration: fragments merged in order on allnoconfig (the architecture's own comes first)."""

    name: str
    fragments: tuple[Path, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What compiles for an architecture on this host; `digest` names compiler, linker and flags by version."""

    arch: Arch
    cross_compile: str  # "" on the native architecture, else "aarch64-linux-gnu-"
    compiler: str  # first line of --version
    linker: str
    ccache: bool
    digest: str


@dataclass(frozen=True, slots=True)
class CompilerMessage:
    """A warning or an error of a compiler, linker, modpost or make, attributed to a file of the tree."""

    severity: str  # "warning" or "error"
    path: str  # relative to the tree; "" where the tool named none
    line: int
    text: str
    option: str = ""  # -Wunused-variable


@dataclass(frozen=True, slots=True)
class Build:
    """A kernel build, good or bad.  All files lie in `directory`, which belongs to the cache: read only."""

    arch: Arch
    profile: str
    key: str  # content address: tree, config, toolchain, command
    outcome: Outcome  # PASS or FAIL
    directory: Path
    image: Path | None
    vmlinux: Path | None
    config: Path
    config_digest: str
    build_id: str  # of vmlinux, as /sys/kernel/notes of the guest shows it; "" where there is none
    log: Path
    messages: tuple[CompilerMessage, ...]
    seconds: float  # wall time of the compile that made it
    cpu_seconds: float
    cached: bool
    sandbox: str  # "bubblewrap", or why not
    toolchain: Toolchain


# --- guest ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """A host file and where it goes in the guest."""

    guest_path: str
    host_path: Path
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Payload:
    """What a suite wants in the guest: files, and Debian packages of the guest's architecture for their libraries."""

    files: tuple[PayloadFile, ...] = ()
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian binary package, exactly."""

    name: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Rootfs:
    """An initramfs without keys; those are made per boot and appended to it."""

    arch: Arch
    image: Path
    size_bytes: int
    digest: str
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """How a guest is run; deadlines are for hardware speed and get scaled by accelerator and measured speed."""

    accel: str = "auto"  # auto, tcg, kvm
    machine: str = "auto"  # auto: q35 on x86_64, virt on arm64; microvm works on x86_64 too
    smp: int = 2
    memory_mib: int = 1024
    cmdline: str = ""  # appended to the kernel's command line
    boot_s: float = 30.0
    command_s: float = 60.0
    silence_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Boot:
    """The record of one boot."""

    arch: Arch
    profile: str
    outcome: Outcome
    message: str
    accel: Accel
    accel_reason: str
    machine: str
    smp: int
    memory_mib: int
    argv: tuple[str, ...]
    cmdline: str
    init_s: float  # QEMU's start to the guest's init; 0 if never
    ssh_s: float  # QEMU's start to the end of the first SSH command; 0 if never
    total_s: float
    console: Path


# --- suites and verdict ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that has ended in a guest (or on the host).  `exit_code` is 128+N when signal N ended it."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of a suite, and the cases it will report.

    A case that the command does not report has no result, and no result is never a pass.
    """

    name: str  # unique in the suite; also the case's name where there is only one
    argv: tuple[str, ...]
    cases: tuple[str, ...]
    timeout_s: float  # at hardware speed; scaled by the caller
    exercises_vma_locks: bool = False  # vma_lock_success of /proc/vmstat must grow


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured value.  `count` is how many operations it was taken over."""

    name: str
    value: float
    unit: str
    count: int


@dataclass(frozen=True, slots=True)
class Counter:
    """A kernel counter around a case."""

    name: str
    before: int
    after: int

    @property
    def delta(self) -> int:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the kernel said on its console that it should not have."""

    type: str  # lockdep, warning, bug, oops, panic, rcu-stall, …
    title: str  # stable across builds: no addresses, offsets, pids
    function: str  # the function it is about; "" where unknown
    text: str  # the whole report
    line: int  # of the console log, from 1
    fingerprint: str
    timing: bool = False  # stalls and lockups: under TCG these may be slowness


@dataclass(frozen=True, slots=True)
class Case:
    """One test and how it ended."""

    suite: str
    name: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""  # one line; never empty unless PASS
    detail: str = ""  # output, splat
    metrics: tuple[Metric, ...] = ()
    counters: tuple[Counter, ...] = ()
    findings: tuple[Finding, ...] = ()
    log: Path | None = (
        None  # what explains it: the console of the guest that ran it; None: that of the target's last boot
    )


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """All cases of a suite on one target.  `arch` "host" and `profile` "" for what ran on the host."""

    suite: str
    arch: str
    profile: str
    cases: tuple[Case, ...]
    seconds: float = 0.0
    output: str = ""

    @property
    def classname(self) -> str:
        """`x86_64.lockdep.vma`: what JUnit readers group by."""
        return ".".join(part for part in (self.arch, self.profile, self.suite) if part)


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One architecture and profile, from config to the last suite."""

    arch: Arch
    profile: str
    build: Build | None
    rootfs: Rootfs | None
    boots: tuple[Boot, ...]
    suites: tuple[SuiteResult, ...]


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long a step of the run took, and whether it was done or taken from the cache."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything a run found out: what results.json holds."""

    version: str  # of vmaharness
    command: tuple[str, ...]
    started: str  # ISO 8601, UTC
    seconds: float
    host: dict[str, str]
    plan: dict[str, object]
    tree: Tree | None  # None: the run ended before there was one
    series: str  # title; "" for the bare base
    patches: tuple[AppliedPatch, ...]
    host_suites: tuple[SuiteResult, ...]
    targets: tuple[TargetResult, ...]
    steps: tuple[StepTime, ...]
    notes: tuple[str, ...]  # what a reader must know: dirty tree, no sandbox, …
    outcome: Outcome
    message: str
    schema: int = field(default=1)

    @property
    def suites(self) -> tuple[SuiteResult, ...]:
        return self.host_suites + tuple(suite for target in self.targets for suite in target.suites)

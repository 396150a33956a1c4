"""The values that travel from stage to stage: plain, frozen, typed, serialisable.

Standard-library dataclasses only, so that this file imports in milliseconds; `harness.report.schema` turns the
result values into JSON and JSON Schema, and a remote worker would send the same values over a wire.
Nothing here does anything: no I/O, no processes, no third-party library.

Conventions: `_s` is seconds of wall time, `_mib` mebibytes; `Path`s are absolute; tuples, not lists.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from harness.costs import CostReport


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


class Relation(StrEnum):
    """What a case or a finding of the series is, held against the tree without the series."""

    NEW = "new"  # it fails with the series, and not without it
    FIXED = "fixed"  # it fails without the series, and not with it
    SAME = "same"  # the series makes no difference to it, good or bad
    GONE = "gone with coverage"  # it is no longer seen because nothing looked: skipped, not run, lockdep off


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
    def changes(self) -> tuple[FileChange, ...]:
        """What it changes with its fixups, which are squashed into it; each file once."""
        found: dict[tuple[str | None, str | None], FileChange] = {}
        for change in (change for one in (self, *self.fixups) for change in one.files):
            found.setdefault((change.old_path, change.new_path), change)
        return tuple(found.values())

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


class BaseState(StrEnum):
    """What a file is before a patch, held against the blob that the patch says it was made from."""

    EXACT = "exact"
    OTHER = "applies, other base"
    MISMATCH = "base mismatch"
    BROKEN = "broken chain"  # an earlier patch of the series says that it leaves another blob
    UNKNOWN = "unknown"  # the patch names no blob
    NEW = "new file"


@dataclass(frozen=True, slots=True)
class FileBase:
    """One file before a patch.  `wanted` is abbreviated as in the document; "" is no blob: none named, or no file."""

    path: str
    wanted: str
    found: str
    state: BaseState
    chained: bool = False  # an earlier patch of the series has changed the file

    @property
    def text(self) -> str:
        """`base mismatch: want blob 0123456789ab, found ba9876543210`."""
        if self.state not in (BaseState.MISMATCH, BaseState.BROKEN, BaseState.OTHER):
            return self.state.value
        if self.chained and not self.found:
            return f"{self.state}: want blob {self.wanted}, which earlier patches make of another base"
        wanted = f"blob {self.wanted}" if self.wanted else "no such file"
        return f"{self.state}: want {wanted}, found {self.found[: max(12, len(self.wanted))] or 'nothing'}"


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file after a patch.  `exact` is None where the patch does not name the blob that it makes."""

    path: str
    wanted: str
    found: str
    exact: bool | None


class Presence(StrEnum):
    """Whether a patch is in a tree already."""

    IN = "in the tree"
    PARTLY = "partly in the tree"
    NOT = "not in the tree"


@dataclass(frozen=True, slots=True)
class FilePresence:
    """What a tree has of one file of a patch: of the `lines` it adds and the series leaves, `present` are there."""

    path: str
    lines: int
    present: int
    reverts: bool  # the patch's change of this file can be taken back exactly

    @property
    def text(self) -> str:
        if self.reverts:
            return "can be taken back"
        return f"{self.present} of {self.lines} lines" if self.lines else "(no line of it stays)"


@dataclass(frozen=True, slots=True)
class PatchPresence:
    """What a tree has of one patch."""

    number: int
    subject: str
    state: Presence
    evidence: str  # how that is known: "patch-id", "reverts", "blobs", "lines"
    commit: str  # of the tree's history, where a patch-id told
    files: tuple[FilePresence, ...]

    @property
    def text(self) -> str:
        """For people: `partly in the tree: mm/vma.c 3 of 9 lines, mm/mmap.c can be taken back`."""
        if self.state is not Presence.PARTLY:
            how = {
                "patch-id": f"{self.state}, as commit {self.commit[:12]}",
                "blobs": f"{self.state}: its files are the blobs that the series makes",
                "reverts": f"{self.state}: it can be taken back exactly",
            }
            if self.evidence in how:
                return how[self.evidence]
        files = [f"{file.path} {file.text}" for file in self.files]
        lines, present = sum(file.lines for file in self.files), sum(file.present for file in self.files)
        whole = self.state.value if present < lines else "all its lines are there, what is around them differs"
        gone = f", though commit {self.commit[:12]} of its history is the same patch" if self.commit else ""
        return f"{whole}{gone}: {', '.join(files)}" if present else f"{self.state}{gone}"


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """A patch that the series says must be there first; `commit` is "" where the history searched has it not."""

    patch_id: str
    commit: str


@dataclass(frozen=True, slots=True)
class BaseReport:
    """What is known of the tree that a series was made for, and of the one that it was applied to."""

    state: BaseState  # of the series as a whole: the worst that any file is when the series first finds it
    choice: str  # how the tree's commit was come by, in words; "" where it is the one of the tree as given
    commit: str
    named: str = ""  # of the document's base-commit trailer
    named_state: str = ""  # where that commit is, in words
    exact: int = 0  # of the `stated` blobs that the series names for files as it first finds them
    stated: int = 0
    bit_exact: bool = False  # every file after every patch is the blob that the patch names
    prerequisites: tuple[Prerequisite, ...] = ()
    presence: tuple[PatchPresence, ...] = ()  # with --merged: what of the series is in the tree
    reverted: str = ""  # with --merged: the commit of the tree without the series
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One line for people: `exact (3 of 3 blobs), bit-exact`."""
        if self.presence:
            inside, partly = (
                sum(patch.state is state for patch in self.presence) for state in (Presence.IN, Presence.PARTLY)
            )
            parts = f", {partly} in part" if partly else ""
            taken = f"taken out in commit {self.reverted[:12]}" if self.reverted else "the series cannot be taken out"
            return f"{inside} of {len(self.presence)} patches are in the tree already{parts}; {taken}"
        counted = f" ({self.exact} of {self.stated} blobs{'' if self.exact == self.stated else ' exact'})"
        words = [f"{self.state}{counted if self.stated else ''}", "bit-exact" if self.bit_exact else "", self.choice]
        return ", ".join(word for word in words if word)


class PatchRole(StrEnum):
    BASE_FIX = "base-fix"
    SERIES = "series"
    CHECKER = "checker"


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
    base: tuple[FileBase, ...] = ()  # of patches of the series: each file before it
    results: tuple[FileResult, ...] = ()  # and after it
    patch_id: str = ""  # git's name for what it changes, wherever in a file that is; "" in results of older versions


@dataclass(frozen=True, slots=True)
class Checker:
    """A patch that makes the kernel check itself, on top of the series; it never changes what is judged as the series.

    `commit` is "" and `why` says what is in its way where it does not apply to this tree.
    """

    name: str  # of its file: "lookup"
    subject: str
    digest: str
    commit: str = ""
    why: str = ""  # "mm/memory.c, hunk 1 of 4, line 6269"


@dataclass(frozen=True, slots=True)
class AppliedTree:
    """A tree with base fixes and series on top; `repo` holds `commit`, no files are checked out yet.

    Where the tree came with the series in it (`presence`), `base` is that tree with the series taken out; where it
    cannot be taken out, `base` is the tree as it came and `patches` has base fixes only.
    """

    base: Tree
    patches: tuple[AppliedPatch, ...]
    repo: Path
    commit: str
    tree_id: str
    presence: tuple[PatchPresence, ...] = ()
    reverted: bool = False
    checkers: tuple[Checker, ...] = ()  # on top of `patches`, for a profile that wants them


# --- configuration and build ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Profile:
    """A named kernel configuration: fragments merged in order on allnoconfig (the architecture's own comes first).

    And what such a kernel asks of its guest, whatever the plan says of guests.
    """

    name: str
    fragments: tuple[Path, ...]
    description: str = ""
    checkers: str = "none"  # which are applied to its tree: none, auto (ours for the tree's version), a directory
    arches: tuple[Arch, ...] = tuple(Arch)  # on which there is such a kernel
    smp: int = 0  # CPUs of its guests; 0: as many as the plan says
    nodes: int = 1  # of memory
    memory_mib: int = 0  # the least that its guests have
    cmdline: str = ""  # words for the kernel, before the plan's
    pace: float = 1.0  # how many times longer than without its checks everything takes

    def guest(self, planned: GuestConfig) -> GuestConfig:
        """The guest of a plan as this kernel needs it."""
        words = " ".join(word for word in (self.cmdline, planned.cmdline) if word)
        return replace(
            planned, smp=self.smp or planned.smp, nodes=self.nodes, cmdline=words,
            memory_mib=max(self.memory_mib, planned.memory_mib),
            boot_s=planned.boot_s * self.pace, command_s=planned.command_s * self.pace,
            silence_s=planned.silence_s * self.pace,
        )  # fmt: skip


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
    seed: int | None = None  # of an exact guest: its run is a function of kernel, initramfs, command line and seed
    nodes: int = 1  # of memory, each with its share of the CPUs


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
    seed: int | None = None  # of an exact guest
    exact_sha256: str = ""  # of an exact guest's console, as far as it is exact


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
    further_cases: bool = False  # it reports more, called CASE.SOMETHING, which nobody knows before it has run
    needs_vma_locks: str = ""  # why it has no place on a kernel without VMA locks; "" where it has one

    def reports(self, case: str) -> bool:
        """Whether a case of this name is of this command."""
        return case in self.cases or (self.further_cases and any(case.startswith(f"{name}.") for name in self.cases))


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured value.  `count` is how many operations it was taken over.

    `samples` are its values in each repetition that was measured, in their order; none where it has no such values.
    """

    name: str
    value: float
    unit: str
    count: int
    samples: tuple[float, ...] = ()


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
class Frame:
    """One entry of a call trace: FUNCTION+OFFSET/SIZE, as the kernel names it."""

    function: str
    offset: int
    size: int
    sources: tuple[str, ...] = ()  # mm/memory.c:123; more than one (innermost first) where functions were inlined

    @property
    def spot(self) -> str:
        """`do_fault+0x12/0x34`, as the kernel writes it."""
        return f"{self.function}+{self.offset:#x}/{self.size:#x}"

    @property
    def text(self) -> str:
        """`do_fault+0x12/0x34 (mm/memory.c:123)`."""
        return f"{self.spot} ({' '.join(self.sources)})" if self.sources else self.spot


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the kernel said on its console that it should not have."""

    type: str  # lockdep, warning, bug, oops, panic, rcu-stall, …
    title: str  # stable across builds: no addresses, offsets, pids
    function: str  # the function it is about; "" where unknown
    text: str  # the whole report
    line: int  # of the console log, from 1
    fingerprint: str
    timing: bool = False  # stalls and lockups, but of exact guests: under TCG these may be slowness
    frames: tuple[Frame, ...] = ()  # of its own call trace, innermost first; without one: where its locks were taken
    corrupted: bool = False  # cut: its end, or lines of it, are missing
    undecoded: str = ""  # why frames have no source; "" where they have, or there are none
    relation: Relation | None = None  # None: not compared with a base
    known: str = ""  # what the file of known findings says of it


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a case failed, of how many times that it was run, each but the first in a fresh guest."""

    failed: int
    of: int

    @property
    def text(self) -> str:
        return f"{self.failed} of {self.of}"


@dataclass(frozen=True, slots=True)
class Against:
    """What the tries of a case that failed are held against."""

    tries: Tries  # of the same case without the series
    chance: float  # that of two kernels which fail alike so many failures or more would be the series', of all seen

    @property
    def text(self) -> str:
        """`base 0 of 12, p 0.2`."""
        return f"base {self.tries.text}, p {self.chance:.2g}"


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
    capsule: Path | None = None  # of a failure: the directory that `vmaharness rerun` takes
    said: Outcome | None = None  # by the test itself, where the kernel's complaints made another outcome of it
    tries: Tries | None = None  # None: it was run once
    relation: Relation | None = None  # None: not compared with a base
    against: Against | None = None  # None: it was run once, it did not fail, or the base has no answer
    known: str = ""  # what the file of known findings says of it
    excused: str = ""  # why it does not make the run fail although it failed

    @property
    def fails(self) -> bool:
        """Whether it makes the run fail with exit code 1."""
        return self.outcome.blames_kernel and not self.excused

    @property
    def flaky(self) -> bool:
        """Whether it was run several times and did not end alike."""
        return self.tries is not None and 0 < self.tries.failed < self.tries.of


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
class Proof:
    """An exact guest in which something failed, and the same guest booted again at its seed."""

    seed: int
    same: bool  # consoles are the same, bit for bit, as far as they are exact
    words: str  # one line: what is the same, or the first difference
    sha256: str  # of the first guest's console, as far as it is exact
    console: Path
    again: Path  # the second guest's console


@dataclass(frozen=True, slots=True)
class Exact:
    """What the exact guests of a target came to.

    The races are sums over all seeds, of the cases that are there to take VMA locks.
    """

    seeds: tuple[int, ...]
    aborts: int  # vma_lock_abort of /proc/vmstat around the cases
    retries: int
    misses: int
    proofs: tuple[Proof, ...] = ()

    @property
    def races(self) -> str:
        """`abort 1,234, retry 56, miss 7 over 8 seeds`."""
        over = f"{len(self.seeds)} seed{'' if len(self.seeds) == 1 else 's'}"
        return f"abort {self.aborts:,}, retry {self.retries:,}, miss {self.misses:,} over {over}"


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One architecture and profile, from config to the last suite."""

    arch: Arch
    profile: str
    build: Build | None
    rootfs: Rootfs | None
    boots: tuple[Boot, ...]
    suites: tuple[SuiteResult, ...]
    infra: tuple[str, ...] = ()  # what the machine got in the way with, and was done again
    exact: Exact | None = None  # None: its guests were no exact ones

    @property
    def name(self) -> str:
        """`x86_64 lockdep`."""
        return f"{self.arch} {self.profile}"


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """An entry of the file of known findings; either `finding` or `case` is there."""

    place: str  # FILE:LINE
    finding: str  # a fingerprint, or a glob on TYPE: TITLE
    case: str  # a glob on SUITE.CASE
    arch: str  # "": any
    profile: str
    reason: str
    expires: str  # ISO 8601: the last day on which it counts


@dataclass(frozen=True, slots=True)
class Difference:
    """A case or a finding that is not good on both sides, and what it is on each."""

    relation: Relation
    arch: str
    profile: str
    suite: str
    case: str
    fingerprint: str  # "": it is about the case
    base: str  # how the case ended, or the finding's title; "" where there is none
    series: str

    @property
    def where(self) -> str:
        parts = ".".join(part for part in (self.arch, self.profile, self.suite) if part)
        return f"{parts}.{self.case}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The tree without the series, with base fixes, tested in the same way."""

    commit: str
    tree_id: str
    targets: tuple[TargetResult, ...]  # those that were compared
    host_suites: tuple[SuiteResult, ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()  # what could not be compared, and why

    @property
    def suites(self) -> tuple[SuiteResult, ...]:
        return self.host_suites + tuple(suite for target in self.targets for suite in target.suites)


@dataclass(frozen=True, slots=True)
class CheckedKernel:
    """The checkers of a profile's kernels; none where there are none for the tree's version."""

    profile: str
    checkers: tuple[Checker, ...]

    @property
    def left_out(self) -> tuple[Checker, ...]:
        return tuple(checker for checker in self.checkers if not checker.commit)

    @property
    def text(self) -> str:
        """`checked: 8 of 9 checkers apply: core, fault, …; no longer: lookup (mm/memory.c, hunk 1 of 4, line 6269)`."""
        if not self.checkers:
            return f"{self.profile}: there are no checkers for this version of the kernel"
        names = ", ".join(checker.name for checker in self.checkers if checker.commit)
        applied = f"{len(self.checkers) - len(self.left_out)} of {len(self.checkers)} checkers apply"
        words = f"{self.profile}: {applied}{f': {names}' if names else ''}"
        lost = ", ".join(f"{checker.name} ({checker.why})" for checker in self.left_out)
        return f"{words}; no longer: {lost}" if lost else words


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long a step of the run took, and whether it was done or taken from the cache."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class SameKernel:
    """A target on which a patch makes the kernel that an earlier one made, bit for bit: what that did, it does."""

    arch: Arch
    profile: str
    number: int  # of the earlier patch


@dataclass(frozen=True, slots=True)
class Blame:
    """A failure, and the patch that it came with."""

    number: int  # of the patch in the series, from 1
    subject: str
    where: str  # x86_64.lockdep.hazards.same.unmap.2
    title: str  # of the finding, or what the case says
    fixed_by: int = 0  # the patch that it went away with; 0: it is there at the end of the series


@dataclass(frozen=True, slots=True)
class PatchResult:
    """The tree that ends with one patch of the series.  The last patch's suites and targets are those of the run."""

    number: int
    subject: str
    commit: str
    host_suites: tuple[SuiteResult, ...]
    targets: tuple[TargetResult, ...]
    stages: SuiteResult  # a case for each thing that was done with it: what was broken before is excused
    same: tuple[SameKernel, ...] = ()
    warnings: tuple[str, ...] = ()  # of the compiler, new with this patch: `x86_64 lockdep: mm/vma.c:12: …`
    cached: tuple[str, ...] = ()  # targets whose results are those of an earlier run

    @property
    def suites(self) -> tuple[SuiteResult, ...]:
        return self.host_suites + tuple(suite for target in self.targets for suite in target.suites)


class Kinship(StrEnum):
    """What became of a patch between two versions of a series."""

    SAME = "same"  # it changes the same, wherever in a file that is now
    CHANGED = "changed"
    ADDED = "added"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class PatchPair:
    """A patch in the one version of a series and in the other."""

    kinship: Kinship
    before: int  # its number; 0: it is not there
    after: int
    subject: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, and what the second has that the first has not."""

    patches: tuple[PatchPair, ...]
    differences: tuple[Difference, ...]
    compared: int  # cases that both have
    only_before: tuple[str, ...]  # suites that one of them has not: nothing can be said of those
    only_after: tuple[str, ...]
    notes: tuple[str, ...]  # what else is different: tree, plan
    worse: int  # cases that fail the second run, and not the first


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
    base: BaseReport | None = None  # None: there was no series, or no tree
    baseline: Baseline | None = None  # None: not needed, or not wanted
    checkers: tuple[CheckedKernel, ...] = ()  # of profiles that want checkers
    per_patch: tuple[PatchResult, ...] = ()  # all patches of the series in order, where each was judged by itself
    blames: tuple[Blame, ...] = ()  # which patch broke what
    left_out: tuple[str, ...] = ()  # what the budget had no time for: steps, and cases of targets
    cost: CostReport | None = None  # None: nothing was priced
    schema: int = field(default=1)

    @property
    def suites(self) -> tuple[SuiteResult, ...]:
        """All suites that decide: those of the series as a whole, and the stages of the patches before its last."""
        stages = tuple(patch.stages for patch in self.per_patch[:-1] if patch.stages.cases)
        return self.host_suites + tuple(suite for target in self.targets for suite in target.suites) + stages


# --- bisection ----------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What is said of a commit, in git bisect's words."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"  # it cannot be told there: it does not build, or fails by something else


class Rung(StrEnum):
    """What shows a failure, the cheapest first."""

    COMMAND = "command"  # of the user's, in a checkout
    HOST = "host"  # tools/testing/vma: no kernel is built
    BUILD = "build"  # no guest is booted
    GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Sought:
    """The failure whose patch is looked for."""

    rung: Rung
    arch: str  # "host" for what runs there
    profile: str
    suite: str
    case: str
    title: str  # of the finding, or what the case says
    fingerprints: tuple[str, ...] = ()  # any of them is it; empty: the case itself fails
    errors: tuple[str, ...] = ()  # of a build, FILE: TEXT: any of them is it; empty: that it does not build
    outcome: Outcome = Outcome.FAIL  # of the case, where there are no fingerprints

    @property
    def where(self) -> str:
        """`x86_64.lockdep.hazards.same.unmap.2`."""
        return ".".join(part for part in (self.arch, self.profile, self.suite, self.case) if part)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit of the series or range, from 1; 0 is the good end."""

    number: int
    commit: str
    subject: str


class ProbeRole(StrEnum):
    TIP = "tip"
    BASE = "base"
    SEARCH = "search"
    PARENT = "parent"  # of the culprit, where the search has not come by it
    REVERTED = "reverted"  # the tip without the culprit


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of one tree."""

    role: ProbeRole
    number: int  # of the candidate
    commit: str
    subject: str
    verdict: Verdict
    why: str
    detail: str
    runs: Tries
    directory: Path


class BisectEnd(StrEnum):
    """How a search ended."""

    FOUND = "found"
    CANDIDATES = "candidates"  # what is left cannot be tested: any of them may have done it
    TIP_GOOD = "tip is good"  # the failure is not there
    BASE_BAD = "base is bad"  # it was there before
    UNTESTABLE = "an end cannot be tested"
    UNFINISHED = "unfinished"  # stopped, or the machine got in the way


@dataclass(frozen=True, slots=True)
class BisectResult:
    """What bisect.json holds."""

    version: str  # of vmaharness
    command: tuple[str, ...]
    started: str  # ISO 8601, UTC, of the first start
    seconds: float  # of this start
    host: dict[str, str]
    plan: dict[str, object]
    tree: Tree | None
    title: str  # of the series, or the range
    candidates: tuple[Candidate, ...]
    sought: Sought | None  # None: it was not seen
    rate: Tries | None  # failures of the bad end's runs
    runs: int  # without the failure, for a commit to be called good
    confidence: float  # that the culprit's parent is good, between 0 and 1; 0 without a culprit
    probes: tuple[ProbeResult, ...]
    culprits: tuple[Candidate, ...]  # one, or all that may have done it
    proof: tuple[str, ...]  # what is proven, and what is not and why
    proven: bool  # parent clean, culprit failing, tip without it clean
    builds: int  # kernels that were compiled
    boots: int  # guests that were booted
    minimum: int  # trees that such a search needs at least
    patch: Path | None  # the culprit, as git format-patch writes it
    end: BisectEnd
    message: str
    notes: tuple[str, ...] = ()
    schema: int = field(default=1)


# --- mutants --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutant:
    """A patch that breaks the kernel on purpose.  What it expects is a hint: it orders cases and proves nothing."""

    name: str
    family: str  # of defects, in words
    expects: tuple[str, ...]  # globs on SUITE.CASE
    expected: str  # what should be seen there, in words
    series: Series


class Fate(StrEnum):
    """What became of a mutant on one target."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    SAME = "same kernel"  # what it changes is not compiled there: the kernel is the unmutated one, bit for bit
    BROKEN = "broken"  # it does not apply or compile: the mutant's own error
    UNKNOWN = "no verdict"  # the machine got in the way, or the unmutated kernel has no result


@dataclass(frozen=True, slots=True)
class Sighting:
    """A case in which a mutant was seen, and how much had been done until then."""

    case: str  # SUITE.CASE
    outcome: Outcome
    message: str
    type: str = ""  # of the first finding that the unmutated kernel has not; "" where the test itself saw it
    title: str = ""
    operations: int | None = None  # the case counted when it ended; None: it came to no count
    before: int = 0  # operations of all cases that ran before it in the same guests
    cases_before: int = 0
    seconds: float = 0.0  # of the case


@dataclass(frozen=True, slots=True)
class MutantTarget:
    """One mutant on one target; `arch` is "host" for tools/testing/vma."""

    arch: str
    profile: str
    fate: Fate
    message: str = ""  # why, where it was not caught
    sightings: tuple[Sighting, ...] = ()  # the first is the one that it was caught by
    ran: int = 0  # cases with a result
    left_out: int = 0  # cases that were not run any more
    console: Path | None = None
    cached: bool = False

    @property
    def name(self) -> str:
        return f"{self.arch} {self.profile}".strip()


@dataclass(frozen=True, slots=True)
class MutantResult:
    """One mutant on all targets."""

    name: str
    subject: str
    family: str
    expects: tuple[str, ...]
    expected: str
    source: str
    targets: tuple[MutantTarget, ...]


@dataclass(frozen=True, slots=True)
class MutantsResult:
    """What mutants.json holds: whether the alarm works."""

    version: str  # of vmaharness
    command: tuple[str, ...]
    started: str  # ISO 8601, UTC
    seconds: float
    host: dict[str, str]
    plan: dict[str, object]
    tree: Tree | None
    base: tuple[SuiteResult, ...]  # the unmutated kernel, on all targets and on the host
    mutants: tuple[MutantResult, ...]
    steps: tuple[StepTime, ...]
    notes: tuple[str, ...]
    outcome: Outcome
    message: str
    schema: int = field(default=1)

"""A capsule, run again: the same kernel and initramfs, the same kind of guest, the same command.

Knows what a capsule says and where the cache keeps things; what is shown of it is the command line's affair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError
from harness.events import Emit, Event, EventKind
from harness.guest.exact import JobList, checksum
from harness.guest.guest import Guest
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Accel, Case, Finding, Outcome, Rootfs
from harness.report.capsule import Capsule, ExactRun, Part
from harness.report.files import KERNEL_SUITE
from harness.run.capsules import LATE
from harness.run.exact import AllSeeds, ExactRunner, job_list
from harness.run.suites import revive
from harness.run.target import TargetRunner
from harness.run.tasks import Task
from harness.verdict.console import is_fatal
from harness.verdict.judge import blaming

DEBUG_S = 86_400.0
"""Deadlines of a guest under a debugger: somebody is thinking."""

CONSOLE = "console-again.log"
"""Left in the capsule, beside the console of then."""

_NO_KASLR = "nokaslr"


@dataclass(frozen=True, slots=True)
class Files:
    """What the guest is started from, found and proven to be the same."""

    kernel: Path
    initramfs: Path
    vmlinux: Path | None


@dataclass(frozen=True, slots=True)
class Again:
    """How it ended this time, and what is the same.  Findings are told apart by their fingerprints."""

    case: Case
    same_outcome: bool
    same: tuple[Finding, ...]
    gone: tuple[Finding, ...]  # were there then
    new: tuple[Finding, ...]
    exact: str = ""  # of an exact guest: whether it was the same run, in words
    same_run: bool = True  # of an exact guest: it was, bit for bit

    @property
    def same_findings(self) -> bool:
        return not self.gone and not self.new


def locate(capsule: Capsule, directory: Path, cache: Cache) -> Files:
    """The files of a capsule, from the cache or from the capsule itself; each is held against its hash.

    Raises UserError for a capsule that has no guest, and where a file is there no more, with what makes it again.
    """
    if capsule.suite == KERNEL_SUITE and capsule.case in ("config", "build"):
        raise UserError(
            f"{capsule.title}: there is no kernel to boot", fix=f"to see it again, run: {capsule.again}"
        )  # fmt: skip
    found: dict[str, Path] = {}
    missing = []
    for name in ("kernel", "initramfs", "vmlinux"):
        part = capsule.part(name)
        path = _find(part, directory, cache) if part is not None else None
        if path is not None:
            found[name] = path
        elif name != "vmlinux":
            missing.append(f"the {name}" + (f" ({part.stored or part.sha256[:12]})" if part is not None else ""))
    if missing:
        what = f"{' and '.join(missing)} of {capsule.title} {'are' if len(missing) > 1 else 'is'} in the cache no more"
        raise UserError(what, fix=f"to make them again, run: {capsule.again}")
    return Files(found["kernel"], found["initramfs"], found.get("vmlinux"))


def console_for(directory: Path, cache: Cache) -> Path:
    """Where this guest's console goes: a new file in the capsule, or one that goes away with this process."""
    path = directory.absolute() / CONSOLE
    try:
        path.unlink(missing_ok=True)  # whatever somebody has put there: nothing is written through it
        path.touch(exist_ok=False)
    except OSError:
        return cache.scratch("rerun") / CONSOLE
    return path


def _find(part: Part, directory: Path, cache: Cache) -> Path | None:
    """A part that still is what it was."""
    places = [directory / part.name] if part.copied else []
    if part.stored:
        kind, key, name = part.stored.split("/")
        entry = cache.find(kind, key)
        places += [entry / name] if entry is not None else []
    for place in places:
        if place.is_file() and not place.is_symlink() and _digest(place) == part.sha256:
            return place
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Bench:
    """What running a capsule takes."""

    capsule: Capsule
    files: Files
    processes: Processes
    cache: Cache
    emit: Emit
    console: Path
    accel: str = ""  # instead of the one that it was, where somebody asked for another
    gdb: str = ""  # "halted" or "running": under a debugger

    def guest(self, number: int = 1, jobs: JobList | None = None) -> Guest:
        """The capsule's guest, not booted; an exact one is given `jobs`."""
        capsule = self.capsule
        config = replace(capsule.guest, accel=self.accel or capsule.guest.accel)
        if self.gdb:
            config = replace(config, boot_s=DEBUG_S, command_s=DEBUG_S, silence_s=DEBUG_S)
            if config.seed is None and _NO_KASLR not in config.cmdline.split():
                config = replace(config, cmdline=f"{config.cmdline} {_NO_KASLR}".strip())
        step = f"rerun {capsule.title}"
        initramfs = self.files.initramfs
        rootfs = Rootfs(capsule.arch, initramfs, initramfs.stat().st_size, initramfs.parent.name, ())
        console = self.console if number == 1 else self.cache.scratch("rerun") / CONSOLE
        return Guest(
            arch=capsule.arch, profile=capsule.profile, image=self.files.kernel, rootfs=rootfs, config=config,
            console=console, processes=self.processes, cache=self.cache, is_fatal=is_fatal, gdb=self.gdb, jobs=jobs,
            say=lambda text: self.emit(Event(EventKind.PROGRESS, step, text)),
            on_death=lambda death: self.emit(
                Event(EventKind.CONSOLE, step, "\n".join((death.message, *death.last_lines)))
            ),
        )  # fmt: skip

    @property
    def vmlinux(self) -> Path | None:
        return self.files.vmlinux

    def again(self, on_start: Callable[[Guest], None] = lambda _: None) -> Again:
        """Boot, run the capsule's command if it has one, and compare.  `on_start` sees each guest before it boots."""
        if self.capsule.exact is not None:
            return self._exactly(self.capsule.exact, on_start)

        @contextmanager
        def start(number: int) -> Iterator[Guest]:
            with self.guest(number) as guest:
                on_start(guest)
                yield guest

        step = f"rerun {self.capsule.title}"
        self.emit(Event(EventKind.STARTED, step))
        runner = TargetRunner(
            self.capsule.arch, self.capsule.profile, self._tasks(), config_digest=self.capsule.config_digest,
            start=start, say=lambda text: self.emit(Event(EventKind.PROGRESS, step, text)),
        )  # fmt: skip
        runner.run()
        case = result_of(self.capsule, runner.kernel_cases, runner.cases)
        accel = runner.boots[0].accel if runner.boots else Accel.TCG
        seconds = sum(boot.total_s for boot in runner.boots)
        self.emit(Event(EventKind.FINISHED, step, runner.account, seconds, good=case.outcome is Outcome.PASS))
        return compare(self.capsule, case, accel)

    def _exactly(self, exact: ExactRun, on_start: Callable[[Guest], None]) -> Again:
        """The whole exact guest again, of which the failure was a part, and whether it was the same run."""
        step = f"rerun {self.capsule.title}"

        @contextmanager
        def start(number: int, jobs: JobList, _again: bool) -> Iterator[Guest]:
            with self.guest(number, jobs) as guest:
                on_start(guest)
                yield guest

        self.emit(Event(EventKind.STARTED, step))
        tasks = [Task(revive(*pair), pair[1]) for pair in zip(exact.suites, exact.commands, strict=True)]
        runner = ExactRunner(
            self.capsule.arch, self.capsule.profile, tasks, seed=exact.seed, start=start,
            config_digest=self.capsule.config_digest, say=lambda text: self.emit(Event(EventKind.PROGRESS, step, text)),
        )  # fmt: skip
        sha256 = runner.run_once()
        found = AllSeeds([runner])
        case = result_of(self.capsule, found.kernel_cases, found.cases)
        good = case.outcome is Outcome.PASS
        self.emit(Event(EventKind.FINISHED, step, runner.account, runner.boots[0].total_s, good=good))
        words = f"bit-identical to the run at seed {exact.seed} (sha256 {sha256[:16]}…)"
        if sha256 != exact.sha256:
            words = f"NOT the run at seed {exact.seed}: sha256 {sha256[:16]}…, then {exact.sha256[:16]}…"
            if checksum(job_list(tasks).segment) != exact.list_sha256:
                words += "; this vmaharness packs another job list than the one that left the capsule"
        same = sha256 == exact.sha256
        return replace(compare(self.capsule, case, Accel.TCG), exact=words, same_run=same)

    def _tasks(self) -> list[Task]:
        command = self.capsule.command
        if command is None:
            return []
        if self.gdb:
            command = replace(command, timeout_s=DEBUG_S)
        return [Task(revive(self.capsule.runs, command), command)]


def result_of(capsule: Capsule, kernel: Sequence[Case], ran: Sequence[Case]) -> Case:
    """What became of the capsule's case, among all cases of the run that was to see it again."""
    everything = [*kernel, *ran]
    exactly = [case for case in everything if (case.suite, case.name) == (capsule.suite, capsule.case)]
    if exactly and exactly[0].outcome is not Outcome.NOT_RUN:
        return exactly[0]
    broken = next((case for case in kernel if case.outcome.blames_kernel or case.outcome is Outcome.ERROR), None)
    if broken is not None:  # it did not come as far as the case
        return broken
    if exactly:
        return exactly[0]
    if capsule.suite == KERNEL_SUITE and (capsule.case.startswith((LATE, "boot-", "ready-"))):
        return Case(KERNEL_SUITE, capsule.case, Outcome.PASS)
    return Case(capsule.suite, capsule.case, Outcome.NOT_RUN, message="nothing was run that reports this case")


def compare(capsule: Capsule, case: Case, accel: Accel) -> Again:
    """Then and now."""
    then = {finding.fingerprint: finding for finding in blaming(capsule.findings, accel)}
    now = {finding.fingerprint: finding for finding in blaming(case.findings, accel)}
    return Again(
        case=case,
        same_outcome=case.outcome is capsule.outcome,
        same=tuple(finding for mark, finding in now.items() if mark in then),
        gone=tuple(finding for mark, finding in then.items() if mark not in now),
        new=tuple(finding for mark, finding in now.items() if mark not in then),
    )

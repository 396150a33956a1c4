"""The capsules of a run: for each failure of a kernel a directory with all that `vmaharness rerun` and a person need.

Written when the results are known, before they are published.  A capsule that cannot be written costs a note, never
the results.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.guest.exact import checksum
from harness.host.cache import remove_tree
from harness.model import Boot, Case, Command, Finding, GuestConfig, Outcome, RunResult, SuiteResult, TargetResult
from harness.plan.model import Plan
from harness.report.capsule import RECORD, Capsule, ExactRun, Part, Program, directory_name, dump
from harness.report.files import KERNEL_SUITE, Layout
from harness.report.lines import with_lines
from harness.report.rerun import rerun_command
from harness.run.account import TargetAccount
from harness.run.exact import job_list
from harness.run.outcomes import account_of
from harness.run.suites import Prepared
from harness.run.targets import Target

LATE = "after-"
"""Begins the names of the kernel's cases that tell what it said while no command ran."""


def leave(result: RunResult, plan: Plan, layout: Layout, targets: Sequence[Target], store: Path) -> RunResult:
    """Write the capsules of a result's failures; the same result, with each failure's capsule named."""
    writer = _Writer(result, plan, layout, store)
    done = []
    for target, found in zip(targets, result.targets, strict=True):
        config = target.profile.guest(plan.guest.to_config())
        account = account_of(target)
        suites = tuple(writer.suite(suite, found, config, account, target.prepared) for suite in found.suites)
        done.append(replace(found, suites=suites))
    return replace(result, targets=tuple(done), notes=(*result.notes, *writer.notes))


def is_failure(case: Case) -> bool:
    """Whether a case gets a capsule."""
    return case.outcome.blames_kernel or case.outcome is Outcome.ERROR


@dataclass(slots=True)
class _Writer:
    result: RunResult
    plan: Plan
    layout: Layout
    store: Path
    notes: list[str] = field(default_factory=list)
    _digests: dict[Path, str] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def suite(
        self, suite: SuiteResult, target: TargetResult, config: GuestConfig, runner: TargetAccount | None,
        prepared: Sequence[Prepared],
    ) -> SuiteResult:  # fmt: skip
        cases = []
        for case in suite.cases:
            place = self._write(suite, case, target, config, runner, prepared) if is_failure(case) else None
            cases.append(replace(case, capsule=place) if place is not None else case)
        return replace(suite, cases=tuple(cases))

    def _write(
        self, suite: SuiteResult, case: Case, target: TargetResult, config: GuestConfig, runner: TargetAccount | None,
        prepared: Sequence[Prepared],
    ) -> Path | None:  # fmt: skip
        place = self.layout.capsule(self._name(suite, case))
        try:
            capsule = self._capsule(suite, case, target, config, runner, prepared)
            remove_tree(place)
            place.mkdir(parents=True)
            self._fill(place, capsule, case, target)
        except OSError as error:
            self.notes.append(f"the capsule of {suite.classname}.{case.name} could not be written: {error.strerror}")
            with suppress(OSError):
                remove_tree(place)
            return None
        return place

    def _name(self, suite: SuiteResult, case: Case) -> str:
        """A directory's name; two cases whose names differ in odd characters only get two."""
        wanted = name = directory_name(suite.arch, suite.profile, suite.suite, case.name)
        number = 1
        while name in self._names:
            number += 1
            name = f"{wanted}.{number}"
        self._names.add(name)
        return name

    def _capsule(
        self, suite: SuiteResult, case: Case, target: TargetResult, config: GuestConfig, runner: TargetAccount | None,
        prepared: Sequence[Prepared],
    ) -> Capsule:  # fmt: skip
        build, boot = target.build, _boot_of(case, target)
        runs, command = _command_of(suite.suite, case.name, runner)
        if boot is not None:
            config = replace(config, accel=boot.accel.value, machine=boot.machine, seed=boot.seed)
        before = runner.cases if runner is not None and case.log is not None else []
        return Capsule(
            version=self.result.version, made=self.result.started, arch=target.arch, profile=target.profile,
            suite=suite.suite, case=case.name, outcome=case.outcome, message=case.message, findings=case.findings,
            command=command, runs=runs, seed=_seed(command), before=tuple(_before(case, suite.suite, before)),
            parts=tuple(self._parts(target)), programs=tuple(self._programs(runs, prepared)),
            build_key=build.key if build else "", build_id=build.build_id if build else "",
            config_digest=build.config_digest if build else "", guest=config,
            accel=boot.accel.value if boot else "", machine=boot.machine if boot else "",
            qemu=boot.argv if boot else (), cmdline=boot.cmdline if boot else "",
            tree=self.result.patches[-1].commit if self.result.patches else self._base_commit,
            series=self.result.series, again=rerun_command(self.result, suite, case), exact=_exact(boot, runner),
        )  # fmt: skip

    @property
    def _base_commit(self) -> str:
        return self.result.tree.commit if self.result.tree is not None else ""

    def _files(self, target: TargetResult) -> Iterator[tuple[str, Path]]:
        build, rootfs = target.build, target.rootfs
        found = {
            "kernel": build.image if build else None, "vmlinux": build.vmlinux if build else None,
            "initramfs": rootfs.image if rootfs else None,
        }  # fmt: skip
        yield from ((name, path) for name, path in found.items() if path is not None and path.is_file())

    def _parts(self, target: TargetResult) -> Iterator[Part]:
        for name, path in self._files(target):
            stored = path.relative_to(self.store).as_posix() if path.is_relative_to(self.store) else ""
            yield Part(name, self._digest(path), stored, copied=self.plan.keep)

    def _programs(self, runs: str, prepared: Sequence[Prepared]) -> Iterator[Program]:
        for item in prepared:
            if item.name == runs:
                yield from (Program(file.guest_path, self._digest(file.host_path)) for file in item.payload.files)

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            with path.open("rb") as file:
                self._digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[path]

    def _fill(self, place: Path, capsule: Capsule, case: Case, target: TargetResult) -> None:
        boot = _boot_of(case, target)
        if boot is not None and boot.console.is_file():
            _link(boot.console, place / "console.log")
        config = self.layout.config(target.arch, target.profile)
        if config.is_file():
            _link(config, place / "config")
        log = self.layout.build_log(target.arch, target.profile)
        if capsule.suite == KERNEL_SUITE and case.name in ("build", "config") and log.is_file():
            _link(log, place / "build.log")
        if self.plan.keep:
            for name, path in self._files(target):
                shutil.copyfile(path, place / name)
        (place / "findings.txt").write_text(findings_text(case), errors="backslashreplace")
        (place / "qemu.txt").write_text(f"{shlex.join(capsule.qemu)}\n" if capsule.qemu else "", errors="replace")
        (place / "README.txt").write_text(_readme(capsule, case), errors="backslashreplace")
        (place / RECORD).write_bytes(dump(capsule))


def _boot_of(case: Case, target: TargetResult) -> Boot | None:
    """The boot of the guest that a case is of; None where it needed none."""
    found = (boot for boot in target.boots if case.log is not None and boot.console == case.log)
    return next(found, None)


def _exact(boot: Boot | None, runner: TargetAccount | None) -> ExactRun | None:
    """What an exact guest was given to work through."""
    if boot is None or boot.seed is None or runner is None:
        return None
    tasks = runner.list_of(boot)
    return ExactRun(
        seed=boot.seed, suites=tuple(task.suite.name for task in tasks),
        commands=tuple(task.command for task in tasks), sha256=boot.exact_sha256,
        list_sha256=checksum(job_list(tasks).segment),
    )  # fmt: skip


def _command_of(suite: str, case: str, runner: TargetAccount | None) -> tuple[str, Command | None]:
    """The suite and the command that a case is of; what came after a command is that command's."""
    task = runner.task_of(suite, case) if runner is not None else None
    if task is None and runner is not None and suite == KERNEL_SUITE and case.startswith(LATE):
        name, _, rest = case.removeprefix(LATE).partition(".")
        task = runner.task_of(name, rest)
    return (task.suite.name, task.command) if task is not None else ("", None)


def _seed(command: Command | None) -> str:
    words = command.argv if command is not None else ()
    for word, following in zip(words, (*words, "")[1:], strict=True):
        if word == "--seed" or word.startswith("--seed="):
            return word.partition("=")[2] or following
    return ""


def _before(case: Case, suite: str, ran: Sequence[Case]) -> Iterator[str]:
    for other in ran:
        if (other.suite, other.name) == (suite, case.name):
            return
        if other.log == case.log:
            yield f"{other.suite}.{other.name}"


def _link(source: Path, target: Path) -> None:
    """The same file under another name where the file system can do that, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def findings_text(case: Case) -> str:
    """What the kernel said, decoded as far as that goes."""
    return "\n".join(_finding_text(finding) for finding in case.findings) or "The kernel complained of nothing.\n"


def _finding_text(finding: Finding) -> str:
    lines = [finding.title, f"type {finding.type}, fingerprint {finding.fingerprint}, console line {finding.line}"]
    lines += ["cut: its end, or lines of it, are missing"] if finding.corrupted else []
    lines += [f"no file and line: {finding.undecoded}"] if finding.undecoded else []
    lines += [f"  {frame.text}" for frame in finding.frames]
    return "\n".join([*lines, "", with_lines(finding.text, [finding]), ""])


_README = """\
{title}: {outcome}
{message}

vmaharness rerun DIRECTORY          boot the same kernel and initramfs, run the same case, and compare
vmaharness rerun DIRECTORY --shell  look around in that guest
vmaharness rerun DIRECTORY --gdb    the same under a debugger

They take kernel and initramfs from the cache of this machine{kept}. Where they are no more, this makes them again:
  {again}

capsule.json   what failed, on what, by which command: what `rerun` reads
findings.txt   what the kernel complained of, with call traces
console.log    the console of that guest, whole
config         the kernel's configuration
qemu.txt       the command line that started that guest; its initramfs had keys for SSH appended, and is gone
"""


def _readme(capsule: Capsule, case: Case) -> str:
    kept = ", or from this directory" if any(part.copied for part in capsule.parts) else ""
    return _README.format(
        title=capsule.title, outcome=case.outcome.value, message=case.message, kept=kept, again=capsule.again
    )

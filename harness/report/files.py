"""The directory a run leaves behind: the names in it, and how files get there whole or not at all.

The names are part of the command line's contract: scripts and CI servers look for them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfraError
from harness.model import Boot, Case, RunResult, SuiteResult, TargetResult

KERNEL_SUITE = "kernel"
"""The suite of a target's configuration, build and boots."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The result directory of one run."""

    directory: Path

    @property
    def results(self) -> Path:
        return self.directory / "results.json"

    @property
    def junit(self) -> Path:
        return self.directory / "junit.xml"

    @property
    def summary(self) -> Path:
        return self.directory / "summary.txt"

    @property
    def metrics(self) -> Path:
        return self.directory / "metrics.txt"

    @property
    def table(self) -> Path:
        return self.directory / "metrics.csv"

    @property
    def page(self) -> Path:
        return self.directory / "report.html"

    @property
    def style_sheet(self) -> Path:
        return self.directory / "report.css"

    def console(self, arch: str, profile: str, number: int = 1) -> Path:
        """The console of a target's N-th guest: one that is lost is replaced."""
        return self.directory / f"console-{arch}-{profile}{'' if number == 1 else f'.{number}'}.log"

    def exact_console(self, arch: str, profile: str, seed: int, number: int = 1, *, again: bool = False) -> Path:
        """The console of a target's N-th exact guest at a seed, or of the same guest once more."""
        words = f"seed{seed}{'' if number == 1 else f'.{number}'}{'.again' if again else ''}"
        return self.directory / f"console-{arch}-{profile}-{words}.log"

    def watched_console(self, arch: str, profile: str, seed: int) -> Path:
        """The console of a target's guest at a seed, once more, in which every instruction was counted."""
        return self.directory / f"console-{arch}-{profile}-seed{seed}.watched.log"

    def flame(self, arch: str, profile: str, metric: str) -> Path:
        """Where a metric changed, as a flame graph."""
        return self.directory / f"where-{arch}-{profile}-{metric}.svg"

    def bloat(self, arch: str, profile: str) -> Path:
        """What scripts/bloat-o-meter of the tree says of base and series."""
        return self.directory / f"bloat-o-meter-{arch}-{profile}.txt"

    def stacks(self, arch: str, profile: str, metric: str) -> Path:
        """The same as lines that other programs read."""
        return self.directory / f"where-{arch}-{profile}-{metric}.folded"

    def build_log(self, arch: str, profile: str) -> Path:
        return self.directory / f"build-{arch}-{profile}.log"

    def config(self, arch: str, profile: str) -> Path:
        return self.directory / f"config-{arch}-{profile}"

    def guest_files(self, arch: str, profile: str) -> Path:
        """What guests were started from, where a plan says `keep`."""
        return self.directory / f"guest-{arch}-{profile}"

    def capsule(self, name: str) -> Path:
        """What it takes to see one failure again."""
        return self.directory / name


def target_of(result: RunResult, suite: SuiteResult) -> TargetResult | None:
    """The target that `suite` ran on; None for what ran on the host."""
    for target in result.targets:
        if target.arch == suite.arch and target.profile == suite.profile:
            return target
    return None


def last_boot(result: RunResult, suite: SuiteResult) -> Boot | None:
    target = target_of(result, suite)
    return target.boots[-1] if target and target.boots else None


def log_of(result: RunResult, suite: SuiteResult, case: Case, directory: Path) -> Path | None:
    """The log that explains `case`: its own, the build's, the configuration, or a guest's console; None on the host."""
    target = target_of(result, suite)
    if case.log is not None or target is None:
        return case.log
    layout = Layout(directory)
    if suite.suite == KERNEL_SUITE and case.name == "build":
        return layout.build_log(suite.arch, suite.profile)
    if suite.suite == KERNEL_SUITE and case.name == "config":
        return layout.config(suite.arch, suite.profile)
    return target.boots[-1].console if target.boots else None


def write_atomic(path: Path, data: bytes) -> None:
    """Write `path` so that a reader sees the old file or the whole new one.  InfraError when it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise InfraError(
            f"cannot write {path}: {error.strerror}", fix="free space there or choose another --out"
        ) from error

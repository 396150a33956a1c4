"""Runs of the fake kernel, with guests that do what its image says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.arch import host_arch
from harness.errors import GuestLost
from harness.events import Event
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel import toolchain
from harness.model import (
    Accel,
    Arch,
    Boot,
    Case,
    Command,
    CommandResult,
    Outcome,
    Payload,
    Rootfs,
    RunResult,
)
from harness.plan.model import Plan
from harness.run import pipeline
from harness.run.goal import Goal
from harness.run.probe import PROBE
from harness.run.suites import Prepared
from tests.kernel.conftest import fake_clone, git

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
    lost: ClassVar[list[str]] = []  # why each that hung was ended

    def __init__(
        self, *, image: Path, console: Path, profile: str, is_complaint: Callable[[str], bool] | None,
        is_enough: Callable[[str], bool] | None, **_: Any,
    ) -> None:  # fmt: skip
        self._console, self._profile, self._is_complaint, self._is_enough = console, profile, is_complaint, is_enough
        self._number = 0
        found = re.findall(rb"defect_([a-z]+)_([a-z]+)\0", image.read_bytes())
        self._defects = {case.decode(): kind.decode() for case, kind in found}

    def __enter__(self) -> ImageGuest:
        self._console.write_text("Linux version 6.12\n")
        ImageGuest.booted.append(self._console)
        self._number = len(ImageGuest.booted)
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
        if kind == "hangs":
            self._hang()
        flaked = kind == "flakes" and self._console.name == f"console-{ARCH}-plain.log"  # the first guest's
        flaked = flaked or (kind == "seldom" and self._seldom())
        rare = kind == "rarely" and self._number % 3 == 0  # in every third guest of a test
        return CommandResult(1 if kind == "fails" or flaked or rare else 0, "", "", 0.1)

    def _seldom(self) -> bool:
        """In the first guest of the series, and in the third that the base is tried again in."""
        place, name = self._console.parent, self._console.name
        if "baseline" in place.parts:
            return place.name == "tries" and name == f"console-{ARCH}-plain.3.log"
        return name == f"console-{ARCH}-plain.log"

    def _hang(self) -> None:
        """The kernel complains, and the command does not end."""
        said = WARNING.format("do_fault")
        with self._console.open("a") as console:
            console.write(said)
        heard = self._is_complaint is not None and any(map(self._is_complaint, said.splitlines()))
        enough = heard and self._is_enough is not None and self._is_enough(self.console_text())
        ImageGuest.lost.append("complaint" if enough else "deadline")
        raise GuestLost("no end", reason=ImageGuest.lost[-1])

    def run_marked(self, argv: Sequence[str], name: str, then: str, *, timeout_s: float) -> tuple[CommandResult, str]:
        return self.run(argv, timeout_s=timeout_s), self.run(PROBE, timeout_s=timeout_s).stdout

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

    def defects(self, *defects: str, text: str = "") -> None:
        """Write a kernel with these defects."""
        memory = self.clone / "mm" / "memory.c"
        clean = memory.read_text().partition("/* defects */")[0]
        lines = "".join(f'const char {defect}[] = "defect_{defect}";\n' for defect in defects)
        memory.write_text(f"{clean}/* defects */\n{lines}{text}")

    def commit(self, *defects: str, text: str = "") -> None:
        """Commit a kernel with these defects."""
        self.defects(*defects, text=text)
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "--allow-empty", "-m", f"mm: {' '.join(defects) or 'clean'}")

    def posted(self, patches: int = 1) -> Path:
        """The last commits as somebody would send them."""
        mailbox = self.directory / f"series{len(list(self.directory.glob('*.mbox')))}.mbox"
        mailbox.write_text(git(self.clone, "format-patch", "--stdout", f"HEAD~{patches}..HEAD"))
        return mailbox

    def plan(self, **more: Any) -> Plan:
        """Of what all runs here have in common, and `more`."""
        settings: dict[str, Any] = {
            "base_fix": "none", "arch": [ARCH.value], "suites": ["faults"], "sandbox": False,
            "profiles": [{"name": "plain", "fragments": [str(self.directory / "plain.config")]}],
            "guest": {"accel": "tcg", "memory": "128M"},
        }  # fmt: skip
        return Plan.model_validate(settings | more)

    def out(self) -> Path:
        """The results' directory of the next run, before which no guest has been booted."""
        self.runs += 1
        directory = self.directory / f"out{self.runs}"
        directory.mkdir()
        ImageGuest.booted.clear()
        ImageGuest.lost.clear()
        return directory

    def run(self, *, goal: Goal = Goal.RUN, **plan: Any) -> RunResult:
        """Run the last commit as a series on the one before."""
        git(self.clone, "tag", "-f", "base", "HEAD~1")
        mailbox = self.posted()
        planned = self.plan(**{"tree": f"{self.clone}@base", "series": str(mailbox), "retries": 0} | plan)
        published: list[RunResult] = []
        result = pipeline.run_plan(
            planned, directory=self.out(), goal=goal, processes=self.processes,
            cache=self.cache, emit=self.events.append, command=("vmaharness", "run"), publish=published.append,
        )  # fmt: skip
        assert published == [result]
        return result


def cases(result: RunResult) -> dict[str, Case]:
    return {case.name: case for suite in result.suites for case in suite.cases if suite.suite == "faults"}


def booted(what: str) -> int:
    """How many guests of the series or of the base were booted."""
    return sum(("baseline" if "baseline" in path.parts else "series") == what for path in ImageGuest.booted)


def _remembering(ask: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    """What programs say of their versions, asked once for all tests and not once for each test's cache."""
    known: dict[tuple[tuple[str, Path], ...], dict[str, str]] = {}

    def versions(programs: dict[str, Path], processes: Processes, _: Cache | None) -> dict[str, str]:
        key = tuple(programs.items())
        if key not in known:
            known[key] = ask(programs, processes, None)
        return known[key]

    return versions


_VERSIONS = _remembering(toolchain._versions)


def fake_surroundings(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Guests, initramfs and programs without QEMU and Debian; the clone of the fake kernel, with one commit."""
    image, clone = directory / "initramfs", directory / "linux"
    image.touch()
    rootfs = Rootfs(ARCH, image, 0, "r" * 32, ())
    monkeypatch.setattr("harness.run.tester.Guest", ImageGuest)
    monkeypatch.setattr("harness.kernel.toolchain._versions", _VERSIONS)
    monkeypatch.setattr("harness.run.programs.build_rootfs", lambda arch, payloads, **_: replace(rootfs, arch=arch))
    monkeypatch.setattr("harness.run.suites.Workshop.faults", lambda *_: Prepared("faults", Names(), Payload()))
    # The registry's fragments are for real kernels.
    monkeypatch.setattr("harness.kernel.kconfig.fragments_dir", lambda: directory / "no-registry")
    return fake_clone(clone)

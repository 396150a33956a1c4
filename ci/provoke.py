"""What ci/provoke does: boots kernels that complain on demand and keeps what they say, a file a form.

A log is what the kernel wrote from the mark of its form to the next mark, byte for byte; of a complaint before there
are marks, the last lines of the boot.  Which guest is booted for which form: `takes`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from takes import PREFIXES, TAKES, Form, Take

from harness.arch import ARCHES
from harness.errors import HarnessError
from harness.events import Event
from harness.guest import argv, cpio
from harness.guest.qemu import find_program
from harness.guest.rootfs import build_rootfs
from harness.host.cache import Cache, default_root
from harness.host.process import Processes
from harness.model import Accel, Arch
from harness.plan.load import Override, load_plan
from harness.run.goal import Goal
from harness.run.sources import guest_suite
from harness.run.steps import Steps
from harness.verdict.console import scan

PROJECT = Path(__file__).resolve().parents[1]
LOGS = PROJECT / "tests" / "data" / "console"
PLAN = PROJECT / "configs" / "provoke.yaml"
BOOT_LINES = 80
"""Of a boot that has no marks, its last lines are kept."""

MEMORY_MIB = 512
_MARK = "vmaharness: provoke "
_STAMP = re.compile(r"(?:<\d+>)?\[ *\d+\.\d{6}\]")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that complains on demand, and what it is started with."""

    arch: Arch
    profile: str
    version: str
    image: Path
    rootfs: Path


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


class Provoker:
    """Takes logs of one architecture and tree; `out` gets them."""

    def __init__(self, arch: Arch, tree: str, out: Path, processes: Processes, cache: Cache) -> None:
        self._arch, self._tree, self._out = arch, tree, out
        self._processes, self._cache = processes, cache
        self._kernels: dict[str, Kernel] = {}

    def kernel(self, profile: str) -> Kernel:
        """The kernel of that profile, built now unless it is there already.  Raises HarnessError."""
        if profile not in self._kernels:
            self._kernels[profile] = self._build(profile)
        return self._kernels[profile]

    def _build(self, profile: str) -> Kernel:
        plan = load_plan(PLAN, [Override(("tree",), self._tree, "--tree")], cwd=Path.cwd())
        profiles = tuple(one for one in plan.profiles if one.name == profile)
        plan = plan.model_copy(update={"arch": (self._arch,), "profiles": profiles})

        def emit(event: Event) -> None:
            say(f"  {event.step}: {event.text}")

        steps = Steps(
            plan, directory=self._cache.scratch("provoke"), goal=Goal.BUILD, processes=self._processes,
            cache=self._cache, emit=emit,
        )  # fmt: skip
        steps.add_targets()
        try:
            steps.graph.run()
        finally:
            steps.close()
        build = steps.targets[0].build
        if build is None or build.value.image is None:
            raise HarnessError(f"no kernel of profile {profile} for {self._arch.value}")
        rootfs = build_rootfs(
            self._arch, [], archive=steps.archives(guest_suite()), cache=self._cache, processes=self._processes, say=say
        )
        return Kernel(self._arch, profile, steps.trees.tree.value.kernel_version, build.value.image, rootfs.image)

    def take(self, take: Take, wanted: tuple[Form, ...]) -> None:
        """Boot one guest and keep what it says about the forms that are wanted."""
        kernel = self.kernel(take.profile)
        console = self._boot(kernel, take, wanted)
        for form in wanted:
            lines = console.splitlines(keepends=True)
            part = lines[-BOOT_LINES:] if take.at_boot else _part(lines, form)
            self._keep(kernel, form, "".join(part))

    def _boot(self, kernel: Kernel, take: Take, wanted: tuple[Form, ...]) -> str:
        """One guest, to its end; its console."""
        machine = argv.find_machine(kernel.arch, "auto")
        work = self._cache.scratch("provoke")
        initrd, console = work / "initramfs", work / "console"
        init = cpio.pack([cpio.regular("init", _init(wanted).encode(), 0o755)])
        initrd.write_bytes(kernel.rootfs.read_bytes() + init)
        command = [
            str(find_program(kernel.arch)), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            *argv.sandbox_args(), *argv.machine_args(machine, Accel.TCG), *argv.accel_args(Accel.TCG),
            *argv.size_args(2, MEMORY_MIB), *argv.console_args(console),
            *argv.kernel_args(kernel.image, initrd, argv.kernel_cmdline(machine, Accel.TCG, take.cmdline)),
        ]  # fmt: skip
        child = self._processes.spawn(command, cwd=work)
        code = child.wait(take.deadline_s, self._processes.stop)
        if code is None:
            say(f"  {take.forms[0].name}: still running after {take.deadline_s:.0f} s")
        elif code:
            raise HarnessError(f"QEMU ended with exit code {code}")
        self._processes.forget(child)
        return console.read_bytes().decode("utf-8", "replace") if console.exists() else ""

    def _keep(self, kernel: Kernel, form: Form, text: str) -> None:
        findings = scan(text)
        name = f"{PREFIXES[kernel.profile]}{form.name}-{kernel.arch.value}"
        name += "" if kernel.version.startswith("6.12.") else f"-{'.'.join(kernel.version.split('.')[:2])}"
        if not findings:
            say(f"  {name}: the kernel said nothing that is known")
            if self._out != LOGS:
                (self._out / f"{name}.silent").write_text(text, encoding="utf-8")
            return
        what = f"Linux {kernel.version} under TCG, profile {kernel.profile} of configs/provoke.yaml"
        log = f"# Real, {form.name}: {what}.\n{text}"
        (self._out / f"{name}.log").write_text(log, encoding="utf-8", newline="")
        say(f"  {name}: " + "; ".join(f"{one.type}: {one.title}" for one in findings))


def _part(lines: list[str], form: Form) -> list[str]:
    """The lines from a form's mark to the next mark; without a time stamp user space wrote them."""
    marks = [index for index, line in enumerate(lines) if _MARK in line and _STAMP.match(line)]
    own = next((index for index in marks if lines[index].split(_MARK, 1)[1].strip() == form.name), None)
    if own is None:
        return []
    end = next((index for index in marks if index > own), len(lines))
    return lines[own:end]


def _init(forms: tuple[Form, ...]) -> str:
    """The guest's first process: each form in a shell of its own, which ends with it; QEMU ends with the reboot."""
    steps = []
    for form in forms:
        steps.append(f"echo '<1>{_MARK}{form.name}' >/dev/kmsg")
        steps.append(f"sh -c '{form.script}' 2>/dev/null")
        steps.append(f"sleep {form.wait_s}")
    steps.append(f"echo '<1>{_MARK}no more' >/dev/kmsg")
    return "\n".join(["#!/bin/sh", "mount -a 2>/dev/null", *steps, "reboot -f", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description="Takes console logs from kernels that complain on demand.")
    parser.add_argument("forms", nargs="*", metavar="FORM", help="these alone; as the driver and ci/takes.py name them")
    parser.add_argument("--arch", action="append", choices=[arch.value for arch in ARCHES])
    parser.add_argument("--profile", action="append", choices=sorted(PREFIXES))
    parser.add_argument("--tree", default="debian:linux-source-6.12")
    parser.add_argument("--out", type=Path, default=LOGS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with Processes() as processes, Cache(default_root(), processes.stop) as cache:
        for arch in [Arch(name) for name in options.arch or ARCHES]:
            provoker = Provoker(arch, options.tree, options.out, processes, cache)
            for take in TAKES:
                forms = tuple(form for form in take.forms if not options.forms or form.name in options.forms)
                if forms and arch in take.arches and take.profile in (options.profile or PREFIXES):
                    provoker.take(take, forms)
    say(f"done after {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

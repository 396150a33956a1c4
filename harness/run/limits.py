"""What a plan may not ask for, and how many guests this machine runs at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InfraError, UserError
from harness.guest.argv import find_machine
from harness.model import Profile
from harness.plan.model import Plan
from harness.run.suites import DESCRIPTIONS


def check_suites(plan: Plan) -> None:
    """Raises UserError for a suite that there is not."""
    for name in plan.suites:
        if name not in DESCRIPTIONS:
            raise UserError(f"no suite is called {name!r}", fix=f"suites: {', '.join(DESCRIPTIONS)}")


def check_exact(plan: Plan) -> None:
    """Exact guests count instructions, which TCG alone can.  Raises UserError where the plan says otherwise."""
    if plan.exact and plan.guest.accel == "kvm":
        raise UserError("exact guests run under TCG, not under KVM", fix="leave --accel or --exact out")
    for arch in plan.arch if plan.exact else ():
        machine = find_machine(arch, plan.guest.machine)
        if not machine.exact:
            raise UserError(f"no exact guest runs on {machine.name}", fix="leave --machine or --exact out")


def guests_at_once(plan: Plan, profiles: Sequence[Profile]) -> int:
    """As many guests as cores, and as fit into half of the free memory.  Raises InfraError where not one does."""
    with Path("/proc/meminfo").open() as meminfo:
        free = next(int(line.split()[1]) for line in meminfo if line.startswith("MemAvailable:")) // 1024
    planned = plan.guest.to_config()
    needed = max(profile.guest(planned).memory_mib for profile in profiles)
    if free < needed:
        raise InfraError(
            f"a guest wants {needed} MiB of memory, {free} MiB are free", fix="give guests less with --mem"
        )
    return max(1, min(len(os.sched_getaffinity(0)), free // 2 // needed))

"""Whether the loss of a guest may be the machine's doing rather than the kernel's.  Pure; knows no guest.

A suspicion only: the caller does the same again in a fresh guest, and what is lost every time is the kernel's.  A
clock that runs ahead of the host's is none: a guest cannot have lived longer than its QEMU.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.model import Boot, Finding, Outcome

# What a kernel says when it ends a program, perhaps the SSH server (arch/*/mm/fault.c, arch/*/kernel/traps.c,
# mm/oom_kill.c).
_KILLED = re.compile(
    r"\bsegfault at |\btraps: |\bunhandled (?:exception|level)|potentially unexpected fatal signal|Killed process "
    r"|\bgeneral protection fault\b|\bbad page\b",
    re.IGNORECASE,
)
_STAMP = re.compile(r"^(?:<\d{1,3}>)?\[ {0,5}(\d{1,9}\.\d{6})\]", re.MULTILINE)
_CLOCK_FACTOR = 2.0  # a calibration that went well is right to a thousandth
_CLOCK_SLACK_S = 10.0
_QEMU_ENDED = "QEMU ended with exit code"  # with nothing before it: the guest neither reset itself nor powered off


def may_be(reason: str, message: str, findings: Sequence[Finding], console: str) -> bool:
    """Whether SSH broke, or QEMU ended, while the kernel had nothing to do with it as far as its console tells."""
    broke = reason == "ssh" or (reason == "exit" and message.startswith(_QEMU_ENDED))
    return broke and not findings and not _KILLED.search(console)


def boot_may_be(boot: Boot, findings: Sequence[Finding], console: str) -> bool:
    """The same for a boot, whose message begins with the reason."""
    reason, _, message = boot.message.partition(": ")
    return boot.outcome is not Outcome.PASS and may_be(reason, message, findings, console)


def clock_ahead(console: str, host_s: float) -> str:
    """How a guest's clock has run away from the host's, which came to `host_s` since QEMU's start; "" if it has not.

    x86 kernels measure their clock against a timer while they boot.  A host that does not let the guest run meanwhile
    makes that wrong by any factor: then all that the kernel waits for is late before its time.
    """
    guest_s = max((float(found[1]) for found in _STAMP.finditer(console)), default=0.0)
    if guest_s <= max(_CLOCK_FACTOR * host_s, host_s + _CLOCK_SLACK_S):
        return ""
    return f"its clock was at {guest_s:.0f} s when {host_s:.0f} s had passed; on a starved host it is measured wrong"

"""Whether the loss of a guest may be the machine's doing rather than the kernel's.  Pure; knows no guest.

A suspicion only: the caller does the same again in a fresh guest, and what is lost every time is the kernel's.
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
_QEMU_ENDED = "QEMU ended with exit code"  # with nothing before it: the guest neither reset itself nor powered off


def may_be(reason: str, message: str, findings: Sequence[Finding], console: str) -> bool:
    """Whether SSH broke, or QEMU ended, while the kernel had nothing to do with it as far as its console tells."""
    broke = reason == "ssh" or (reason == "exit" and message.startswith(_QEMU_ENDED))
    return broke and not findings and not _KILLED.search(console)


def boot_may_be(boot: Boot, findings: Sequence[Finding], console: str) -> bool:
    """The same for a boot, whose message begins with the reason."""
    reason, _, message = boot.message.partition(": ")
    return boot.outcome is not Outcome.PASS and may_be(reason, message, findings, console)

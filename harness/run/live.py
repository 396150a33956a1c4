"""A guest that has booted: what is asked of it, and whether it is the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.errors import GuestLost
from harness.model import Boot, Case, CommandResult, Outcome

PROBE_S = 10.0
"""How long a guest may take to say how it is."""


class LiveGuest(Protocol):
    """The part of `harness.guest.guest.Guest` that running suites takes."""

    def boot(self) -> Boot: ...

    def run(self, argv: Sequence[str], *, timeout_s: float) -> CommandResult: ...

    def run_marked(
        self, argv: Sequence[str], name: str, then: str, *, timeout_s: float
    ) -> tuple[CommandResult, str]: ...

    def console_text(self) -> str: ...

    def settle(self) -> None: ...


def compare(guest: LiveGuest, config_digest: str, nodes: int) -> list[Case]:
    """Whether the running kernel has the configuration that was built, and the nodes of memory, if several are due."""
    return [_compare_config(guest, config_digest), *([_compare_nodes(guest, nodes)] if nodes > 1 else [])]


def _compare_config(guest: LiveGuest, digest: str) -> Case:
    """Whether the running kernel has the configuration that was built (CONFIG_IKCONFIG_PROC)."""
    try:
        shown = guest.run(("sh", "-c", "zcat /proc/config.gz | sha256sum"), timeout_s=PROBE_S)
    except GuestLost as lost:
        return Case("kernel", "running-config", Outcome.CRASH, message=lost.what)
    found = shown.stdout.split(maxsplit=1)[0] if shown.stdout else ""
    if shown.exit_code != 0 or len(found) != len(digest):
        message = "the guest does not show its configuration (CONFIG_IKCONFIG_PROC)"
        return Case("kernel", "running-config", Outcome.SKIP, message=message)
    if found != digest:
        message = "the running kernel's configuration is not the one that was built"
        return Case("kernel", "running-config", Outcome.ERROR, message=message)
    return Case("kernel", "running-config", Outcome.PASS)


def _compare_nodes(guest: LiveGuest, nodes: int) -> Case:
    """Whether the running kernel has as many nodes of memory as it was to have."""
    try:
        shown = guest.run(("cat", "/sys/devices/system/node/has_memory"), timeout_s=PROBE_S).stdout.strip()
    except GuestLost as lost:
        return Case("kernel", "nodes", Outcome.CRASH, message=lost.what)
    if shown != (wanted := f"0-{nodes - 1}"):
        message = f"the guest has memory in nodes {shown[:64] or 'unknown'}, and was to have it in {wanted}"
        return Case("kernel", "nodes", Outcome.ERROR, message=message)
    return Case("kernel", "nodes", Outcome.PASS)

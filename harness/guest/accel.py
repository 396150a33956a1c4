"""Which accelerator runs a guest: a pure rule over facts about the host.

Creating a KVM virtual machine on a host that has /dev/kvm but no virtualisation extensions can restart that host, so
KVM needs positive evidence, also when it is asked for by name; with `tcg` /dev/kvm is not looked at in any way.
Knows nothing of QEMU.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.arch import host_arch
from harness.errors import UserError
from harness.model import Accel, Arch

CHOICES = ("auto", "tcg", "kvm")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the choice of an accelerator depends on."""

    arch: Arch | None  # None: none that we know as a guest
    kvm_present: bool  # /dev/kvm is there
    kvm_accessible: bool  # ... and readable and writable for us
    cpu_flags: frozenset[str]  # those of vmx and svm that /proc/cpuinfo shows


def gather_facts(kvm: Path = Path("/dev/kvm"), cpuinfo: Path = Path("/proc/cpuinfo")) -> HostFacts:
    """Look at the host.  The device is asked for its access rights and never opened."""
    try:
        flags = frozenset(re.findall(r"\b(?:vmx|svm)\b", cpuinfo.read_text(errors="replace")))
    except OSError:
        flags = frozenset()
    return HostFacts(
        arch=host_arch(), kvm_present=kvm.exists(), kvm_accessible=os.access(kvm, os.R_OK | os.W_OK), cpu_flags=flags
    )


def why_not_kvm(arch: Arch, facts: HostFacts) -> str:
    """The first reason why KVM cannot run guests of `arch` on this host; "" if it can."""
    if facts.arch is not arch:
        return f"the host is {facts.arch.value if facts.arch else 'of another architecture'}, the guest {arch.value}"
    if not facts.kvm_present:
        return "there is no /dev/kvm"
    if not facts.kvm_accessible:
        return "/dev/kvm is not readable and writable for this user"
    if arch is Arch.X86_64 and not facts.cpu_flags:
        return "/proc/cpuinfo shows neither vmx nor svm"
    return ""


def choose_accel(wanted: str, arch: Arch, facts: Callable[[], HostFacts] = gather_facts) -> tuple[Accel, str]:
    """The accelerator for guests of `arch`, and why.

    `wanted` is auto, tcg or kvm; `facts` is not called for tcg.  Raises UserError when KVM is asked for by name and
    the host lacks what it needs: starting it anyway could take the host down.
    """
    if wanted not in CHOICES:
        raise UserError(f"no accelerator {wanted!r}", fix=f"choose one of {', '.join(CHOICES)}")
    if wanted == "tcg":
        return Accel.TCG, "asked for"
    missing = why_not_kvm(arch, facts())
    if wanted == "kvm" and missing:
        raise UserError(f"KVM cannot run {arch.value} guests here: {missing}", fix="use --accel tcg or --accel auto")
    if missing:
        return Accel.TCG, missing
    return Accel.KVM, "asked for" if wanted == "kvm" else "the host has it, for guests of its own architecture"

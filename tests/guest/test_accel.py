"""Which accelerator: KVM only on positive evidence, and with tcg nothing is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from harness.errors import UserError
from harness.guest.accel import HostFacts, choose_accel, gather_facts
from harness.model import Accel, Arch

GOOD = HostFacts(arch=Arch.X86_64, kvm_present=True, kvm_accessible=True, cpu_flags=frozenset({"vmx"}))
GOOD_ARM = HostFacts(arch=Arch.ARM64, kvm_present=True, kvm_accessible=True, cpu_flags=frozenset())


def never() -> NoReturn:
    raise AssertionError("the host was looked at")


@pytest.mark.parametrize("arch", list(Arch))
def test_tcg_looks_at_nothing(arch: Arch) -> None:
    assert choose_accel("tcg", arch, never) == (Accel.TCG, "asked for")


@pytest.mark.parametrize(("arch", "facts"), [(Arch.X86_64, GOOD), (Arch.ARM64, GOOD_ARM)])
def test_auto_takes_kvm_when_the_host_has_all(arch: Arch, facts: HostFacts) -> None:
    assert choose_accel("auto", arch, lambda: facts)[0] is Accel.KVM
    assert choose_accel("kvm", arch, lambda: facts)[0] is Accel.KVM


LACKING = [
    (Arch.X86_64, replace(GOOD, cpu_flags=frozenset()), "neither vmx nor svm"),
    (Arch.X86_64, replace(GOOD, kvm_present=False, kvm_accessible=False), "no /dev/kvm"),
    (Arch.X86_64, replace(GOOD, kvm_accessible=False), "not readable and writable"),
    (Arch.X86_64, GOOD_ARM, "the host is arm64, the guest x86_64"),
    (Arch.ARM64, GOOD, "the host is x86_64, the guest arm64"),
    (Arch.ARM64, replace(GOOD_ARM, arch=None), "of another architecture"),
    (Arch.ARM64, replace(GOOD_ARM, kvm_accessible=False), "not readable and writable"),
]


@pytest.mark.parametrize(("arch", "facts", "reason"), LACKING)
def test_auto_falls_back_to_tcg_and_says_why(arch: Arch, facts: HostFacts, reason: str) -> None:
    accel, why = choose_accel("auto", arch, lambda: facts)
    assert accel is Accel.TCG
    assert reason in why


@pytest.mark.parametrize(("arch", "facts", "reason"), LACKING)
def test_kvm_by_name_is_refused_where_it_could_do_harm(arch: Arch, facts: HostFacts, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        choose_accel("kvm", arch, lambda: facts)


def test_an_unknown_name_is_a_user_error() -> None:
    with pytest.raises(UserError, match="hvf"):
        choose_accel("hvf", Arch.X86_64, never)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("flags\t\t: fpu vme svm sse", {"svm"}),
        ("flags\t\t: fpu vmx", {"vmx"}),
        ("flags\t\t: fpu svm_lock vmxnet", set()),
        ("Features\t: fp asimd", set()),
    ],
)
def test_facts_come_from_cpuinfo_and_the_device(tmp_path: Path, text: str, flags: set[str]) -> None:
    device, cpuinfo = tmp_path / "kvm", tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    without = gather_facts(device, cpuinfo)
    device.touch()
    found = gather_facts(device, cpuinfo)
    assert (without.kvm_present, without.kvm_accessible) == (False, False)
    assert (found.kvm_present, found.kvm_accessible) == (True, True)
    assert set(found.cpu_flags) == flags


def test_no_cpuinfo_is_no_evidence(tmp_path: Path) -> None:
    assert gather_facts(tmp_path / "kvm", tmp_path / "cpuinfo").cpu_flags == frozenset()

"""The fragments and profiles that the project ships: each profile is whole, each request has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import fragments_dir
from harness.kernel.kconfig import Request, fragments_of, read_fragments
from harness.model import Arch, Profile
from harness.plan.profiles import registered_profiles

# Symbols that a supported tree or architecture lacks; docs/kconfigs.md says which.
OPTIONAL = {
    "ARM64_USE_LSE_ATOMICS", "CPU_SUP_INTEL", "KVM_GUEST",
    "VMA_CHECK", "VMA_CHECK_DELAY", "VMA_CHECK_FAIL",
}  # fmt: skip

# For plans of one's own: no profile of the project has them.
ON_REQUEST = {"debuginfo"}

PROFILES = registered_profiles(fragments_dir())


def requests(name: str, arch: Arch) -> dict[str, Request]:
    directory = fragments_dir()
    files = tuple(directory / f"{fragment}.config" for fragment in PROFILES[name].fragments)
    profile = Profile(name=name, fragments=files)
    return {request.symbol: request for request in read_fragments(fragments_of(profile, arch, directory))}


EVERY = [(name, arch) for name, profile in PROFILES.items() for arch in profile.arch]


@pytest.mark.parametrize(("name", "arch"), EVERY)
def test_a_profile_asks_for_the_subject_once_and_says_why(name: str, arch: Arch) -> None:
    asked = requests(name, arch)
    for symbol in ("PER_VMA_LOCK", "SMP", "MMU", "EXPERT", "VIRTIO_NET", "IKCONFIG_PROC", "PRINTK_CALLER"):
        assert asked[symbol].value == "y"
    assert asked["PREEMPT"].value == "y"
    assert {symbol for symbol, request in asked.items() if request.optional} <= OPTIONAL


def test_what_the_profiles_are_known_by() -> None:
    for arch in Arch:
        checks = {"PROVE_LOCKING", "DEBUG_VM", "DEBUG_ATOMIC_SLEEP", "DETECT_HUNG_TASK", "SOFTLOCKUP_DETECTOR"}
        assert checks <= requests("lockdep", arch).keys()
        for name in ("nolockdep", "release"):
            assert checks.isdisjoint(requests(name, arch))
        for name in PROFILES:  # without them no case of the faults suite can pass
            assert "PER_VMA_LOCK_STATS" in requests(name, arch)


def test_each_architecture_has_its_fragment_and_each_fragment_its_profile() -> None:
    files = {path.stem for path in fragments_dir().glob("*.config")}
    used = {fragment for profile in PROFILES.values() for fragment in profile.fragments}
    assert files == used | {arch.value for arch in Arch} | ON_REQUEST


@pytest.mark.parametrize("path", sorted(fragments_dir().glob("*.config")), ids=lambda path: path.stem)
def test_every_group_of_requests_has_a_reason(path: Path) -> None:
    for group in path.read_text().split("\n\n"):
        assert group.startswith("# "), f"{path}: no reason for\n{group}"

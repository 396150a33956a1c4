"""The fragments and profiles that the project ships: each profile is whole, each request has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from harness.data import fragments_dir, plans_dir
from harness.kernel.kconfig import Request, fragments_of, read_fragments
from harness.model import Arch, Profile
from harness.plan.load import load_plan
from harness.plan.model import Check
from harness.plan.profiles import registered_profiles, resolve_profiles

# Symbols that a supported tree or architecture lacks; docs/kconfigs.md says which.
OPTIONAL = {
    "ARM64_USE_LSE_ATOMICS", "CPU_SUP_INTEL", "KVM_GUEST", "SLUB_RCU_DEBUG", "NUMA_EMU",
    "SCHED_DEBUG", "NUMA_MIGRATION",
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


LOCKLESS = {"up"}  # profiles of kernels without per-VMA locks
EVERY = [(name, arch) for name, profile in PROFILES.items() for arch in profile.arch]


@pytest.mark.parametrize(("name", "arch"), EVERY)
def test_a_profile_asks_for_the_subject_once_and_says_why(name: str, arch: Arch) -> None:
    asked = requests(name, arch)
    for symbol in ("PER_VMA_LOCK", "SMP"):  # or proves that it is not there
        assert asked[symbol].value == ("n" if name in LOCKLESS else "y")
    for symbol in ("MMU", "EXPERT", "VIRTIO_NET", "IKCONFIG_PROC", "PRINTK_CALLER"):
        assert asked[symbol].value == "y"
    assert len({"PREEMPT", "PREEMPT_RT"} & asked.keys()) == 1
    assert {symbol for symbol, request in asked.items() if request.optional} <= OPTIONAL


CHECKS = {"PROVE_LOCKING", "DEBUG_VM", "DEBUG_ATOMIC_SLEEP", "DETECT_HUNG_TASK", "SOFTLOCKUP_DETECTOR"}


@pytest.mark.parametrize("arch", list(Arch))
def test_what_the_profiles_are_known_by(arch: Arch) -> None:
    def values(name: str, symbols: set[str]) -> set[str]:
        asked = requests(name, arch)
        return {asked[symbol].value if symbol in asked else "left out" for symbol in symbols}

    for name in ("lockdep", "checked"):
        assert values(name, CHECKS) == {"y"}
    assert values("nolockdep", {"DEBUG_VM", "DETECT_HUNG_TASK", "FAILSLAB"}) == {"y"}
    assert values("nolockdep", {"LOCKDEP", "PROVE_LOCKING", "DEBUG_LOCK_ALLOC"}) == {"n"}
    nothing = {"LOCKDEP", "DEBUG_LOCK_ALLOC", "DEBUG_VM", "DEBUG_LIST", "DEBUG_ATOMIC_SLEEP", "DEBUG_FS", "TRACING"}
    assert values("release", nothing) == {"n"}
    assert values("release", {"DETECT_HUNG_TASK", "CC_OPTIMIZE_FOR_SIZE"}) == {"left out"}
    for name, symbols in (
        ("kasan", {"KASAN_GENERIC", "SLUB_RCU_DEBUG"}),
        ("kcsan", {"KCSAN"}),
        ("numa", {"NUMA_BALANCING", "SLUB_DEBUG"}),
        ("preempt-rt", {"PREEMPT_RT"}),
    ):
        assert values(name, symbols | CHECKS) == {"y"}
    for name in PROFILES.keys() - LOCKLESS:  # without them no case of the faults suite can pass
        assert values(name, {"PER_VMA_LOCK_STATS"}) == {"y"}


def test_what_the_profiles_ask_of_their_guests() -> None:
    assert {name for name, profile in PROFILES.items() if profile.arch != tuple(Arch)} == {"up"}
    assert (PROFILES["up"].arch, PROFILES["up"].smp) == ((Arch.X86_64,), 1)  # arm64 knows no kernel without SMP
    assert requests("up", Arch.X86_64)["PROVE_LOCKING"].value == "y"
    assert (PROFILES["numa"].nodes, PROFILES["numa"].cmdline) == (2, "slab_debug=FZP,kmalloc-64,kmalloc-128")
    assert {name for name, profile in PROFILES.items() if profile.memory} == {"kasan"}


def test_the_plan_of_all_profiles_has_all() -> None:
    plan = load_plan(plans_dir() / "matrix.yaml", cwd=Path("/nowhere"))
    profiles = resolve_profiles(plan, fragments_dir())
    assert PROFILES.keys() - {"checked"} <= {profile.name for profile in profiles}
    assert set(plan.checks) == set(get_args(Check))
    for profile in profiles:
        for arch in profile.arches:
            asked = {one.symbol: one.value for one in read_fragments(fragments_of(profile, arch))}
            assert asked["PER_VMA_LOCK"] == "n" or asked["PER_VMA_LOCK_STATS"] == "y"


def test_each_architecture_has_its_fragment_and_each_fragment_its_profile() -> None:
    files = {path.stem for path in fragments_dir().glob("*.config")}
    used = {fragment for profile in PROFILES.values() for fragment in profile.fragments}
    assert files == used | {arch.value for arch in Arch} | ON_REQUEST


@pytest.mark.parametrize("path", sorted(fragments_dir().glob("*.config")), ids=lambda path: path.stem)
def test_every_group_of_requests_has_a_reason(path: Path) -> None:
    for group in path.read_text().split("\n\n"):
        assert group.startswith("# "), f"{path}: no reason for\n{group}"

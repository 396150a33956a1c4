"""Profiles: from a name to the fragment files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data import fragments_dir
from harness.errors import InputError, UserError
from harness.model import Arch, GuestConfig, Profile
from harness.plan.model import Plan
from harness.plan.profiles import fragment_names, registered_profiles, resolve_profiles


@pytest.fixture
def kconfigs(tmp_path: Path) -> Path:
    """A registry of two fragments and one profile."""
    for name in ("base", "lockdep", "arm64", "x86_64"):
        (tmp_path / f"{name}.config").touch()
    (tmp_path / "profiles.yaml").write_text("lockdep:\n  description: all locks proven\n  fragments: [base, lockdep]\n")
    return tmp_path


def _plan(profile: object) -> Plan:
    return Plan.model_validate({"profiles": [profile]})


def test_a_registered_profile_keeps_its_order_and_has_no_architecture(kconfigs: Path) -> None:
    assert resolve_profiles(Plan(), kconfigs) == (
        Profile("lockdep", (kconfigs / "base.config", kconfigs / "lockdep.config"), "all locks proven"),
    )
    assert fragment_names(kconfigs) == ["base", "lockdep"]


def test_a_profile_of_its_own_fragments(kconfigs: Path) -> None:
    mine = kconfigs / "somewhere" / "mine.config"
    mine.parent.mkdir()
    mine.touch()
    (profile,) = resolve_profiles(_plan({"name": "lockdep", "fragments": ["base", str(mine)]}), kconfigs)
    assert profile == Profile("lockdep", (kconfigs / "base.config", mine))


def test_checkers_are_the_registered_profile_s_unless_the_plan_says_more(kconfigs: Path) -> None:
    with (kconfigs / "profiles.yaml").open("a") as registry:
        registry.write("checked:\n  fragments: [base]\n  checkers: auto\n")
    for asked, given in (
        ("checked", "auto"), ({"name": "checked", "checkers": "none"}, "none"), ("lockdep", "none"),
        ({"name": "lockdep", "checkers": "auto"}, "auto"), ({"name": "mine", "fragments": ["base"]}, "none"),
        ({"name": "checked", "fragments": ["base"]}, "none"),
    ):  # fmt: skip
        assert [profile.checkers for profile in resolve_profiles(_plan(asked), kconfigs)] == [given]


def test_names_that_do_not_exist_are_answered_with_those_that_do(kconfigs: Path) -> None:
    with pytest.raises(UserError) as caught:
        resolve_profiles(_plan("lockdpe"), kconfigs)
    assert (str(caught.value), caught.value.fix) == (
        "no profile is called 'lockdpe'",
        "did you mean lockdep? the profiles are: lockdep",
    )
    with pytest.raises(UserError) as caught:
        resolve_profiles(_plan({"name": "x", "fragments": ["kasan"]}), kconfigs)
    assert (str(caught.value), caught.value.fix) == (
        "profile x: no fragment is called 'kasan'",
        "the fragments are: base, lockdep",
    )
    with pytest.raises(UserError, match=r"profile x: there is no fragment file /gone\.config"):
        resolve_profiles(_plan({"name": "x", "fragments": ["/gone.config"]}), kconfigs)


def test_a_broken_registry_is_named_with_its_line(kconfigs: Path) -> None:
    registry = kconfigs / "profiles.yaml"
    registry.write_text("lockdep:\n  fragments: [base]\n  descripton: x\n")
    with pytest.raises(InputError) as caught:
        registered_profiles(kconfigs)
    assert str(caught.value) == f"{registry}:3: lockdep.descripton: unknown key"
    registry.write_text("lockdep:\n  fragments: []\n")
    with pytest.raises(InputError) as caught:
        registered_profiles(kconfigs)
    assert str(caught.value) == f"{registry}:2: lockdep.fragments: must not be empty"


def test_what_a_profile_asks_of_its_guests(kconfigs: Path) -> None:
    registry = kconfigs / "profiles.yaml"
    registry.write_text(
        "slow:\n  fragments: [base]\n  arch: [x86_64]\n  smp: 1\n  nodes: 2\n  cmdline: word\n  pace: 3\n  memory: 1G\n"
    )
    (profile,) = resolve_profiles(_plan("slow"), kconfigs)
    assert profile.arches == (Arch.X86_64,)
    planned = GuestConfig(smp=4, cmdline="mine", boot_s=10.0, command_s=20.0, silence_s=30.0, memory_mib=512)
    assert profile.guest(planned) == GuestConfig(
        smp=1, nodes=2, cmdline="word mine", boot_s=30.0, command_s=60.0, silence_s=90.0, memory_mib=1024
    )
    assert profile.guest(GuestConfig(memory_mib=2048)).memory_mib == 2048
    assert Profile("plain", ()).guest(planned) == planned
    for line, message in (
        ("arch: [riscv]", "slow.arch[0]: must be one of x86_64, arm64, not the text 'riscv'"),
        ("arch: []", "slow.arch: must not be empty"),
        ("smp: -1", "slow.smp: must be at least 0, not the number -1"),
        ("nodes: 0", "slow.nodes: must be at least 1, not the number 0"),
        ("memory: 2", "slow.memory: must be text, not the number 2"),
        ("memory: 2T", "slow.memory: must be a size such as 512M or 1G, not '2T'"),
        ("pace: 0.5", "slow.pace: must be at least 1.0, not the number 0.5"),
    ):
        registry.write_text(f"slow:\n  fragments: [base]\n  {line}\n")
        with pytest.raises(InputError) as caught:
            registered_profiles(kconfigs)
        assert str(caught.value) == f"{registry}:3: {message}"


@pytest.mark.skipif(not (fragments_dir() / "profiles.yaml").exists(), reason="no registry yet")
def test_the_profiles_of_the_project_resolve() -> None:
    for name in registered_profiles(fragments_dir()):
        (profile,) = resolve_profiles(_plan(name), fragments_dir())
        assert profile.description
        assert profile.fragments[0].name == "base.config"

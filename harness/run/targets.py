"""What a run is about: each architecture and profile of the plan, with the steps that it takes."""

from __future__ import annotations

import filecmp
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UserError
from harness.model import AppliedTree, Arch, Build, Outcome, Profile, Rootfs
from harness.run.account import TargetAccount
from harness.run.exact import ExactRunner
from harness.run.graph import Node
from harness.run.suites import Prepared


@dataclass(slots=True)
class Target:
    """One architecture and profile, and its steps as far as the goal needs them."""

    arch: Arch
    profile: Profile
    tree: Node[AppliedTree] | None = None
    config: Node[Outcome] | None = None
    build: Node[Build] | None = None
    rootfs: Node[Rootfs] | None = None
    test: Node[TargetAccount] | None = None
    seeds: tuple[Node[ExactRunner], ...] = ()  # of exact guests, which `test` puts together
    prepared: tuple[Prepared, ...] = ()
    broken_by_checkers: bool = False  # its build, which says nothing of the series then

    @property
    def name(self) -> str:
        return f"{self.arch} {self.profile.name}"


def targets_of(profiles: Sequence[Profile], arches: Sequence[Arch]) -> tuple[list[Target], list[str]]:
    """What a plan's profiles and architectures make, and a note for each pair that there is no kernel of.

    Raises UserError where nothing is left.
    """
    targets, notes = [], []
    for profile in profiles:
        targets += [Target(arch, profile) for arch in arches if arch in profile.arches]
        if missing := [arch.value for arch in arches if arch not in profile.arches]:
            notes.append(f"profile {profile.name} is for {', '.join(profile.arches)}: none on {', '.join(missing)}")
    if not targets:
        raise UserError("; ".join(notes), fix="choose another profile, or an architecture that has it (--arch)")
    return targets, notes


def same_kernel(one: Build, other: Build) -> bool:
    """Whether two builds made the same kernel, byte for byte."""
    return one.image is not None and other.image is not None and filecmp.cmp(one.image, other.image, shallow=False)


def image_digest(build: Build) -> str:
    """Names the kernel that a good build made, by what it is."""
    assert build.image is not None
    return hashlib.sha256(build.image.read_bytes()).hexdigest()


def first_error(build: Build) -> str:
    """What went wrong first, for a line."""
    errors = (message for message in build.messages if message.severity == "error")
    return next((f"{error.path}:{error.line}: {error.text}" for error in errors), "it did not compile; see the log")

"""Profiles by name -> fragment files, from the registry kconfigs/profiles.yaml.

The architecture's own fragment is not among them: the kernel stage puts it after the first.  Reads no fragment.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator
from pydantic_core import PydanticCustomError

from harness.errors import UserError
from harness.model import Arch, Profile
from harness.plan.document import read_document
from harness.plan.load import is_file_name, validate
from harness.plan.model import Plan, ProfilePlan
from harness.plan.values import NONE, Name, Text, memory_mib

REGISTRY = "profiles.yaml"


class RegisteredProfile(BaseModel):
    """One entry of the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    fragments: tuple[Text, ...] = Field(min_length=1, examples=[["base", "per-vma-lock"]])
    checkers: Text = Field(default=NONE, examples=["auto"])
    arch: tuple[Arch, ...] = Field(
        default=tuple(Arch),
        min_length=1,
        description="The architectures that have such a kernel.",
        examples=[["x86_64"]],
    )
    smp: int = Field(
        default=0,
        ge=0,
        le=512,
        strict=True,
        description="CPUs of its guests; 0: as many as the plan says.",
        examples=[1],
    )
    nodes: int = Field(default=1, ge=1, le=8, strict=True, description="Nodes of memory of its guests.", examples=[2])
    memory: str = Field(
        default="", description="Memory of its guests, where the plan gives them less.", examples=["2G"]
    )
    cmdline: str = Field(
        default="", description="Words on its command line, before the plan's.", examples=["kasan_multi_shot"]
    )
    pace: float = Field(
        default=1.0,
        ge=1,
        le=100,
        strict=True,
        allow_inf_nan=False,
        description="How many times longer everything takes on it: deadlines are multiplied by this.",
        examples=[3],
    )

    @field_validator("memory", mode="after")
    @classmethod
    def _memory_in_range(cls, value: str) -> str:
        try:
            memory_mib(value or "1G")
        except ValueError as error:
            raise PydanticCustomError("memory", "{why}", {"why": str(error)}) from error
        return value


class _Registry(RootModel[dict[Name, RegisteredProfile]]):
    pass


def registered_profiles(directory: Path) -> dict[str, RegisteredProfile]:
    """The profiles of a registry directory, in its order; raises InputError with the line of a defect."""
    return validate(_Registry, read_document(directory / REGISTRY)).root


def fragment_names(directory: Path) -> list[str]:
    """Fragments that a profile can name; the architectures' own are not for choosing."""
    return sorted(path.stem for path in directory.glob("*.config") if path.stem not in set(Arch))


def resolve_profiles(plan: Plan, directory: Path) -> tuple[Profile, ...]:
    """The plan's profiles with their fragments' paths; for unknown ones a UserError that names what there is."""
    return tuple(_resolve(profile, directory) for profile in plan.profiles)


def _resolve(profile: ProfilePlan, directory: Path) -> Profile:
    if profile.fragments:
        files = _fragments(profile.fragments, profile.name, directory)
        return Profile(profile.name, files, checkers=profile.checkers or NONE)
    registry = registered_profiles(directory)
    if profile.name not in registry:
        raise UserError(f"no profile is called {profile.name!r}", fix=_choose(profile.name, list(registry), "profiles"))
    found = registry[profile.name]
    return Profile(
        profile.name, _fragments(found.fragments, profile.name, directory), found.description,
        checkers=found.checkers if profile.checkers is None else profile.checkers,
        arches=found.arch, smp=found.smp, nodes=found.nodes, cmdline=found.cmdline, pace=found.pace,
        memory_mib=memory_mib(found.memory) if found.memory else 0,
    )  # fmt: skip


def _fragments(names: Sequence[str], profile: str, directory: Path) -> tuple[Path, ...]:
    return tuple(_fragment(name, profile, directory) for name in names)


def _fragment(name: str, profile: str, directory: Path) -> Path:
    if is_file_name(name):
        path = directory / name
        if path.is_file():
            return path
        raise UserError(f"profile {profile}: there is no fragment file {path}", fix="correct the path")
    path = directory / f"{name}.config"
    if path.is_file():
        return path
    known = fragment_names(directory)
    raise UserError(f"profile {profile}: no fragment is called {name!r}", fix=_choose(name, known, "fragments"))


def _choose(wrong: str, known: list[str], plural: str) -> str:
    close = difflib.get_close_matches(wrong, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}the {plural} are: {', '.join(known) or 'none'}"

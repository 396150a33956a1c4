"""Profiles by name -> fragment files, from the registry kconfigs/profiles.yaml.

The architecture's own fragment is not among them: the kernel stage puts it after the first.  Reads no fragment.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, RootModel

from harness.errors import UserError
from harness.model import Arch, Profile
from harness.plan.document import read_document
from harness.plan.load import is_file_name, validate
from harness.plan.model import NONE, Name, Plan, ProfilePlan, Text

REGISTRY = "profiles.yaml"


class RegisteredProfile(BaseModel):
    """One entry of the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    fragments: tuple[Text, ...] = Field(min_length=1, examples=[["base", "per-vma-lock"]])
    checkers: Text = Field(default=NONE, examples=["auto"])


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
    description, fragments, checkers = "", profile.fragments, profile.checkers
    if not fragments:
        registered = registered_profiles(directory)
        if profile.name not in registered:
            raise UserError(
                f"no profile is called {profile.name!r}", fix=_choose(profile.name, list(registered), "profiles")
            )
        entry = registered[profile.name]
        description, fragments = entry.description, entry.fragments
        checkers = entry.checkers if checkers is None else checkers
    files = tuple(_fragment(name, profile.name, directory) for name in fragments)
    return Profile(profile.name, files, description, checkers or NONE)


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

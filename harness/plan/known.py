"""The file of known findings -> its entries, each with its place.  Every error says where and what to write instead.

Whether an entry matches or has expired is `harness.verdict.known`'s to say.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.errors import InputError
from harness.model import Arch, KnownFailure
from harness.plan.document import read_document
from harness.plan.load import validate
from harness.plan.values import Name, Text

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FINDING = re.compile(r"[0-9a-f]{16}|[a-z*?\[][^:]{0,99}: \S.*")


def _day(value: Any) -> str:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise PydanticCustomError("day", "must be a day such as 2027-03-31")


def _finding(value: Any) -> str:
    if isinstance(value, str) and _FINDING.fullmatch(value):
        return value
    if isinstance(value, int | float):
        raise PydanticCustomError("finding", "is a number to YAML: put the fingerprint in quotes")
    raise PydanticCustomError("finding", "must be a fingerprint of 16 hexadecimal digits, or TYPE: TITLE with * and ?")


def _reason(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("reason", "must not be empty")
    return value


class KnownEntry(BaseModel):
    """A finding or a case that is known to be bad, why, and until when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Annotated[str, BeforeValidator(_finding)] | None = Field(
        default=None, examples=["lockdep: possible circular*"]
    )
    case: Text | None = Field(default=None, examples=["faults.anon.*"])
    arch: Arch | None = Field(default=None, examples=["arm64"])
    profile: Name | None = Field(default=None, examples=["lockdep"])
    reason: Annotated[Text, AfterValidator(_reason)] = Field(examples=["reported to the list, the fix is in review"])
    expires: Annotated[str, BeforeValidator(_day)] = Field(examples=["2027-03-31"])

    @model_validator(mode="after")
    def _one_of_two(self) -> KnownEntry:
        if (self.finding is None) is (self.case is None):
            raise PydanticCustomError("one_of", "needs either finding: or case:")
        return self


class KnownFile(BaseModel):
    """The file as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: tuple[KnownEntry, ...] = Field(
        examples=[[{"case": "faults.anon.*", "reason": "…", "expires": "2027-03-31"}]]
    )


def load_known(path: Path) -> tuple[KnownFailure, ...]:
    """The entries of a file, in its order.  Raises InputError with the line of a defect."""
    document = read_document(path, wanted="a file of known findings (docs/verdict.md)", example="known: []")
    entries = validate(KnownFile, document, {"known": KnownEntry}).known
    first: dict[tuple[object, ...], int] = {}
    for position, entry in enumerate(entries):
        before = first.setdefault((entry.finding, entry.case, entry.arch, entry.profile), position)
        if before != position:
            what = f"known[{position}]: is about the same as line {document.line(('known', before))}"
            raise InputError(path, document.line(("known", position)), what, fix="remove one of the two")
    return tuple(
        KnownFailure(
            place=f"{path}:{document.line(('known', position))}", finding=entry.finding or "", case=entry.case or "",
            arch=entry.arch.value if entry.arch else "", profile=entry.profile or "", reason=entry.reason,
            expires=entry.expires,
        )
        for position, entry in enumerate(entries)
    )  # fmt: skip

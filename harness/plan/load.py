"""A plan file and flags -> Plan.  Every error says where, which key, what is wrong and what to write instead.

Relative paths of a plan file are relative to that file, those of flags to the working directory.
Knows files and fields; whether a tree or series exists is for others to find out.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.errors import HarnessError, InputError, UserError
from harness.plan.document import Document, Key, describe, read_document, spell
from harness.plan.model import BenchPlan, GuestPlan, Plan, ProfilePlan

_Model = TypeVar("_Model", bound=BaseModel)
_REMOTE = re.compile(r"debian:|[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:")
Parts = Mapping[str, type[BaseModel]]
_PARTS: Parts = {"guest": GuestPlan, "bench": BenchPlan, "profiles": ProfilePlan}


@dataclass(frozen=True, slots=True)
class Override:
    """A value that wins over the plan's; `origin` is the flag or variable that said it."""

    key: tuple[str, ...]
    value: object
    origin: str


def load_plan(path: Path | None, overrides: Sequence[Override] = (), *, cwd: Path) -> Plan:
    """The plan of a file (None: all defaults) with flags over it.

    Raises InputError with the line for defects of the file, UserError with the flag's name for those of a flag.
    """
    values: dict[str, object] = {}
    if path is not None:
        document = read_document(path)
        values = _anchored(validate(Plan, document, _PARTS), path.absolute().parent).model_dump(exclude_unset=True)
        if isinstance(document.value, dict) and "exact" not in document.value:
            values.pop("exact", None)  # what the seeds say, and flags may take back with them
    return _anchored(_overridden(values, overrides), cwd.absolute())


def with_overrides(plan: Plan, overrides: Sequence[Override]) -> Plan:
    """A plan with flags over it; their paths are taken from the working directory.  Raises UserError."""
    return _anchored(_overridden(plan.model_dump(), overrides), Path.cwd())


def _overridden(values: dict[str, object], overrides: Sequence[Override]) -> Plan:
    made = values.get("profiles")
    for override in overrides:
        value = override.value if override.key != ("profiles",) else _chosen(override.value, made)
        _put(values, override.key, value)
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        raise _flag_error(error, overrides) from None


def validate(model: type[_Model], document: Document, parts: Parts | None = None) -> _Model:
    """A model from a document; raises InputError for the first defect, with the others in its detail.

    `parts` has the models of keys that hold more than text, for hints.
    """
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        found = sorted(_defects(error), key=lambda defect: document.line(defect.key))
        first, *others = [
            InputError(document.path, document.line(defect.key), defect.text(), fix=defect.fix(model, parts or {}))
            for defect in found
        ]
        first.detail = "\n".join(str(other) for other in others)
        raise first from None


@dataclass(frozen=True, slots=True)
class _Defect:
    key: Key
    error: ErrorDetails

    def text(self) -> str:
        return f"{spell(self.key)}: {_wrong(self.error)}" if self.key else _wrong(self.error)

    def fix(self, model: type[BaseModel], parts: Parts) -> str:
        if self.error["type"] == "extra_forbidden":
            return _known_keys(parts.get(str(self.key[0]), model) if len(self.key) > 1 else model, str(self.key[-1]))
        if self.error["type"] == "missing":
            return f"add {self.key[-1]}: …"
        if self.error["type"] == "bool_type":
            return "write true or false"
        return _example(model, self.key, parts)


def _defects(error: ValidationError) -> Iterable[_Defect]:
    found = [_Defect(tuple(details["loc"]), details) for details in error.errors(include_url=False)]
    for defect in found:
        shadowed = any(
            len(other.key) > len(defect.key) and other.key[: len(defect.key)] == defect.key for other in found
        )
        if not (defect.error["type"] == "too_short" and shadowed):  # a list whose items are wrong is not empty
            yield defect


_TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_RULES = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_too_long": "is longer than {max_length} characters",
    "greater_than": "must be more than {gt}, not {got}",
    "greater_than_equal": "must be at least {ge}, not {got}",
    "less_than_equal": "must be at most {le}, not {got}",
    "string_pattern_mismatch": "must be made of letters, digits and . _ + - (the first a letter or digit), not {got}",
}


def _wrong(error: ErrorDetails) -> str:
    """What is wrong, in the words of someone who writes YAML."""
    kind, got, limits = error["type"], describe(error["input"]), error.get("ctx", {})
    if kind in ("enum", "literal_error"):
        choices = str(limits["expected"]).replace("'", "").replace(" or ", ", ")
        return f"must be one of {choices}, not {got}"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, not {got}"
    return _RULES[kind].format(got=got, **limits) if kind in _RULES else error["msg"]


def _field(model: type[BaseModel], key: Key, parts: Parts) -> tuple[str, FieldInfo] | None:
    names = [part for part in key if isinstance(part, str)]
    holder = model
    for name in names[:-1]:
        holder = parts.get(name, holder)
    field = holder.model_fields.get(names[-1]) if names else None
    return (names[-1], field) if field else None


def _known_keys(model: type[BaseModel], wrong: str) -> str:
    known = list(model.model_fields)
    close = difflib.get_close_matches(wrong.lower().replace("-", "_"), known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(known)}"


def _example(model: type[BaseModel], key: Key, parts: Parts) -> str:
    found = _field(model, key, parts)
    if found is None or not found[1].examples:
        return ""
    return f"for example: {found[0]}: {as_yaml(found[1].examples[0])}"


def as_yaml(value: object) -> str:
    """A value on one line of YAML."""
    if isinstance(value, str):
        bare = re.fullmatch(r"[A-Za-z0-9_./~-][A-Za-z0-9_./~:@= -]*", value) and ": " not in value and value != "~"
        return value if bare else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_yaml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {as_yaml(item)}' for name, item in value.items())}}}"
    return json.dumps(value)


def _chosen(wanted: object, made: object) -> object:
    """Profiles that a flag names, those among them that the plan makes as it makes them."""
    if not (isinstance(wanted, list | tuple) and isinstance(made, list | tuple)):
        return wanted
    own = {str(profile.get("name")): profile for profile in made if isinstance(profile, dict)}
    return [own.get(name, name) if isinstance(name, str) else name for name in wanted]


def _put(values: dict[str, object], key: tuple[str, ...], value: object) -> None:
    *path, last = key
    for name in path:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):  # cannot be: the file has been validated
            raise TypeError(name)
        values = inner
    values[last] = value


def _flag_error(error: ValidationError, overrides: Sequence[Override]) -> HarnessError:
    defect = next(iter(_defects(error)))
    origin = next(
        (item.origin for item in reversed(overrides) if defect.key[: len(item.key)] == item.key), spell(defect.key)
    )
    example = _example(Plan, defect.key, _PARTS).removeprefix("for example: ").partition(": ")[2]
    return UserError(f"{origin}: {_wrong(defect.error)}", fix=f"for example: {example}" if example else "")


# --- paths ----------------------------------------------------------------------------------------------------


def _anchored(plan: Plan, base: Path) -> Plan:
    """The same plan with its relative paths made absolute."""
    changes: dict[str, object] = {"tree": plan.tree if _REMOTE.match(plan.tree) else _absolute(plan.tree, base)}
    if plan.base_candidates:
        changes["base_candidates"] = tuple(
            spec if _REMOTE.match(spec) else _absolute(spec, base) for spec in plan.base_candidates
        )
    if plan.series is not None and (_is_path(plan.series) or _exists(base, plan.series)):
        changes["series"] = _absolute(plan.series, base)
    if plan.base_fix not in ("auto", "none"):
        changes["base_fix"] = _absolute(plan.base_fix, base)
    if plan.known is not None:
        changes["known"] = _absolute(plan.known, base)
    if plan.out is not None:
        changes["out"] = _absolute(plan.out, base)
    changes["profiles"] = tuple(
        profile.model_copy(
            update={
                "fragments": tuple(_absolute(name, base) if is_file_name(name) else name for name in profile.fragments),
                **({"checkers": _absolute(own, base)} if (own := _own_checkers(profile)) else {}),
            }
        )
        for profile in plan.profiles
    )
    said = plan.model_fields_set
    return plan.model_copy(update={name: value for name, value in changes.items() if name in said})


def _own_checkers(profile: ProfilePlan) -> str:
    """The directory that a profile names for its checkers; "" where it names none."""
    return "" if profile.checkers in (None, "auto", "none") else str(profile.checkers)


def is_file_name(fragment: str) -> bool:
    """Whether a fragment is named by its path rather than by its name in kconfigs/."""
    return "/" in fragment or fragment.endswith(".config")


def _is_path(text: str) -> bool:
    return text.startswith(("./", "../", "/", "~")) or text in (".", "..")


def _exists(base: Path, text: str) -> bool:
    try:
        return (base / text).exists()
    except (OSError, ValueError):  # too long for a file name, or a NUL in it
        return False


def _absolute(text: str, base: Path) -> str:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~nobody
        path = Path(text)
    return str(Path(*_normal(base / path)))


def _normal(path: Path) -> tuple[str, ...]:
    """Parts without `.` and, where they are no symbolic links, without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1 and parts[-1] != ".." and not _is_link(Path(*parts)):
            parts.pop()
        else:
            parts.append(part)
    return tuple(parts)


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False

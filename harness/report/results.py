"""RunResult <-> results.json.

What is written is checked by reading it back as a RunResult.  Paths inside the directory of the file are written
relative to it, so that a result directory can be moved or downloaded; all others stay absolute.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import InfraError, InputError
from harness.model import RunResult
from harness.report.files import write_atomic
from harness.report.schema import SCHEMA_VERSION, adapter, json_schema

__all__ = ["from_json", "json_schema", "load", "to_json", "write"]

T = TypeVar("T")


def write(result: RunResult, path: Path) -> None:
    """Write `result` to `path`, whole or not at all.

    Raises InfraError when it cannot be written, and when it holds what JSON cannot (a NaN, an unknown type).
    """
    from pydantic import ValidationError  # noqa: PLC0415 - heavy

    data = _plain(result, path.parent.absolute(), "result")
    try:
        adapter().validate_python(data)
    except ValidationError as error:
        raise InfraError(f"{path}: not a result: {_first(error)}") from error
    write_atomic(path, (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def load(path: Path) -> RunResult:
    """The result in `path`; its relative paths are taken from the directory of `path`.

    Raises InputError: no such file, not JSON (with the line), not a result of ours, another version of the schema.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - heavy

    data = _read(path)
    if not isinstance(data, dict) or "schema" not in data or "outcome" not in data:
        raise InputError(path, 0, "not a result of vmaharness", fix="give the results.json of a run")
    if data["schema"] != SCHEMA_VERSION:
        found = json.dumps(data["schema"])[:40]
        raise InputError(
            path, 0, f"has schema version {found}, and this vmaharness reads version {SCHEMA_VERSION}",
            fix=f"use vmaharness {str(data.get('version', 'of the run'))[:40]}, which wrote it",
        )  # fmt: skip
    try:
        result = adapter().validate_python(data)
    except ValidationError as error:
        raise InputError(path, 0, f"not a result of vmaharness: {_first(error)}") from error
    absolute: RunResult = _absolute(result, path.parent.absolute())
    return absolute


def to_json(value: object, directory: Path) -> Any:
    """A value of `harness.model` as JSON has it, with paths below `directory` relative.  Raises InfraError."""
    return _plain(value, directory, type(value).__name__)


def from_json(kind: type[T], data: Any, directory: Path) -> T:
    """The value again, with its relative paths below `directory`.  Raises ValueError when it is none of `kind`."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy

    found: T = _absolute(TypeAdapter(kind).validate_python(data), directory)
    return found


def _read(path: Path) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except FileNotFoundError as error:
        raise InputError(path, 0, "no such file", fix="give the directory of a run that has ended") from error
    except OSError as error:
        raise InputError(path, 0, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, 0, "not UTF-8 text", fix="give the results.json of a run") from error
    except json.JSONDecodeError as error:
        raise InputError(path, error.lineno, f"not JSON: {error.msg}", fix="the file is damaged: run again") from error
    except (ValueError, RecursionError) as error:
        raise InputError(path, 0, f"not JSON: {error}", fix="the file is damaged: run again") from error


def _first(error: Any) -> str:
    """`targets.0.build.key: Field required`: the first complaint of a pydantic.ValidationError."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _plain(value: Any, directory: Path, place: str) -> Any:
    """`value` as JSON has it.  `place` names it in errors."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), directory, f"{place}.{field.name}")
            for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {_text(str(key)): _plain(item, directory, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item, directory, f"{place}.{index}") for index, item in enumerate(value)]
    return _scalar(value, directory, place)


def _scalar(value: Any, directory: Path, place: str) -> str | int | float | None:
    if isinstance(value, Path):
        return _text(str(value.relative_to(directory) if value.is_relative_to(directory) else value))
    if isinstance(value, str):  # also of an enumeration
        return _text(str(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise InfraError(f"{place} is {value}, which a result cannot hold")
    if value is None or isinstance(value, int | float):
        return value
    raise InfraError(f"{place} is a {type(value).__name__}, which a result cannot hold")


def _text(value: str) -> str:
    """Lone surrogates (bytes of a file name that are no UTF-8) as escapes: no JSON reader takes them."""
    return value.encode("utf-8", "backslashreplace").decode()


def _absolute(value: Any, directory: Path) -> Any:
    """`value` with every relative path in it taken from `directory`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: _absolute(getattr(value, field.name), directory) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(_absolute(item, directory) for item in value)
    return directory / value if isinstance(value, Path) else value

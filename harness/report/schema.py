"""The JSON Schema of results.json, made from the result values themselves.

``python -m harness.report.schema`` writes docs/results.schema.json again; a test says when that is due.
Knows the types of `harness.model` and nothing of files that hold results.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.model import RunResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
"""What `RunResult.schema` says: one more for every change that a reader of the version before would misunderstand."""

PUBLISHED = Path(__file__).parents[2] / "docs" / "results.schema.json"


@cache
def adapter() -> TypeAdapter[RunResult]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy; `vmaharness --help` must not pay for it

    return TypeAdapter(RunResult)


def json_schema() -> dict[str, Any]:
    """The schema of results.json (JSON Schema 2020-12)."""
    generated = _without_titles(adapter().json_schema(mode="serialization"))
    definitions: dict[str, Any] = generated.pop("$defs")
    # Notes that hold for every document and that the types do not say.
    generated["properties"]["schema"] = {"const": SCHEMA_VERSION, "description": "version of this schema"}
    generated["properties"]["started"]["format"] = "date-time"
    generated["required"] = [*dict.fromkeys((*generated["required"], "schema"))]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:vmaharness:results:{SCHEMA_VERSION}",
        "title": "results.json of vmaharness",
        **generated,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_titles(node: Any) -> Any:
    """Drop pydantic's titles, which say what the key beside them says, and path formats, which validators differ on."""
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str)) and (key, value) != ("format", "path")
        }
    return [_without_titles(item) for item in node] if isinstance(node, list) else node


if __name__ == "__main__":
    PUBLISHED.write_text(text(), encoding="utf-8")

"""The reference of plans for people (Markdown) and for editors (JSON Schema), generated from the models.

docs/plan.md and docs/plan.schema.json are these texts; a test compares them.  Writes nothing itself.
"""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.model import Arch
from harness.plan.load import as_yaml
from harness.plan.model import BenchPlan, GuestPlan, Plan, ProfilePlan

SCHEMA_FILE = "plan.schema.json"

_HEAD = f"""\
# What a plan says

A plan is a YAML file: `vmaharness run PLAN.yaml`. Every key may be left out, and every one has a flag of
`vmaharness run`, which wins over the plan; those of `bench` have flags of `vmaharness bench`. Without a plan
`configs/default.yaml` is used.
This page is generated; `vmaharness plan --reference` prints it.

* Relative paths are relative to the plan file; those of flags to the working directory. `~` is your home directory.
* The word `none` as a flag takes back what a plan says of `series`, `base_candidates`, `budget`, `checks`, `cases`,
  `known` or `seeds`.
* Text needs no quotes where it does not look like a number, `true`, `false` or `null`. `yes`, `no`, `on` and `off` are
  text and so are never taken for true or false.
* An unknown key, a wrong type or a key that is there twice is an error that names file, line and key (exit code 2).
* For completion in an editor, begin the file with a line that names the schema:
  `# yaml-language-server: $schema=PATH/docs/{SCHEMA_FILE}` (`vmaharness plan --schema` prints it).

An example:

```yaml
tree: debian:linux-source-6.12
series: ./v3-vma-lock.mbox
arch: [x86_64, arm64]
profiles: [lockdep]
suites: [vma, faults]
guest:
  smp: 4
  memory: 2G
```
"""


def json_schema() -> str:
    """The JSON Schema of a plan, as the text of docs/plan.schema.json."""
    schema = _without_titles(Plan.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A plan of vmaharness"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def markdown() -> str:
    """The reference for people, as the text of docs/plan.md."""
    parts = [_HEAD, "## Keys\n", *_section(Plan, "")]
    parts += [f"## guest\n\n{GuestPlan.__doc__}\n", *_section(GuestPlan, "guest.")]
    parts += [f"## bench\n\n{BenchPlan.__doc__}\n", *_section(BenchPlan, "bench.")]
    parts += [f"## An entry of profiles\n\n{ProfilePlan.__doc__}\n", *_section(ProfilePlan, "profiles[].")]
    return "\n".join(parts)


def _without_titles(value: Any) -> Any:
    """Drop the titles that pydantic makes of field names: they only repeat them."""
    if isinstance(value, dict):
        kept = {name: _without_titles(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if not (name == "title" and isinstance(item, str))}
    return [_without_titles(item) for item in value] if isinstance(value, list) else value


def _section(model: type[BaseModel], prefix: str) -> list[str]:
    return [_entry(f"{prefix}{name}", name, field) for name, field in model.model_fields.items()]


def _entry(title: str, name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "none: it must be given"
    else:
        default = (
            "see below" if isinstance(field.default, GuestPlan | BenchPlan) else f"`{as_yaml(_plain(field.default))}`"
        )
    example = f"{name}: {as_yaml((field.examples or [''])[0])}"
    limits = _limits(field)
    lines = [
        f"### `{title}`\n",
        f"{field.description}\n",
        f"* type: {_type(field.annotation)}{f' ({limits})' if limits else ''}",
        f"* default: {default}",
        f"* example: `{example}`\n",
    ]
    return "\n".join(lines)


def _limits(field: FieldInfo) -> str:
    words = {"gt": "more than {}", "ge": "at least {}", "le": "at most {}"}
    found = [
        words[key].format(f"{getattr(item, key):g}") for item in field.metadata for key in words if hasattr(item, key)
    ]
    return ", ".join(found)


def _plain(value: object) -> object:
    """A default as it would be written in a plan."""
    if isinstance(value, ProfilePlan):
        return value.name
    if isinstance(value, Arch):
        return value.value
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _type(annotation: object) -> str:
    """A type in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0])
    if origin is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in args)
    if origin in (Union, UnionType):
        return " or ".join("null" if part is NoneType else _type(part) for part in args)
    if origin is tuple:
        return f"list; each entry: {_type(args[0])}"
    if annotation is Arch:
        return "one of " + ", ".join(f"`{arch}`" for arch in Arch)
    names: dict[object, str] = {
        str: "text", int: "whole number", float: "number", bool: "true or false",
        GuestPlan: "mapping, see below", BenchPlan: "mapping, see below", ProfilePlan: "text, or a mapping, see below",
    }  # fmt: skip
    return names[annotation]

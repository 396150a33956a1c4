"""The generated reference and schema: current, and telling the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.data import plans_dir
from harness.plan.load import as_yaml
from harness.plan.model import GuestPlan, Plan, ProfilePlan
from harness.plan.reference import json_schema, markdown

DOCS = Path(__file__).parents[2] / "docs"
AGAIN = "run python -m harness.cli.generate"


def test_the_documents_in_docs_are_current() -> None:
    assert (DOCS / "plan.md").read_text() == markdown(), AGAIN
    assert (DOCS / "plan.schema.json").read_text() == json_schema(), AGAIN


def test_every_key_has_a_description_and_an_example_that_is_valid() -> None:
    for model, wrap in (
        (Plan, lambda entry: entry),
        (GuestPlan, lambda entry: {"guest": entry}),
        (ProfilePlan, lambda entry: {"profiles": [{"name": "x"} | entry]}),
    ):
        for name, field in model.model_fields.items():
            assert field.description
            for example in field.examples or pytest.fail(f"{name} has no example"):
                written = yaml.safe_load(f"{name}: {as_yaml(example)}")
                assert written == {name: example}
                Plan.model_validate(wrap(written))


def test_the_schema_agrees_with_the_loader() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    jsonschema.Draft202012Validator.check_schema(validator.schema)
    assert validator.is_valid(Plan().model_dump(mode="json"))
    assert validator.is_valid({"profiles": ["lockdep", {"name": "x", "fragments": ["base"]}]})
    for plan in plans_dir().glob("*.yaml"):
        assert validator.is_valid(yaml.safe_load(plan.read_text()))
    bad: Mapping[str, object]
    for bad in (
        {"seris": 1}, {"arch": ["riscv"]}, {"guest": {"memory": "1GB"}}, {"guest": {"smp": 0}}, {"profiles": [1]},
        {"profiles": [{"fragments": []}]}, {"sandbox": "no"}, {"tree": None},
    ):  # fmt: skip
        assert not validator.is_valid(bad), bad

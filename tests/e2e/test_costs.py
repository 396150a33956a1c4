"""Prices on real kernels: what is added is found to the instruction, and what adds nothing is the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import PATCHES, Run

pytestmark = pytest.mark.kernel

PATCH = PATCHES / "adds-five-instructions.patch"
CASES = ["--case", "bench.page_fault*", "--case", "bench.pft.*", "--case", "faults.anon.1", "--case", "faults.cow.1"]


def prices(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {price["metric"]: price for price in results["cost"]["prices"]}


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_what_a_patch_adds_is_found_to_the_instruction(run: Run, arch: str) -> None:
    done = run("--series", str(PATCH), "--arch", arch, "--seeds", "1..3", *CASES, verb="bench")
    assert done.exit_code == 0, done.words
    results = done.results
    assert results["cost"]["void"] == ""
    found = prices(results)
    assert len(found) >= 8
    assert {name for name, price in found.items() if price["judgement"] != "slower"} == set()
    assert {name for name, price in found.items() if abs(price["shift"] - 5) >= 1} == set(), json.dumps(found)
    again, moved = results["cost"]["controls"]
    assert (again["good"], again["worst"], again["compared"]) == (True, 0.0, len(found))
    assert moved["worst"] < 1
    limit = run("--series", str(PATCH), "--arch", arch, "--seeds", "1..3", *CASES, "--fail", "slower > 4", verb="bench")
    assert limit.exit_code == 1, limit.words
    assert {step["name"] for step in limit.results["steps"] if " count " in step["name"] and not step["cached"]} == {
        f"base again: count {arch} release seed 1"
    }, "nothing else is booted twice"

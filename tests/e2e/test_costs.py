"""Prices on real kernels: what is added is found to the instruction, and what adds nothing is the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import PATCHES, Run

pytestmark = pytest.mark.kernel

PATCH = PATCHES / "adds-five-instructions.patch"
ASKED = [
    "--series", str(PATCH), "--profile", "lockdep", "--arch", "x86_64", "--seeds", "1..3", "--no-moved", "--no-where",
    "--case", "bench.page_fault3.threads.1", "--case", "faults.anon.1",
]  # fmt: skip


def test_what_a_patch_adds_is_found_to_the_instruction_and_nothing_is_booted_twice(run: Run) -> None:
    done = run(*ASKED, verb="bench")
    assert done.exit_code == 0, done.words
    cost: dict[str, Any] = done.results["cost"]
    assert cost["void"] == ""
    assert len(cost["prices"]) >= 2
    assert {price["metric"] for price in cost["prices"] if price["judgement"] != "slower"} == set()
    assert {price["metric"] for price in cost["prices"] if abs(price["shift"] - 5) >= 1} == set(), done.words
    (again,) = cost["controls"]
    assert (again["good"], again["worst"], again["compared"]) == (True, 0.0, len(cost["prices"]))
    limit = run(*ASKED, "--fail", "slower > 4", verb="bench")
    assert limit.exit_code == 1, limit.words
    counted = [step for step in limit.results["steps"] if " count " in step["name"] and not step["cached"]]
    assert [step["name"] for step in counted] == ["base again: count x86_64 lockdep seed 1"]

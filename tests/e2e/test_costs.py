"""Prices on real kernels: what is added is found to the instruction, and what adds nothing is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import DOCS, PATCHES, Run

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
    assert counted(limit.results) == ["base again: count x86_64 lockdep seed 1"]


def test_each_patch_has_its_price_and_documentation_has_none(run: Run, tmp_path: Path) -> None:
    series = tmp_path / "series"
    series.mkdir()
    for number, patch in enumerate((PATCH.read_text(), DOCS), 1):
        (series / f"{number:04}-patch.patch").write_text(patch)
    done = run("--per-patch", "--series", str(series), *ASKED[2:], verb="bench")
    assert done.exit_code == 0, done.words
    five, words = done.results["cost"]["patches"]
    assert {price["judgement"] for price in five["prices"]} == {"slower"}
    assert {price["metric"] for price in five["prices"] if abs(price["shift"] - 5) >= 1} == set(), done.words
    assert [kernel["same"] for patch in (five, words) for kernel in patch["kernels"]] == [False, True]
    assert {(price["judgement"], price["shift"]) for price in words["prices"]} == {("same", 0.0)}
    assert not [name for name in counted(done.results) if name.startswith("count ")], "it is the first one's kernel"


def counted(results: dict[str, Any]) -> list[str]:
    """The guests that were booted."""
    return [step["name"] for step in results["steps"] if "count " in step["name"] and not step["cached"]]

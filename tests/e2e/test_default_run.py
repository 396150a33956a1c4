"""The main job: the default plan on both architectures, and the same once more."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from tests.e2e.conftest import Run

pytestmark = pytest.mark.kernel
ARCHES = ("x86_64", "arm64")
SCHEMA = Path(__file__).parents[2] / "docs" / "results.schema.json"


def test_the_default_plan(run: Run) -> None:
    first = run()
    assert first.exit_code == 0, first.words
    results = first.results
    jsonschema.validate(results, json.loads(SCHEMA.read_text()))
    assert [patch["role"] for patch in results["patches"]].count("base-fix") >= 1
    assert [patch["role"] for patch in results["patches"]].count("series") >= 4
    assert first.outcomes("host")["vma.merge_new"] == "pass"
    for arch in ARCHES:
        outcomes = first.outcomes(arch)
        assert set(outcomes.values()) <= {"pass", "skip"}, outcomes
        assert {"kernel.config", "kernel.build", "kernel.boot", "kernel.running-config"} <= set(outcomes)
        assert sum(name.startswith("vma.") for name in outcomes) >= 15
        assert sum(name.startswith("faults.") for name in outcomes) >= 14
        assert sum(name.startswith("hazards.") and outcomes[name] == "pass" for name in outcomes) >= 24
        taken = {counter["name"]: counter for counter in first.cases(arch)["faults.anon.2"]["counters"]}
        assert taken["vma_lock_success"]["after"] > taken["vma_lock_success"]["before"]
        for name in ("console-{}-lockdep.log", "build-{}-lockdep.log", "config-{}-lockdep"):
            assert (first.directory / name.format(arch)).stat().st_size > 1000
        assert "CONFIG_PER_VMA_LOCK=y" in (first.directory / f"config-{arch}-lockdep").read_text()
        assert "CONFIG_PROVE_LOCKING=y" in (first.directory / f"config-{arch}-lockdep").read_text()
        assert all(target["rootfs"]["size_bytes"] <= 16 << 20 for target in results["targets"])
    junit = ET.parse(first.directory / "junit.xml").getroot()
    names = {suite.get("name") for suite in junit.iter("testsuite")}
    assert {"x86_64.lockdep.vma", "arm64.lockdep.vma", "x86_64.lockdep.faults", "arm64.lockdep.faults"} <= names
    assert "PASS" in (first.directory / "summary.txt").read_text()

    again = run("--case", "faults.anon.*")  # it is not about the guests
    assert again.exit_code == 0, again.words
    compiled = [
        step["name"] for step in again.results["steps"]
        if step["name"].startswith(("config", "build", "vma program")) and not step["cached"]
    ]  # fmt: skip
    assert compiled == [], "nothing changed, so nothing may be compiled"

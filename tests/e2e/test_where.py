"""Where a change went, on real kernels: instructions that a patch adds to one function are found there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.e2e.conftest import PATCHES

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_five_instructions_are_found_where_they_are(arch: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "bench", "--series", PATCHES / "adds-five-instructions.patch",
         "--profile", "lockdep", "--arch", arch, "--suite", "faults", "--suite", "sizes", "--seeds", "1..3",
         "--case", "faults.anon.1", "--case", "sizes.*", "--no-moved", "--accel", "tcg", "--out", out],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=False, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    cost = json.loads((out / "results.json").read_text())["cost"]
    (where,) = cost["where"]
    first = where["functions"][0]
    assert (first["function"], first["series"] - first["base"]) == ("handle_mm_fault", pytest.approx(5, abs=1e-9))
    assert first["base_calls"] == first["series_calls"]
    assert "bit for bit" in where["proof"]
    graph = ET.parse(out / where["flame"]).getroot()
    titles = [title.text or "" for title in graph.iter("{http://www.w3.org/2000/svg}title")]
    assert any(text.startswith("handle_mm_fault:") and "+5.00" in text for text in titles)
    (sizes,) = cost["sizes"]
    changed = {one["function"]: one["series"] - one["base"] for one in sizes["text"]["functions"]}
    assert changed["handle_mm_fault"] >= 5
    measures = {one["name"]: one for one in sizes["measures"]}
    assert measures["vm_area_struct.object"]["base"] == measures["vm_area_struct.object"]["series"]
    assert 100 < measures["vma_memory"]["base"] < 400
    assert "handle_mm_fault" in (out / sizes["bloat"]).read_text()

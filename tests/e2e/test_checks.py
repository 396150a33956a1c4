"""The checks that compile, on a real tree: quiet about the demo series, and each sees the defect planted for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data import patches_dir
from harness.kernel.touched import KINDS, missing_program

pytestmark = pytest.mark.kernel
PLANTED = Path(__file__).parents[1] / "data" / "checks"
CHECKS = ("checkpatch", "side-effects", *(kind.name for kind in KINDS))
MISSING = [why for kind in KINDS if (why := missing_program(kind))]

# What is said in the cases that fail.
SEEN = {
    "w1.x86_64.mm/mprotect.c": "variable 'changed' set but not used",
    "sparse.x86_64.mm/mlock.c": "incorrect type in assignment (different address spaces)",
    "allmodconfig.x86_64.mm/vma.c": "has no member named 'next_scan_ms'",
    "nommu.objects": "has no member named 'vm_lock_seq'",
    "side-effects.5": "mmap_read_trylock",
}


def apply(series: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    asked = [word for check in CHECKS for word in ("--check", check)]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "apply", "--series", series, "--arch", "x86_64", *asked, "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=False, timeout=3000,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, {
        case["name"]: (case["outcome"], f"{case['message']}\n{case['detail']}")
        for case in json.loads(done.stdout)["checks"]
    }


@pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
def test_a_planted_defect_is_seen_by_its_check_and_by_no_other() -> None:
    code, cases = apply(PLANTED)
    failed = {name: said for name, (outcome, said) in cases.items() if outcome == "fail"}
    assert (code, set(failed)) == (1, set(SEEN)), cases
    assert {name: words for name, words in SEEN.items() if words not in failed[name]} == {}, failed
    assert {outcome for outcome, _ in cases.values()} == {"fail", "pass"}
    assert "trailing whitespace" in cases["checkpatch.6"][1], "style is told, and fails nothing"


@pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
def test_the_demo_series_has_none() -> None:
    code, cases = apply(patches_dir() / "demo")
    assert (code, {outcome for outcome, _ in cases.values()}) == (0, {"pass"}), cases

"""Exact guests on real kernels: the same seed is the same run, bit for bit; another seed is another one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.data import patches_dir
from tests.e2e.conftest import Run

pytestmark = pytest.mark.kernel
SHORT = ["--baseline", "never", "--suite", "hazards", "--case", "hazards.near.merge.2"]


def checksums(results: dict[str, Any]) -> dict[int, str]:
    return {boot["seed"]: boot["exact_sha256"] for boot in results["targets"][0]["boots"]}


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_a_seed_is_a_run(run: Run, arch: str) -> None:
    first = run(*SHORT, "--arch", arch, "--exact", "--seeds", "1,2")
    assert first.exit_code == 0, first.words
    outcomes = first.outcomes(arch)
    assert {outcomes[f"hazards.near.merge.2@{seed}"] for seed in (1, 2)} == {"pass"}
    assert outcomes["kernel.running-config@1"] == "pass"
    again = run(*SHORT, "--arch", arch, "--seeds", "1")
    one, two = checksums(first.results)[1], checksums(first.results)[2]
    assert checksums(again.results) == {1: one}
    assert one != two
    cases = first.cases(arch), again.cases(arch)
    same, other = (
        [case["hazards.near.merge.2@1"][key] for key in ("metrics", "counters", "seconds")] for case in cases
    )
    assert same == other, "every number that the guest counted"
    exact = first.results["targets"][0]["exact"]
    assert exact["seeds"] == [1, 2]
    assert exact["aborts"] > 0, "the noise reaches races"
    consoles = [Path(first.directory) / f"console-{arch}-lockdep-seed{seed}.log" for seed in (1, 2)]
    assert all(b"end of the exact part" in console.read_bytes() for console in consoles)


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_a_failure_at_a_seed_is_had_again_from_its_capsule(run: Run, arch: str) -> None:
    mutant = patches_dir() / "mutants" / "6.12" / "fork-keeps-wiped-anon-vma.patch"
    case = "hazards.fork.flags.2"  # no race: it fails at every seed, whatever the programs are made of
    ended = run(
        "--series", str(mutant), "--arch", arch, "--exact", "--seeds", "1", "--baseline", "never",
        "--suite", "hazards", "--case", case,
    )  # fmt: skip
    assert ended.exit_code == 1, ended.words
    exact = ended.results["targets"][0]["exact"]
    failed = {name: found for name, found in ended.cases(arch).items() if found["outcome"] == "fail"}
    assert set(failed) == {f"{case}@1"}
    assert [proof["same"] for proof in exact["proofs"]] == [True], exact["proofs"]
    capsule = ended.directory / failed[f"{case}@1"]["capsule"]
    again = rerun(capsule)
    if again.returncode == 3 and "NOT the run at seed" in again.stdout:  # docs/exact.md, "Seen once"
        again = rerun(capsule)
    assert again.returncode == 1, again.stdout + again.stderr
    assert "the same outcome" in again.stdout
    assert "bit-identical to the run at seed" in again.stdout


def rerun(capsule: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "rerun", capsule],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "VMAHARNESS_ACCEL": "tcg"},
        capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip

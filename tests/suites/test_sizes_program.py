"""The program that measures sizes, on this host's kernel, and the suite that reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.model import Arch, Case, CommandResult, Outcome
from harness.suites.sizes import SizesSuite

PROGRAM = "sizes"
SUITE = SizesSuite()


def run(program: Path, *args: str) -> tuple[Case, CommandResult]:
    done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    result = CommandResult(done.returncode, done.stdout, done.stderr, 0.1)
    (command,) = SUITE.commands(Arch.X86_64, 1)
    (case,) = SUITE.parse(command, result)
    return case, result


@pytest.mark.slow
def test_it_measures_what_vmas_take(program: Path) -> None:
    case, _ = run(program, "--vmas", "20000")
    if "slabs have shrunk" in case.message:
        pytest.skip("others on this host give slabs back meanwhile")
    assert case.outcome is Outcome.PASS, case.message
    metrics = {metric.name: metric for metric in case.metrics}
    plain, touched = metrics["vma_memory"], metrics["vma_memory_touched"]
    assert plain.unit == touched.unit == "bytes/VMA"
    assert plain.count == 20000
    assert 20 < plain.value < 2000, "on a host, others use slabs meanwhile"
    if Path("/sys/kernel/slab/vm_area_struct/object_size").exists():
        assert metrics["vm_area_struct.object"].value >= 100
        assert metrics["vm_area_struct.slot"].value >= metrics["vm_area_struct.object"].value


@pytest.mark.parametrize("args", [["--vmas", "9"], ["--vmas", "x"], ["--vmas", "40000"], ["--vmas"], ["more"]])
def test_what_it_does_not_know_is_refused(program: Path, args: list[str]) -> None:
    case, result = run(program, *args)
    assert result.exit_code == 2
    assert case.outcome is Outcome.ERROR
    assert "usage: sizes" in case.message


def test_a_seed_changes_nothing() -> None:
    assert SUITE.at_seed(7) == SUITE

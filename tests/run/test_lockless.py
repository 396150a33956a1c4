"""A kernel without VMA locks beside one with them, on the fake kernel: what is asked of it, and what is said."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from harness.model import Arch, Command, Outcome, Payload
from harness.report import terminal
from harness.run.suites import Prepared
from tests.run.image_guest import ARCH, Bench, Names


@dataclass(frozen=True)
class Choosy(Names):
    """Three cases, of which one wants the VMA path to be taken, and one has no place without it."""

    def commands(self, arch: Arch, smp: int) -> tuple[Command, ...]:
        anon, cow, fork = super().commands(arch, smp)
        return (replace(anon, exercises_vma_locks=True), cow, replace(fork, needs_vma_locks="not for such kernels"))


def test_a_kernel_without_vma_locks_is_asked_for_none_and_the_results_say_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.suites.Workshop.faults", lambda *_: Prepared("faults", Choosy(), Payload()))
    without = bench.directory / "up.config"
    without.write_text("# CONFIG_SMP is not set\nCONFIG_PER_VMA_LOCK=n\n")
    profiles = [
        {"name": "plain", "fragments": [str(bench.directory / "plain.config")]},
        {"name": "up", "fragments": [str(without)]},
    ]
    bench.commit()
    bench.commit(text="/* better */\n")
    result = bench.run(profiles=profiles, baseline="never")
    found = {
        target.profile: {case.name: case for suite in target.suites for case in suite.cases if suite.suite == "faults"}
        for target in result.targets
    }
    assert {name: case.outcome for name, case in found["plain"].items()} == {
        "anon": Outcome.NOT_EXERCISED, "cow": Outcome.PASS, "fork": Outcome.PASS,
    }  # fmt: skip
    assert {name: case.outcome for name, case in found["up"].items()} == {
        "anon": Outcome.PASS, "cow": Outcome.PASS, "fork": Outcome.SKIP,
    }  # fmt: skip
    assert found["up"]["fork"].message == "not for such kernels"
    assert [note for note in result.notes if "no per-VMA lock" in note] == [
        f"{ARCH} up: this kernel has no per-VMA lock: no case is asked to have taken one"
    ]
    assert "no per-VMA lock" in terminal.summary(result)

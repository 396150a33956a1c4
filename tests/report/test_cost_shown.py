"""Prices as people read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.costs import (
    Control,
    CostReport,
    Counted,
    Judgement,
    Kernel,
    Mode,
    Point,
    Price,
    Repetition,
    Samples,
    SeedShift,
    Side,
)
from harness.model import Exact, Proof, RunResult
from harness.report import results
from harness.report.cost import history_lines, section
from harness.report.patch_costs import blocks
from harness.report.terminal import summary
from tests.report import costs, samples

X86, RELEASE = "x86_64", "release"


def price(metric: str, judgement: Judgement, *, base: float = 6000.0, shift: float = 5.0, **more: Any) -> Price:
    return replace(
        Price(
            metric, "fault", X86, RELEASE, Mode.EXACT, judgement, "words", base, base + shift, shift, shift, shift,
            0.0, 0.1, 0.5, 0.0, 0.02, (SeedShift(1, base, base + shift, shift, 0.1, 12),),
            (Counted("vma_lock_success", 10, 10),),
        ),
        **more,
    )  # fmt: skip


def report() -> CostReport:
    counted = Samples("faults.anon.1", "fault", X86, RELEASE, Side.BASE, Mode.EXACT, "tcg", 1, 1, 1,
                      (Repetition(1_536_000, 256),), (), {"pgfault": 256})  # fmt: skip
    return CostReport(
        Mode.EXACT, "tcg", "", "a rule", (1, 2, 3),
        (
            price("faults.anon.1", Judgement.SLOWER, limit="slower > 0.05 %", exceeded=True),
            price("faults.cow.1", Judgement.SAME, shift=0.0, within=0.008),
            price("faults.uffd.1", Judgement.UNKNOWN, shift=-12.0, low=-40.0, high=16.0, needs="30 seeds"),
        ),
        (
            Control(Side.AGAIN, X86, RELEASE, 3, 0.0, "", True, "3 of 3 metrics the same to the last digit"),
            Control(Side.MOVED, X86, RELEASE, 9, 0.02, "faults.cow.1", True, "9 comparisons, the largest shift 0.02"),
        ),
        (Kernel(Side.BASE, X86, RELEASE, "c" * 40, "k" * 40),), (counted,),
    )  # fmt: skip


def test_a_table_says_base_series_change_and_verdict() -> None:
    lines = section(report(), 120)
    assert lines[0] == "Cost    instructions for each operation, counted in exact guests; 3 seeds"
    assert [" ".join(line.split()) for line in lines[2:6]] == [
        "x86_64 release base series change 95 % interval seen from",
        "faults.anon.1 6,000.0 6,005.0 +5.00 (+0.083 %) +5.00 to +5.00 slower: BEYOND slower > 0.05 % 0.50",
        "faults.cow.1 6,000.0 6,000.0 +0.00 (+0.000 %) +0.00 to +0.00 same within 0.008 % 0.50",
        "faults.uffd.1 6,000.0 5,988.0 -12.00 (-0.200 %) -40.00 to +16.00 cannot tell 0.50",
    ]
    assert "  faults.uffd.1: cannot tell: needs 30 seeds" in lines
    assert "Control x86_64 release: A/A: 3 of 3 metrics the same to the last digit" in lines
    assert "Control x86_64 release: moved code: 9 comparisons, the largest shift 0.02" in lines


def test_a_void_run_says_so_before_anything_else() -> None:
    lines = section(replace(report(), void="A/A differs"), 100)
    assert lines[1] == "VOID: A/A differs: nothing below counts"


def test_prices_are_a_part_of_the_results_and_of_the_summary(tmp_path: Path) -> None:
    result: RunResult = replace(samples.passed(), cost=report())
    results.write(result, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json").cost == report()
    assert "faults.uffd.1: cannot tell: needs 30 seeds" in summary(result)


def test_each_patch_is_named_and_what_it_changed_is_in_a_table() -> None:
    lines = section(costs.with_patches(), 100)
    start = lines.index("Patches x86_64 release: each against the one before it; instructions of an operation")
    assert [" ".join(line.split()) for line in lines[start + 1 : start + 9]] == [
        "1/4 mm: count 2 slower, 3 same",
        "2/4 mm: do not build no prices: it does not build: mm/vma.c:1: no",
        "3/4 mm: be fast 1 faster, 3 same, 1 cannot tell, with patch 2",
        "4/4 docs: say so same kernel",
        "patch 1 3 series",
        "faults.anon.1 +48.20 same +48.20",
        "bench.page_fault1.threads.1 +51.00 same +51.00",
        "bench.mmap1.processes.1 same -212.50 -212.50",
    ]
    start = lines.index("Patches arm64 release: each against the one before it; instructions of an operation")
    assert [" ".join(line.split()) for line in lines[start + 1 : start + 7]] == [
        "1/4 mm: count 1 same", "2/4 mm: do not build 1 slower", "3/4 mm: be fast 1 same",
        "4/4 docs: say so same kernel", "patch 2 series", "faults.anon.1 +1.10 +1.10",
    ]  # fmt: skip


def test_columns_that_do_not_fit_are_below_each_other() -> None:
    rows = [("", "1", "2", "series"), ("metric", "+1.00", "+2.00", "+3.00")]
    assert blocks(rows, 80) == ["              1      2  series", "  metric  +1.00  +2.00   +3.00"]
    assert blocks(rows, 22) == [
        "              1      2", "  metric  +1.00  +2.00", "          series", "  metric   +3.00"
    ]  # fmt: skip
    assert blocks(rows, 1)[1::2] == ["  metric  +1.00", "  metric  +2.00", "  metric   +3.00"]


def test_races_are_no_part_of_prices() -> None:
    exact = Exact((1, 2), 10, 20, 30)
    plain = samples.passed()
    plain = replace(plain, targets=(replace(plain.targets[0], exact=exact), *plain.targets[1:]))
    assert "races reached: abort 10" in summary(plain)
    assert "Exact" not in summary(replace(plain, cost=report()))
    failed = replace(exact, proofs=(Proof(1, True, "the same again", "s", Path("a"), Path("b")),))
    words = summary(replace(plain, cost=report(), targets=(replace(plain.targets[0], exact=failed),)))
    assert "what failed, once more:\n        the same again" in words


def test_a_history_has_a_line_for_each_kernel_and_marks_changes() -> None:
    def point(cost: float, side: Side) -> Point:
        return Point("faults.anon.1", "fault", X86, RELEASE, Mode.EXACT, side, "c" * 40, cost, 0.5, "m")

    rows = [
        ("v1", "6.12.117", point(6000, Side.BASE), None, False),
        ("v1", "6.12.117", point(6005, Side.SERIES), 5.0, True),
        ("v2", "7.2", point(5990, Side.BASE), -15.0, True),
        ("v3", "7.3", point(5000, Side.BASE), None, False),
    ]
    assert history_lines({("faults.anon.1", X86, RELEASE): rows}) == [
        "faults.anon.1  x86_64 release: instructions, fault by fault",
        "  v1                       base    6.12.117     cccccccccccc      6,000.00",
        "▲ v1                       series  6.12.117     cccccccccccc      6,005.00  +5.00 (+0.083 %)",
        "▼ v2                       base    7.2          cccccccccccc      5,990.00  -15.00 (-0.250 %)",
        "  v3                       base    7.3          cccccccccccc      5,000.00  counted by other means",
    ]

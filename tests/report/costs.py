"""Prices of runs that never were, for the tests of everything that shows prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.costs import (
    Attribution,
    Control,
    CostReport,
    Counted,
    FunctionShift,
    FunctionSize,
    Judgement,
    Kernel,
    Measure,
    Member,
    Mode,
    PatchCost,
    PatchKernel,
    Price,
    Repetition,
    Samples,
    SeedShift,
    Side,
    Sizes,
    Structure,
    TextSize,
)
from harness.model import RunResult
from tests.report.samples import DIRECTORY, passed

SEEDS = (1, 2, 3, 4)
OPERATIONS = 256

_CHANGED = "by {percent:.2f} % ({shift:.1f} instructions a {operation}), 95 % interval {low:.1f} to {high:.1f}"
_WORDS = {
    Judgement.SLOWER: f"slower {_CHANGED}",
    Judgement.FASTER: f"faster {_CHANGED}",
    Judgement.SAME: "same within 0.010 %",
    Judgement.UNKNOWN: "cannot tell: needs 12 seeds",
}


def price(
    metric: str, base: float, shift: float, judgement: Judgement, arch: str = "x86_64", spread: float = 0.4
) -> Price:
    operation = "op" if "mmap1" in metric else "fault"
    low, high = shift - spread, shift + spread
    words = _WORDS[judgement].format(
        percent=abs(100 * shift / base), shift=abs(shift), operation=operation, low=low, high=high
    )
    return Price(
        metric, operation, arch, "release", Mode.EXACT, judgement, words, base, base + shift, shift, low, high,
        p=0.001 if judgement in (Judgement.SLOWER, Judgement.FASTER) else 0.7, within=0.01, least=0.6, again=0.0,
        moved=0.05, seeds=tuple(SeedShift(seed, base + seed, base + seed + shift, shift, spread, 10) for seed in SEEDS),
        counters=(Counted("vma_lock_success", 10_240, 10_238), Counted("vma_lock_retry", 0, 2)),
        needs="12 seeds" if judgement is Judgement.UNKNOWN else "",
    )  # fmt: skip


def samples(one: Price, side: Side) -> list[Samples]:
    """Ten repetitions at each seed; one of them met an interrupt."""
    found = []
    for seed in SEEDS:
        costs = [round(OPERATIONS * (one.base + seed + (one.shift if side is Side.SERIES else 0))) for _ in range(10)]
        costs[seed] += 47_000 if side is Side.SERIES else 0
        costs[7] += 130
        found.append(
            Samples(
                one.metric, one.operation, one.arch, one.profile, side, one.mode, "tcg", 1, seed, seed,
                tuple(Repetition(cost, OPERATIONS) for cost in costs),
            )
        )  # fmt: skip
    return found


def attribution() -> Attribution:
    """Of the first metric: one function gained, one lost, one is new."""
    return Attribution(
        "faults.anon.1", "fault", "x86_64", "release", 1, 2_560, 5_971.1, 6_019.3,
        (
            FunctionShift("lock_vma_under_rcu", 120.0, 150.0, 1.0, 1.0),
            FunctionShift("vma_stats_add", 0.0, 22.0, 0.0, 2.0),
            FunctionShift("handle_mm_fault", 210.0, 206.18, 1.0, 1.0),
            FunctionShift("mm_account_fault", 31.0, 31.02, 1.0, 1.0),
        ),
        212, "2,560 faults were counted as they were priced", DIRECTORY / "where-x86_64-release-faults.anon.1.svg",
    )  # fmt: skip


def other_attribution() -> Attribution:
    """Of another metric, by another function."""
    shift = FunctionShift("mas_store_gfp", 900.0, 687.5, 2.0, 1.5)
    return replace(
        attribution(), metric="bench.mmap1.processes.1", operation="op", base=4_120.9, series=3_908.4,
        functions=(shift,), flame=None,
    )  # fmt: skip


def sizes() -> Sizes:
    before = Structure("vm_area_struct", 176, (Member("vm_start", 0, 8), Member("vm_lock", 64, 8)), ((72, 4),))
    after = replace(before, size=192, members=(*before.members, Member("stats", 176, 16)))
    return Sizes(
        "x86_64", "release", TextSize(4_000_000, 4_000_512, (FunctionSize("vma_stats_add", 0, 512),), 20_000),
        (Measure("vm_area_struct.object", "bytes", 176.0, 192.0), Measure("vma_memory", "bytes/VMA", 412.5, 428.5)),
        (before,), (after,),
    )  # fmt: skip


def cost_report() -> CostReport:
    """A metric of each judgement on one architecture, and one on the other."""
    prices = (
        price("faults.anon.1", 5_971.1, 48.2, Judgement.SLOWER),
        price("bench.page_fault1.threads.1", 6_871.4, 51.0, Judgement.SLOWER),
        price("bench.mmap1.processes.1", 4_120.9, -212.5, Judgement.FASTER),
        price("faults.file-write.1", 2_110.2, 0.0, Judgement.SAME),
        price("bench.malloc.threads.2", 81_204.0, 33.0, Judgement.UNKNOWN, spread=160.0),
        replace(
            price("faults.anon.1", 3_215.0, 1.1, Judgement.SLOWER, "arm64"), limit="slower > 0.01 %", exceeded=True
        ),
    )
    return CostReport(
        mode=Mode.EXACT, accel="tcg", void="", rule="the first two repetitions of each case are discarded", seeds=SEEDS,
        prices=prices,
        controls=(
            Control(Side.AGAIN, "x86_64", "release", 20, 0.0, "", True, "20 of 20 metrics the same to the last digit"),
            Control(Side.MOVED, "x86_64", "release", 5, 0.05, "faults.anon.1", True, "5 compared, 0.05 at most"),
        ),
        kernels=(
            Kernel(Side.BASE, "x86_64", "release", "1" * 40, "k" * 64),
            Kernel(Side.SERIES, "x86_64", "release", "2" * 40, "l" * 64)
        ),
        samples=tuple(one for two in prices for side in (Side.BASE, Side.SERIES) for one in samples(two, side)),
        where=(attribution(), replace(attribution(), metric="faults.cow.1"), other_attribution()),
        sizes=(sizes(),),
        notes=("Kernels were built by gcc 12.2.0.",),
    )  # fmt: skip


def with_patches() -> CostReport:
    """The same, patch by patch: the second does not build on x86_64, the fourth is documentation."""
    report = cost_report()
    x86, arm = [one for one in report.prices if one.arch == "x86_64"], report.prices[-1:]
    still = [replace(one, series=one.base, shift=0.0, judgement=Judgement.SAME) for one in report.prices]

    def kernel(arch: str, against: int, **more: Any) -> PatchKernel:
        return PatchKernel(arch, "release", "k" * 64, against, **more)

    return replace(report, patches=(
        PatchCost(1, "mm: count", "1" * 40, (kernel("x86_64", 0), kernel("arm64", 0)), (*x86[:2], *still[2:])),
        PatchCost(2, "mm: do not build", "2" * 40,
                  (kernel("x86_64", 1, why="it does not build: mm/vma.c:1: no"), kernel("arm64", 1)), arm),
        PatchCost(3, "mm: be fast", "3" * 40, (kernel("x86_64", 1), kernel("arm64", 2)),
                  (*still[:2], *x86[2:], still[5])),
        PatchCost(4, "docs: say so", "4" * 40, (kernel("x86_64", 3, same=True), kernel("arm64", 3, same=True)),
                  tuple(still)),
    ))  # fmt: skip


def priced(report: CostReport | None = None) -> RunResult:
    """As `passed`, with prices."""
    return replace(passed(), cost=report or cost_report())

"""Where a change is, and what kernels take, as text."""

from __future__ import annotations

from pathlib import Path

from harness.costs import (
    Attribution,
    FunctionShift,
    FunctionSize,
    Measure,
    Member,
    Sizes,
    Structure,
    TextSize,
)
from harness.report import sizes, where


def test_functions_that_gained_and_lost() -> None:
    shifts = (FunctionShift("lock_vma_under_rcu", 41, 54, 1, 1), FunctionShift("kfree", 20, 0, 0.5, 0))
    few = tuple(FunctionShift(f"f{number}", 1, 2, 1, 1) for number in range(9))
    one = Attribution(
        metric="faults.anon.1", operation="fault", arch="x86_64", profile="release", seed=1, operations=10240,
        base=6000.0, series=6002.0, functions=(*shifts, *few), same=212, proof="the guests that were priced",
        flame=Path("/out/where-x86_64-release-faults.anon.1.svg"),
    )  # fmt: skip
    lines = where.section([one], 100)
    assert lines[1] == "Where   faults.anon.1, x86_64 release: +2.00 instructions a fault"
    assert lines[2].split() == ["base", "series", "change", "called"]
    assert lines[3] == "  lock_vma_under_rcu  41.00   54.00  +13.00  1.00"
    assert lines[4] == "  kfree               20.00    0.00  -20.00  0.50 → 0.00"
    assert lines[-3:] == [
        "  1 more function, +1.00 together",
        "  212 functions cost what they did; the guests that were priced",
        "  flame graph: where-x86_64-release-faults.anon.1.svg",
    ]


def of(metric: str, *shifts: tuple[str, float]) -> Attribution:
    functions = tuple(FunctionShift(name, 10, 10 + shift, 1, 1) for name, shift in shifts)
    return Attribution(metric, "op", "arm64", "release", 1, 100, 10, 20, functions, 7, "proven")


def test_metrics_that_say_the_same_have_one_table() -> None:
    found = [of("a", ("lock", 5.0)), of("b", ("lock", 5.001), ("[interrupts]", 0.2)), of("c", ("lock", 7.0))]
    lines = where.section(found, 100)
    assert [line for line in lines if line.startswith("Where")] == [
        "Where   a, arm64 release: +10.00 instructions an op",
        "Where   c, arm64 release: +10.00 instructions an op",
    ]
    assert "  the same functions, by as much, in b" in lines
    many = where.section([of(str(number), ("lock", float(number))) for number in range(1, 9)], 100)
    assert sum(line.startswith("Where") for line in many) == where.MOST_TABLES
    assert many[-1] == "        and where 3 more metrics went: results.json"


def test_what_kernels_take() -> None:
    base = Structure("vm_area_struct", 152, (Member("vm_mm", 16, 8), Member("gone", 60, 8), Member("anon_vma", 100, 8)),
                     ((24, 36),))  # fmt: skip
    series = Structure("vm_area_struct", 192, (Member("vm_mm", 16, 8), Member("vm_refcnt", 128, 4),
                                               Member("anon_vma", 136, 8)), ())  # fmt: skip
    names = ("object", "slot", "per_slab", "order")
    measures = [Measure(f"vm_area_struct.{name}", "", *sides) for name, sides in
                zip(names, [(152, 192), (152, 192), (26, 21), (0, 0)], strict=True)]  # fmt: skip
    measures += [Measure(f"vma_lock.{name}", "", 40, None) for name in names]
    measures += [Measure("vma_memory", "bytes/VMA", 210.944, 204.8)]
    text = TextSize(1_000_000, 1_000_128, (FunctionSize("vma_start_write", 0, 128),), 5000)
    one = Sizes("x86_64", "release", text, tuple(measures), (base,), (series,))
    assert sizes.section([one]) == [
        "",
        "Sizes   x86_64 release",
        "  code: 1,000,000 → 1,000,128 bytes (+128, +0.013 %)",
        "    vma_start_write        0 →     128  +128",
        "  vm_area_struct: object of 152 → 192 bytes, in a slot of 152 → 192, 26 → 21 in a slab, of order 0",
        "  vma_lock (gone): object of 40 bytes, in a slot of 40, 40 in a slab, of order 40",
        "  struct vm_area_struct: 152 bytes, 3 cache lines, 1 hole of 36 bytes → 192 bytes, 3 cache lines, no holes",
        "    + vm_refcnt: 4 bytes at 128",
        "    anon_vma: cache line 1 → 2 (at 100 → 136)",
        "    - gone: 8 bytes at 60",
        "  memory of 1,000 VMAs: 206 → 200 KiB",
    ]
    alone = Sizes("arm64", "release", None, unknown="pahole is not installed")
    assert sizes.section([alone])[2:] == [
        "  code: a kernel is without its functions",
        "  structures and holes: pahole is not installed",
    ]

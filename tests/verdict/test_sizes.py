"""Code by function, and what guests measured."""

from __future__ import annotations

from harness.costs import FunctionSize, Measure
from harness.host.symbols import Symbol, Symbols
from harness.model import Metric
from harness.verdict.sizes import measures, text_sizes


def kernel(**sizes: int) -> Symbols:
    names = [(name.replace("__", "."), size) for name, size in sizes.items()]
    return Symbols(Symbol(0x1000 * number, size, name, True) for number, (name, size) in enumerate(names, 1))


def test_functions_are_held_against_each_other_by_their_source() -> None:
    base = kernel(same=100, grown=64, gone=32, split__isra__0=48)
    found = text_sizes(base, kernel(same=100, grown=96, new=16, split=40, split__cold=12))
    assert found.functions == (
        FunctionSize("gone", 32, 0),
        FunctionSize("grown", 64, 96),
        FunctionSize("new", 0, 16),
        FunctionSize("split", 48, 52),
    )
    assert (found.base, found.series, found.same) == (244, 264, 1)


def test_labels_are_no_code() -> None:
    assert text_sizes(Symbols([Symbol(0x100, 0x40, "label", False)]), Symbols([])).base == 0


def test_measures_are_in_order_and_may_be_of_one_side_alone() -> None:
    before = [Metric("vma_lock.object", 64, "bytes", 1), Metric("vma_memory", 216.5, "bytes/VMA", 6000)]
    after = [Metric("vma_memory", 200.0, "bytes/VMA", 6000), Metric("new.object", 8, "bytes", 1)]
    assert measures(before, after) == (
        Measure("vma_lock.object", "bytes", 64, None),
        Measure("vma_memory", "bytes/VMA", 216.5, 200.0),
        Measure("new.object", "bytes", None, 8),
    )

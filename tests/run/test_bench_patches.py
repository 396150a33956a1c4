"""Each patch of a series priced against the one before it, on the fake kernel."""

from __future__ import annotations

import pytest

from harness.costs import CostReport, Judgement, PatchCost
from harness.events import EventKind
from harness.model import Outcome, RunResult
from harness.report.terminal import summary
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, ImageGuest
from tests.run.test_bench import CountingGuest, Pricing, bench

__all__ = ["bench"]

SAME, SLOWER, FASTER, NONE = Judgement.SAME, Judgement.SLOWER, Judgement.FASTER, Judgement.NONE


def write_words(bench: Pricing) -> None:
    """Into a file that no kernel is made of, but that is none of those that say nothing to kconfig."""
    page = bench.clone / "Documentation" / "page.rst"
    page.parent.mkdir(exist_ok=True)
    page.write_text("words\n")


def document(bench: Pricing) -> None:
    write_words(bench)
    git(bench.clone, "add", "-A")
    git(bench.clone, "commit", "-q", "-m", "docs: words")


def report(result: RunResult) -> CostReport:
    assert result.cost is not None
    return result.cost


def shifts(patch: PatchCost) -> list[tuple[float, Judgement]]:
    return [(price.shift, price.judgement) for price in patch.prices]


def booted() -> dict[str, int]:
    """How many guests, by the directory of their consoles."""
    names = [path.parent.name for path in ImageGuest.booted]
    return {name: names.count(name) for name in sorted(names)}


def test_each_patch_has_its_own_price(bench: Pricing) -> None:
    bench.commit()
    bench.commit("cost_13")
    bench.commit("cost_13", text="/* words */\n")
    bench.commit("cost_13", "cost_5")
    bench.commit("cost_11")
    document(bench)
    result = bench.price(patches=5, per_patch=True)
    assert result.outcome is Outcome.PASS, result.message
    found = report(result)
    assert [shifts(patch) for patch in found.patches] == [
        [(13.0, SLOWER)], [(0.0, SAME)], [(5.0, SLOWER)], [(-7.0, FASTER)], [(0.0, SAME)]
    ]  # fmt: skip
    assert [(patch.number, patch.title) for patch in found.patches][::2] == [
        (1, "mm: cost_13"), (3, "mm: cost_13 cost_5"), (5, "docs: words")
    ]  # fmt: skip
    assert [(one.against, one.same) for patch in found.patches for one in patch.kernels] == [
        (0, False), (1, True), (2, False), (3, False), (4, True)
    ]  # fmt: skip
    assert [price.shift for price in found.prices] == [11.0], "the series is priced as ever"
    assert sum(price.shift for patch in found.patches for price in patch.prices) == 11.0
    assert booted() == {
        "baseline": 3, "bench-again": 1, "bench-moved": 3, "patch-1": 3, "patch-3": 3, "patch-4": 3
    }, "a kernel that another patch makes is not booted again"  # fmt: skip
    words = summary(result)
    lines = [line.split() for line in words.splitlines()]
    assert ["1/5", "mm:", "cost_13", "1", "slower"] in lines
    assert ["5/5", "docs:", "words", "same", "kernel"] in lines
    assert lines[lines.index(["patch", "1", "3", "4", "series"]) + 1] == [
        "faults.anon.1",
        "+13.00",
        "+5.00",
        "-7.00",
        "+11.00",
    ]
    assert "races reached" not in words
    assert [[one.number for one in patch.same] for patch in result.per_patch] == [[], [1], [], [], []]


def test_the_last_patch_s_kernel_is_the_series_own(bench: Pricing) -> None:
    bench.commit()
    bench.commit("cost_13")
    result = bench.price(per_patch=True)
    assert [shifts(patch) for patch in report(result).patches] == [[(13.0, SLOWER)]]
    assert booted() == {"baseline": 3, "bench-again": 1, "bench-moved": 3, "out1": 3}


def test_kernels_are_made_in_the_order_of_the_patches(bench: Pricing) -> None:
    bench.commit()
    bench.commit("cost_13")
    write_words(bench)
    bench.commit("cost_14")
    bench.commit("cost_15")
    bench.price(patches=3, per_patch=True)
    done = [event.step for event in bench.events if event.kind is EventKind.FINISHED]
    assert [step for step in done if step.endswith(f"build {ARCH} plain")] == [
        f"base: build {ARCH} plain", f"patch 1/3: build {ARCH} plain", f"patch 2/3: build {ARCH} plain",
        f"build {ARCH} plain", f"moved code: build {ARCH} plain",
    ]  # fmt: skip


def test_a_patch_that_does_not_build_is_in_the_price_of_the_next(bench: Pricing) -> None:
    bench.commit()
    bench.commit("cost_2")
    bench.commit("cost_5", text="this is no C;\n")
    bench.commit("cost_7")
    result = bench.price(patches=3, per_patch=True)
    assert result.outcome is Outcome.FAIL
    assert [(one.number, one.fixed_by) for one in result.blames] == [(2, 3)]
    found = report(result)
    assert [shifts(patch) for patch in found.patches] == [[(2.0, SLOWER)], [], [(5.0, SLOWER)]]
    (kernel,) = found.patches[1].kernels
    assert kernel.why.startswith("it does not build: mm/memory.c:")
    assert found.patches[2].kernels[0].against == 1
    words = summary(result)
    assert "no prices: it does not build: mm/memory.c:" in words
    assert "1 slower, with patch 2" in words


def test_a_patch_that_fails_its_case_fails_the_run(bench: Pricing) -> None:
    bench.commit()
    bench.commit("anon_fails")
    bench.commit("cost_7")
    result = bench.price(patches=2, per_patch=True)
    assert result.outcome is Outcome.FAIL
    assert {(one.number, one.fixed_by) for one in result.blames} == {(1, 2)}, "at each seed"
    found = report(result)
    assert [patch.kernels[0].why for patch in found.patches] == ["its guests counted nothing", ""]
    assert shifts(found.patches[1]) == [(7.0, SLOWER)]
    assert [price.judgement for price in found.prices] == [SLOWER]


def test_limits_are_those_of_the_series(bench: Pricing) -> None:
    bench.commit()
    bench.commit("cost_13")
    bench.commit()
    result = bench.price(patches=2, per_patch=True, bench={"fail": "slower > 5"})
    assert result.outcome is Outcome.PASS, result.message
    assert [shifts(patch) for patch in report(result).patches] == [[(13.0, SLOWER)], [(-13.0, FASTER)]]


def test_a_void_run_says_nothing_of_patches(bench: Pricing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        CountingGuest, "drift", staticmethod(lambda seed, console: int(console.parent.name == "bench-again"))
    )
    bench.commit()
    bench.commit("cost_13")
    document(bench)
    result = bench.price(patches=2, per_patch=True)
    assert result.outcome is Outcome.ERROR
    assert [[price.judgement for price in patch.prices] for patch in report(result).patches] == [[NONE], [NONE]]

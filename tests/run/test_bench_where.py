"""Where a change went, on the fake kernel, whose guests say that the plugin counted what a fault costs there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.guest.counting import Counting
from harness.host.symbols import Symbol, Symbols
from harness.model import Boot, RunResult
from tests.run.test_bench import CountingGuest, Pricing, bench

__all__ = ["bench"]

KERNEL = 0xFFFF800080000000
SYMBOLS = Symbols([
    Symbol(KERNEL + 0x100, 0x100, "handle_mm_fault", True), Symbol(KERNEL + 0x200, 0x100, "lock_vma", True),
])  # fmt: skip


class WatchedGuest(CountingGuest):
    """Executes 2,000 and the seed in one function, and what was added in another."""

    watched: list[Path] = []  # noqa: RUF012 - emptied by each test
    lie = False

    def __init__(self, *, counting: Counting | None = None, **more: Any) -> None:
        super().__init__(**more)
        self._counting = counting

    def boot(self) -> Boot:
        booted = super().boot()
        if self._counting is not None:
            type(self).watched.append(self._console)
            self._counting.output.write_text(self._counts())
        return booted

    def _counts(self) -> str:
        lines = ["counting 1", f"block 1 {KERNEL + 0x100:x} 4", f"block 2 {KERNEL + 0x200:x} 4",
                 f"node 4 0 {KERNEL + 0x100:x}", f"node 5 4 {KERNEL + 0x200:x}"]  # fmt: skip
        added, seed = self._cost - 2000, self._seed or 0
        for number, _ in enumerate(self._jobs.jobs, 1):
            each = [(self._cost + seed) * 256 + repetition for repetition in range(12)]
            lines += [f"case {number}", "repetition 1 warmup 0 99 0"]
            lines += [f"repetition {at} measured 0 {count + self.lie} 0" for at, count in enumerate(each, 2)]
            lines += [f"count 0 4 1 0 1 {sum(each) - added * 256 * 12}"]
            lines += [f"count 0 5 2 0 1 {added * 256 * 12}"] if added else []
            lines += [f"end {number}"]
        return "\n".join([*lines, "done\n"])


@pytest.fixture(autouse=True)
def watching(bench: Pricing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.tester.Guest", WatchedGuest)
    monkeypatch.setattr("harness.run.bench.where.find_program", lambda _: Path("/qemu"))
    monkeypatch.setattr("harness.run.bench.where.build_plugin", lambda *_, **__: Path("/plugin.so"))
    monkeypatch.setattr("harness.run.bench.where.read_symbols", lambda _: SYMBOLS)
    WatchedGuest.watched, WatchedGuest.lie = [], False


def cost_of(result: RunResult) -> Any:
    assert result.cost is not None
    return result.cost


def test_what_was_added_is_found_in_its_function(bench: Pricing) -> None:
    bench.commit("cost_13")
    result = bench.price(bench={"where": True})
    (where,) = cost_of(result).where
    assert [(one.function, one.base, one.series) for one in where.functions] == [("lock_vma", 0.0, 13.0)]
    assert (where.metric, where.seed, where.same, where.operations) == ("faults.anon.1", 1, 1, 256 * 12)
    assert where.shift == pytest.approx(13.0)
    assert where.proof == (
        "the guests that were priced, bit for bit; each of 24 repetitions within 0 instructions of what the guest "
        "measured"
    )
    assert where.flame.read_text().startswith("<svg")
    assert where.stacks.read_text().splitlines() == [
        f"handle_mm_fault {(2001 * 256) * 12 + 66} {(2001 * 256) * 12 + 66}", f"handle_mm_fault;lock_vma 0 {13 * 3072}",
    ]  # fmt: skip
    assert len(WatchedGuest.watched) == 2, "base and series, once each"
    assert all(console.name.endswith("-seed1.watched.log") for console in WatchedGuest.watched)


def test_without_a_change_or_a_wish_nobody_is_watched(bench: Pricing) -> None:
    bench.commit("nothing")
    assert cost_of(bench.price(bench={"where": True})).where == ()
    bench.commit("cost_13")
    assert cost_of(bench.price()).where == ()
    assert WatchedGuest.watched == []


def test_a_guest_that_is_not_the_one_that_was_priced_says_nothing(
    bench: Pricing, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(CountingGuest, "drift", staticmethod(lambda seed, console: int("watched" in console.name)))
    bench.commit("cost_13")
    result = bench.price(bench={"where": True})
    found = cost_of(result)
    assert found.where == ()
    assert [note for note in found.notes if "is not the run that was priced" in note]
    assert found.prices[0].judgement == "slower", "the price stands"


def test_counts_that_do_not_add_up_say_nothing(bench: Pricing) -> None:
    WatchedGuest.lie = True
    bench.commit("cost_13")
    found = cost_of(bench.price(bench={"where": True}))
    assert found.where == ()
    assert [note for note in found.notes if "is not whole" in note]

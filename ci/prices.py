"""What `ci/bench prices` shows: what a patch adds to a fault is found, and priced, however busy the host is.

Patches add so many instructions to each fault, or only move code.  Each is priced at many seeds in one run, and the
seeds are then judged as trials of their own, three by three, by the same statistics as a run of three seeds.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.costs import CostReport, Judgement, Price, Samples, Side
from harness.report.results import load
from harness.verdict import cost

ADDED = (2, 5, 15)  # instructions to each fault
TRIALS = 20
SEEDS = 3  # of a trial: the fewest that give a verdict
AGAIN = 20  # boots of the base once more, on each architecture
METRICS = ("faults.anon.1", "faults.cow.1", "bench.page_fault2.threads.1")
PATCHES = Path(__file__).parents[1] / "tests" / "data" / "patches"

Row = Callable[[str, str, str, str], None]

_BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    sum(range(1_000_000))
"""


@dataclass(frozen=True, slots=True)
class Trials:
    """One metric on one target, in all trials."""

    prices: tuple[Price, ...]

    def found(self, judgement: Judgement) -> int:
        return sum(one.judgement is judgement for one in self.prices)

    def worst(self, added: float) -> float:
        """The largest error of a price."""
        return max(abs(one.shift - added) for one in self.prices)

    def worst_at_a_seed(self, added: float) -> float:
        return max(abs(seed.shift - added) for one in self.prices for seed in one.seeds)


class Priced:
    """The demonstration; `work` is for results, `cache` the user's: a boot that is known is not booted again."""

    def __init__(self, vmaharness: Path, cache: Path, work: Path, row: Row, trials: int = TRIALS) -> None:
        self.vmaharness, self.cache, self.work, self.row, self.trials = vmaharness, cache, work, row, trials

    def measure(self) -> None:
        """All of it, beside a busy loop for each CPU."""
        with busy():
            for number, added in enumerate(ADDED):
                again = AGAIN if number == 0 else 1
                report = self._bench(f"adds-{added}", self._adding(added), self.trials * SEEDS, again)
                if number == 0:
                    self._tell_controls(report)
                self._tell(f"{added} instructions more", report, Judgement.SLOWER, added)
            layout = self._bench("layout", PATCHES / "moves-code.patch", 4 * SEEDS, 1)
            self._tell("code that only moves", layout, Judgement.SAME, 0)

    def _adding(self, added: int) -> Path:
        """The tests' patch with another number of instructions."""
        text = (PATCHES / "adds-five-instructions.patch").read_text()
        changed, times = re.subn(r"\.rept 5\b", f".rept {added}", text)
        assert times == 1
        path = self.work / f"adds-{added}.patch"
        path.write_text(changed)
        return path

    def _bench(self, name: str, series: Path, seeds: int, again: int) -> CostReport:
        out = self.work / name
        words = [str(self.vmaharness), "bench", "--series", str(series), "--seeds", f"1..{seeds}"]
        words += ["--again", str(again), "--suite", "bench", "--suite", "faults", "--no-where", "--out", str(out)]
        words += [word for metric in METRICS for word in ("--case", metric)]
        started = time.monotonic()
        done = subprocess.run(words, env={**os.environ, "VMAHARNESS_CACHE": str(self.cache)}, check=False)
        if done.returncode:
            raise SystemExit(f"ended with {done.returncode}: {words}")
        report = load(out / "results.json").cost
        assert report is not None
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s, {len(report.samples)} samples\n")
        return report

    def _tell_controls(self, report: CostReport) -> None:
        boots = {(one.arch, one.seed) for one in report.samples if one.side is Side.AGAIN}
        again = [one for one in report.controls if one.side is Side.AGAIN]
        self.row("A/A boots", "the same" if all(one.good for one in again) else "NOT the same", "the same",
                 f"of {len(boots)}; " + "; ".join(f"{one.arch}: {one.words}" for one in again))  # fmt: skip
        for one in report.controls:
            if one.side is Side.MOVED:
                self.row(f"moved code, {one.arch}: largest shift", f"{one.worst:.2f}", "0", one.words)

    def _tell(self, what: str, report: CostReport, judgement: Judgement, added: int) -> None:
        for (arch, metric), trials in trials_of(report.samples).items():
            total = len(trials.prices)
            self.row(f"{what}, {arch} {metric}", f"{trials.found(judgement)}/{total}", f"{total}/{total}",
                     f"called {judgement.value}; worst error {trials.worst(added):.2f}, at a single seed "
                     f"{trials.worst_at_a_seed(added):.2f}; base {trials.prices[0].base:,.1f}")  # fmt: skip


def trials_of(samples: Sequence[Samples]) -> dict[tuple[str, str], Trials]:
    """Every metric on every architecture, judged anew for each three seeds."""
    found: dict[tuple[str, str], list[Price]] = {}
    seeds = sorted({one.seed for one in samples})
    for first in range(0, len(seeds) - SEEDS + 1, SEEDS):
        some = set(seeds[first : first + SEEDS])
        for price in cost.prices([one for one in samples if one.seed in some]):
            found.setdefault((price.arch, price.metric), []).append(price)
    return {key: Trials(tuple(prices)) for key, prices in found.items()}


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """A busy loop for each CPU, while it lasts."""
    loops = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()

"""Prices of series on the fake kernel, whose guests count what its image says a fault costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.costs import Judgement, Mode, Side
from harness.errors import UserError
from harness.guest.exact import JobList, JobResult, Kept
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.model import Accel, BisectEnd, BisectResult, Boot, CommandResult, GuestConfig, Outcome, Payload, RunResult
from harness.run import pipeline
from harness.run.bench import history
from harness.run.bisect.order import Order
from harness.run.suites import Prepared
from harness.suites.faults import FaultsSuite
from tests.kernel.conftest import git
from tests.run.image_guest import ARCH, Bench, ImageGuest, fake_surroundings

MARK = "--vmaharness--\n"


def probed(taken: int) -> str:
    return f"vma_lock_success {taken}\n{MARK}0\n{MARK} debug_locks: 1\n{MARK}armed\n{MARK}"


class CountingGuest(ImageGuest):
    """A guest of the fake kernel: a fault costs 2,000, the seed, and all of the image's `defect_cost_N`."""

    drift: ClassVar[Callable[[int, Path], int]] = staticmethod(lambda seed, console: 0)
    """What makes the same guest another one."""

    def __init__(self, *, image: Path, config: GuestConfig, jobs: JobList | None = None, **more: Any) -> None:
        super().__init__(image=image, **more)
        added = sum(map(int, re.findall(rb"defect_cost_([0-9]+)\0", image.read_bytes())))
        self._wrong = b"defect_anon_fails" in image.read_bytes()
        self._config, self._jobs = config, jobs or JobList((), ())
        self._cost = 2000 + added
        self._seed = config.seed
        self._taken = 5

    def _drifted(self, seed: int) -> int:
        return type(self).drift(seed, self._console)

    def boot(self) -> Boot:
        lines = [f"[    1.0] vmaharness: {'end of ' * end}{job.mark}\n" for job in self._jobs.jobs for end in (0, 1)]
        extra = f"{self._drifted(self._seed or 0)}\n"
        text = "".join(["Linux version 6.12\n", extra, *lines, "[    9.0] vmaharness: end of the exact part\n"])
        self._console.write_text(text)
        return Boot(
            ARCH, self._profile, Outcome.PASS, "", Accel.TCG, "", "virt", 1, 1024, (), self._config.cmdline, 1.0, 1.5,
            2.0, self._console, seed=self._seed, exact_sha256=str(hash(text)),
        )  # fmt: skip

    def _said(self, argv: tuple[str, ...]) -> str:
        case, seed = f"{argv[1]}.{argv[3]}", int(argv[argv.index("--seed") + 1])
        each = [(self._cost + seed) * 256 + self._drifted(seed) + repetition for repetition in range(12)]
        value = sum(each) / (256 * 12)
        return (
            f"KTAP version 1\n1..1\n# metric fault_cost {value:.3f} ns/fault {256 * 12}\n"
            f"# samples fault_cost {' '.join(f'{cost}/256' for cost in each)}\n"
            "# metric vma_lock_success 3072.000 events 3072\n"
            f"{'not ok' if self._wrong else 'ok'} 1 - {case}{' # wrong' if self._wrong else ''}\n"
        )

    def fetch(self) -> Kept:
        said = [CommandResult(int(self._wrong), self._said(job.argv), "", 0.1) for job in self._jobs.jobs]
        return Kept(probed(5), tuple(JobResult(one, False, probed(3077 * at)) for at, one in enumerate(said, 1)))

    def run(self, argv: Any, *, timeout_s: float) -> CommandResult:
        if "--seed" in argv:
            self._taken += 3072
            return CommandResult(0, self._said(tuple(argv)), "", 0.1)
        return CommandResult(0, probed(self._taken), "", 0.1)

    @property
    def exact_part(self) -> bytes:
        return self._console.read_bytes()


class Pricing(Bench):
    """Runs that price the last commits."""

    def price(self, *, patches: int = 1, **plan: Any) -> RunResult:
        series = plan.pop("series", self.posted(patches))
        settings = {"tree": f"{self.clone}@HEAD~{patches}" if series else str(self.clone), "cases": ["faults.anon.1"],
                    "seeds": "1..3", "guest": {"accel": "tcg", "memory": "128M", "smp": 1}}  # fmt: skip
        if series:
            settings["series"] = str(series)
        plan["bench"] = {"where": False, **plan.get("bench", {})}
        published: list[RunResult] = []
        result = pipeline.run_bench(
            self.plan(**settings | plan), directory=self.out(), processes=self.processes, cache=self.cache,
            emit=self.events.append, command=("vmaharness", "bench"), publish=published.append,
        )  # fmt: skip
        assert published == [result]
        return result


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, cache: Cache) -> Pricing:
    clone = fake_surroundings(tmp_path, monkeypatch)
    monkeypatch.setattr("harness.run.tester.Guest", CountingGuest)
    monkeypatch.setattr("harness.run.suites.Workshop.faults", lambda *_: Prepared("faults", FaultsSuite(), Payload()))
    monkeypatch.setattr("harness.run.bench.steps.BenchSteps._qemu_of", lambda *_: "QEMU of the tests")
    monkeypatch.setattr(CountingGuest, "drift", staticmethod(lambda seed, console: 0))
    return Pricing(clone, processes, cache, tmp_path)


def test_what_a_series_adds_is_its_price(bench: Pricing) -> None:
    bench.commit("cost_13")
    result = bench.price()
    assert result.outcome is Outcome.PASS, result.message
    assert result.cost is not None
    (price,) = result.cost.prices
    assert (price.metric, price.judgement, price.shift) == ("faults.anon.1", Judgement.SLOWER, 13.0)
    assert price.words.startswith("slower by 0.65 % (13.0 instructions a fault), 95 % interval 13.0 to 13.0")
    assert (price.again, price.moved) == (0.0, 0.0)
    assert [(one.seed, one.shift) for one in price.seeds] == [(1, 13.0), (2, 13.0), (3, 13.0)]
    assert [(one.name, one.base, one.series) for one in price.counters] == [("vma_lock_success", 9216, 9216)]
    assert [(one.side, one.good) for one in result.cost.controls] == [(Side.AGAIN, True), (Side.MOVED, True)]
    assert "norandmaps" in result.targets[0].boots[0].cmdline


def test_nothing_is_booted_twice_but_the_control(bench: Pricing) -> None:
    bench.commit("cost_13")
    bench.price()
    first = [path.parent.name for path in ImageGuest.booted]
    assert sorted(first) == sorted(["baseline"] * 3 + ["bench-again"] + ["bench-moved"] * 3 + ["out1"] * 3)
    result = bench.price()
    assert [path.parent.name for path in ImageGuest.booted] == ["bench-again"]
    assert result.cost is not None
    assert result.cost.prices[0].shift == 13.0
    assert result.targets[0].boots[0].console.is_file()


def test_a_kernel_that_is_the_same_is_not_booted(bench: Pricing) -> None:
    bench.commit(text="/* words */\n")
    result = bench.price()
    assert "out1" not in [path.parent.name for path in ImageGuest.booted]
    assert result.cost is not None
    assert [one.same_as_base for one in result.cost.kernels if one.side is Side.SERIES] == [True]
    assert result.cost.prices[0].judgement is Judgement.SAME


def test_an_a_a_control_that_differs_makes_the_run_void(bench: Pricing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        CountingGuest, "drift", staticmethod(lambda seed, console: int(console.parent.name == "bench-again"))
    )
    bench.commit("cost_13")
    result = bench.price()
    assert result.outcome is Outcome.ERROR
    assert result.message == (
        f"void: A/A on {ARCH} plain: 1 of 1 metrics differ between two boots of the same kernel, and the console at "
        "seed 1 is another"
    )
    assert result.cost is not None
    assert [price.judgement for price in result.cost.prices] == [Judgement.NONE]


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [("slower > 0.5 %", Outcome.FAIL), ("slower > 13", Outcome.PASS), ("slower > 12", Outcome.FAIL)],
)
def test_a_limit_fails_the_run(bench: Pricing, limit: str, outcome: Outcome) -> None:
    bench.commit("cost_13")
    result = bench.price(bench={"fail": limit, "moved": False})
    assert result.outcome is outcome
    assert result.cost is not None
    assert bool(result.cost.exceeded) is (outcome is Outcome.FAIL)


def test_a_case_that_there_is_not_is_refused_before_anything_is_booted(bench: Pricing) -> None:
    bench.commit("cost_13")
    with pytest.raises(UserError, match=re.escape("--case faults.anno.1: no case of the suites faults is called so")):
        bench.price(suites=["faults"], cases=["faults.anno.1"])
    assert not ImageGuest.booted


def test_without_a_series_costs_are_counted_and_nothing_is_compared(bench: Pricing) -> None:
    bench.commit("cost_13")
    result = bench.price(series=None)
    assert result.cost is not None
    (price,) = result.cost.prices
    assert price.words == "2,015.0 instructions a fault; nothing to compare with"
    assert (price.series, price.judgement) == (None, Judgement.NONE)


def test_a_series_that_fails_its_case_has_no_price_and_fails(bench: Pricing) -> None:
    bench.commit("anon_fails")
    result = bench.price()
    assert result.outcome is Outcome.FAIL
    assert result.cost is not None
    assert result.cost.prices[0].series is None


def test_relative_mode_gives_no_verdict_and_boots_there_and_back(bench: Pricing) -> None:
    bench.commit("cost_13")
    result = bench.price(bench={"mode": "relative", "boots": 2, "moved": False}, seeds=[])
    assert [path.parent.parent.name for path in ImageGuest.booted] == [
        "baseline", "out1", "bench-again", "bench-again", "out1", "baseline"
    ]  # fmt: skip
    assert result.cost is not None
    (price,) = result.cost.prices
    assert (price.mode, price.judgement) == (Mode.RELATIVE, Judgement.NONE)
    assert (
        price.words == f"about {price.base:,.0f} ns a fault, with the series {price.base + 13:,.0f}: an order of "
        "magnitude, no verdict"
    )


def test_clock_mode_takes_kvm(bench: Pricing, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.commit("cost_13")
    with pytest.raises(UserError, match="--mode clock takes KVM"):
        bench.price(bench={"mode": "clock"})
    monkeypatch.setattr("harness.run.bench.plan.choose_accel", lambda *_: (Accel.KVM, "asked for"))
    result = bench.price(bench={"mode": "clock", "boots": 4, "moved": False}, seeds=[])
    assert result.cost is not None
    (price,) = result.cost.prices
    assert (price.mode, price.judgement, price.shift) == (Mode.CLOCK, Judgement.SLOWER, 13.0)
    assert "ns a fault" in price.words


def test_what_cannot_be_priced_is_refused(bench: Pricing) -> None:
    bench.commit()
    with pytest.raises(UserError, match="the suite hazards counts nothing"):
        bench.price(suites=["hazards"], series="x")
    with pytest.raises(UserError, match="of a series that is applied"):
        bench.price(merged=True, series="x")
    with pytest.raises(UserError, match="no series to be priced patch by patch"):
        bench.price(per_patch=True, series=None)
    with pytest.raises(UserError, match="not in --mode relative"):
        bench.price(per_patch=True, series="x", bench={"mode": "relative"}, seeds=[])


def test_a_history_marks_where_a_metric_changed(bench: Pricing, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    bench.commit("cost_13")
    one = bench.price()
    bench.commit("cost_13", text="/* later */\n")
    two = bench.price()
    history.save(one, place, "first")
    history.save(two, place, "second")
    with pytest.raises(UserError, match="is there already"):
        history.save(two, place, "second")
    ((name, steps),) = history.history(history.load(place), "faults.*").items()
    assert name == ("faults.anon.1", ARCH.value, "plain")
    assert [(step.saved.name, step.point.side, step.change, step.marked) for step in steps] == [
        ("first", Side.BASE, None, False), ("first", Side.SERIES, 13.0, True), ("second", Side.BASE, 0.0, False),
        ("second", Side.SERIES, 0.0, False),
    ]  # fmt: skip
    assert history.history(history.load(place), "bench.*") == {}


# --- which patch made it slower -------------------------------------------------------------------------------


def bisect(bench: Pricing, patches: int, order: Order, **plan: Any) -> BisectResult:
    mailbox = bench.directory / "series.mbox"
    mailbox.write_text(git(bench.clone, "format-patch", "--stdout", f"HEAD~{patches}..HEAD"))
    settings = {"tree": f"{bench.clone}@HEAD~{patches}", "series": str(mailbox), "seeds": "1..3",
                "guest": {"accel": "tcg", "memory": "128M", "smp": 1}}  # fmt: skip
    return pipeline.run_bisect(
        bench.plan(**settings | plan), order, directory=bench.out(), processes=bench.processes, cache=bench.cache,
        emit=bench.events.append, command=("vmaharness", "bisect"), publish=lambda _: None,
    )  # fmt: skip


def five_patches(bench: Pricing) -> None:
    """The third adds 13, the fifth one more."""
    bench.commit()
    for number, added in enumerate(("cost_0", "cost_0", "cost_13", "cost_13", "cost_14"), 1):
        bench.commit(added, text=f"/* patch {number} */\n")


@pytest.mark.slow
def test_the_patch_that_made_an_operation_slower_is_found(bench: Pricing) -> None:
    five_patches(bench)
    result = bisect(bench, 5, Order(metric="faults.anon.1", slower="0.2%"))
    assert (result.end, [one.number for one in result.culprits], result.proven) == (BisectEnd.FOUND, [3], False)
    assert result.sought is not None
    assert result.sought.title == "faults.anon.1: slower than the base by 0.2%"
    own = result.probes[[one.number for one in result.probes].index(3)]
    assert own.why == "+13.0 instructions (+0.650 %) of 2,001.0 at seed 1"


@pytest.mark.slow
def test_what_is_not_slower_is_not_looked_for(bench: Pricing) -> None:
    five_patches(bench)
    result = bisect(bench, 5, Order(metric="faults.anon.1", slower="14"))
    assert result.end is BisectEnd.TIP_GOOD


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order(metric="faults.anon.1"), "--metric and --slower go together"),
        (Order(metric="faults.anon.1", slower="much"), "--slower much: not an amount"),
        (Order(metric="hazards.same", slower="1%"), "--metric hazards.same: no such metric"),
        (Order(metric="faults.anon.1", slower="1%", build=True), "exclude each other"),
        (Order(metric="faults.nothing.1", slower="1%"), "the suite faults has no such case"),
    ],
)
def test_a_search_by_cost_says_what_it_cannot_do(bench: Pricing, order: Order, words: str) -> None:
    bench.commit()
    bench.commit("cost_1")
    with pytest.raises(UserError, match=words):
        bisect(bench, 1, order)

"""What exactly is to be looked for: the bad end is asked, the cheapest way first, until one shows the failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.arch import host_arch
from harness.errors import InfraError, UserError
from harness.events import Emit, Event, EventKind
from harness.model import Rung, Sought, SuiteResult, Verdict
from harness.report.results import from_json, to_json
from harness.run.bisect.answers import KEPT, MACHINE_TRIES, Probe, run_step
from harness.run.bisect.bench import Bench
from harness.run.bisect.log import Log, Step
from harness.run.bisect.order import Order
from harness.run.bisect.pricing import Pricing
from harness.run.bisect.trials import Given, Trial
from harness.run.suites import DESCRIPTIONS
from harness.suites.bench import BenchSuite
from harness.suites.faults import FaultsSuite
from harness.suites.suite import ExactSuite
from harness.verdict import bisect as rules

MOST_LOOKS = 3
"""How often all that is asked for is run at the bad end before it is said that nothing is there; a rate or a number of
runs that the user gives may ask for more."""

_BUILDS = ("kernel.build", "kernel.config")
_HOST = "vma"

SUITES: dict[str, Callable[[], ExactSuite]] = {"bench": BenchSuite, "faults": FaultsSuite}
"""Those whose cases have a price."""


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look, and what to take for the failure there."""

    name: str
    trial: Trial
    globs: tuple[str, ...]
    finding: str = ""


class Looker:
    """Looks at one tree."""

    def __init__(self, order: Order, bench: Bench, log: Log, emit: Emit) -> None:
        self._order = order
        self._bench = bench
        self._log = log
        self._emit = emit
        self.cases = bench.steps.plan.cases
        self.looked = 0  # in how many ways
        self.unfit: list[str] = []  # of those, why they could not be tried

    def find(self, probe: Probe) -> Sought | None:
        """The failure that is asked for, as the tree shows it; None where it does not.

        Raises UserError where nothing can show it, InfraError.
        """
        order = self._order
        if order.command:
            return self.command_sought(order.command)
        if self._bench.pricing is not None:
            return self._priced(self._bench.pricing)
        if order.sought is not None:
            return self._cheapest(order.sought, probe)
        hopeless: set[str] = set()  # targets
        for look in self.looks(probe):
            if look.trial.target in hopeless:
                continue
            before = len(self.unfit)
            found = self._look(look, probe)
            if found is not None:
                return found
            if len(self.unfit) > before and not look.trial.seed:
                hopeless.add(look.trial.target)
        return None

    @staticmethod
    def command_sought(command: str) -> Sought:
        """That a command of the user's fails."""
        return Sought(Rung.COMMAND, "host", "", "command", "command", command)

    def _priced(self, pricing: Pricing) -> Sought:
        """That a metric costs more than the base's."""
        plan, target = self._bench.steps.plan, self._bench.targets[0]
        suite = SUITES[plan.suites[0]]().at_seed(1)
        smp = target.profile.guest(plan.guest.to_config()).smp
        cases = [case for command in suite.commands(target.arch, smp) for case in command.cases]
        return pricing.sought(target.arch, target.profile.name, cases)

    def _cheapest(self, sought: Sought, probe: Probe) -> Sought:
        """The same failure on the host, where tools/testing/vma shows it there too."""
        if sought.rung is not Rung.GUEST or sought.suite != _HOST or host_arch() is None:
            return sought
        look = Look("host", self._trial(probe, Rung.HOST), (f"{_HOST}.{sought.case}",))
        return self._look(look, probe) or sought

    def looks(self, probe: Probe) -> list[Look]:
        """All ways to look, the cheapest first.  Raises UserError where there is none."""
        order, cases, suites = self._order, self.cases, self._suites()
        found: list[Look] = []
        names = [target.name for target in self._bench.targets]
        if order.build:
            return [Look(f"build {name}", self._trial(probe, Rung.BUILD, name), _BUILDS) for name in names]
        if _HOST in suites and not order.finding and host_arch() is not None:
            found.append(Look("host", self._trial(probe, Rung.HOST), cases))
        if not order.finding and any(fnmatchcase(name, glob) for glob in cases for name in _BUILDS):
            found += [Look(f"build {name}", self._trial(probe, Rung.BUILD, name), cases) for name in names]
        seeds = self._bench.steps.plan.guest_seeds
        boots = any(rules.might_be([glob], "kernel") and glob not in _BUILDS for glob in cases)
        for name in names if suites or boots else ():
            for number in range(1, self._most_looks + 1) if not seeds else ():
                trial = self._trial(probe, Rung.GUEST, name, suites, cases, number)
                found.append(Look(f"guest {name} {number}", trial, cases, order.finding))
            for seed in seeds:
                trial = self._trial(probe, Rung.GUEST, name, suites, cases, seed=seed)
                found.append(Look(f"guest {name} seed {seed}", trial, cases, order.finding))
        if not found:
            raise UserError(
                f"no suite has a case that is called {' or '.join(cases)}",
                fix=f"cases are called SUITE.CASE; suites: kernel, {', '.join(DESCRIPTIONS)}",
            )
        return found

    @property
    def _most_looks(self) -> int:
        return max(MOST_LOOKS, self._order.runs_at(self._order.rate))

    @property
    def is_of_host(self) -> bool:
        """Whether only what tools/testing/vma tests is asked for, which the host shows as well as a guest."""
        return bool(self.cases) and all(glob.startswith(f"{_HOST}.") for glob in self.cases)

    def _suites(self) -> tuple[str, ...]:
        """The plan's suites that can be meant, and those that are meant by name."""
        named = [glob.partition(".")[0] for glob in self.cases]
        planned = self._bench.steps.plan.suites
        return tuple(
            name
            for name in (*planned, *(name for name in named if name in DESCRIPTIONS and name not in planned))
            if rules.might_be(self.cases, name)
        )

    def _trial(
        self, probe: Probe, rung: Rung, target: str = "", suites: Sequence[str] = (), cases: Sequence[str] = (),
        number: int = 1, seed: int = 0,
    ) -> Trial:  # fmt: skip
        said = (self._order.finding,) if self._order.finding else ()
        return Trial(
            probe.name, probe.make, rung, target, tuple(suites), tuple(cases), number, seed, part="look", said=said
        )

    def _look(self, look: Look, probe: Probe) -> Sought | None:
        step = self._log.find(f"look {look.name}") or self._try(look)
        self.looked += 1
        if step["unfit"]:
            self.unfit.append(f"{look.name}: {step['unfit']}")
        found = sought_of(step)
        if found is not None and found.rung is not Rung.GUEST:  # what it takes to see it has just been done
            self._log.once(run_step(probe.commit, 1), lambda: {**step["said"], "boots": 0})
        return found

    def _try(self, look: Look) -> Step:
        given = perform(self._bench, look.trial, self._emit)
        return self._log.add(f"look {look.name}", **self._seen(look, given))

    def _seen(self, look: Look, given: Given) -> Step:
        found = rules.sought_in(given.suites, look.globs, look.finding)
        if found is None:
            unfit = given.unfit or _unbuilt(given.suites) or _nameless(look, given.suites)
            return step_of(None) | {"boots": given.boots, "unfit": unfit}
        said = rules.judge(found, given.suites)
        words = {"verdict": Verdict.BAD.value, "why": said.why, "detail": said.detail[-KEPT:]}
        return step_of(found) | {"boots": given.boots, "unfit": "", "said": words}


def perform(bench: Bench, trial: Trial, emit: Emit) -> Given:
    """One trial, again where the machine got in the way.  Raises InfraError where it does so time and again."""
    why = ""
    for _ in range(MACHINE_TRIES):
        (given,) = bench.perform([trial], lambda _trial, _given: None)
        why = given.error.what if given.error is not None else rules.broken_in(given.suites)
        if not why:
            return given
        emit(Event(EventKind.NOTE, text=f"{trial.name}: {why}; nothing is said of it, again"))
    raise InfraError(f"the machine got in the way {MACHINE_TRIES} times: {why}")


def _unbuilt(suites: Sequence[SuiteResult]) -> str:
    cases = (case for suite in suites if suite.suite in ("kernel", _HOST) for case in suite.cases)
    return next(
        (f"it does not build: {case.message}" for case in cases if case.name == "build" and case.outcome.blames_kernel),
        "",
    )


def _nameless(look: Look, suites: Sequence[SuiteResult]) -> str:
    """Why a look can never show a case: there is none of that name.  What the kernel says is no case before it does."""
    names = [f"{suite.suite}.{rules.plain(case.name)}" for suite in suites for case in suite.cases]
    if look.trial.rung is Rung.GUEST and "kernel.boot" not in names:
        return "no guest was booted"
    if not look.globs or rules.might_be(look.globs, "kernel") or look.trial.seed:  # it may be there at another seed
        return ""
    if any(fnmatchcase(name, rules.plain(glob)) for name in names for glob in look.globs):
        return ""
    return f"no case is called {' or '.join(look.globs)}"


def step_of(sought: Sought | None) -> Step:
    return {"sought": to_json(sought, Path("/")) if sought is not None else None}


def sought_of(step: Step) -> Sought | None:
    return from_json(Sought, step["sought"], Path("/")) if step["sought"] is not None else None

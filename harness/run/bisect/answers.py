"""What is known of commits: runs, each in the log as soon as it has ended, and as many of them as an answer takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from harness.errors import InfraError
from harness.events import Emit, Event, EventKind
from harness.model import AppliedTree, ProbeResult, ProbeRole, Rung, Sought, Tries, Verdict
from harness.run.bisect.bench import Bench
from harness.run.bisect.log import Log, Step
from harness.run.bisect.trials import Given, Trial
from harness.run.suites import DESCRIPTIONS
from harness.verdict import bisect as rules

MACHINE_TRIES = 3
"""How often something is tried that the machine gets in the way of, before the search stops until somebody resumes it.
"""


KEPT = 16_000
"""Characters of what explains a run that the log keeps."""


def run_step(commit: str, number: int, seed: int = 0) -> str:
    """The name of a run's step in the log."""
    return f"run {commit} seed {seed}" if seed else f"run {commit} {number}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A tree to be tested; `number` is the candidate's."""

    role: ProbeRole
    number: int
    commit: str
    subject: str
    make: Callable[[], AppliedTree]

    @property
    def name(self) -> str:
        """`05-0123456789ab`, of a directory."""
        return f"{self.number:02}-{self.commit[:12]}"


class Answers:
    """What runs say of one failure."""

    def __init__(
        self, sought: Sought, *, command: str, seeds: Sequence[int], bench: Bench, log: Log, emit: Emit, resume: str
    ) -> None:  # fmt: skip
        """`seeds` are those of exact guests, empty where they are none; `resume` is the command that goes on later."""
        self.sought = sought
        self.seeds = list(seeds) if sought.rung is Rung.GUEST else []
        self._command = command
        self._bench = bench
        self._log = log
        self._emit = emit
        self._resume = resume
        self._globs = rules.globs_of(sought)
        suite = self._globs[0].partition(".")[0]
        self._suites = (suite,) if suite in DESCRIPTIONS else ()  # else the boot shows it
        self._broken = ""

    # --- single runs ------------------------------------------------------------------------------------------

    def _labels(self) -> Iterator[tuple[int, int]]:
        """Number and seed of each run that there can be."""
        yield from ((1, seed) for seed in self.seeds)
        if not self.seeds:
            yield from ((number, 0) for number in count(1))

    def known(self, probe: Probe) -> list[Step]:
        """The runs of a commit that are in the log, in the order in which they are asked for, without a gap."""
        found = []
        for label in self._labels():
            step = self._log.find(run_step(probe.commit, *label))
            if step is None:
                break
            found.append(step)
        return found

    def _trial(self, probe: Probe, number: int, seed: int) -> Trial:
        target = f"{self.sought.arch} {self.sought.profile}"
        return Trial(
            probe.name, probe.make, self.sought.rung, target, self._suites, self._globs, number, seed, self._command,
            said=self.sought.fingerprints,
        )  # fmt: skip

    def perform(self, wanted: Sequence[tuple[Probe, int, int]]) -> None:
        """Do runs, again where the machine got in the way.  Raises InfraError where it does so time and again."""
        asked = {run_step(probe.commit, number, seed): (probe, number, seed) for probe, number, seed in wanted}
        left = {name: one for name, one in asked.items() if self._log.find(name) is None}
        for _ in range(MACHINE_TRIES):
            if not left:
                return
            trials = {name: self._trial(*one) for name, one in left.items()}
            names = {id(trial): name for name, trial in trials.items()}

            def finished(trial: Trial, given: Given, names: dict[int, str] = names) -> None:
                self._note(names[id(trial)], given)

            given = self._bench.perform(list(trials.values()), finished)
            left = {name: one for name, one in left.items() if self._log.find(name) is None}
            self._broken = next((one.error.what for one in given if one.error is not None), self._broken)
            for probe, _, _ in left.values():
                self._emit(Event(EventKind.NOTE, text=f"{probe.name}: {self._broken}; nothing is said of it, again"))
        if not left:
            return
        raise InfraError(
            f"the machine got in the way {MACHINE_TRIES} times: {self._broken}",
            fix=f"the search has not moved; mend the machine, then: {self._resume}",
        )

    def _note(self, name: str, given: Given) -> None:
        said = rules.Said(Verdict.SKIP, given.unfit) if given.unfit else rules.judge(self.sought, given.suites)
        if said.verdict is None:
            self._broken = said.why
            return
        self._log.add(name, verdict=said.verdict.value, why=said.why, detail=said.detail[-KEPT:], boots=given.boots)

    # --- answers ----------------------------------------------------------------------------------------------

    def ask(self, probes: Sequence[Probe], runs: int) -> list[ProbeResult]:
        """What is to be said of commits: bad at the first failure, good after `runs` without one.

        Raises InfraError where the machine keeps it from being found out.
        """
        while missing := [one for probe in probes for one in self._missing(probe, runs, len(probes))]:
            self.perform(missing)
        return [self.result(probe) for probe in probes]

    def _missing(self, probe: Probe, runs: int, beside: int) -> list[tuple[Probe, int, int]]:
        """The next runs of a commit: as many as guests go at once, if it is not settled."""
        known = self.known(probe)
        if any(step["verdict"] != Verdict.GOOD.value for step in known) or len(known) >= runs:
            return []
        at_once = max(1, self._at_once // beside)
        labels = self._labels()
        for _ in known:
            next(labels)
        return [(probe, *label) for label, _ in zip(labels, range(min(at_once, runs - len(known))), strict=False)]

    @property
    def _at_once(self) -> int:
        return self._bench.guests_at_once if self.sought.rung is Rung.GUEST else 1

    def measure(self, probe: Probe, is_enough: Callable[[Tries], bool]) -> Tries:
        """Run a commit until it `is_enough`, and say how often it failed; what cannot be told is no run."""
        while True:
            known = self.known(probe)
            tries = _tries(known)
            fits = not known or known[-1]["verdict"] != Verdict.SKIP.value
            labels = self._labels()
            for _ in known:
                next(labels)
            following = next(labels, None)
            if not fits or is_enough(tries) or following is None:
                return tries
            more = [following, *(label for label, _ in zip(labels, range(self._at_once - 1), strict=False))]
            self.perform([(probe, *label) for label in (more if known else more[:1])])

    def failing_first(self, probe: Probe) -> None:
        """From now on the seeds at which a commit fails are the first."""
        failed = {seed for seed in self.seeds if self._fails_at(probe, seed)}
        self.seeds.sort(key=lambda seed: seed not in failed)

    def _fails_at(self, probe: Probe, seed: int) -> bool:
        step = self._log.find(run_step(probe.commit, 1, seed))
        return step is not None and step["verdict"] == Verdict.BAD.value

    def result(self, probe: Probe) -> ProbeResult:
        """What the log has of a commit."""
        known = self.known(probe)
        order = (Verdict.BAD.value, Verdict.SKIP.value, Verdict.GOOD.value)
        shown = min(known, key=lambda step: order.index(step["verdict"]))
        return ProbeResult(
            probe.role, probe.number, probe.commit, probe.subject, Verdict(shown["verdict"]), shown["why"],
            shown["detail"], _tries(known), self._bench.directory / probe.name,
        )  # fmt: skip


def _tries(steps: Sequence[Step]) -> Tries:
    told = [step["verdict"] for step in steps if step["verdict"] != Verdict.SKIP.value]
    return Tries(told.count(Verdict.BAD.value), len(told))

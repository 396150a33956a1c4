"""The search: both ends first, then one commit after the other (or two) as git bisect has it, and the proof.

Each step asks the log first, so that a search that was stopped goes through what it knows in no time and on from
there.  What it finds out lies in `Search` at any time: a search that is stopped has a result, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import UserError
from harness.events import Emit, Event, EventKind
from harness.host.cache import Cache
from harness.model import BisectEnd, Candidate, ProbeResult, ProbeRole, Rung, Sought, Tries, Verdict
from harness.run.bisect import policy
from harness.run.bisect.answers import Answers, Probe
from harness.run.bisect.bench import Bench
from harness.run.bisect.line import Trees
from harness.run.bisect.log import Log
from harness.run.bisect.look import Looker, sought_of, step_of
from harness.run.bisect.order import Order
from harness.verdict import bisect as rules

_THIRD, _TWO = 3, 2


@dataclass(slots=True)
class Search:
    """A search, and what it has found out so far."""

    order: Order
    line: Trees
    bench: Bench
    log: Log
    cache: Cache
    emit: Emit
    resume: str  # the command that goes on later
    sought: Sought | None = None
    rate: Tries | None = None
    runs: int = 1
    confidence: float = 0.0
    probes: dict[str, ProbeResult] = field(default_factory=dict)  # by commit
    culprits: tuple[Candidate, ...] = ()
    proof: list[str] = field(default_factory=list)
    proven: bool = False
    patch: bytes = b""  # the culprit
    notes: list[str] = field(default_factory=list)
    end: BisectEnd = BisectEnd.UNFINISHED
    message: str = "the search was stopped"

    def run(self) -> None:
        """To the end.  Raises InfraError or Cancelled where that is not to be come to; the log has what is known."""
        tip, base = self._probe(ProbeRole.TIP, self.line.tip), self._probe(ProbeRole.BASE, self.line.candidates[0])
        looker = Looker(self.order, self.bench, self.log, self.emit)
        self.sought = sought_of(self.log.once("sought", lambda: step_of(looker.find(tip))))
        if self.sought is None:
            if looker.unfit and len(looker.unfit) == looker.looked:
                self._end(BisectEnd.UNTESTABLE, f"the tip cannot be tested: {'; '.join(looker.unfit)}")
            else:
                words = f"the tip does not show the failure ({looker.looked} looks; a rare one wants --rate or --runs)"
                self._end(BisectEnd.TIP_GOOD, "; ".join((words, *looker.unfit)))
            return
        self.say(f"looking for {self.sought.where}: {self.sought.title.strip()}")
        seeds = self.bench.steps.plan.guest_seeds
        seeds = tuple(sorted(seeds, key=lambda seed: seed != self.order.seed))
        answers = Answers(
            self.sought, command=self.order.command, seeds=seeds, bench=self.bench, log=self.log, emit=self.emit,
            resume=self.resume,
        )  # fmt: skip
        if self.order.metric:  # what all others are held against
            answers.perform([(base, 1, seed) for seed in answers.seeds])
        if self._tip_is_bad(answers, tip) and self._base_is_good(answers, base):
            self._search(answers)

    def _end(self, end: BisectEnd, message: str) -> None:
        self.end, self.message = end, message

    def say(self, text: str) -> None:
        self.emit(Event(EventKind.NOTE, text=text))

    def _probe(self, role: ProbeRole, one: Candidate) -> Probe:
        return Probe(role, one.number, one.commit, one.subject, lambda: self.line.tree(one.commit))

    def _told(self, result: ProbeResult) -> ProbeResult:
        if result.commit not in self.probes:
            self.probes[result.commit] = result
            total = len(self.line.candidates) - 1
            place = "the base" if result.number == 0 else f"{result.number}/{total} “{result.subject}”"
            tries = f" ({result.runs.failed} of {result.runs.of} runs)" if result.runs.of > 1 else ""
            self.say(f"{place}: {result.verdict}{tries}: {result.why}")
        return result

    # --- both ends --------------------------------------------------------------------------------------------

    def _tip_is_bad(self, answers: Answers, tip: Probe) -> bool:
        sought, order = answers.sought, self.order
        repeated = sought.rung is Rung.GUEST or order.rate is not None or order.runs > 0
        most = rules.MOST_TRIED if repeated else 1
        most = min(most, len(answers.seeds)) if answers.seeds else most
        is_known = order.rate is not None or order.runs > 0

        def is_enough(tries: Tries) -> bool:
            if is_known or not repeated:
                return tries.failed > 0 or tries.of >= most
            return rules.is_measured(tries, order.confidence, most)

        measured = answers.measure(tip, is_enough)
        result = self._told(answers.result(tip))
        if result.verdict is Verdict.BAD:
            self.rate = order.rate or measured
            self.runs = order.runs_at(self.rate)
            if answers.seeds:
                self.runs = min(self.runs, len(answers.seeds))
                answers.failing_first(tip)
            if self.runs > 1:
                self.say(f"it fails in {self.rate.text} runs: a commit is good after {self.runs} without it")
            return True
        if result.verdict is Verdict.SKIP:
            self._end(BisectEnd.UNTESTABLE, f"the tip cannot be tested: {result.why}")
        else:
            self._end(BisectEnd.TIP_GOOD, f"the tip does not show it in {_runs(measured.of)}: {sought.where}")
        return False

    def _base_is_good(self, answers: Answers, base: Probe) -> bool:
        result = self._told(answers.ask([base], self.runs)[0])
        if result.verdict is Verdict.BAD:
            self._end(BisectEnd.BASE_BAD, f"the base fails in the same way: {result.why}")
        elif result.verdict is Verdict.SKIP:
            self._end(BisectEnd.UNTESTABLE, f"the base cannot be tested: {result.why}")
        return result.verdict is Verdict.GOOD

    # --- between them -----------------------------------------------------------------------------------------

    def _search(self, answers: Answers) -> None:
        git, turn = self.line.history, 0
        git.start(self.line.tip.commit, self.line.candidates[0].commit)
        while not (git.found or git.possible):
            turn += 1
            chosen = self.log.once(f"choose {turn}", lambda: {"commits": self._choose(answers)})["commits"]
            probes = [self._probe(ProbeRole.SEARCH, self.line.candidate(commit)) for commit in chosen]
            results = [self._told(result) for result in answers.ask(probes, self.runs)]
            self._mark(results)
        if git.found:
            culprit = self.line.candidate(git.found)
            self.culprits = (culprit,)
            self._end(BisectEnd.FOUND, f"{culprit.commit[:12]} “{culprit.subject}”")
            self.patch = git.patch(culprit.commit)
            self._prove(answers, culprit)
        else:
            possible = [self.line.candidate(commit) for commit in git.possible]
            self.culprits = tuple(sorted(possible, key=lambda one: one.number))
            self._end(
                BisectEnd.CANDIDATES,
                f"cannot bisect more: {len(self.culprits)} commits are left; all but the last cannot be tested",
            )

    def _choose(self, answers: Answers) -> list[str]:
        """The commits to test now: two that leave a third, or the one that leaves half."""
        git = self.line.history

        def is_there(commit: str) -> bool:
            return self._is_there(answers, commit)

        if self._two_fit(answers) and len(left := git.line()) >= _THIRD:
            pair = policy.two_at_once(left, git.skipped, is_there)
            if len(pair) == _TWO:
                return list(pair)
        halves, total = git.halves()
        return [policy.choose(halves, total, git.next, is_there)]

    def _two_fit(self, answers: Answers) -> bool:
        """Whether two commits are to be tested at the same time, and the machine has room for that."""
        if not self.order.parallel:
            return False
        is_guest = answers.sought.rung is Rung.GUEST
        return (self.bench.guests_at_once if is_guest else len(os.sched_getaffinity(0))) >= _TWO

    def _is_there(self, answers: Answers, commit: str) -> bool:
        """Whether nothing would have to be compiled to test a commit."""
        sought = answers.sought
        if sought.rung not in (Rung.BUILD, Rung.GUEST):
            return False
        try:
            tree = self.line.tree(commit)
        except UserError:
            return False  # it cannot be tested, which is found out when git asks for it
        return self.bench.is_there(tree, f"{sought.arch} {sought.profile}")

    def _mark(self, results: Sequence[ProbeResult]) -> None:
        """Tell git, oldest first: after a bad one the later ones are of no more use."""
        for number, result in enumerate(results, 1):
            self.line.history.mark(result.commit, result.verdict)
            if result.verdict is Verdict.BAD:
                later = [one for one in results[number:] if one.verdict is Verdict.GOOD]
                for one in later:
                    self.notes.append(
                        f"patch {one.number} is good although {result.number} is bad: what is found is where the "
                        "failure came first"
                    )
                return

    # --- the proof --------------------------------------------------------------------------------------------

    def _prove(self, answers: Answers, culprit: Candidate) -> None:
        clean = self._parents_are_clean(answers, culprit)
        own = self.probes[culprit.commit]
        self.proof.append(f"with it: fails ({own.runs.text} runs): {own.why}")
        without = self._without(answers, culprit)
        self.proven = clean and own.verdict is Verdict.BAD and without

    def _parents_are_clean(self, answers: Answers, culprit: Candidate) -> bool:
        commits = self.line.history.parents(culprit.commit)
        inside = {one.commit for one in self.line.candidates}
        probes = [self._probe(ProbeRole.PARENT, self.line.candidate(one)) for one in commits if one in inside]
        results = [self._told(result) for result in answers.ask(probes, self.runs)]
        for result in results:
            words = f"clean in {_runs(result.runs.of)}" if result.verdict is Verdict.GOOD else result.verdict.value
            self.proof.append(f"its parent, {result.commit[:12]}: {words}")
        runs = min((result.runs.of for result in results), default=0)
        if self.rate is not None and runs:
            self.confidence = round(rules.confidence_of(self.rate.failed / self.rate.of, runs), 6)
        return bool(results) and all(result.verdict is Verdict.GOOD for result in results)

    def _without(self, answers: Answers, culprit: Candidate) -> bool:
        """Whether the tip is clean with the culprit taken back."""
        git, tip = self.line.history, self.line.tip
        if culprit.commit == tip.commit:
            self.proof.append("the tip without it: is its parent")
            return True
        try:
            commit = git.without(tip.commit, culprit.commit, self.cache.scratch("revert") / "index")
        except UserError as error:
            self.proof.append(f"the tip without it: cannot be made: {error.what}")
            return False
        probe = Probe(
            ProbeRole.REVERTED, culprit.number, commit, f"the tip without “{culprit.subject}”",
            lambda: self.line.tree(commit),
        )  # fmt: skip
        (result,) = answers.ask([probe], self.runs)
        self.probes[commit] = result
        words = {
            Verdict.GOOD: f"clean in {_runs(result.runs.of)}",
            Verdict.BAD: f"fails too, so another patch does it as well: {result.why}",
            Verdict.SKIP: f"cannot be tested: {result.why}",
        }[result.verdict]
        self.proof.append(f"the tip without it: {words}")
        return result.verdict is Verdict.GOOD


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"

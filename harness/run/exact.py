"""One target at one seed: an exact guest works through the commands by itself, and what it kept is judged.

The commands, the marks and the readings around them, and the judging are those of `harness.run.target`; only that they
happen before the guest's first packet, so that the run is a function of its inputs.  A guest that dies takes with it
what it kept: what ended well there is run in the next guest, at the same seed.  Nothing is tried again to see whether
it fails always; a failure is proven by a second boot at its seed instead.
"""

from __future__ import annotations

import math
import re
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from harness.errors import GuestLost, InfraError, MissingTool
from harness.events import Say
from harness.guest.console import EXACT_END_MARK
from harness.guest.exact import Job, JobList, JobResult, Kept, checksum, compared
from harness.guest.watch import begin_mark, end_mark, untimed
from harness.model import Arch, Boot, Case, Exact, Finding, Outcome, Proof
from harness.run.answers import Answered
from harness.run.live import LiveGuest, compare
from harness.run.probe import PROBE, KernelState, parse_probe
from harness.run.target import Keep, TargetRunner
from harness.run.tasks import Task
from harness.verdict import console, infra, judge
from harness.verdict.tries import merged

GUEST_FACTOR = 3.0
"""Seconds of an exact guest for one of hardware: a billion instructions are about a third of one."""

RACES = ("vma_lock_abort", "vma_lock_retry", "vma_lock_miss")
"""Counters, by the programs' own account, of faults that met somebody who changed their VMA."""

_UNKNOWN = KernelState({}, 0, None)
_SEEDED = re.compile(r"(.*)@\d{1,10}")


class LiveExactGuest(LiveGuest, Protocol):
    """The part of `harness.guest.guest.Guest` that exact runs take beside the rest."""

    def fetch(self) -> Kept: ...

    @property
    def exact_part(self) -> bytes: ...


StartExact = Callable[[int, JobList, bool], AbstractContextManager[LiveExactGuest]]
"""Gives the N-th guest of the seed (from 1) with its job list; or that guest once more, for proof."""


def job_list(tasks: Sequence[Task]) -> JobList:
    """What a guest is given to work through these tasks."""
    jobs = (Job(_mark(task), task.command.argv, math.ceil(task.command.timeout_s * GUEST_FACTOR)) for task in tasks)
    return JobList(tuple(jobs), PROBE)


def seeded(name: str, seed: int) -> str:
    """A case's name at a seed: `same.unmap.2@7`."""
    return f"{name}@{seed}"


def unseeded(name: str) -> str:
    found = _SEEDED.fullmatch(name)
    return found[1] if found else name


def _mark(task: Task) -> str:
    return f"{task.suite.name} {task.command.name}"


# --- the console, cut at the marks ----------------------------------------------------------------------------


@dataclass(slots=True)
class Section:
    """A part of the console: `first_line` counts from 1."""

    first_line: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def dropped(self) -> int:
        """How many messages are missing in it."""
        return console.dropped(self.text)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the kernel complained of.  A stall is none of slowness here: the guest's time is its instructions."""
        return tuple(replace(found, timing=False) for found in console.scan(self.text, first_line=self.first_line))


@dataclass(slots=True)
class Sections:
    """The boot, and for each job that began: what was said in it, and after it (None: it never ended)."""

    boot: Section
    jobs: list[tuple[Section, Section | None]] = field(default_factory=list)
    complete: bool = False  # the exact part came to its end


def cut(text: str, marks: Sequence[str]) -> Sections:
    """Cut a console at the marks of the jobs, which come in this order.  What comes after the last is the last's."""
    found = Sections(Section(1))
    now, ended = found.boot, True
    for number, line in enumerate(text.split("\n"), 1):
        said = untimed(line)
        at = len(found.jobs) - (0 if ended else 1)
        if at < len(marks) and said == (begin_mark if ended else end_mark)(marks[at]):
            now, ended = Section(number), not ended
            found.jobs[at:] = [(found.jobs[at][0], now)] if ended else [(now, None)]
        found.complete = found.complete or said == EXACT_END_MARK
        now.lines.append(line)
    return found


# --- one seed -------------------------------------------------------------------------------------------------


class ExactRunner(TargetRunner):
    """Runs tasks on one target at one seed, in as many exact guests as it takes."""

    def __init__(
        self, arch: Arch, profile: str, tasks: Sequence[Task], *, seed: int, start: StartExact, config_digest: str,
        say: Say, keep: Keep | None = None, nodes: int = 1, has_lockdep: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            arch, profile, tasks, start=self._next_guest, config_digest=config_digest, say=say, keep=keep, nodes=nodes,
            has_lockdep=has_lockdep,
        )  # fmt: skip
        self.seed = seed
        self.races: Tally[str] = Tally()
        self.proofs: list[Proof] = []
        self._start_exact = start
        self._given: tuple[Task, ...] = ()  # to the present guest
        self._sections = Sections(Section(1))
        self._death: GuestLost | None = None
        self._compared = False
        self._lists: list[tuple[Task, ...]] = []  # of all guests, as their boots
        self._parts: list[bytes] = []  # likewise: what of their consoles is exact

    def _run_all(self) -> None:
        """Run all, then boot each guest again in which something failed."""
        super()._run_all()
        for number in range(1, len(self.boots) + 1):
            if any(case.log == self.boots[number - 1].console and _failed(case) for case in self._every_case()):
                self._prove(number)

    def go_on(self, answered: Answered) -> None:
        super().go_on(answered)
        by_title = {task.title: task for task in self.tasks}
        self._lists = [tuple(by_title[title] for title in given) for given in answered.lists]
        self.races, self.proofs = Tally(answered.races), [*answered.proofs]

    def _save(self) -> None:
        """A seed is done, or it is done again: what a guest answers, it answers at its end."""
        if self._keep is not None and self._done:
            lists = tuple(tuple(task.title for task in given) for given in self._lists)
            now = replace(self._answered(), races=dict(self.races), proofs=tuple(self.proofs), lists=lists)
            self._keep(now)

    def run_once(self) -> str:
        """Work in one guest alone; the checksum of what of its console is exact."""
        with self._start(1) as guest:
            if self._boot(guest):
                self._work(guest)
        self.kernel_cases += self._failed_boots
        self.give_up("not reached in this guest")
        return checksum(self._parts[0])

    def list_of(self, boot: Boot) -> tuple[Task, ...]:
        return next((given for one, given in zip(self.boots, self._lists, strict=True) if one == boot), ())

    def _next_guest(self, number: int) -> AbstractContextManager[LiveExactGuest]:
        self._given = tuple(self._left)
        return self._start_exact(number, job_list(self._given), False)

    def _boot(self, guest: LiveGuest) -> bool:
        """Boot, which is the whole exact part; a guest that dies in a job has booted."""
        exact = _exact(guest)
        number = self._booted + 1
        self._last = ""
        self._say("working through the commands" if number == 1 else f"a fresh guest (the {number}th)")
        boot = exact.boot()
        text = exact.console_text()
        self._sections = cut(text, [_mark(task) for task in self._given])
        came = boot.outcome is Outcome.PASS or bool(self._sections.jobs)
        reason, _, words = boot.message.partition(": ")
        self._death = GuestLost(words, reason=reason) if boot.outcome is not Outcome.PASS else None
        boot = replace(boot, outcome=Outcome.PASS, message="") if came else boot
        findings = self._sections.boot.findings
        name = "boot" if number == 1 else f"boot-{number}"
        case = judge.judge_boot(name, boot, findings, dropped=self._sections.boot.dropped)
        case = replace(case, seconds=round(boot.init_s, 3), log=boot.console)
        self.boots.append(boot)
        self._lists.append(self._given)
        self._parts.append(exact.exact_part)
        if not came:
            if not (infra.boot_may_be(boot, findings, text) and self._blame_machine(name, boot.message)):
                self._failed_boots.append(case)
            return False
        self._booted = number
        self._keep_boot(case)
        return True

    def _work(self, guest: LiveGuest) -> None:
        """Judge the jobs in their order, until this guest can no longer be trusted."""
        kept = self._fetch(_exact(guest)) if self._death is None else None
        if kept is None and self._in_doubt():
            return
        before = self._state(kept.probe) if kept is not None else None
        if before is not None:
            self._first_state(before)
        for at, (section, rest) in enumerate(self._sections.jobs):
            task, findings = self._given[at], section.findings
            result = kept.results[at] if kept is not None else None
            after = None
            died_here = not self._sections.complete and at == len(self._sections.jobs) - 1
            if result is None and (kept is not None or self._sections.complete or died_here):
                self._no_result(task, findings, before)
            elif result is not None:
                after = self._with_result(task, findings, before, result, dropped=section.dropped)
            elif judge.blaming(findings, self.boots[-1].accel):
                self._no_result(task, findings, before, GuestLost("its result was lost with the guest", reason="exit"))
            late = rest.findings if rest is not None else ()
            dropped = rest.dropped if rest is not None else 0
            if late or dropped:
                self._complain(late, dropped)
            was = before.debug_locks if before is not None else None
            timed_out = result is not None and result.timed_out
            if timed_out or judge.guest_is_spent((*findings, *late), after.debug_locks if after else None, was):
                return
            before = after

    def _fetch(self, guest: LiveExactGuest) -> Kept | None:
        try:
            if not self._compared:
                self.kernel_cases += compare(guest, self._config_digest, self._nodes)
                self._compared = True
            return guest.fetch()
        except GuestLost as error:
            self._death = error
        except ValueError as error:
            self._death = GuestLost(str(error), reason="ssh")
        return None

    def _in_doubt(self) -> bool:
        """Of a guest that was lost with its results: whether that is to be seen again before it is believed."""
        assert self._death is not None
        if self._sections.complete:
            return self._blame_machine("the results", self._death.what)
        parts = [part for parts in self._sections.jobs for part in parts if part is not None]
        findings = tuple(finding for part in parts for finding in part.findings)
        if not infra.may_be(self._death.reason, self._death.what, findings, "\n".join(part.text for part in parts)):
            return False
        return self._blame_machine(_mark(self._given[len(self._sections.jobs) - 1]), self._death.what)

    def _no_result(
        self, task: Task, findings: Sequence[Finding], before: KernelState | None, lost: GuestLost | None = None
    ) -> None:
        """The guest was lost in it, or with what it had kept of it."""
        self._left.remove(task)
        name = task.suite.name
        cases = [Case(name, case, Outcome.CRASH, message="no result") for case in task.command.cases]
        death = lost or self._death or GuestLost("the guest kept no result", reason="ssh")
        self._judge(task, cases, findings, before or _UNKNOWN, None, lost=death)

    def _with_result(
        self, task: Task, findings: Sequence[Finding], before: KernelState | None, kept: JobResult, *, dropped: int
    ) -> KernelState | None:
        self._left.remove(task)
        cases: Sequence[Case] = task.suite.parse(task.command, kept.result)
        if kept.timed_out:
            words = f"no end after {kept.result.seconds:.0f} s of the guest's time"
            cases = [_timed_out(case, words) for case in cases]
        after = self._state(kept.probe) if before is not None else None
        self._judge(task, cases, findings, before or _UNKNOWN, after, dropped=dropped)
        if task.command.exercises_vma_locks:  # elsewhere an abort or a retry is how a fault ends, and no race
            metrics = (metric for case in cases for metric in case.metrics)
            self.races.update({metric.name: int(metric.value) for metric in metrics if metric.name in RACES})
        if after is not None:
            self._note_state(after, self._last)
        return after

    def _state(self, probe: str) -> KernelState | None:
        """A reading; None where the guest gave no whole account."""
        try:
            return parse_probe(probe)
        except ValueError:
            return None

    # --- proof ------------------------------------------------------------------------------------------------

    def _prove(self, number: int) -> None:
        """Boot a guest again, and hold its console against that of the first."""
        boot, part, given = self.boots[number - 1], self._parts[number - 1], self._lists[number - 1]
        self._say(f"booting again at seed {self.seed}, for proof")
        again = boot.console
        try:
            with self._start_exact(number, job_list(given), True) as guest:
                again = guest.boot().console
                same, words = compared(self.seed, part, guest.exact_part)
        except MissingTool:
            raise
        except InfraError as error:
            same, words = False, f"seed {self.seed} could not be booted again: {error.what}"
        self.proofs.append(Proof(self.seed, same, words, checksum(part), boot.console, again))
        name = "proof" if number == 1 else f"proof-{number}"
        outcome = Outcome.PASS if same else Outcome.ERROR
        self.kernel_cases.append(Case("kernel", name, outcome, message="" if same else words, log=again))
        for cases in (self.kernel_cases, self.cases):
            cases[:] = [_told(case, words) if case.log == boot.console and _failed(case) else case for case in cases]


def _exact(guest: LiveGuest) -> LiveExactGuest:
    """The guests of this runner are all exact ones."""
    return guest  # type: ignore[return-value]


def _failed(case: Case) -> bool:
    return case.outcome.blames_kernel


def _told(case: Case, words: str) -> Case:
    return replace(case, detail=f"{case.detail}\n\n{words}".strip())


def _timed_out(case: Case, words: str) -> Case:
    """A case of a command that had to be ended: what it had reported before stands."""
    if case.outcome in (Outcome.CRASH, Outcome.ERROR):
        return replace(case, outcome=Outcome.TIMEOUT, message=words)
    return case


# --- all seeds ------------------------------------------------------------------------------------------------


class AllSeeds:
    """What a target came to at all of its seeds; each case is named after its own."""

    def __init__(self, runners: Sequence[ExactRunner], cases: Sequence[Case] = ()) -> None:
        """`cases` are those that no guest has a part in: a suite that could not be made."""
        self._runners = tuple(runners)
        self.kernel_cases: list[Case] = []
        self.cases: list[Case] = list(cases)
        for runner in runners:
            self.kernel_cases += (_named(case, runner.seed) for case in merged(runner.kernel_cases))
            self.cases += (_named(case, runner.seed) for case in runner.cases)
        self.boots = [boot for runner in runners for boot in runner.boots]
        self.notes = list(dict.fromkeys(note for runner in runners for note in runner.notes))

    @property
    def infra(self) -> tuple[str, ...]:
        return tuple(f"seed {runner.seed}: {what}" for runner in self._runners for what in runner.infra)

    @property
    def exact(self) -> Exact | None:
        total: Tally[str] = sum((runner.races for runner in self._runners), Tally())
        proofs = tuple(proof for runner in self._runners for proof in runner.proofs)
        aborts, retries, misses = (total[name] for name in RACES)
        return Exact(tuple(runner.seed for runner in self._runners), aborts, retries, misses, proofs)

    @property
    def good(self) -> bool:
        return all(case.outcome in (Outcome.PASS, Outcome.SKIP) for case in (*self.kernel_cases, *self.cases))

    @property
    def seconds(self) -> dict[str, float]:
        """Nothing: the guest's own time is no measure of ours."""
        return {}

    def task_of(self, suite: str, case: str) -> Task | None:
        found = (runner.task_of(suite, unseeded(case)) for runner in self._runners if case.endswith(f"@{runner.seed}"))
        return next((task for task in found if task is not None), None)

    def list_of(self, boot: Boot) -> tuple[Task, ...]:
        return next((found for runner in self._runners if (found := runner.list_of(boot))), ())


def _named(case: Case, seed: int) -> Case:
    return replace(case, name=seeded(case.name, seed))

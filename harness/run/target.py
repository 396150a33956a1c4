"""One target (architecture and profile): boots guests and runs the suites' commands in them.

Around each command it takes counters, taint and console; `harness.verdict` judges.  A guest that is lost, or whose
lockdep has switched itself off, is replaced by a fresh one for the commands that are left: a crash hides nothing, and
nothing passes under a dead lockdep.  What failed is run again in fresh guests, and what the machine may have broken is
done again before anything is said of the kernel.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from harness.errors import GuestLost, InfraError, MissingTool
from harness.events import Say
from harness.model import Arch, Boot, Case, Exact, Finding, Outcome, Tries
from harness.run.answers import Answered
from harness.run.hearing import Heard, hear, lines_after
from harness.run.live import PROBE_S, LiveGuest, compare
from harness.run.probe import PROBE, READING, KernelState, parse_probe
from harness.run.tasks import Task, not_run
from harness.verdict import infra, judge
from harness.verdict.tries import merged

MAX_BOOTS = 6
"""How often a target's guest is replaced before the rest is left out: a kernel this broken has shown it."""

MACHINE_TRIES = 3
"""How often something is tried that the machine may have broken; what breaks every time is the kernel's."""

StartGuest = Callable[[int], AbstractContextManager[LiveGuest]]
"""Gives the N-th guest of the target (from 1)."""

Enough = Callable[[Sequence[Case]], str]
"""Of the cases so far: why those that are left need not be run; "" while they must be."""

Keep = Callable[[Answered], None]
"""Takes how far a target is, whenever that is more than before."""


class TargetRunner:
    """Runs tasks on one target, in order, in as many guests as it takes."""

    def __init__(
        self,
        arch: Arch,
        profile: str,
        tasks: Sequence[Task],
        *,
        start: StartGuest,
        config_digest: str,
        say: Say,
        retries: int = 0,
        enough: Enough | None = None,
        keep: Keep | None = None,
        nodes: int = 1,
        has_lockdep: bool = False,
    ) -> None:
        """`retries` is how often a case that failed is run again; `enough` says when the rest need not be run.

        `nodes` is how many nodes of memory a guest must have; `has_lockdep`: its kernel is proven to have it.
        """
        self._arch = arch
        self._profile = profile
        self.tasks = tuple(task for task in tasks if not task.skip)
        self._left = list(self.tasks)
        self._start = start
        self._config_digest = config_digest
        self._say = say
        self._retries = retries
        self._nodes = nodes
        self._has_lockdep = has_lockdep
        self._enough = enough or (lambda _: "")
        self._keep = keep
        self._round = 0  # 0: all for the first time; N: what failed, again for the Nth time
        self._again: list[Task] = []  # what has failed the first time
        self._before: tuple[list[Case], list[Case]] = ([], [])  # the present round: cases of kernel and suites
        self._most_boots = MAX_BOOTS
        self._done = False
        self._booted = 0  # guests that have come up
        self._failed_boots: list[Case] = []  # of the guest that is to come up next
        self._broken: dict[str, list[str]] = {}  # by what was tried: what the machine may have done to it
        self._heard = 0  # lines of the present guest's console
        self._last = ""  # the command that ran last in the present guest
        self._noted: set[str] = set()
        self.notes: list[str] = []  # what a reader must know to believe the cases
        self.boots: list[Boot] = []
        self.kernel_cases: list[Case] = []
        self.cases: list[Case] = [
            case for task in tasks if task.skip for case in not_run(task, task.skip, Outcome.SKIP)
        ]
        self.seconds: dict[str, float] = {}  # that commands took, by title

    def run(self) -> None:
        """Boot and run until nothing is left, or boots are used up; then what failed once more, in fresh guests."""
        if not self._done:
            self._run_all()
            self._finish()

    def _run_all(self) -> None:
        if self._round:
            self._finish_round()
        else:
            self._run_first()
            failed = {_key(case) for case in self._every_case() if case.outcome.blames_kernel and case.tries is None}
            self._again = [task for task in self.tasks if any(task.reports(*key) for key in failed)]
            if not self._again and ("kernel", "boot") not in failed:
                return
        for number in range(self._round + 1, self._retries + 1):
            if why := self._enough(self._every_case()):
                self.notes.append(f"{self._arch} {self._profile}: what failed was not tried again: {why}")
                break
            self._say(f"trying again what failed ({number} of {self._retries})")
            self._try_again(number)

    def _run_first(self) -> None:
        """Everything for the first time."""
        self._take_guests()
        if self._left:
            lost = f"{MAX_BOOTS} guests were lost"
            self.give_up(self.boots[-1].message if self.boots[-1].outcome is not Outcome.PASS else lost)

    def _finish(self) -> None:
        """Nothing is left to do, unless there was no time for it."""
        if not self._enough(self._every_case()):
            self._done = True
            self._save()

    def _take_guests(self) -> None:
        """Work in one guest after the other; also where there is no task, to see one boot."""
        while len(self.boots) < self._most_boots and (self._left or not self._booted):
            if why := self._enough(self._every_case()):
                self.give_up(why)
                break
            try:
                with self._start(len(self.boots) + 1) as guest:
                    if self._boot(guest):
                        self._work(guest)
                    elif not self._boots_again():
                        break
            except (GuestLost, MissingTool):
                raise
            except InfraError as error:
                if not self._blame_machine("a guest", error.what):
                    raise
        if self._failed_boots:
            self._keep_boot(self._failed_boots.pop())

    def _try_again(self, number: int) -> None:
        """Run what failed once more, and join its cases with those that are there.  Nothing that fails is lost."""
        self._before = self.kernel_cases, self.cases
        self.kernel_cases, self.cases, self._left = [], [], list(self._again)
        if number == 1:
            self._most_boots = len(self.boots) + MAX_BOOTS
        self._round, self._booted = number, 0
        self._finish_round()

    def _finish_round(self) -> None:
        before = len(self.boots)
        try:
            self._take_guests()
        finally:
            if len(self.boots) == before + 1 and not self._left:  # one was enough: none was replaced
                self._most_boots += 1
            self._left.clear()
            kernel, cases = self._before
            self.kernel_cases = merged(kernel, self.kernel_cases)
            self.cases = merged(cases, self.cases)
            self._before = [], []

    # --- being continued --------------------------------------------------------------------------------------

    def go_on(self, answered: Answered) -> None:
        """Take over what an interrupted run has found out; `run` does the rest."""
        by_title = {task.title: task for task in self.tasks}
        self._left = [task for task in self.tasks if task.title in answered.left]
        self._again = [by_title[title] for title in answered.again]
        self._booted, self._round, self._done = answered.booted, answered.round, answered.done
        self.boots, self.notes, self._noted = [*answered.boots], [*answered.notes], {*answered.noted}
        self.kernel_cases, self.cases = [*answered.kernel_cases], [*answered.cases]
        self._before = [*answered.kernel_before], [*answered.cases_before]
        self._broken = {what: [*reasons] for what, reasons in answered.broken.items()}
        self.seconds = dict(answered.seconds)
        self._most_boots = len(self.boots) + MAX_BOOTS  # an interruption is no lost guest

    def _answered(self) -> Answered:
        kernel, cases = self._before
        return Answered(
            left=tuple(task.title for task in self._left), booted=self._booted, boots=tuple(self.boots),
            kernel_cases=tuple(self.kernel_cases), cases=tuple(self.cases), notes=tuple(self.notes),
            noted=tuple(sorted(self._noted)), round=self._round, again=tuple(task.title for task in self._again),
            kernel_before=tuple(kernel), cases_before=tuple(cases),
            broken={what: tuple(reasons) for what, reasons in self._broken.items()}, seconds=dict(self.seconds),
            done=self._done,
        )  # fmt: skip

    @property
    def left(self) -> tuple[str, ...]:
        """Titles of the commands that are to be run."""
        return tuple(task.title for task in self._left)

    def _save(self) -> None:
        if self._keep is not None:
            self._keep(self._answered())

    @property
    def exact(self) -> Exact | None:
        return None

    def task_of(self, suite: str, case: str) -> Task | None:
        """The task that reports a case of a suite."""
        own = (task for task in self.tasks if task.suite.name == suite)
        return next((task for task in own if case == task.command.name or task.reports(suite, case)), None)

    def list_of(self, boot: Boot) -> tuple[Task, ...]:
        """Over SSH nothing is worked through by a guest itself."""
        return ()

    def _every_case(self) -> tuple[Case, ...]:
        return (*self.kernel_cases, *self.cases)

    @property
    def infra(self) -> tuple[str, ...]:
        """What the machine got in the way with; it was done again."""
        return tuple(f"{what}: {why}" for what, reasons in self._broken.items() for why in reasons)

    def _blame_machine(self, what: str, why: str) -> bool:
        """Whether to do it again; False once it has broken so often that it is no accident."""
        reasons = self._broken.setdefault(what, [])
        reasons.append(why)
        if len(reasons) >= MACHINE_TRIES:
            del self._broken[what]
            return False
        self._say(f"{what}: {why}; trying again")
        return True

    def give_up(self, why: str) -> None:
        """Account for what is left as not run."""
        for task in self._left:
            self.cases.extend(not_run(task, why))
        self._left.clear()

    @property
    def good(self) -> bool:
        return all(case.outcome in (Outcome.PASS, Outcome.SKIP) for case in self._every_case())

    @property
    def account(self) -> str:
        """One line for the progress display."""
        count = Tally(case.outcome for case in self._every_case())
        return ", ".join(f"{number} {outcome}" for outcome, number in count.items())

    # --- one guest --------------------------------------------------------------------------------------------

    def _boot(self, guest: LiveGuest) -> bool:
        """Boot and judge the boot; False when no command can be run in this guest."""
        number = self._booted + 1
        self._heard, self._last = 0, ""
        self._say("booting" if number == 1 else f"booting a fresh guest (the {number}th)")
        boot = guest.boot()
        self.boots.append(boot)
        if ahead := infra.clock_ahead(guest.console_text(), boot.total_s):
            raise InfraError(f"the guest cannot be believed: {ahead}", fix="give the host less to do, or fewer guests")
        heard = self._listen(guest)
        findings = heard.findings
        name = "boot" if number == 1 else f"boot-{number}"
        case = judge.judge_boot(name, boot, findings, dropped=heard.dropped)
        case = replace(case, log=boot.console)
        if boot.outcome is not Outcome.PASS:
            if not (
                infra.boot_may_be(boot, findings, guest.console_text()) and self._blame_machine(name, boot.message)
            ):
                self._failed_boots.append(case)
            return False
        self._booted = number
        self._keep_boot(case)
        if number == 1 and not self._round:
            self.kernel_cases += compare(guest, self._config_digest, self._nodes)
        self._save()
        return True

    def _keep_boot(self, last: Case) -> None:
        """A boot, with those that failed before it."""
        self.kernel_cases = merged(self.kernel_cases, *([case] for case in (*self._failed_boots, last)))
        self._failed_boots = []

    def _boots_again(self) -> bool:
        """After a boot that failed: whether to try another; only once more after minutes of silence."""
        most = 0 if self._round else self._retries
        if self.boots[-1].outcome is Outcome.TIMEOUT:
            most = min(most, 1)
        return len(self._failed_boots) <= most

    def _work(self, guest: LiveGuest) -> None:
        """Run what is left until this guest can no longer be trusted."""
        try:
            before = self._probe(guest)
        except GuestLost as lost:
            self.kernel_cases.append(Case("kernel", f"ready-{len(self.boots)}", Outcome.CRASH, message=lost.what))
            return
        self._first_state(before)
        while self._left:
            if why := self._enough(self._every_case()):
                self.give_up(why)
                break
            task = self._left.pop(0)
            try:
                after = self._perform(guest, task, before)
            except InfraError:
                self._left.insert(0, task)
                raise
            if after is None:
                return
            before = after
        heard = self._listen(guest)
        if heard.findings or heard.dropped:
            self._complain(heard.findings, heard.dropped)
            self._save()

    def _probe(self, guest: LiveGuest) -> KernelState:
        return _state(guest.run(PROBE, timeout_s=PROBE_S).stdout)

    def _listen(self, guest: LiveGuest, name: str = "") -> Heard:
        """What has been said since it was last listened to, the kernel's complaints found in it.

        What it said between two commands is the earlier one's, or nobody's, and not that of `name`, which came next.
        """
        heard = hear(lines_after(guest.console_text(), self._heard), self._heard + 1, name)
        if heard.late or heard.findings:  # a report that is still being printed is waited for
            guest.settle()
            heard = hear(lines_after(guest.console_text(), self._heard), self._heard + 1, name)
        self._heard = guest.console_text().count("\n")
        return heard

    def _perform(self, guest: LiveGuest, task: Task, before: KernelState) -> KernelState | None:
        """Run one command and judge it; None when nothing more can be run in this guest."""
        suite, command, name = task.suite, task.command, f"{task.suite.name} {task.command.name}"
        self._say(name)
        started = time.monotonic()
        lost: GuestLost | None = None
        after: KernelState | None = None
        cases: tuple[Case, ...] = ()
        try:
            result, reading = guest.run_marked(command.argv, name, READING, timeout_s=command.timeout_s)
            cases = suite.parse(command, result)
            after = _state(reading)
        except GuestLost as error:
            lost = error
            guest.settle()
        if not cases:
            cases = tuple(Case(suite.name, name, Outcome.CRASH, message="no result") for name in command.cases)
        if len(cases) == 1 and not cases[0].seconds:
            cases = (replace(cases[0], seconds=round(time.monotonic() - started, 3)),)
        heard = self._listen(guest, name)
        findings = heard.findings
        if heard.late or heard.late_dropped:
            self._complain(heard.late, heard.late_dropped)
            if judge.guest_is_spent(heard.late, None):  # nothing should have been run in it any more
                self._left.insert(0, task)
                return None
        blamed = lost is not None and infra.may_be(lost.reason, lost.what, findings, heard.text)
        if blamed and lost is not None and self._blame_machine(name, lost.what):
            self._left.insert(0, task)
            return None
        tries = Tries(MACHINE_TRIES, MACHINE_TRIES) if blamed else None
        self._judge(task, cases, findings, before, after, lost=lost, tries=tries, dropped=heard.dropped)
        self.seconds[task.title] = round(time.monotonic() - started, 2)
        self._save()
        if after is None or judge.guest_is_spent(findings, after.debug_locks, before.debug_locks):
            return None
        self._note_state(after, self._last)
        return after

    def _judge(
        self, task: Task, cases: Sequence[Case], findings: Sequence[Finding], before: KernelState,
        after: KernelState | None, *, lost: GuestLost | None = None, tries: Tries | None = None,
        dropped: int = 0,
    ) -> None:  # fmt: skip
        """Judge what a command gave, and keep it."""
        judged = judge.judge_cases(
            cases, findings, command=task.command, accel=self.boots[-1].accel, exact=self.boots[-1].seed is not None,
            taint_before=before.tainted, taint_after=after.tainted if after else None,
            counters=after.since(before) if after else (),
            lockdep_before=before.debug_locks, lockdep_after=after.debug_locks if after else None,
            has_lockdep=self._has_lockdep, dropped=dropped,
            lost=lost.reason if lost else None, lost_message=lost.what if lost else "",
        )  # fmt: skip
        self.cases.extend(replace(case, log=self.boots[-1].console, tries=tries) for case in judged)
        self._last = task.title

    def _complain(self, late: Sequence[Finding], dropped: int) -> None:
        boot = self.boots[-1]
        case = judge.judge_late(f"after-{self._last or f'boot-{len(self.boots)}'}", boot, late, dropped=dropped)
        self.kernel_cases.append(replace(case, log=boot.console))

    def _first_state(self, state: KernelState) -> None:
        """Judge and note what a kernel says of itself when it has booted."""
        boot = next(case for case in reversed(self.kernel_cases) if case.name.startswith("boot"))
        told = judge.judge_taint(boot, state.tainted)
        if told is not None and not any(case.name == told.name for case in self.kernel_cases):
            self.kernel_cases.append(told)
        self._note_state(state, "the boot")

    def _note_state(self, state: KernelState, when: str) -> None:
        """Note, once each, what weakens every later case of this target."""
        where = f"{self._arch} {self._profile}"
        for table in state.tables:
            if table.nearly_full:
                full = f"{table.used} of {table.size} {table.name} are used after {when}"
                self._note(table.name, f"{where}: lockdep is nearly full: {full}; when one is, it switches itself off")
        if not state.armed:
            why = "no clear_warn_once in debugfs"
            self._note("once", f"{where}: a WARN_ONCE is heard once a guest, not once a case: {why}")

    def _note(self, about: str, text: str) -> None:
        if about not in self._noted:
            self._noted.add(about)
            self.notes.append(text)


def _key(case: Case) -> tuple[str, str]:
    return case.suite, case.name


def _state(reading: str) -> KernelState:
    """Raises GuestLost when it is not whole: a guest that cannot say how it is is none to go on with."""
    try:
        return parse_probe(reading)
    except ValueError as error:
        raise GuestLost(str(error), reason="ssh", detail=reading[-400:]) from error

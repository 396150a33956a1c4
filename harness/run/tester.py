"""Tests the kernels of one tree: the guests, the commands that they run, and what became of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from harness.errors import InfraError, MissingTool, UserError
from harness.events import Emit, Event, EventKind, Say
from harness.guest.accel import choose_accel
from harness.guest.counting import Counting
from harness.guest.exact import JobList
from harness.guest.guest import Guest
from harness.guest.watch import Death
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.kernel.decode import Decoder
from harness.kernel.kconfig import asks_for
from harness.model import Build, Case, Finding, GuestConfig, Outcome
from harness.plan.model import Plan
from harness.report.files import Layout
from harness.run.account import TargetAccount
from harness.run.answers import Answers
from harness.run.budget import Budget
from harness.run.exact import AllSeeds, ExactRunner
from harness.run.graph import Report
from harness.run.history import History
from harness.run.own import own_digest
from harness.run.suites import Prepared, unseedable
from harness.run.target import Enough, TargetRunner
from harness.run.targets import Target, first_error, image_digest
from harness.run.tasks import Task, select
from harness.run.trials import TrialRunner, tasks_of
from harness.suites.suite import ExactSuite
from harness.verdict.console import is_complaint, is_fatal, scan


@dataclass(frozen=True, slots=True)
class Tester:
    """How the plan wants kernels tested.  A target's build, initramfs and programs are there before it is asked."""

    plan: Plan
    layout: Layout
    processes: Processes
    cache: Cache
    sandbox: Sandbox
    emit: Emit
    prefix: str = ""  # of the steps' names
    order: Callable[[Task], int] | None = None  # of the commands; None: as their suites have them
    ends_at: Callable[[Finding], bool] | None = None  # what a guest ends at, whatever its command does then
    budget: Budget = field(default_factory=lambda: Budget(None))
    history: History = field(default_factory=lambda: History({}))
    resumable: bool = False  # whether answers are kept for a run that continues this one
    reuse: bool = False  # whether they are kept for every run, and what others were answered is taken

    def config_of(self, target: Target) -> GuestConfig:
        """The guests of a target: as the plan says, and as its kernel needs them."""
        return target.profile.guest(self.plan.guest.to_config())

    def guest(
        self, target: Target, number: int, say: Say = lambda _: None, *, seed: int | None = None,
        jobs: JobList | None = None, console: Path | None = None, counting: Counting | None = None,
    ) -> Guest:  # fmt: skip
        """The N-th guest of a target (from 1), not booted.  Raises UserError where there is no kernel to boot."""
        assert target.build is not None and target.rootfs is not None
        build, step = target.build.value, f"{self.prefix}test {target.name}"
        if build.image is None:
            raise UserError(f"the {target.name} kernel was not built: {first_error(build)}", fix=f"read {build.log}")

        def tell(death: Death) -> None:
            if death.reason != "complaint":  # which is no news of a guest that is to complain
                self.emit(Event(EventKind.CONSOLE, step, "\n".join((death.message, *death.last_lines))))

        ends_at = self.ends_at if seed is None else None  # when an exact guest ends is no matter of time
        return Guest(
            arch=target.arch, profile=target.profile.name, image=build.image, rootfs=target.rootfs.value,
            config=replace(self.config_of(target), seed=seed), jobs=jobs, counting=counting,
            console=console or self.layout.console(target.arch, target.profile.name, number),
            processes=self.processes, cache=self.cache, is_fatal=is_fatal, say=say,
            is_complaint=is_complaint if ends_at else None,
            is_enough=(lambda text: any(map(ends_at, scan(text)))) if ends_at else None, on_death=tell,
        )  # fmt: skip

    def _keep(self, target: Target) -> None:
        """With `keep`: the kernel and the initramfs beside the results, to start them by hand."""
        if not self.plan.keep or target.rootfs is None or target.build is None:
            return
        build, rootfs = target.build.value, target.rootfs.value
        place = self.layout.guest_files(target.arch, target.profile.name)
        place.mkdir(exist_ok=True)
        for name, path in (("kernel", build.image), ("vmlinux", build.vmlinux), ("initramfs", rootfs.image)):
            if path is not None:
                shutil.copyfile(path, place / name)

    def tasks(self, target: Target, prepared: Sequence[Prepared]) -> list[Task]:
        """The commands that the plan asks for, as the target's kernel can run them, at all seeds."""
        if self.plan.exact:
            return [task for seed in self.plan.guest_seeds for task in self._tasks_at(seed, target, prepared)]
        suites = [item.suite for item in prepared if item.suite is not None]
        found = self._fit(target, select(suites, self.plan.cases, target.arch, self.config_of(target).smp))
        if self.budget.seconds is not None:  # the quickest answers first
            found.sort(key=lambda task: self.history.command_s(target.name, task.title))
        return sorted(found, key=self.order) if self.order is not None else found

    def _tasks_at(self, seed: int, target: Target, prepared: Sequence[Prepared]) -> list[Task]:
        suites = [item.suite.at_seed(seed) for item in prepared if isinstance(item.suite, ExactSuite)]
        return self._fit(target, select(suites, self.plan.cases, target.arch, self.config_of(target).smp, seed=seed))

    @staticmethod
    def _fit(target: Target, tasks: Sequence[Task]) -> list[Task]:
        """The tasks as the target's kernel can run them."""
        has_vma_locks = not _is_lockless(target)
        return [task.on_kernel(pace=target.profile.pace, has_vma_locks=has_vma_locks) for task in tasks]

    def run_seed(self, seed: int, target: Target, prepared: list[Prepared], report: Report) -> ExactRunner:
        """One seed.  What the machine gets in the way of is an error of this seed alone."""
        assert target.build is not None
        build, name = target.build.value, target.profile.name

        def start(number: int, jobs: JobList, again: bool) -> Guest:
            console = self.layout.exact_console(target.arch, name, seed, number, again=again)
            return self.guest(target, number, report.say, seed=seed, jobs=jobs, console=console)

        tasks = self._tasks_at(seed, target, prepared)
        answers = self._answers(target, tasks, seed)
        runner = ExactRunner(
            target.arch, name, tasks, seed=seed, start=start,
            config_digest=build.config_digest, say=report.say, nodes=target.profile.nodes,
            has_lockdep=_has_lockdep(target),
            keep=answers.save if answers is not None else None,
        )  # fmt: skip
        if answers is not None and (answered := answers.load()) is not None:
            runner.go_on(answered)
            report.cached = answered.done
        try:
            if build.outcome is not Outcome.PASS:
                runner.give_up("the kernel was not built")
            elif runner.tasks or not self.plan.suites:  # then the boot is what is wanted
                runner.run()
        except MissingTool:
            raise
        except InfraError as error:
            runner.kernel_cases.append(Case("kernel", "guest", Outcome.ERROR, message=error.what, detail=error.detail))
            runner.give_up(error.what)
        self._finish(target, build, runner, report.say)
        report.good = runner.good
        report.text = runner.account if runner.boots else "no command is asked for at this seed"
        return runner

    def put_together(self, target: Target, prepared: Sequence[Prepared], report: Report) -> TargetAccount:
        """What the seeds of a target came to."""
        target.prepared = tuple(prepared)
        runners = [node.value for node in target.seeds]
        found = AllSeeds([one for one in runners if one.tasks or one.boots], unseedable(target.prepared))
        report.good, report.text = found.good, found.exact.races if found.exact else ""
        self._keep(target)
        return found

    def perform(
        self, target: Target, prepared: list[Prepared], report: Report, enough: Enough | None = None
    ) -> TargetRunner:
        """Test a target whose kernel and programs are there, until it is `enough`."""
        assert target.build is not None
        build = target.build.value
        target.prepared = tuple(prepared)
        tasks = self.tasks(target, prepared)
        answers = self._answers(target, tasks)
        runner = TargetRunner(
            target.arch, target.profile.name, tasks, config_digest=build.config_digest, nodes=target.profile.nodes,
            has_lockdep=_has_lockdep(target), say=report.say, retries=self.plan.retries, enough=enough or self._enough,
            start=lambda number: self.guest(target, number, report.say),
            keep=answers.save if answers is not None else None,
        )  # fmt: skip
        runner.cases.extend(case for item in prepared for case in item.cases)
        if answers is not None and (answered := answers.load()) is not None:
            runner.go_on(answered)
            report.cached = answered.done
        if build.outcome is Outcome.PASS:
            if (takes := self.history.commands_s(target.name, runner.left)) is not None:
                report.expect(takes)
            runner.run()
        else:
            runner.give_up("the kernel was not built")
        self._finish(target, build, runner, report.say)
        self._keep(target)
        report.good, report.text = runner.good, runner.account
        return runner

    def try_often(
        self, target: Target, prepared: Sequence[Prepared], report: Report, often: Mapping[str, int]
    ) -> TrialRunner:
        """Run commands of a target so often, by their titles, each time in a fresh guest."""
        assert target.build is not None
        build = target.build.value
        tasks = tasks_of(self.tasks(target, prepared), often)
        answers = self._answers(target, tasks, often=often)
        runner = TrialRunner(
            target.arch, target.profile.name, tasks, config_digest=build.config_digest, nodes=target.profile.nodes,
            has_lockdep=_has_lockdep(target), say=report.say, enough=self._enough, often=often,
            start=lambda number: self.guest(target, number, report.say),
            keep=answers.save if answers is not None else None,
        )  # fmt: skip
        if answers is not None and (answered := answers.load()) is not None:
            runner.go_on(answered)
            report.cached = answered.done
        if (boot := self.history.commands_s(target.name, ())) is not None:
            rounds = max(often.values()) * boot
            report.expect(rounds + sum(n * self.history.command_s(target.name, title) for title, n in often.items()))
        runner.run()
        self._decode(target, build, runner, report.say)
        report.good, report.text = runner.good, runner.account
        return runner

    def _enough(self, cases: Sequence[Case]) -> str:
        if self.ends_at is not None and any(self.ends_at(found) for case in cases for found in case.findings):
            return "what is looked for has been seen"
        return self.budget.spent()

    def _finish(self, target: Target, build: Build, runner: TargetRunner, say: Say) -> None:
        """What a reader must know of the kernel, and call traces with file and line."""
        if _is_lockless(target):
            runner.notes.append(f"{target.name}: this kernel has no per-VMA lock: no case is asked to have taken one")
        self._decode(target, build, runner, say)

    def _answers(
        self, target: Target, tasks: Sequence[Task], seed: int | None = None, often: Mapping[str, int] | None = None
    ) -> Answers | None:
        """Where the answers of a target's guests are kept, named by all that they come from but the tasks' order."""
        if not self.resumable:
            return None
        assert target.build is not None and target.rootfs is not None
        config = self.config_of(target)
        build, name = target.build.value, f"{target.arch}-{target.profile.name}"
        name += f"-seed{seed}" if seed is not None else ""
        parts = [
            name, image_digest(build) if build.image is not None else build.key,
            target.rootfs.value.digest, self.plan.retries, seed, asdict(config),
            choose_accel(config.accel, target.arch)[0], own_digest(),
            sorted(json.dumps([task.suite.name, *asdict(task.command).values()]) for task in tasks),
            *sorted((often or {}).items()),
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
        return Answers(self.layout.directory, name, key, self.cache if self.reuse else None)

    def _decode(self, target: Target, build: Build, runner: TargetRunner, say: Say) -> None:
        """Give the call traces of what was found file and line, as far as the kernel and its tree can tell."""
        cases = (*runner.kernel_cases, *runner.cases)
        wanted = [frame for case in cases for finding in case.findings for frame in finding.frames]
        if not wanted or target.tree is None:
            return
        say("decoding call traces")
        decoder = Decoder(self.processes, self.cache, self.sandbox)
        decoded = decoder.decode(target.tree.value, build, wanted)
        runner.kernel_cases[:] = [decoded.case(case) for case in runner.kernel_cases]
        runner.cases[:] = [decoded.case(case) for case in runner.cases]


def _is_lockless(target: Target) -> bool:
    """Whether the target's kernel is proven to have no per-VMA lock."""
    return asks_for("PER_VMA_LOCK", "n", target.profile, target.arch)


def _has_lockdep(target: Target) -> bool:
    """Whether the target's kernel is proven to have lockdep."""
    return asks_for("PROVE_LOCKING", "y", target.profile, target.arch)

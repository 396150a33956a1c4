"""The order of the stages: plan -> series -> tree -> build -> guest -> suites, as a graph of steps.

Kernels compile one after the other, each on all cores; the next one is started beside it at a lower priority and
fills the gaps (linking, kallsyms), and the guest of a finished kernel runs while the next compiles.
"""

from __future__ import annotations

import copy
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from harness.arch import host_arch, is_native
from harness.data import fragments_dir
from harness.errors import InfraError, UserError
from harness.events import Emit, Event, EventKind
from harness.guest.argv import find_machine
from harness.guest.rootfs import build_rootfs
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox, probe
from harness.kernel.apply import apply_checkers
from harness.kernel.build import Builder
from harness.model import (
    AppliedTree,
    Arch,
    Build,
    FileChange,
    Outcome,
    Profile,
    Rootfs,
    SuiteResult,
)
from harness.plan.model import NONE, Plan
from harness.plan.profiles import resolve_profiles
from harness.report.files import Layout
from harness.run import history
from harness.run.answers import keep, known_before, recall, remember
from harness.run.budget import Account, Advice, Budget
from harness.run.exact import ExactRunner
from harness.run.goal import Goal
from harness.run.graph import Graph, Node, Report, State
from harness.run.record import ChangedInput
from harness.run.sources import Archives, WorkCopies, guest_suite, read_checkers
from harness.run.suites import (
    DESCRIPTIONS,
    Prepared,
    Workshop,
    key_on_host,
    prepared_kselftest,
    prepared_vma,
    run_on_host,
)
from harness.run.target import TargetAccount
from harness.run.targets import Target, first_error, targets_of
from harness.run.tasks import Task
from harness.run.tasks import unknown as unknown_cases
from harness.run.tester import Tester
from harness.run.trees import Trees
from harness.suites.vma_program import VmaProgram

T = TypeVar("T")

_COMPILED = (".c", ".h", ".S")  # files that say nothing to kconfig
_OF_FILES = ("config", "compile", "vma", "selftests")  # what steps use that read the tree's files

BUILDS_AT_ONCE = 2
"""The kernel that is being built, and the next one in its gaps."""


def keeps_config(files: Iterable[FileChange]) -> bool:
    """Whether changes of these files say nothing to kconfig."""
    return all(change.path.endswith(_COMPILED) for change in files)


def _will_read_files(node: Node[Any]) -> bool:
    return node.uses in _OF_FILES and node.state in (State.WAITING, State.RUNNING)


def _lenient(work: Callable[[Report], T]) -> Callable[[Report], T]:
    """What cannot be done with a tree that the user did not ask for must not end the run."""

    def attempt(report: Report) -> T:
        try:
            return work(report)
        except ChangedInput:
            raise
        except UserError as error:
            raise InfraError(error.what, fix=error.fix, detail=error.detail) from error

    return attempt


class Steps:
    """The steps of one run.  `graph.run()` does them; what they gave is read from the nodes afterwards."""

    def __init__(
        self, plan: Plan, *, directory: Path, goal: Goal, processes: Processes, cache: Cache, emit: Emit,
        account: Account | None = None,
    ) -> None:  # fmt: skip
        """With an `account` of its steps the run can be continued, and its guests' answers are kept for that."""
        self.plan = plan
        self.goal = goal
        self.layout = Layout(directory)
        self.profiles = resolve_profiles(plan, fragments_dir())
        self.sandbox: Sandbox = probe(processes, wanted=plan.sandbox)
        self.jobs = plan.jobs or len(os.sched_getaffinity(0))
        self.archives = Archives(processes, cache, lambda text: emit(Event(EventKind.PROGRESS, "archive", text)))
        self._processes = processes
        self._cache = cache
        self._emit = emit
        self._copies = WorkCopies(processes, cache, kept=self.sandbox.active)
        self.builder = Builder(processes, cache, self.sandbox)
        past, budget = history.load(cache.root / "times.json"), Budget(plan.budget_s)
        self._advice = Advice(past, budget, account)
        self.tester = Tester(
            plan, self.layout, processes, cache, self.sandbox, emit, budget=budget, history=past,
            resumable=account is not None,
        )  # fmt: skip
        self._check_suites()
        self._check_exact()
        self.graph = Graph(
            stop=processes.stop,
            emit=emit,
            limits={"config": BUILDS_AT_ONCE, "compile": BUILDS_AT_ONCE, "guest": self._guests_at_once()},
            advice=self._advice,
        )
        self.trees = Trees(plan, self.graph, processes=processes, cache=cache, archives=self.archives)
        self.applied = self.trees.applied
        self.host_vma: Node[SuiteResult] | None = None
        self.prefix = ""  # of the steps' names
        self.checked: dict[str, Node[AppliedTree]] = {}  # by what profiles say of their checkers
        self._add_checkers()
        self.targets, self.notes = targets_of(self.profiles, plan.arch)
        self.prepared: dict[Arch, list[Node[Prepared]]] = {}
        self.reuse = False

    def follow_each_other(self) -> None:
        """From now on trees follow each other through one work copy, each compiling what it changes of the one before.

        So steps that read files at the same time read those of one tree.
        """
        self._copies.follow_each_other()
        self._advice.in_order = frozenset({"compile"})

    def take_what_is_known(self) -> None:
        """From now on what an earlier run was told by the same program, or the same kernel, is not asked for again.

        That of kernels of other trees, in the same graph, is their own steps' business.
        """
        self.reuse = True
        self.tester = replace(self.tester, reuse=True)

    def of_tree(self, applied: Node[AppliedTree], *, prefix: str, directory: Path) -> Steps:
        """The same for another tree, in the same graph; nothing is added yet.  No error of it ends the run."""
        other = copy.copy(self)
        other.applied, other.prefix, other.layout = applied, prefix, Layout(directory)
        other.tester = replace(self.tester, prefix=prefix, layout=other.layout, reuse=False)
        other.targets = [Target(target.arch, target.profile) for target in self.targets]
        other.host_vma, other.prepared = None, {}
        other._copies, other.checked = self._copies.of_tree(), {}
        other._add_checkers()
        return other

    def again(self, *, prefix: str, directory: Path, target: str) -> Steps:
        """One target of this tree once more, with the kernel that it has: its programs and tests can be added."""
        other = copy.copy(self)
        other.prefix, other.layout = prefix, Layout(directory)
        other.tester = replace(self.tester, prefix=prefix, layout=other.layout)
        other.targets = [replace(self.target(target), rootfs=None, test=None, seeds=(), prepared=())]
        other.host_vma, other.prepared = None, {}
        return other

    @property
    def arches(self) -> tuple[Arch, ...]:
        """The architectures that there is a target of, in the plan's order."""
        return tuple(arch for arch in self.plan.arch if any(target.arch is arch for target in self.targets))

    def target(self, name: str) -> Target:
        """The target of this tree that is called so, as that of another tree is."""
        return next(target for target in self.targets if target.name == name)

    def add_reader(
        self, name: str, work: Callable[[Report], T], tree: Node[AppliedTree], *, needs: Sequence[Node[Any]], uses: str
    ) -> Node[T]:  # fmt: skip
        """A step that reads a tree's files: where they are held shortly, none that reads another's runs beside it."""
        if not self._copies.brief:
            return self.add(name, work, needs=needs, uses=uses)
        return self.add(name, work, needs=needs, uses="compile", beside=(self._copies, tree))

    # --- the graph --------------------------------------------------------------------------------------------

    def add(
        self, name: str, work: Callable[[Report], T], *, needs: Sequence[Node[Any]] = (), uses: str = "",
        always: bool = False, beside: object = None,
    ) -> Node[T]:  # fmt: skip
        """A step under the name that it has for this tree; `always`: also when the budget is used up."""
        work = _lenient(work) if self.prefix else work
        name = f"{self.prefix}{name}"
        return self.graph.add(name, work, needs=needs, uses=uses, always=always, beside=beside)

    def _add_checkers(self) -> None:
        """The trees of profiles that want checkers, beside the one that suites are made of and all others build."""
        for wanted in dict.fromkeys(profile.checkers for profile in self.profiles):
            if wanted != NONE:
                name = "checkers" if wanted == "auto" else f"checkers {Path(wanted).name}"
                self.checked[wanted] = self.add(name, self._checkers_of(wanted), needs=[self.applied])

    def tree_of(self, profile: Profile) -> Node[AppliedTree]:
        """What the kernels of a profile are built from."""
        return self.checked.get(profile.checkers, self.applied)

    def add_after(self, name: str, work: Callable[[Report], T], *, needs: Sequence[Node[Any]] = ()) -> Node[T]:
        """A step under a name of its own, no error of which ends the run."""
        return self.graph.add(name, _lenient(work), needs=needs)

    def add_targets(self) -> None:
        """All targets, as far as the goal needs them."""
        if not self.goal.reaches(Goal.CONFIG):
            return
        for target in self.targets:
            self._add_config(target)
        if not self.goal.reaches(Goal.BUILD):
            return
        if self.goal.reaches(Goal.GUEST):
            self.add_programs()
            self.check_cases()
        configs = [target.config for target in self.targets if target.config]  # all, before anything compiles
        # Guests of another architecture take longest (emulated ASan): their kernels first, so that they overlap.
        for target in sorted(self.targets, key=lambda target: is_native(target.arch)):
            self._add_build(target, configs)
        if self.goal is Goal.RUN:
            for target in self.targets:
                self.add_test(target)

    def add_programs(self) -> None:
        """All that guests need beside a kernel."""
        self.prepared = self._add_suites()
        rootfs = {arch: self._add_rootfs(arch, nodes) for arch, nodes in self.prepared.items()}
        for target in self.targets:
            target.rootfs = rootfs[target.arch]

    def check_cases(self) -> None:
        """A step that ends the run where it is asked for cases that there are not: else it would pass without them."""

        def check(_: Report) -> None:
            there = [(arch, node.value) for arch, nodes in self.prepared.items() for node in nodes]
            every = {self.tester.config_of(target).smp for target in self.targets}
            tasks = [
                Task(item.suite, command) for arch, item in there if item.suite is not None
                for smp in every for command in item.suite.commands(arch, smp)
            ]  # fmt: skip
            broken = [item.name for _, item in there if item.suite is None or item.cases]
            if unknown := unknown_cases(self.plan.cases, tasks, broken, self.plan.guest_seeds):
                raise UserError(
                    f"--case {unknown[0]}: no case of the suites {', '.join(self.plan.suites)} is called so",
                    fix="give a name or a glob on SUITE.CASE, as results.json and docs/suites.md have them",
                )

        if self.plan.cases:
            needs = [node for nodes in self.prepared.values() for node in nodes]
            self.graph.add("cases", check, needs=needs, always=True)

    def share_programs(self, other: Steps) -> None:
        """What guests need beside a kernel is what another tree's guests have."""
        self.prepared = other.prepared
        for target, its in zip(self.targets, other.targets, strict=True):
            target.rootfs = its.rootfs

    def add_host_vma(self) -> None:
        """tools/testing/vma of this tree on the host, in no guest."""
        self._add_vma(self._workshop(), {})

    def add_kernel(self, target: Target) -> None:
        """One target alone, once its programs are there: after all kernels that were asked for before."""
        self.add_build(target)
        self.add_test(target)

    def add_build(
        self, target: Target, *, like: Node[Outcome] | None = None, after: Node[Outcome] | None = None
    ) -> None:  # fmt: skip
        """Configuration and kernel of one target.

        `like`: its configuration is the one that this step made; else `after`: that comes first, of the tree before it.
        """
        if like is None:
            self._add_config(target, after)
            self._add_build(target, [target.config] if target.config else [])
        else:
            target.tree = self.tree_of(target.profile)
            self._add_build(target, [target.tree, like])

    def add_same_config(self, target: Target, other: Steps) -> Node[Outcome]:
        """The configuration of another tree's target of this name, which is this one's too: see `keeps_config`."""
        config = other.target(target.name).config
        assert config is not None

        def take(report: Report) -> Outcome:
            tree, like = (steps.tree_of(target.profile).value for steps in (self, other))
            self.builder.same_config(tree, like, target.arch, target.profile)
            report.cached = True
            return config.value

        needs: list[Node[Any]] = [self.tree_of(target.profile), other.tree_of(target.profile), config]
        return self.add(f"config {target.name}", take, needs=needs)

    def _add_config(self, target: Target, after: Node[Outcome] | None = None) -> None:
        target.tree = self.tree_of(target.profile)
        needs: list[Node[Any]] = [target.tree, *([after] if after is not None else [])]
        target.config = self.add_reader(
            f"config {target.name}", self._config_of(target), target.tree, needs=needs, uses="config"
        )

    def _add_build(self, target: Target, needs: Sequence[Node[Any]]) -> None:
        tree = self.tree_of(target.profile)
        target.build = self.add_reader(
            f"build {target.name}", self._build_of(target), tree, needs=needs, uses="compile"
        )

    def _add_suites(self) -> dict[Arch, list[Node[Prepared]]]:
        """What the suites need on each architecture; the host's own vma program is run as soon as it is there."""
        shop = self._workshop()
        prepared: dict[Arch, list[Node[Prepared]]] = {arch: [] for arch in self.arches}
        if "vma" in self.plan.suites:
            self._add_vma(shop, prepared)
        if "kselftest" in self.plan.suites:
            self._add_kselftest(shop, prepared)
        makers = {"faults": shop.faults, "hazards": shop.hazards, "bench": shop.bench, "sizes": shop.sizes}
        for name in (name for name in self.plan.suites if name in makers):
            for arch in self.arches:

                def compile_program(report: Report, name: str = name, arch: Arch = arch) -> Prepared:
                    report.cached = True

                    def say(text: str) -> None:
                        report.cached = False
                        report.say(text)

                    return makers[name](arch, say)

                prepared[arch].append(self.add(f"{name} programs {arch}", compile_program))
        return prepared

    def _workshop(self) -> Workshop:
        return Workshop(self._processes, self._cache, self.sandbox, self.archives(guest_suite()), self.jobs)

    def _add_vma(self, shop: Workshop, prepared: dict[Arch, list[Node[Prepared]]]) -> None:
        native = host_arch()
        needed = ([native] if native else []) + [arch for arch in prepared if arch is not native]
        for arch in needed:

            def compile_vma(report: Report, arch: Arch = arch) -> VmaProgram:
                source = self.source(self.applied, report)
                program = shop.vma_program(self.applied.value, arch, source, report.say)
                report.cached, report.good, report.text = program.cached, not program.message, program.message
                return program

            program = self.add_reader(
                f"vma program {arch}", compile_vma, self.applied, needs=[self.applied], uses="vma"
            )
            if arch is native:
                self.host_vma = self.add("vma on the host", self._host_vma_of(program), needs=[program])
            if arch in prepared:

                def prepare(_: Report, program: Node[VmaProgram] = program) -> Prepared:
                    return prepared_vma(program.value)

                prepared[arch].append(self.add(f"vma suite {arch}", prepare, needs=[program]))

    def _add_kselftest(self, shop: Workshop, prepared: dict[Arch, list[Node[Prepared]]]) -> None:
        for arch in self.plan.arch:

            def compile_selftests(report: Report, arch: Arch = arch) -> Prepared:
                found = shop.selftests(self.applied.value, arch, self.source(self.applied, report), report.say)
                bad = [one for one in found.missing if one.outcome is Outcome.FAIL]
                report.cached, report.good = found.cached, not bad
                report.text = f"{bad[0].key}: {bad[0].message}" if bad else f"{len(found.programs)} programs"
                return prepared_kselftest(found, self.plan.cases)

            name = f"kselftest programs {arch}"
            prepared[arch].append(
                self.add_reader(name, compile_selftests, self.applied, needs=[self.applied], uses="selftests")
            )

    def _add_rootfs(self, arch: Arch, prepared: list[Node[Prepared]]) -> Node[Rootfs]:
        def make(report: Report) -> Rootfs:
            payloads = [node.value.payload for node in prepared]
            rootfs = build_rootfs(
                arch, payloads, archive=self.archives(guest_suite()), cache=self._cache, processes=self._processes,
                say=report.say,
            )  # fmt: skip
            report.made_of(rootfs.digest)
            return rootfs

        return self.add(f"initramfs {arch}", make, needs=prepared)

    def add_test(self, target: Target) -> None:
        """The test of a target whose kernel and programs have their steps."""
        prepared = self.prepared[target.arch]

        def test(report: Report) -> TargetAccount:
            return self.tester.perform(target, [node.value for node in prepared], report)

        needs = [node for node in (target.build, target.rootfs, *prepared) if node is not None]
        if self.plan.exact:
            self._add_seeds(target, prepared, needs)
            return
        target.test = self.add(f"test {target.name}", test, needs=needs, uses="guest")

    def _add_seeds(self, target: Target, prepared: list[Node[Prepared]], needs: list[Node[Any]]) -> None:
        """A step for each seed, and one that puts together what they came to."""

        def at(seed: int) -> Node[ExactRunner]:
            def test(report: Report) -> ExactRunner:
                return self.tester.run_seed(seed, target, [node.value for node in prepared], report)

            return self.add(f"test {target.name} seed {seed}", test, needs=needs, uses="guest")

        target.seeds = tuple(at(seed) for seed in self.plan.guest_seeds)

        def together(report: Report) -> TargetAccount:
            return self.tester.put_together(target, [node.value for node in prepared], report)

        target.test = self.add(f"test {target.name}", together, needs=target.seeds, always=True)

    # --- the steps --------------------------------------------------------------------------------------------

    def _checkers_of(self, wanted: str) -> Callable[[Report], AppliedTree]:
        def check(report: Report) -> AppliedTree:
            applied = self.applied.value
            checkers = read_checkers(wanted, applied.base, self._processes)
            if checkers is None:
                report.text = f"none for Linux {applied.base.kernel_version}"
                return applied
            checked = apply_checkers(
                applied, checkers, processes=self._processes, cache=self._cache, say=report.say
            )  # fmt: skip
            applying = sum(bool(checker.commit) for checker in checked.checkers)
            report.text = f"{applying} of {len(checked.checkers)} apply, {checked.commit[:12]}"
            report.made_of(checked.tree_id)
            return checked

        return check

    def source(self, tree: Node[AppliedTree], report: Report) -> Callable[[], Path]:
        """Gives a tree's files, written when something first asks for them."""
        return lambda: self._copies.files(tree.value, report.say)

    def close(self) -> None:
        """Give back what is held: the work copies of the trees."""
        self._copies.close()

    def let_go(self) -> None:
        """Give the tree's files back before the end if nothing will be made of them: the next tree needs few others."""
        if not any(map(_will_read_files, self.graph.nodes)):
            self.close()

    def _config_of(self, target: Target) -> Callable[[Report], Outcome]:
        def configure(report: Report) -> Outcome:
            tree = self.tree_of(target.profile)
            report.made_of(self.builder.key(tree.value, target.arch, target.profile))
            config, report.cached = self.builder.configure(
                tree.value, target.arch, target.profile, source=self.source(tree, report), say=report.say
            )
            if config is None:
                report.good, report.text = False, "the tree's own kconfig failed"
                return Outcome.FAIL
            shutil.copyfile(config, self.layout.config(target.arch, target.profile.name))
            return Outcome.PASS

        return configure

    def _nice(self, build: Node[Build] | None) -> int:
        """How far a compile gives way: all but entirely where an earlier one is at work, else not at all."""
        earlier = itertools.takewhile(lambda node: node is not build, self.graph.nodes)
        return 19 if any(node.uses == "compile" and node.state is State.RUNNING for node in earlier) else 0

    def _build_of(self, target: Target) -> Callable[[Report], Build]:
        def build(report: Report) -> Build:
            log, tree = self.layout.build_log(target.arch, target.profile.name), self.tree_of(target.profile)
            report.made_of(self.builder.key(tree.value, target.arch, target.profile))
            build = self.builder.build(
                tree.value, target.arch, target.profile, source=self.source(tree, report), jobs=self.jobs,
                nice=lambda: self._nice(target.build), say=report.say, log=log,
            )  # fmt: skip
            report.cached, report.good = build.cached, build.outcome is Outcome.PASS
            report.text = "" if report.good else first_error(build)
            return build

        return build

    def _host_vma_of(self, program: Node[VmaProgram]) -> Callable[[Report], SuiteResult]:
        def run(report: Report) -> SuiteResult:
            result, report.cached = self._told_by_host(program.value)
            bad = [case for case in result.cases if case.outcome is not Outcome.PASS]
            report.good, report.text = not bad, f"{len(result.cases) - len(bad)} of {len(result.cases)} passed"
            return result

        return run

    def _told_by_host(self, program: VmaProgram) -> tuple[SuiteResult, bool]:
        """What a program gives on the host, and whether that was known."""
        place = self.layout.directory
        key = key_on_host(program, self.sandbox) if self.tester.resumable or self.reuse else ""
        known = recall(SuiteResult, place, "host-vma", key) if self.tester.resumable else None
        known = known or (known_before(SuiteResult, self._cache, key) if self.reuse else None)
        if known is not None:
            return known, True
        result = run_on_host(program, self._processes, self.sandbox)
        if self.reuse and all(case.outcome is not Outcome.TIMEOUT for case in result.cases):
            keep(self._cache, key, result)
        if self.tester.resumable:
            remember(place, "host-vma", key, result)
        return result, False

    # --- limits -----------------------------------------------------------------------------------------------

    def _check_suites(self) -> None:
        for name in self.plan.suites:
            if name not in DESCRIPTIONS:
                raise UserError(f"no suite is called {name!r}", fix=f"suites: {', '.join(DESCRIPTIONS)}")

    def _check_exact(self) -> None:
        """Exact guests count instructions, which TCG alone can."""
        guest = self.plan.guest
        if self.plan.exact and guest.accel == "kvm":
            raise UserError("exact guests run under TCG, not under KVM", fix="leave --accel or --exact out")
        for arch in self.plan.arch if self.plan.exact else ():
            machine = find_machine(arch, guest.machine)
            if not machine.exact:
                raise UserError(f"no exact guest runs on {machine.name}", fix="leave --machine or --exact out")

    def _guests_at_once(self) -> int:
        """As many guests as cores, and as fit into half of the free memory."""
        with Path("/proc/meminfo").open() as meminfo:
            free = next(int(line.split()[1]) for line in meminfo if line.startswith("MemAvailable:")) // 1024
        planned = self.plan.guest.to_config()
        needed = max(profile.guest(planned).memory_mib for profile in self.profiles)
        if free < needed:
            raise InfraError(
                f"a guest wants {needed} MiB of memory, {free} MiB are free", fix="give guests less with --mem"
            )
        return max(1, min(len(os.sched_getaffinity(0)), free // 2 // needed))

"""The order of the stages: plan -> series -> tree -> build -> guest -> suites, as a graph of steps."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.arch import is_native
from harness.data import fragments_dir
from harness.errors import UserError
from harness.events import Emit, Event, EventKind
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox, probe
from harness.kernel.build import Builder
from harness.model import AppliedTree, Arch, Outcome, SuiteResult
from harness.plan.model import Plan
from harness.plan.profiles import resolve_profiles
from harness.report.files import Layout
from harness.run import history
from harness.run.account import TargetAccount
from harness.run.budget import Account, Advice, Budget
from harness.run.exact import ExactRunner
from harness.run.goal import Goal
from harness.run.graph import Graph, Node, Report
from harness.run.kernels import BUILDS_AT_ONCE, Kernels
from harness.run.limits import check_exact, check_suites, guests_at_once
from harness.run.programs import Programs
from harness.run.sources import Archives, WorkCopies, guest_suite
from harness.run.suites import Prepared, Workshop
from harness.run.targets import Target, targets_of
from harness.run.tasks import Task
from harness.run.tasks import unknown as unknown_cases
from harness.run.tester import Tester
from harness.run.tree_steps import TreeSteps
from harness.run.trees import Trees


class Steps(TreeSteps):
    """The steps of one run.  `graph.run()` does them; what they gave is read from the nodes afterwards."""

    def __init__(
        self, plan: Plan, *, directory: Path, goal: Goal, processes: Processes, cache: Cache, emit: Emit,
        account: Account | None = None,
    ) -> None:  # fmt: skip
        """With an `account` of its steps the run can be continued, and its guests' answers are kept for that."""
        self.goal = goal
        self.sandbox: Sandbox = probe(processes, wanted=plan.sandbox)
        self.jobs = plan.jobs or len(os.sched_getaffinity(0))
        self.archives = Archives(processes, cache, lambda text: emit(Event(EventKind.PROGRESS, "archive", text)))
        self.builder = Builder(processes, cache, self.sandbox)
        profiles, layout = resolve_profiles(plan, fragments_dir()), Layout(directory)
        past, budget = history.load(cache.root / "times.json"), Budget(plan.budget_s)
        self._advice = Advice(past, budget, account)
        self.tester = Tester(
            plan, layout, processes, cache, self.sandbox, emit, budget=budget, history=past,
            resumable=account is not None,
        )  # fmt: skip
        check_suites(plan)
        check_exact(plan)
        graph = Graph(
            stop=processes.stop,
            emit=emit,
            limits={"config": BUILDS_AT_ONCE, "compile": BUILDS_AT_ONCE, "guest": guests_at_once(plan, profiles)},
            advice=self._advice,
        )
        self.trees = Trees(plan, graph, processes=processes, cache=cache, archives=self.archives)
        super().__init__(
            plan, graph, self.trees.applied, profiles=profiles, layout=layout, processes=processes, cache=cache,
            copies=WorkCopies(processes, cache, kept=self.sandbox.active), resumable=account is not None,
        )  # fmt: skip
        self.host_vma: Node[SuiteResult] | None = None
        self.targets, self.notes = targets_of(self.profiles, plan.arch)
        self.prepared: dict[Arch, list[Node[Prepared]]] = {}

    def follow_each_other(self) -> None:
        """From now on trees follow each other through one work copy, each compiling what it changes of the one before.

        So steps that read files at the same time read those of one tree.
        """
        self.copies.follow_each_other()
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
        other.turn_to(applied, prefix=prefix, directory=directory)
        other.tester = replace(self.tester, prefix=prefix, layout=other.layout, reuse=False)
        other.targets = [Target(target.arch, target.profile) for target in self.targets]
        other.host_vma, other.prepared = None, {}
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

    # --- what is added to the graph ---------------------------------------------------------------------------

    def add_targets(self) -> None:
        """All targets, as far as the goal needs them."""
        if not self.goal.reaches(Goal.CONFIG):
            return
        for target in self.targets:
            self._kernels.add_config(target)
        if not self.goal.reaches(Goal.BUILD):
            return
        if self.goal.reaches(Goal.GUEST):
            self.add_programs()
            self.check_cases()
        configs = [target.config for target in self.targets if target.config]  # all, before anything compiles
        # Guests of another architecture take longest (emulated ASan): their kernels first, so that they overlap.
        for target in sorted(self.targets, key=lambda target: is_native(target.arch)):
            self._kernels.add_build(target, configs)
        if self.goal is Goal.RUN:
            for target in self.targets:
                self.add_test(target)

    def add_programs(self) -> None:
        """All that guests need beside a kernel."""
        programs = self._programs(self.arches)
        programs.add_suites()
        self.prepared, self.host_vma = programs.prepared, programs.host_vma
        rootfs = {arch: programs.add_rootfs(arch) for arch in self.prepared}
        for target in self.targets:
            target.rootfs = rootfs[target.arch]

    def _programs(self, arches: Sequence[Arch]) -> Programs:
        archive = self.archives(guest_suite())
        shop = Workshop(self.processes, self.cache, self.sandbox, archive, self.jobs)
        return Programs(self, shop, {arch: [] for arch in arches})

    @property
    def _kernels(self) -> Kernels:
        return Kernels(self, self.builder, self.jobs)

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
        programs = self._programs(())
        programs.add_vma()
        self.host_vma = programs.host_vma

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
            self._kernels.add_config(target, after)
            self._kernels.add_build(target, [target.config] if target.config else [])
        else:
            self._kernels.add_build(target, [self.tree_of(target.profile), like])

    def add_same_config(self, target: Target, other: Steps) -> Node[Outcome]:
        """The configuration of another tree's target of this name, which is this one's too: see `keeps_config`."""
        config = other.target(target.name).config
        assert config is not None
        return self._kernels.add_same_config(target, other, config)

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

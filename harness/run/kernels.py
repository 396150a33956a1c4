"""The steps that make the kernels of one tree: configurations, and builds.

Kernels compile one after the other, each on all cores; the next one is started beside it at a lower priority and
fills the gaps (linking, kallsyms), and the guest of a finished kernel runs while the next compiles.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.kernel.added import checkers_broke
from harness.kernel.build import Builder
from harness.model import Build, FileChange, Outcome
from harness.run.graph import Node, Report, State
from harness.run.targets import Target, first_error
from harness.run.tree_steps import TreeSteps

BUILDS_AT_ONCE = 2
"""The kernel that is being built, and the next one in its gaps."""

_COMPILED = (".c", ".h", ".S")  # files that say nothing to kconfig


def keeps_config(files: Iterable[FileChange]) -> bool:
    """Whether changes of these files say nothing to kconfig."""
    return all(change.path.endswith(_COMPILED) for change in files)


@dataclass(frozen=True, slots=True)
class Kernels:
    """Adds such steps to those of a tree."""

    steps: TreeSteps
    builder: Builder
    jobs: int

    def add_config(self, target: Target, after: Node[Outcome] | None = None) -> None:
        """The configuration of a target; `after`: that comes first, of the tree before it."""
        target.tree = self.steps.tree_of(target.profile)
        needs: list[Node[Any]] = [target.tree, *([after] if after is not None else [])]
        target.config = self.steps.add_reader(
            f"config {target.name}", self._config_of(target), target.tree, needs=needs, uses="config"
        )

    def add_same_config(self, target: Target, other: TreeSteps, like: Node[Outcome]) -> Node[Outcome]:
        """The configuration of another tree's target of this name, which is this one's too: see `keeps_config`."""
        own, its = (steps.tree_of(target.profile) for steps in (self.steps, other))

        def take(report: Report) -> Outcome:
            self.builder.same_config(own.value, its.value, target.arch, target.profile)
            report.cached = True
            return like.value

        return self.steps.add(f"config {target.name}", take, needs=[own, its, like])

    def add_build(self, target: Target, needs: Sequence[Node[Any]]) -> None:
        """The kernel of a target, once all that it needs is there."""
        target.tree = self.steps.tree_of(target.profile)
        target.build = self.steps.add_reader(
            f"build {target.name}", self._build_of(target), target.tree, needs=needs, uses="compile"
        )

    def _config_of(self, target: Target) -> Callable[[Report], Outcome]:
        def configure(report: Report) -> Outcome:
            tree = self.steps.tree_of(target.profile)
            report.made_of(self.builder.key(tree.value, target.arch, target.profile))
            config, report.cached = self.builder.configure(
                tree.value, target.arch, target.profile, source=self.steps.source(tree, report), say=report.say
            )
            if config is None:
                report.good, report.text = False, "the tree's own kconfig failed"
                return Outcome.FAIL
            shutil.copyfile(config, self.steps.layout.config(target.arch, target.profile.name))
            return Outcome.PASS

        return configure

    def _nice(self, build: Node[Build] | None) -> int:
        """How far a compile gives way: all but entirely where an earlier one is at work, else not at all."""
        earlier = itertools.takewhile(lambda node: node is not build, self.steps.graph.nodes)
        return 19 if any(node.uses == "compile" and node.state is State.RUNNING for node in earlier) else 0

    def _build_of(self, target: Target) -> Callable[[Report], Build]:
        def build(report: Report) -> Build:
            steps = self.steps
            log, tree = steps.layout.build_log(target.arch, target.profile.name), steps.tree_of(target.profile)
            report.made_of(self.builder.key(tree.value, target.arch, target.profile))
            build = self.builder.build(
                tree.value, target.arch, target.profile, source=steps.source(tree, report), jobs=self.jobs,
                nice=lambda: self._nice(target.build), say=report.say, log=log,
            )  # fmt: skip
            report.cached, report.good = build.cached, build.outcome is Outcome.PASS
            report.text = "" if report.good else first_error(build)
            target.broken_by_checkers = not report.good and checkers_broke(tree.value, build, steps.processes)
            return build

        return build

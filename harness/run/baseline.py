"""The tree without the series, tested as the series' tree is: when that is needed, and kept when it has been done.

Its steps are added to the run's graph while it runs: as soon as a target is known to need them, and where the cache has
not what they would give.  So its kernel compiles while the series' other targets are still at work.  What failed with
the series in so many tries, and passed without it in fewer, is tried again without it: `harness.verdict.trials`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.host.cache import Cache
from harness.model import AppliedTree, Baseline, Case, Outcome, TargetResult
from harness.report.files import Layout
from harness.run import kept
from harness.run.graph import Node, Report
from harness.run.outcomes import done, target_result
from harness.run.steps import Steps
from harness.run.suites import Prepared
from harness.run.targets import Target
from harness.run.tasks import by_suite
from harness.run.trials import titles_of, with_tries
from harness.verdict.trials import wanted

DIRECTORY = "baseline"
"""Where logs and consoles of the base lie, below those of the series."""

PREFIX = "baseline "

TRIES = "tries"
"""Where those of later tries lie, below those of the base; the second time that there are any, in `tries-2`."""

KIND = "baseline"  # of cache entries

_TOO_FEW = "what failed with the series was not tried as often without it"


class BaselineSteps:
    """The steps of the base, beside those of the series."""

    def __init__(self, steps: Steps, *, cache: Cache) -> None:
        self._steps = steps
        self._cache = cache
        self._adding = threading.Lock()
        self._own: Steps | None = None
        self._wanted: set[str] = set()  # targets
        self._lookups: dict[str, Node[TargetResult | None]] = {}  # by target
        self._results: dict[str, Node[TargetResult]] = {}  # of what the cache had not
        self._waiting: dict[str, list[TargetResult]] = {}  # what failed, by target, until it is known what the base did
        self._known: dict[str, list[Node[Any]]] = {}  # the steps after which that is known
        self._asked: dict[str, dict[str, int]] = {}  # by target: how often commands are tried once more, by title
        self._decisions = 0
        self._trials: dict[str, list[Node[TargetResult]]] = {}  # by target
        self._cut_short: list[str] = []  # notes
        self._tree: Node[AppliedTree] | None = None

    def add(self) -> None:
        """The steps that are known to be needed, or those that will find out."""
        wanted = self._steps.plan.baseline
        if wanted == "always":
            self._open()
            for target in self._steps.targets:
                self._add_target(target)
                if target.test is not None:
                    name = f"compare {target.name}"
                    self._steps.add(name, self._hold_for(target), needs=[target.test], always=True)
        elif wanted == "auto":
            for target in self._steps.targets:
                if target.test is not None:
                    name = f"compare {target.name}"
                    self._steps.add(name, self._decision_for(target), needs=[target.test], always=True)
            if self._steps.host_vma is not None:
                self._steps.add("compare vma on the host", self._decide_host, needs=[self._steps.host_vma], always=True)

    def ask(self, of: Target, result: TargetResult) -> None:
        """Have the base seen on a target if a result of a tree with some of the patches wants to be compared.

        Called by a step, as all that adds steps.
        """
        cases = [case for suite in result.suites for case in suite.cases]
        built = result.build is None or result.build.outcome is Outcome.PASS
        warned = result.build is not None and any(message.severity == "warning" for message in result.build.messages)
        if self._steps.plan.baseline == "auto" and built and (warned or asks(*cases)):
            self._open()
            self._add_target(of)
        if built:
            self._hold(of.name, result)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    # --- what is needed ---------------------------------------------------------------------------------------

    def _decision_for(self, target: Target) -> Callable[[Report], None]:
        def decide(report: Report) -> None:
            assert target.test is not None
            runner = target.test.value
            build = done(target.build)
            built = build is None or build.outcome is Outcome.PASS
            if built and not asks(*runner.kernel_cases, *runner.cases):
                report.text = "nothing failed"
                return
            report.text = "the base has to be seen"
            self._open()
            self._add_target(target)
            if built:
                self._hold(target.name, target_result(target))

        return decide

    def _hold_for(self, target: Target) -> Callable[[Report], None]:
        return lambda _: self._hold(target.name, target_result(target))

    def _decide_host(self, report: Report) -> None:
        assert self._steps.host_vma is not None
        if asks(*self._steps.host_vma.value.cases):
            report.text = "the base has to be seen"
            self._open()
        else:
            report.text = "nothing failed"

    # --- the steps --------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """The tree, and all that guests need beside a kernel; once."""
        with self._adding:
            if self._own is not None:
                return
            directory = self._steps.layout.directory / DIRECTORY
            directory.mkdir(exist_ok=True)
            self._steps.let_go()
            needs: list[Node[Any]] = [self._steps.applied, self._steps.trees.base_fix]
            self._tree = self._steps.add(f"{PREFIX}tree", self._steps.trees.without_series, needs=needs)
            own = self._steps.of_tree(self._tree, prefix=PREFIX, directory=directory)
            own.add_programs()
            self._own = own

    def _add_target(self, of_series: Target) -> None:
        own = self._own
        assert own is not None
        assert self._tree is not None
        with self._adding:
            if of_series.name in self._wanted:
                return
            self._wanted.add(of_series.name)
        target = own.target(of_series.name)
        prepared = own.prepared[target.arch]
        assert target.rootfs is not None
        needs: list[Node[Any]] = [own.tree_of(target.profile), target.rootfs, *prepared]

        def look(report: Report) -> TargetResult | None:
            key = self._key(target, [node.value for node in prepared])
            found = self._load(key)
            report.cached = found is not None
            if found is None:
                own.add_kernel(target)
                assert target.test is not None
                self._results[target.name] = own.add(
                    f"result {target.name}", lambda _: self._keep(key, target), needs=[target.test], always=True
                )
            with self._adding:
                known: list[Node[Any]] = [self._lookups[target.name]]
                known += [self._results[target.name]] if found is None else []
                self._known[target.name] = known
                for failed in self._waiting.pop(target.name, []):
                    self._add_decision(target.name, failed, known)
            return found

        with self._adding:
            self._lookups[target.name] = own.add(f"lookup {target.name}", look, needs=needs)

    # --- as often as the series -------------------------------------------------------------------------------

    def _hold(self, name: str, result: TargetResult) -> None:
        """Have the base tried as often as a tree with patches was, where that failed by what the base has passed."""
        cases = [case for suite in result.suites for case in suite.cases]
        with self._adding:
            if name not in self._wanted or not any(case.outcome.blames_kernel and case.tries for case in cases):
                return
            if name in self._known:
                self._add_decision(name, result, self._known[name])
            else:
                self._waiting.setdefault(name, []).append(result)

    def _add_decision(self, name: str, result: TargetResult, known: Sequence[Node[Any]]) -> None:
        """A step that finds out what is to be tried; whoever calls it keeps others from adding."""
        assert self._own is not None
        self._decisions += 1

        def decide(report: Report) -> None:
            with self._adding:
                more = self._more_tries(name, result)
                report.text = f"{', '.join(more)}: tried again without the series" if more else "tried often enough"
                if more:
                    self._add_trial(name, more)

        self._own.add(f"compare tries {self._decisions}", decide, needs=known, always=True)

    def _more_tries(self, name: str, result: TargetResult) -> dict[str, tuple[int, int]]:
        """Titles of commands with the later tries that others have asked for, and how many more are wanted now."""
        base, own = self._first_result(name), self._own
        assert own is not None
        if base is None:
            return {}
        target = own.target(name)
        tasks = own.tester.tasks(target, [node.value for node in own.prepared[target.arch]])
        asked = self._asked.setdefault(name, {})
        often = titles_of(tasks, wanted(result.suites, base.suites))
        more = {title: (asked.get(title, 0), number - asked.get(title, 0)) for title, number in often.items()}
        more = {title: numbers for title, numbers in more.items() if numbers[1] > 0}
        asked.update({title: sum(numbers) for title, numbers in more.items()})
        return more

    def _add_trial(self, name: str, more: Mapping[str, tuple[int, int]]) -> None:
        """The tries, from the cache where they are there."""
        own, trials = self._own, self._trials.setdefault(name, [])
        assert own is not None
        target = own.target(name)
        prepared = own.prepared[target.arch]
        number = "" if not trials else f"-{len(trials) + 1}"
        directory = own.layout.directory / f"{TRIES}{number}"
        directory.mkdir(exist_ok=True)
        key = kept.key(
            own, kept.kernel_key(own, target), target, [node.value for node in prepared], TRIES, sorted(more.items())
        )
        found = kept.load(self._cache, KIND, key, directory)
        step = f"{TRIES}{number} {name}"
        if found is not None:
            trials.append(own.add(step, lambda report: _cached(found, report), always=True))
            return
        if target.build is None:  # the base's own result came from the cache
            own.add_build(target)
        assert target.build is not None
        assert target.rootfs is not None

        def perform(report: Report) -> TargetResult:
            tester = replace(own.tester, layout=Layout(directory))
            often = {title: further for title, (_, further) in more.items()}
            runner = tester.try_often(target, [node.value for node in prepared], report, often)
            suites = by_suite(target.arch, target.profile.name, [*runner.kernel_cases, *runner.cases])
            result = TargetResult(
                target.arch, target.profile.name, None, None, tuple(runner.boots), suites, infra=runner.infra
            )
            if runner.cut_short:
                self._cut_short.append(f"{name}: {_TOO_FEW}: {runner.cut_short}")
            else:
                kept.keep(self._cache, KIND, key, result, directory)
            return result

        trials.append(own.add(step, perform, needs=[target.build, target.rootfs, *prepared], uses="guest"))

    # --- what is kept -----------------------------------------------------------------------------------------

    def _key(self, target: Target, prepared: Sequence[Prepared]) -> str:
        """The name of everything that the base's result comes from."""
        assert self._own is not None
        return kept.key(self._own, kept.kernel_key(self._own, target), target, prepared)

    def _load(self, key: str) -> TargetResult | None:
        """An earlier result, with its consoles copied to this run's."""
        assert self._own is not None
        return kept.load(self._cache, KIND, key, self._own.layout.directory)

    def _keep(self, key: str, target: Target) -> TargetResult:
        """The result of a target, kept if all of it is the kernel's doing."""
        assert self._own is not None
        result = target_result(target)
        if not self._own.tester.budget.spent():  # what failed may not have been tried again
            kept.keep(self._cache, KIND, key, result, self._own.layout.directory)
        return result

    # --- what it gave -----------------------------------------------------------------------------------------

    @property
    def result(self) -> Baseline | None:
        """What is known of the base; None where it was not needed."""
        if self._own is None or self._tree is None:
            return None
        tree = done(self._tree)
        if tree is None:
            why = self._tree.error.what if self._tree.error is not None else "the run ended before"
            return Baseline("", "", (), (), notes=(f"nothing to compare with: {why}",))
        found = {name: self._target(name) for name in self._lookups}
        notes = [
            f"{name}: nothing to compare with: {self._why_not(name)}"
            for name, result in found.items()
            if result is None
        ]
        notes += [
            f"{name}: {_TOO_FEW}: {trial.error.what if trial.error else 'the run ended before'}"
            for name, trials in self._trials.items() for trial in trials if done(trial) is None
        ]  # fmt: skip
        notes += self._cut_short
        host = done(self._own.host_vma)
        return Baseline(
            commit=tree.commit, tree_id=tree.tree_id, targets=tuple(result for result in found.values() if result),
            host_suites=(host,) if host is not None else (), notes=tuple(notes),
        )  # fmt: skip

    def _target(self, name: str) -> TargetResult | None:
        first = self._first_result(name)
        later = [result for result in map(done, self._trials.get(name, [])) if result is not None]
        return with_tries(first, later) if first is not None and later else first

    def _first_result(self, name: str) -> TargetResult | None:
        return done(self._lookups[name]) or done(self._results.get(name))

    def _why_not(self, name: str) -> str:
        nodes = (self._lookups[name], self._results.get(name))
        return next((node.error.what for node in nodes if node is not None and node.error), "the run ended before")


def _cached(result: TargetResult, report: Report) -> TargetResult:
    report.cached = True
    return result


def asks(*cases: Case) -> bool:
    """Whether anything is to be held against the base: a failure, or a word of the kernel."""
    return any(case.outcome.blames_kernel or case.findings for case in cases)

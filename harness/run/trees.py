"""The first steps of a run: the tree, the series and what it is for, and the tree with both on top of the base fix."""

from __future__ import annotations

from hashlib import sha256

from harness.errors import InfraError
from harness.events import Say
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.source import resolve_tree
from harness.model import AppliedTree, Series, Tree
from harness.plan.model import Plan
from harness.run import base
from harness.run.graph import Graph, Node, Report
from harness.run.repairing import read_repaired
from harness.run.sources import Archives, read_base_fix
from harness.series.read import read_series


class Trees:
    """What a plan's tree and series are, step by step."""

    def __init__(
        self, plan: Plan, graph: Graph, *, processes: Processes, cache: Cache, archives: Archives
    ) -> None:  # fmt: skip
        self._plan = plan
        self._processes = processes
        self._cache = cache
        self._archives = archives
        self.tree: Node[Tree] = graph.add("tree", self._tree)
        self.series: Node[Series | None] = graph.add("series", self._series, needs=[self.tree])
        self.base: Node[base.Choice] = graph.add("base", self._base, needs=[self.tree, self.series])
        self.base_fix: Node[Series | None] = graph.add("base fix", self._base_fix, needs=[self.base])
        self.applied: Node[AppliedTree] = graph.add("apply", self._apply, needs=[self.base, self.base_fix, self.series])

    def without_series(self, report: Report) -> AppliedTree:
        """The tree without the series, with base fixes.  Raises InfraError where it cannot be taken out."""
        applied = self.applied.value
        if applied.presence and not applied.reverted:
            raise InfraError("the series cannot be taken out of the tree: there is no base to compare with")
        found = apply_series(
            applied.base, self.base_fix.value, None, processes=self._processes, cache=self._cache, say=report.say
        )
        report.text = f"{found.commit[:12]}, without the series"
        return found

    def _resolve(self, spec: str, say: Say) -> Tree:
        return resolve_tree(spec, processes=self._processes, cache=self._cache, archive_for=self._archives, say=say)

    def _tree(self, report: Report) -> Tree:
        tree = self._resolve(self._plan.tree, report.say)
        report.text = f"Linux {tree.kernel_version} at {tree.commit[:12]}"
        report.made_of(tree.commit)
        return tree

    def _base_fix(self, report: Report) -> Series | None:
        fix = read_base_fix(self._plan.base_fix, self.base.value.tree, self._processes)
        report.text = "none" if fix is None else f"{len(fix.patches)} of {fix.title}"
        report.made_of(_identity(fix))
        return fix

    def _series(self, report: Report) -> Series | None:
        if self._plan.series is None:
            report.text = "none"
            return None
        tree = self.tree.value
        if self._plan.repair:
            series = read_repaired(
                self._plan.series, tree, base_for=lambda series: self._choose(series, report.say).tree,
                base_fix=lambda base: read_base_fix(self._plan.base_fix, base, self._processes),
                processes=self._processes,
            )  # fmt: skip
        else:
            series = read_series(self._plan.series, processes=self._processes, repo=tree.repo)
        report.text = f"{series.title}: {len(series.patches)} patches"
        report.made_of(_identity(series))
        return series

    def _base(self, report: Report) -> base.Choice:
        choice = self._choose(self.series.value, report.say)
        report.text = choice.text
        return choice

    def _choose(self, series: Series | None, say: Say) -> base.Choice:
        return base.choose(
            self.tree.value, series, self._plan.base, self._plan.base_candidates, merged=self._plan.merged,
            resolve=lambda spec: self._resolve(spec, say), processes=self._processes, cache=self._cache, say=say,
        )  # fmt: skip

    def _apply(self, report: Report) -> AppliedTree:
        choice = self.base.value
        applied = base.apply(
            choice.tree, self.base_fix.value, self.series.value, merged=self._plan.merged,
            processes=self._processes, cache=self._cache, say=report.say,
        )  # fmt: skip
        proof = "" if choice.report is None else f"; base {base.after(choice.report, applied).text}"
        report.text = f"{len(applied.patches)} commits, {applied.commit[:12]}{proof}"
        report.made_of(applied.tree_id)
        return applied


def _identity(series: Series | None) -> str:
    """A name for all patches of a series."""
    return "" if series is None else sha256("".join(patch.digest for patch in series.patches).encode()).hexdigest()[:40]

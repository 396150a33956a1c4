"""The commits to search among, in a repository of our own that is there after a reboot, and the tree of each."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from harness.errors import InfraError, UserError
from harness.events import Emit
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.git import Git
from harness.model import AppliedTree, Candidate, PatchRole, Series, Tree
from harness.plan.model import Plan
from harness.plan.values import NONE
from harness.run.bisect import history
from harness.run.bisect.history import History
from harness.run.bisect.order import Line, Order
from harness.run.goal import Goal
from harness.run.sources import read_base_fix
from harness.run.steps import Steps


class Trees:
    """The candidates, from the good end (0) to the bad one, and what is built of each."""

    def __init__(self, line: Line, git: History, processes: Processes, cache: Cache) -> None:
        """Raises UserError where the repository of the search has its commits no more."""
        self.history = git
        self._line = line
        self._processes = processes
        self._cache = cache
        self._lock = threading.Lock()
        self._made: dict[str, AppliedTree] = {}
        try:
            tree_id = git.tree_of(line.home)
            commits = git.between(line.base, line.tip)
            subject = git.subject(line.base)
        except InfraError as error:
            fix = "begin it again: the tree that it was made of is gone"
            raise UserError(
                f"{git.place} has the commits of the search no more", fix=fix, detail=error.detail
            ) from error
        self.base = Tree(line.spec, line.version, git.place, line.home, tree_id)
        later = (Candidate(number, *commit) for number, commit in enumerate(commits, 1))
        self.candidates = (Candidate(0, line.base, subject), *later)
        self._by_commit = {one.commit: one for one in self.candidates}

    @property
    def tip(self) -> Candidate:
        return self._by_commit[self._line.tip]

    def candidate(self, commit: str) -> Candidate:
        return self._by_commit[commit]

    def tree(self, commit: str) -> AppliedTree:
        """What is built of a commit: itself, or with the base fix on top.  Raises UserError where it does not apply."""
        with self._lock:
            if commit not in self._made:
                self._made[commit] = self._make(commit)
            return self._made[commit]

    def _make(self, commit: str) -> AppliedTree:
        tree = replace(self.base, commit=commit, tree_id=self.history.tree_of(commit))
        fix = self._fix(tree)
        if fix is None:
            return AppliedTree(self.base, (), self.history.place, commit, tree.tree_id)
        made = apply_series(tree, fix, None, processes=self._processes, cache=self._cache, say=lambda _: None)
        return replace(made, base=self.base, patches=())

    def _fix(self, tree: Tree) -> Series | None:
        return read_base_fix(self._line.base_fix, tree, self._processes)


def begin(
    plan: Plan, order: Order, *, directory: Path, processes: Processes, cache: Cache, emit: Emit
) -> tuple[Line, History]:
    """The series, or the range, of a plan, in a new repository in `directory`.

    Raises UserError for what does not exist, does not apply, or has no order.
    """
    made = _of_range if order.range else _of_series
    line, repo = made(plan, order, directory, processes, cache, emit)
    place, passing = directory / history.NAME, cache.root / "scratch"
    return line, History.make(
        processes, place, repo=repo, home=line.home, base=line.base, tip=line.tip, passing=passing
    )


def _steps(
    plan: Plan, directory: Path, processes: Processes, cache: Cache, emit: Emit, **changes: object
) -> Steps:  # fmt: skip
    planned = plan.model_copy(update={"budget": None, **changes})
    steps = Steps(planned, directory=directory, goal=Goal.APPLY, processes=processes, cache=cache, emit=emit)
    try:
        steps.graph.run()
    finally:
        steps.close()
    return steps


def _of_series(
    plan: Plan, order: Order, directory: Path, processes: Processes, cache: Cache, emit: Emit
) -> tuple[Line, Path]:  # fmt: skip
    if plan.series is None or plan.merged:
        raise UserError(
            "there is no series to search in", fix="name a --series, or a range of commits of the tree with --range"
        )
    steps = _steps(plan, directory, processes, cache, emit)
    applied, series = steps.applied.value, steps.trees.series.value
    fixes = [patch.commit for patch in applied.patches if patch.role is PatchRole.BASE_FIX]
    if order.tip and order.tip != applied.tree_id:
        raise UserError(
            f"the tree or the series is another one than that of {order.run}",
            fix="name that --tree and --series, or run again and bisect the new run",
        )
    title = series.title if series is not None else ""
    tree, base = applied.base, fixes[-1] if fixes else applied.base.commit
    line = Line(title, tree.spec, tree.kernel_version, tree.commit, base, applied.commit, NONE)
    return line, applied.repo


def _of_range(
    plan: Plan, order: Order, directory: Path, processes: Processes, cache: Cache, emit: Emit
) -> tuple[Line, Path]:  # fmt: skip
    if order.tip:
        raise UserError("the failure is of a series", fix="leave --range out")
    steps = _steps(plan, directory, processes, cache, emit, series=None, base="none", base_fix=NONE)
    tree = steps.trees.tree.value
    old, dots, new = order.range.partition("..")
    if not dots or "..." in order.range:
        raise UserError(f"--range {order.range}: not a range", fix="write OLD..NEW, such as v6.12..HEAD")
    git = Git(processes, tree.repo)
    good, bad = (_commit(git, name or "HEAD", order.range, tree) for name in (old, new))
    if not git.run("merge-base", "--is-ancestor", good, bad).ok:
        best = git.run("merge-base", good, bad).text.split()
        fix = f"the last commit that both have is {best[0][:12]}" if best else "they have no commit in common"
        raise UserError(f"--range {order.range}: {old} is not in the history of {new or 'HEAD'}", fix=fix)
    if good == bad:
        raise UserError(f"--range {order.range}: no commit is in it", fix="the older end comes first: OLD..NEW")
    return Line(order.range, tree.spec, tree.kernel_version, good, good, bad, plan.base_fix), tree.repo


def _commit(git: Git, name: str, spec: str, tree: Tree) -> str:
    found = git.run("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}") if "\0" not in name else None
    if found is None or not found.ok:
        raise UserError(
            f"--range {spec}: {tree.spec} has no commit {name!r}",
            fix="name commits of the tree's repository (one from a tarball or a package has a single commit)",
        )
    return found.text.split()[-1]

"""One commit of the user's clone, for plain `git bisect run`: good, bad, or it cannot be told.

The clone is only read, its index included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError
from harness.events import Emit
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.git import Git
from harness.model import AppliedTree, ProbeRole, Rung, Tree, Verdict
from harness.plan.model import Plan
from harness.run.bisect.answers import Probe
from harness.run.bisect.bench import ONE_TREE, Bench
from harness.run.bisect.log import NAME, Log
from harness.run.bisect.look import Look, Looker, perform
from harness.run.bisect.order import Order
from harness.run.bisect.trials import Given, Trial
from harness.run.sources import read_base_fix
from harness.verdict import bisect as rules

_FIRST_GOOD = re.compile(r"(?m)^# good: \[([0-9a-f]{40,64})\]")


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be said of the commit, and why."""

    commit: str
    verdict: Verdict
    why: str


def test_once(
    plan: Plan, order: Order, clone: Path, *, directory: Path, processes: Processes, cache: Cache, emit: Emit
) -> Told:  # fmt: skip
    """Test the commit that git bisect has checked out, or named in BISECT_HEAD.

    Raises UserError where there is no clone, InfraError where the machine keeps it from being found out.
    """
    git = Git(processes, clone, ours=False)
    commit = _commit(git, clone)
    planned = plan.model_copy(update=ONE_TREE | {"tree": f"{clone}@{commit}"})
    bench = Bench(
        planned, directory=directory, processes=processes, cache=cache, emit=emit, built=lambda _: None, known={},
        at_once=1,
    )  # fmt: skip
    try:
        bench.steps.graph.run()
        probe = _probe(bench.steps.trees.tree.value, plan, _first_good(git, clone), processes, cache)
        looker = Looker(order, bench, Log(cache.scratch("once") / NAME), emit)
        verdict, why = _test(order, looker, bench, probe, emit)
        return Told(commit, verdict, why)
    finally:
        bench.close()


def _commit(git: Git, clone: Path) -> str:
    """The commit that git bisect wants to be tested: it checks it out, or (--no-checkout) says it."""
    for name in ("BISECT_HEAD", "HEAD"):
        found = git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found.ok:
            return found.text.strip()
    raise UserError(f"{clone} is no git clone with a commit", fix="run it in the clone that git bisect works in")


def _first_good(git: Git, clone: Path) -> str:
    """The first commit that was called good, "" outside of a search: one work copy serves all of it by this name."""
    path = git.run("rev-parse", "--git-path", "BISECT_LOG").text.strip()
    try:
        found = _FIRST_GOOD.search((clone / path).read_text(errors="replace"))
    except OSError:
        return ""
    return found[1] if found else ""


def _probe(tree: Tree, plan: Plan, base: str, processes: Processes, cache: Cache) -> Probe:
    def make() -> AppliedTree:
        fix = read_base_fix(plan.base_fix, tree, processes)
        made = apply_series(tree, fix, None, processes=processes, cache=cache, say=lambda _: None)
        git = Git(processes, tree.repo)
        known = git.run("rev-parse", "--verify", "--quiet", f"{base}^{{tree}}") if base else None
        if known is None or not known.ok:
            return made
        return replace(made, base=replace(tree, commit=base, tree_id=known.text.strip()), patches=())

    return Probe(ProbeRole.SEARCH, 0, tree.commit, "", make)


def _test(order: Order, looker: Looker, bench: Bench, probe: Probe, emit: Emit) -> tuple[Verdict, str]:
    """The cheapest look first; bad as soon as one shows the failure."""
    if order.command:
        trial = Trial(probe.name, probe.make, Rung.COMMAND, command=order.command)
        return _of_command(perform(bench, trial, emit))
    why, told = "", 0
    for look in _repeated(looker.looks(probe), order):
        given = perform(bench, look.trial, emit)
        found = rules.sought_in(given.suites, look.globs, look.finding)
        if found is not None:
            return Verdict.BAD, f"{found.where}: {found.title}"
        missing = given.unfit or rules.without_answer(given.suites, look.globs, look.trial.rung)
        if not missing and look.trial.rung is Rung.HOST and looker.is_of_host:
            return Verdict.GOOD, "it passes on the host"
        why = why or (f"{look.name}: {missing}" if missing else "")
        told += not missing
    if why:
        return Verdict.SKIP, why
    return (Verdict.GOOD, "it is not there") if told else (Verdict.SKIP, "nothing that was asked for could be run")


def _repeated(looks: list[Look], order: Order) -> list[Look]:
    """Each look at a guest as often as the rate needs; at all seeds, where guests are exact."""
    runs = order.runs_at(order.rate)
    found = [look for look in looks if look.trial.rung is not Rung.GUEST or look.trial.seed]
    for look in looks:
        if look.trial.rung is Rung.GUEST and not look.trial.seed and look.trial.number == 1:
            found += [replace(look, trial=replace(look.trial, number=number)) for number in range(1, runs + 1)]
    return found


def _of_command(given: Given) -> tuple[Verdict, str]:
    if given.unfit:
        return Verdict.SKIP, given.unfit
    (case,) = given.suites[0].cases
    said = rules.judge(Looker.command_sought("command"), given.suites)
    return said.verdict or Verdict.SKIP, case.message or said.why

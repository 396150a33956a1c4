"""RUNDIR#CASE: a failure that a run has seen, as the order of a search; all the rest is the run's own plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from harness.arch import host_arch
from harness.errors import InputError, UserError
from harness.model import Case, Outcome, RunResult, SuiteResult, TargetResult, Tries
from harness.report.results import load
from harness.run.bisect.order import Order
from harness.verdict import bisect as rules

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """A run's plan, with the tree at the very commit that it was of, and what to look for."""

    plan: dict[str, object]
    order: Order


def read_origin(words: str) -> Origin:
    """Raises InputError for what is no run, UserError for a case that it has not or that passed, or no series."""
    place, _, name = words.rpartition("#")
    path = Path(place).expanduser().absolute()
    path = path / RESULTS if path.is_dir() else path
    result = load(path)
    suite, case = _named(result, name, path)
    if not result.patches or result.plan.get("series") is None or result.plan.get("merged"):
        raise UserError(
            f"{path}: the run has no series that was applied", fix="name a range of commits of the tree with --range"
        )
    sought = rules.sought_of(suite, case)
    found, _, seed = case.name.rpartition("@")
    order = Order(
        sought=sought, seed=int(seed) if found and seed.isdigit() else 0, run=str(path),
        tip=result.patches[-1].tree_id, rate=_rate(suite, case),
    )  # fmt: skip
    return Origin(_plan(result), order)


def known_of(order: Order) -> Mapping[str, TargetResult]:
    """What the run of an order has found out about kernels, by the name of their build; empty if it is gone."""
    if not order.run:
        return {}
    try:
        result = load(Path(order.run))
    except InputError:
        return {}
    targets = [target for patch in result.per_patch for target in patch.targets]
    targets += [*result.targets, *(result.baseline.targets if result.baseline is not None else ())]
    # Exact guests are asked at single seeds.
    return {target.build.key: target for target in targets if target.build is not None and target.exact is None}


def _failures(result: RunResult) -> Iterable[tuple[SuiteResult, Case]]:
    suites = (*result.host_suites, *(suite for target in result.targets for suite in target.suites))
    return (
        (suite, case)
        for suite in suites
        for case in suite.cases
        if case.outcome.blames_kernel and suite.suite not in ("series", "checks", "known")
    )


def _named(result: RunResult, name: str, path: Path) -> tuple[SuiteResult, Case]:
    """The failure that is called so: SUITE.CASE, with architecture and profile before it or not, or a glob of that."""
    failures = list(_failures(result))
    wanted = name.removeprefix("capsule-")
    for suite, case in sorted(failures, key=lambda found: _cost(found[0])):
        short, whole = f"{suite.suite}.{case.name}", f"{suite.classname}.{case.name}"
        capsule = case.capsule.name if case.capsule is not None else ""
        if name in (short, whole, capsule) or any(fnmatchcase(one, wanted) for one in (short, whole)):
            return suite, case
    passed = any(
        name in (f"{suite.suite}.{case.name}", f"{suite.classname}.{case.name}")
        for suite in result.suites
        for case in suite.cases
    )
    listed = [f"{suite.classname}.{case.name}" for suite, case in failures]
    shown = ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
    raise UserError(
        f"{path}: {name} did not fail there" if passed else f"{path}: no failure is called {name!r}",
        fix=f"name one of: {shown}" if listed else "nothing failed in that run: there is nothing to look for",
    )


def _cost(suite: SuiteResult) -> int:
    """What is cheapest to see again comes first."""
    if suite.arch == "host":
        return 0
    native = host_arch()
    return 1 if native is not None and suite.arch == native.value else 2


def _rate(suite: SuiteResult, case: Case) -> Tries | None:
    """How often it failed in that run; None where it was run once only."""
    if "@" not in case.name:
        return case.tries
    name = rules.plain(case.name)
    told = [
        one
        for one in suite.cases
        if rules.plain(one.name) == name and (one.outcome is Outcome.PASS or one.outcome.blames_kernel)
    ]
    return Tries(sum(one.outcome.blames_kernel for one in told), len(told)) if len(told) > 1 else None


def _plan(result: RunResult) -> dict[str, object]:
    """The plan of a run, its tree pinned to the commit where the tree is a clone that moves on."""
    plan = {key: value for key, value in result.plan.items() if key != "out"}
    tree = result.tree
    place = str(plan.get("tree", ""))
    if tree is not None and plan.get("base", "none") != "none":
        place = tree.spec
    path, at, _ = place.rpartition("@")
    clone = path if at and Path(path).is_dir() else place
    if tree is not None and Path(clone).is_dir() and (Path(clone) / ".git").exists():
        plan |= {"tree": f"{clone}@{tree.commit}", "base": "none", "base_candidates": []}
    plan["per_patch"] = False
    return plan


def with_flags(order: Order, **flags: object) -> Order:
    """The order with what the command line says; what it does not say stays."""
    said = {name: value for name, value in flags.items() if value not in (None, "", 0, False)}
    return replace(order, **said)  # type: ignore[arg-type]

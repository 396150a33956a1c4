"""A plan as guests that count are run, and suites as they are run to be priced."""

from __future__ import annotations

from dataclasses import replace

from harness.costs import Mode
from harness.errors import UserError
from harness.guest.accel import choose_accel
from harness.model import Accel
from harness.plan.model import Plan
from harness.run.suites import Prepared
from harness.suites.faults import FaultsSuite
from harness.suites.suite import ExactSuite

PRICED = ("bench", "faults")
"""Suites whose cases count what their operations cost, with programs that are made of no tree."""

MEASURED = ("sizes",)
"""Suites of which one guest of each kernel says all: they are run at the first seed alone."""

_WORDS = "norandmaps randomize_kstack_offset=off"
"""Random numbers follow from the seed and from when interrupts come: another kernel would draw other addresses."""


def checked(plan: Plan) -> Plan:
    """The plan as guests that count are run.  Raises UserError."""
    if missing := [name for name in plan.suites if name not in (*PRICED, *MEASURED)]:
        raise UserError(
            f"the suite {missing[0]} counts nothing that could be priced",
            fix=f"suites: {', '.join((*PRICED, *MEASURED))}",
        )
    mode = Mode(plan.bench.mode)
    _check_series(plan, mode)
    cmdline = " ".join(word for word in (_WORDS, plan.guest.cmdline) if word)
    accel = "tcg" if mode is Mode.RELATIVE else plan.guest.accel
    guest = plan.guest.model_copy(update={"cmdline": cmdline, "accel": accel})
    if mode is Mode.CLOCK:
        for arch in plan.arch:
            found, why = choose_accel(guest.accel, arch)
            if found is not Accel.KVM:
                raise UserError(
                    f"--mode clock takes KVM for {arch} guests: {why}",
                    fix="--mode exact needs none; --mode relative gives orders of magnitude",
                )
    exact = mode is Mode.EXACT
    return plan.model_copy(update={"exact": exact, "seeds": plan.seeds if exact else (), "retries": 0, "guest": guest})


def _check_series(plan: Plan, mode: Mode) -> None:
    if plan.merged:
        raise UserError("a price is that of a series that is applied", fix="leave --merged out")
    if plan.per_patch and plan.series is None:
        raise UserError(
            "there is no series to be priced patch by patch", fix="leave --per-patch out, or name a --series"
        )
    if plan.per_patch and mode is not Mode.EXACT:
        raise UserError(
            f"patches are priced one by one in exact guests, not in --mode {mode}",
            fix="leave --mode out, or price the whole series: leave --per-patch out",
        )


def priced(item: Prepared, seed: int | None = None) -> Prepared:
    """A suite with many short repetitions; `seed`: of its programs, where the guest has none."""
    suite = item.suite.priced() if isinstance(item.suite, FaultsSuite) else item.suite
    if seed is not None and isinstance(suite, ExactSuite):
        suite = suite.at_seed(seed)
    return replace(item, suite=suite)

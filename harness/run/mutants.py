"""Mutants of a tree, and the tree itself, built and tested in one graph: while one's guest runs, the next compiles.

The unmutated kernel comes first; a mutant's test waits for its result, for only what is bad with the mutant and good
without it catches one.  The trees follow each other through one work copy, so that each compiles what its patch
changes.  What became of each target is kept in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness import __version__
from harness.data import patches_dir
from harness.errors import HarnessError, InfraError, UserError
from harness.events import Emit
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.model import (
    AppliedTree,
    Case,
    Fate,
    FileChange,
    Mutant,
    MutantResult,
    MutantsResult,
    MutantTarget,
    Outcome,
    StepTime,
    SuiteResult,
    TargetResult,
)
from harness.plan.model import Plan
from harness.run import history, kept
from harness.run.ending import published
from harness.run.goal import Goal
from harness.run.graph import Node, Report, State
from harness.run.kernels import keeps_config
from harness.run.outcomes import done, no_result, target_result
from harness.run.steps import Steps
from harness.run.target import Enough
from harness.run.targets import Target, first_error, same_kernel
from harness.run.tasks import Task
from harness.series.mutants import load
from harness.verdict import mutants as verdict

KIND = "mutant"  # of cache entries

BASE = "unmutated"
"""The directory of the kernel without a mutant; a mutant's is `mutant-NAME`."""

_HOST = "vma"  # the suite that runs on the host, and not in these guests


@dataclass(slots=True)
class _Subject:
    """A tree, its steps and what they give, by target.  `mutant` is None for the unmutated kernel."""

    mutant: Mutant | None
    steps: Steps
    tested: dict[str, Node[TargetResult]] = field(default_factory=dict)
    same: set[str] = field(default_factory=set)  # targets on which the kernel is the unmutated one
    cached: set[str] = field(default_factory=set)

    @property
    def host(self) -> tuple[SuiteResult, ...]:
        found = done(self.steps.host_vma)
        return (found,) if found is not None else ()


class MutantSteps:
    """The steps of all mutants of one directory."""

    def __init__(
        self, plan: Plan, wanted: Sequence[str], *, everything: bool, directory: Path,
        processes: Processes, cache: Cache, emit: Emit,
    ) -> None:  # fmt: skip
        """`wanted` are names or globs, empty for all; `everything`: no target is left at the first sighting."""
        self._wanted = tuple(wanted)
        self._everything = everything
        self._directory = directory
        self._processes = processes
        self._cache = cache
        self._on_host = _HOST in plan.suites
        guests = tuple(name for name in plan.suites if name != _HOST)
        if not guests:
            raise UserError("mutants need a suite that runs in guests", fix="leave --suite out, or add hazards")
        plan = plan.model_copy(update={"series": None, "merged": False, "exact": False, "suites": guests})
        self.steps = Steps(plan, directory=directory, goal=Goal.APPLY, processes=processes, cache=cache, emit=emit)
        self.steps.follow_each_other()
        self.steps.graph.add("mutants", self._add, needs=[self.steps.applied])
        self.base: _Subject | None = None
        self.subjects: list[_Subject] = []

    def close(self) -> None:
        for subject in (self.base, *self.subjects):
            if subject is not None:
                subject.steps.close()
        self.steps.close()

    # --- the steps --------------------------------------------------------------------------------------------

    def _add(self, report: Report) -> None:
        """All other steps, now that the version of the tree says which mutants there are."""
        version = ".".join(self.steps.applied.value.base.kernel_version.split(".")[:2])
        directory = patches_dir() / "mutants" / version
        found = load(directory, self._wanted, processes=self._processes)
        report.text = f"{len(found)} of patches/mutants/{version}"
        base = self._subject(None, self.steps.applied, f"{BASE}: ", BASE)
        base.steps.add_programs()
        base.steps.check_cases()
        self.base = base
        self._add_kernels(base)
        for mutant in found:
            self._add_mutant(mutant)

    def _subject(self, mutant: Mutant | None, applied: Node[AppliedTree], prefix: str, directory: str) -> _Subject:
        place = self._directory / directory
        place.mkdir(exist_ok=True)
        own = self.steps.of_tree(applied, prefix=prefix, directory=place)
        if mutant is not None:
            plan = own.plan.model_copy(update={"retries": 0})
            own.tester = replace(own.tester, plan=plan, order=_expected_first(mutant))
        return _Subject(mutant, own)

    def _add_mutant(self, mutant: Mutant) -> None:
        def apply(report: Report) -> AppliedTree:
            base = self.steps.applied.value
            found = apply_series(
                base.base, self.steps.trees.base_fix.value, mutant.series, processes=self._processes, cache=self._cache,
                say=report.say,
            )  # fmt: skip
            report.text = mutant.series.title
            return found

        prefix = f"{mutant.name}: "
        assert self.base is not None
        needs: list[Node[Any]] = [self.steps.applied, self.steps.trees.base_fix]
        applied = self.base.steps.add_after(f"{prefix}tree", apply, needs=needs)
        subject = self._subject(mutant, applied, prefix, f"mutant-{mutant.name}")
        subject.steps.share_programs(self.base.steps)
        self._add_kernels(subject)
        self.subjects.append(subject)

    def _add_kernels(self, subject: _Subject) -> None:
        own, base = subject.steps, self.base
        assert base is not None
        if self._on_host:
            own.add_host_vma()
        for target in own.targets:
            like = None
            if subject.mutant is not None and keeps_config(_files(subject.mutant)):
                like = own.add_same_config(target, base.steps)
            own.add_build(target, like=like)
            self._add_test(subject, target)

    def _add_test(self, subject: _Subject, target: Target) -> None:
        base, own = self.base, subject.steps
        assert base is not None
        assert target.build is not None
        assert target.rootfs is not None
        needs: list[Node[Any]] = [target.build, target.rootfs, *own.prepared[target.arch]]
        if subject.mutant is not None:
            needs.append(base.tested[target.name])

        def test(report: Report) -> TargetResult:
            return self._test(subject, target, report)

        subject.tested[target.name] = own.add(f"test {target.name}", test, needs=needs, uses="guest")

    def _test(self, subject: _Subject, target: Target, report: Report) -> TargetResult:
        own, base = subject.steps, self.base
        assert base is not None
        assert target.build is not None
        build = target.build.value
        if subject.mutant is not None:
            _require(base.tested[target.name].value)
        if subject.mutant is not None and build.outcome is Outcome.PASS:
            its = base.steps.target(target.name).build
            if its is not None and same_kernel(build, its.value):
                subject.same.add(target.name)
                report.text = Fate.SAME.value
                return target_result(target)
        if build.outcome is not Outcome.PASS:
            report.good, report.text = False, f"not built: {first_error(build)}"
            return target_result(target)
        prepared = [node.value for node in own.prepared[target.arch]]
        clean = base.tested[target.name].value.suites if subject.mutant is not None else ()
        key = kept.key(own, kept.kernel_key(own, target), target, prepared, self._stops, [suite_key(clean)])
        directory = own.layout.directory
        result = kept.load(self._cache, KIND, key, directory)
        if result is None:
            enough = self._enough(clean) if subject.mutant is not None and not self._everything else None
            short = enough is not None and verdict.Clean.of(clean).silent
            tester = replace(own.tester, ends_at=(lambda found: not found.timing) if short else None)
            result = target_result(target, tester.perform(target, prepared, report, enough))
            kept.keep(self._cache, KIND, key, result, directory)
        else:
            report.cached = True
            subject.cached.add(target.name)
        if subject.mutant is not None:
            found = self._judged(result, clean)
            report.good, report.text = found.fate is Fate.CAUGHT, account(found)
        return result

    @property
    def _stops(self) -> str:
        return "everything" if self._everything else "first complaint"

    def _enough(self, clean: Sequence[SuiteResult]) -> Enough:
        known = verdict.Clean.of(clean)

        def enough(cases: Sequence[Case]) -> str:
            seen = next((case for case in cases if known.catches(case)), None)
            return f"caught by {seen.suite}.{seen.name}" if seen is not None else ""

        return enough

    # --- what they gave ---------------------------------------------------------------------------------------

    def _judged(self, result: TargetResult, clean: Sequence[SuiteResult]) -> MutantTarget:
        return verdict.judge(
            result.suites, clean, arch=result.arch, profile=result.profile, stopped=not self._everything
        )

    def base_suites(self, error: HarnessError | None) -> tuple[SuiteResult, ...]:
        """What is known of the unmutated kernel."""
        if self.base is None:
            return ()
        found = list(self.base.host)
        for target in self.base.steps.targets:
            node = self.base.tested[target.name]
            result = done(node)
            if result is not None:
                found += result.suites
            else:
                case = no_result("kernel", "test", node.error or error)
                found.append(SuiteResult("kernel", target.arch, target.profile.name, (case,)))
        return tuple(found)

    def result_of(self, subject: _Subject) -> MutantResult:
        """What became of a mutant, on the host and on each target."""
        mutant, base = subject.mutant, self.base
        assert mutant is not None
        assert base is not None
        targets = [self._fate(subject, target) for target in subject.steps.targets]
        if subject.host:
            host = verdict.judge(subject.host, base.host, arch="host", profile="", stopped=False)
            targets.insert(0, host)
        return MutantResult(
            mutant.name, mutant.series.patches[0].subject, mutant.family, mutant.expects, mutant.expected,
            mutant.series.source, tuple(targets),
        )  # fmt: skip

    def _fate(self, subject: _Subject, target: Target) -> MutantTarget:
        assert self.base is not None
        where = (target.arch.value, target.profile.name)
        applied = subject.steps.applied
        if applied.error is not None and isinstance(applied.error.__cause__, UserError):
            return MutantTarget(*where, Fate.BROKEN, applied.error.what)
        build, result = done(target.build), done(subject.tested[target.name])
        if build is not None and build.outcome is not Outcome.PASS:
            return MutantTarget(*where, Fate.BROKEN, f"it does not compile: {first_error(build)}")
        if result is None:
            error = subject.tested[target.name].error
            return MutantTarget(*where, Fate.UNKNOWN, error.what if error is not None else "the run ended before")
        if target.name in subject.same:
            return MutantTarget(*where, Fate.SAME, "what it changes is not compiled in this configuration")
        found = self._judged(result, self.base.tested[target.name].value.suites)
        return replace(found, cached=target.name in subject.cached)


def run_mutants(
    plan: Plan, wanted: Sequence[str], *, everything: bool, directory: Path, processes: Processes, cache: Cache,
    emit: Emit, command: tuple[str, ...], host: dict[str, str], publish: Callable[[MutantsResult], None],
) -> MutantsResult:  # fmt: skip
    """Build and test the mutants of the plan's tree; `publish` gets the result even when an error ends the run.

    Raises UserError, InfraError or Cancelled; what hits one mutant only leaves that one without a verdict.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    steps = MutantSteps(
        plan, wanted, everything=everything, directory=directory, processes=processes, cache=cache, emit=emit
    )

    def account_for(error: HarnessError | None) -> MutantsResult:
        nodes = [node for node in steps.steps.graph.nodes if node.state is State.DONE]
        times = tuple(StepTime(node.name, round(node.seconds, 3), node.cached) for node in nodes)
        history.save(cache.root / "times.json", times)
        base = steps.base_suites(error)
        found = tuple(steps.result_of(subject) for subject in steps.subjects)
        outcome, message = verdict.overall(base, found)
        if error is not None:
            outcome, message = Outcome.ERROR, error.what
        applied = done(steps.steps.applied)
        return MutantsResult(
            version=__version__, command=command, started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - clock, 3), host=host, plan=steps.steps.plan.model_dump(mode="json"),
            tree=applied.base if applied is not None else None, base=base, mutants=found, steps=times,
            notes=tuple(steps.steps.archives.notes), outcome=outcome, message=message,
        )  # fmt: skip

    return published(steps.steps.graph.run, account_for, publish, close=steps.close)


def account(found: MutantTarget) -> str:
    """One line for the progress display."""
    if not found.sightings:
        return f"{found.fate}: {found.message}"
    first = found.sightings[0]
    return f"caught by {first.case}: {first.title or first.message}"


def suite_key(suites: Sequence[SuiteResult]) -> list[list[str]]:
    """What of the unmutated kernel's results a mutant's depends on: what is bad there already."""
    clean = verdict.Clean.of(suites)
    return [sorted(".".join(name) for name in clean.failed), sorted(clean.fingerprints)]


def _expected_first(mutant: Mutant) -> Callable[[Task], int]:
    """The commands that the mutant expects to be seen by, in the order of its globs, and then all others."""

    def order(task: Task) -> int:
        names = [f"{task.suite.name}.{case}" for case in task.command.cases]
        matching = (at for at, glob in enumerate(mutant.expects) if any(fnmatchcase(name, glob) for name in names))
        return next(matching, len(mutant.expects))

    return order


def _files(mutant: Mutant) -> list[FileChange]:
    return [change for patch in mutant.series.patches for change in patch.changes]


def _require(clean: TargetResult) -> None:
    """Raises InfraError where the unmutated kernel has not been tested: then nothing can be held against it."""
    if not any(boot.outcome is Outcome.PASS for boot in clean.boots):
        raise InfraError("the unmutated kernel did not get as far as its tests")

"""Runs of trees: each by the cheapest thing that shows the failure, all with the steps that a run takes.

Trials that are asked for together overlap: while one's guest runs the next compiles.  What an earlier run has found
out about a kernel is not found out again.  Says what results are, not what they mean.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.arch import host_arch
from harness.errors import InfraError, MissingTool, UserError
from harness.events import Emit
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.checkout import write_files
from harness.kernel.git import Git
from harness.model import AppliedTree, Build, FileChange, Outcome, Rung, SuiteResult, TargetResult
from harness.plan.model import Plan
from harness.plan.values import NONE
from harness.run import kept
from harness.run.bench.plan import priced
from harness.run.bisect.command import confined
from harness.run.bisect.pricing import Pricing
from harness.run.bisect.trials import End, Finished, Given, Trial, dash, tells
from harness.run.goal import Goal
from harness.run.graph import Node, Report
from harness.run.kernels import keeps_config
from harness.run.outcomes import target_result
from harness.run.steps import Steps
from harness.run.suites import Prepared
from harness.run.targets import Target, image_digest
from harness.verdict.bisect import arches_first, says

KIND = "bisect"  # of cache entries

ONE_TREE: dict[str, object] = {
    "series": None, "base": NONE, "base_candidates": (), "base_fix": NONE, "merged": False, "per_patch": False,
    "repair": False, "retries": 0, "keep": False, "budget": None,
}  # fmt: skip
"""What a plan says no more where one tree after the other is tested as it is, each as often as an answer takes."""

_OF_TREES = ("vma", "kselftest")  # suites whose programs are made of the tree


@dataclass(slots=True)
class _Subject:
    """A tree and its steps."""

    tree: AppliedTree
    steps: Steps
    builds: set[str] = field(default_factory=set)  # targets
    on_host: bool = False


class Bench:
    """Trees, and what becomes of them."""

    def __init__(
        self, plan: Plan, *, directory: Path, processes: Processes, cache: Cache, emit: Emit,
        built: Callable[[str], None], known: Mapping[str, TargetResult], at_once: int,
        pricing: Pricing | None = None,
    ) -> None:  # fmt: skip
        """`known` are results by the name of their build; `built` is told of each kernel that was compiled.

        `pricing` makes failures of cases that cost too much.
        """
        self.steps = Steps(plan, directory=directory, goal=Goal.APPLY, processes=processes, cache=cache, emit=emit)
        self.steps.follow_each_other()
        self.steps.graph.limit("command", at_once)
        self.directory = directory
        self._processes = processes
        self._cache = cache
        self._built = built
        self._known = known
        self.pricing = pricing
        self._subjects: dict[str, _Subject] = {}
        self._donors: dict[tuple[str, tuple[str, ...]], Steps] = {}  # of programs, by target and suites
        self._configured: dict[str, _Subject] = {}  # by target: whose configuration others may take
        self._counted: set[str] = set()
        self._places: list[Path] = []  # checkouts of commands that nobody uses now
        self._lock = threading.Lock()

    def close(self) -> None:
        for subject in self._subjects.values():
            subject.steps.close()
        self.steps.close()

    @property
    def targets(self) -> list[Target]:
        """The plan's, those of the host's architecture first."""
        order = arches_first(self.steps.arches, host_arch())
        return sorted(self.steps.targets, key=lambda target: order.index(target.arch))

    @property
    def guests_at_once(self) -> int:
        return self.steps.graph.places("guest")

    # --- trials -----------------------------------------------------------------------------------------------

    def perform(self, trials: Sequence[Trial], finished: Finished) -> list[Given]:
        """Do them all.  What the machine got in the way of has an `error`; raises MissingTool, UserError, Cancelled."""
        ended = [self._begin(trial, finished) for trial in trials]
        self.steps.graph.run()
        return [self._given(trial, end) for trial, end in zip(trials, ended, strict=True)]

    def _begin(self, trial: Trial, finished: Finished) -> End | Given:
        try:
            subject = self._subject(trial)
        except UserError as error:
            given = Given(unfit=error.what)
            finished(trial, given)
            return given
        return self._add(trial, subject, finished)

    def _given(self, trial: Trial, end: End | Given) -> Given:
        if isinstance(end, Given):
            return end
        node = next((node for node in reversed(end.nodes) if node.error is not None), None)
        if node is None:
            return end.given()
        error = node.error
        if isinstance(error, MissingTool) or not isinstance(error, InfraError):
            raise error
        if isinstance(error.__cause__, UserError):
            given = Given(unfit=error.what)
            end.tell(given)
            return given
        self._forget(trial.name)
        return Given(error=error)

    def _forget(self, name: str) -> None:
        """A tree whose steps have failed gets new ones."""
        subject = self._subjects.pop(name, None)
        if subject is not None:
            subject.steps.close()
            self._configured = {key: one for key, one in self._configured.items() if one is not subject}
        self._donors = {key: own for key, own in self._donors.items() if own.prefix.partition(":")[0] != name}

    def _add(self, trial: Trial, subject: _Subject, finished: Finished) -> End:
        def tell(given: Given) -> Given:
            finished(trial, given)
            return given

        end = End(tell, [subject.steps.applied])
        add = {
            Rung.COMMAND: self._add_command, Rung.HOST: self._add_host, Rung.BUILD: self._add_build,
            Rung.GUEST: self._add_guest,
        }[trial.rung]  # fmt: skip
        add(trial, subject, end)
        return end

    def _subject(self, trial: Trial) -> _Subject:
        if trial.name not in self._subjects:
            place = self.directory / trial.name
            place.mkdir(parents=True, exist_ok=True)
            prefix = f"{trial.name}: "
            tree = trial.make()
            applied = self.steps.add_after(f"{prefix}tree", lambda _: tree)
            self._subjects[trial.name] = _Subject(tree, self.steps.of_tree(applied, prefix=prefix, directory=place))
        return self._subjects[trial.name]

    # --- by rung ----------------------------------------------------------------------------------------------

    def _add_command(self, trial: Trial, subject: _Subject, end: End) -> None:
        own = subject.steps

        def run(report: Report) -> Given:
            place = self._take_place()
            try:
                files = write_files(own.applied.value, place, processes=self._processes)
                log = own.layout.directory / f"command{dash(trial.number)}.log"
                case = confined(trial.command, files, log, self._processes, own.sandbox)
            finally:
                self._give_place(place)
            report.good, report.text = case.outcome is Outcome.PASS, case.message
            return end.tell(Given((SuiteResult("command", "host", "", (case,)),)))

        end.add(own.add(f"command{dash(trial.number)}", run, needs=[own.applied], uses="command"))

    def _add_host(self, trial: Trial, subject: _Subject, end: End) -> None:
        own = subject.steps
        if not subject.on_host:
            own.add_host_vma()
            subject.on_host = True
        host = own.host_vma
        if host is None:
            raise InfraError("tools/testing/vma runs on x86_64 and arm64 hosts")
        end.nodes.append(host)
        end.add(own.add("vma", lambda _: end.tell(Given((host.value,))), needs=[host]))

    def _add_build(self, trial: Trial, subject: _Subject, end: End) -> None:
        own, target = subject.steps, subject.steps.target(trial.target)
        earlier = self._earlier(subject.tree, target)
        if earlier is not None:
            end.add(own.add(f"built {target.name}", lambda _: end.tell(Given(earlier.suites))))
            return
        build = self._build(subject, target, end)
        end.add(own.add(f"built {target.name}", lambda _: end.tell(Given(target_result(target).suites)), needs=[build]))

    def _add_guest(self, trial: Trial, subject: _Subject, end: End) -> None:
        own = subject.steps
        earlier = self._earlier(subject.tree, own.target(trial.target))
        if earlier is not None and tells(earlier, trial):
            end.add(own.add(f"result {trial.target}", lambda _: end.tell(Given(earlier.suites))))
            return
        self._build(subject, own.target(trial.target), end)
        run = self._narrowed(own, trial)
        (target,) = run.targets
        assert target.build is not None
        assert target.rootfs is not None
        prepared = run.prepared[target.arch]
        end.nodes += [target.rootfs, *prepared]

        def look(report: Report) -> None:
            result = self._known_result(run, target, trial)
            if result is not None:
                report.cached = True
                suites = self._judged(result, trial)
                end.add(run.add(f"result {target.name}", lambda _: end.tell(Given(suites))))
                return
            run.add_test(target)
            assert target.test is not None
            end.nodes += [target.test, *target.seeds]
            end.add(run.add(f"result {target.name}", keep, needs=[target.test]))

        def keep(_: Report) -> Given:
            result = target_result(target)
            every = (one for suite in result.suites for case in suite.cases for one in case.findings)
            seen = any(says(one, trial.said) for one in every)
            key = self._key(run, target, trial.number, trial.said if seen else ())
            kept.keep(self._cache, KIND, key, result, run.layout.directory)
            return end.tell(Given(self._judged(result, trial), len(result.boots)))

        end.nodes.append(run.add(f"lookup {target.name}", look, needs=[target.build, target.rootfs, *prepared]))

    # --- kernels ----------------------------------------------------------------------------------------------

    def _earlier(self, tree: AppliedTree, target: Target) -> TargetResult | None:
        """What is known of the very kernel that a tree makes."""
        if not self._known or target.profile.checkers != NONE:
            return None
        return self._known.get(self.steps.builder.key(tree, target.arch, target.profile))

    def _build(self, subject: _Subject, target: Target, end: End) -> Node[Build]:
        """The steps that make a kernel."""
        own, name = subject.steps, target.name
        if name not in subject.builds:
            subject.builds.add(name)
            donor, like = self._configured.get(name), None
            if donor is not None and target.profile.checkers == NONE and self._same_kconfig(donor.tree, subject.tree):
                like = target.config = own.add_same_config(target, donor.steps)
            own.add_build(target, like=like)
            self._configured.setdefault(name, subject)
        assert target.build is not None
        build = target.build
        end.nodes += [node for node in (target.config, build) if node is not None]

        def count(report: Report) -> None:
            made = build.value
            report.cached = made.cached
            if not made.cached and made.key not in self._counted:
                self._counted.add(made.key)
                self._built(made.key)

        end.nodes.append(own.add(f"count {name}", count, needs=[build]))
        return build

    def _same_kconfig(self, one: AppliedTree, other: AppliedTree) -> bool:
        found = Git(self._processes, other.repo).run("diff-tree", "-r", "-z", "--name-only", one.tree_id, other.tree_id)
        paths = [path for path in found.text.split("\0") if path]
        return found.ok and keeps_config(FileChange(path, path, 0, 0) for path in paths)

    def is_there(self, tree: AppliedTree, name: str) -> bool:
        """Whether the kernel of a tree for a target needs no compiling, as far as that can be told without work."""
        target = self.steps.target(name)
        if target.profile.checkers != NONE:
            return False
        if self._earlier(tree, target) is not None:
            return True
        return self.steps.builder.find(tree, target.arch, target.profile) is not None

    # --- guests -----------------------------------------------------------------------------------------------

    def _narrowed(self, own: Steps, trial: Trial) -> Steps:
        """The steps of one target of a tree, for these commands only, whose files lie in a directory of their own."""
        words = f"{trial.part}{dash(trial.number) if not trial.seed else f'-seed-{trial.seed}'}"
        place = own.layout.directory / words
        place.mkdir(exist_ok=True)
        run = own.again(prefix=f"{own.prefix}{words}: ", directory=place, target=trial.target)
        seeds = {"exact": True, "seeds": (trial.seed,)} if trial.seed else {}
        arch = (run.targets[0].arch,)
        run.plan = run.plan.model_copy(
            update={"suites": trial.suites, "cases": trial.cases, "arch": arch, "retries": 0, **seeds}
        )
        ends_at = (lambda found: says(found, trial.said)) if trial.said else None
        run.tester = replace(run.tester, plan=run.plan, ends_at=ends_at)
        key = (trial.target, trial.suites)
        if any(suite in _OF_TREES for suite in trial.suites):
            run.add_programs()
        elif key in self._donors:
            run.share_programs(self._donors[key])
        else:
            run.add_programs()
            self._donors[key] = run
            if self.pricing is not None:
                self._as_priced(run)
        return run

    def _judged(self, result: TargetResult, trial: Trial) -> tuple[SuiteResult, ...]:
        if self.pricing is None:
            return result.suites
        return self.pricing.judged(result.suites, trial.name, trial.seed)

    @staticmethod
    def _as_priced(run: Steps) -> None:
        """The programs are the same, and do as much as prices take."""

        def of(node: Node[Prepared]) -> Callable[[Report], Prepared]:
            return lambda _: priced(node.value)

        for arch, nodes in run.prepared.items():
            run.prepared[arch] = [run.add("programs", of(node), needs=[node]) for node in nodes]

    def _key(self, run: Steps, target: Target, number: int, said: tuple[str, ...]) -> str:
        """The name of a result; `said`: what its guests may have been ended at, none where they were not."""
        assert target.build is not None
        prepared = [node.value for node in run.prepared[target.arch]]
        return kept.key(run, image_digest(target.build.value), target, prepared, number, said)

    def _known_result(self, run: Steps, target: Target, trial: Trial) -> TargetResult | None:
        """What is known of a kernel without booting it."""
        assert target.build is not None
        if target.build.value.image is None:
            return target_result(target)
        keys = (self._key(run, target, trial.number, said) for said in dict.fromkeys(((), trial.said)))
        found = (kept.load(self._cache, KIND, key, run.layout.directory) for key in keys)
        return next((result for result in found if result is not None), None)

    # --- checkouts of commands --------------------------------------------------------------------------------

    def _take_place(self) -> Path:
        with self._lock:
            return self._places.pop() if self._places else self._cache.scratch("command")

    def _give_place(self, place: Path) -> None:
        with self._lock:
            self._places.append(place)

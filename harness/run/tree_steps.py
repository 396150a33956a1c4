"""What all steps of one tree have in common: their graph and names, its files, and its variants with checkers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import InfraError, UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.apply import apply_checkers
from harness.model import AppliedTree, Profile
from harness.plan.model import Plan
from harness.plan.values import NONE
from harness.report.files import Layout
from harness.run.graph import Graph, Node, Report, State
from harness.run.record import ChangedInput
from harness.run.sources import WorkCopies, read_checkers

T = TypeVar("T")

_OF_FILES = ("config", "compile", "vma", "selftests")  # what steps use that read the tree's files


def _will_read_files(node: Node[Any]) -> bool:
    return node.uses in _OF_FILES and node.state in (State.WAITING, State.RUNNING)


def _lenient(work: Callable[[Report], T]) -> Callable[[Report], T]:
    """What cannot be done with a tree that the user did not ask for must not end the run."""

    def attempt(report: Report) -> T:
        try:
            return work(report)
        except ChangedInput:
            raise
        except UserError as error:
            raise InfraError(error.what, fix=error.fix, detail=error.detail) from error

    return attempt


class TreeSteps:
    """The steps of one tree, which others add."""

    def __init__(
        self, plan: Plan, graph: Graph, applied: Node[AppliedTree], *, profiles: Sequence[Profile], layout: Layout,
        processes: Processes, cache: Cache, copies: WorkCopies, resumable: bool,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.graph = graph
        self.applied = applied
        self.profiles = profiles
        self.layout = layout
        self.prefix = ""  # of the steps' names
        self.processes = processes
        self.cache = cache
        self.copies = copies
        self.resumable = resumable  # whether answers are kept for a run that continues this one
        self.reuse = False  # whether they are kept for every run, and what others were answered is taken
        self.checked: dict[str, Node[AppliedTree]] = {}  # by what profiles say of their checkers
        self._add_checkers()

    def turn_to(self, applied: Node[AppliedTree], *, prefix: str, directory: Path) -> None:
        """From now on the steps are another tree's.  No error of it ends the run."""
        self.applied, self.prefix, self.layout = applied, prefix, Layout(directory)
        self.copies, self.checked = self.copies.of_tree(), {}
        self._add_checkers()

    # --- the graph --------------------------------------------------------------------------------------------

    def add(
        self, name: str, work: Callable[[Report], T], *, needs: Sequence[Node[Any]] = (), uses: str = "",
        always: bool = False, beside: object = None,
    ) -> Node[T]:  # fmt: skip
        """A step under the name that it has for this tree; `always`: also when the budget is used up."""
        work = _lenient(work) if self.prefix else work
        name = f"{self.prefix}{name}"
        return self.graph.add(name, work, needs=needs, uses=uses, always=always, beside=beside)

    def add_after(self, name: str, work: Callable[[Report], T], *, needs: Sequence[Node[Any]] = ()) -> Node[T]:
        """A step under a name of its own, no error of which ends the run."""
        return self.graph.add(name, _lenient(work), needs=needs)

    def add_reader(
        self, name: str, work: Callable[[Report], T], tree: Node[AppliedTree], *, needs: Sequence[Node[Any]], uses: str
    ) -> Node[T]:  # fmt: skip
        """A step that reads a tree's files: where they are held shortly, none that reads another's runs beside it."""
        if not self.copies.brief:
            return self.add(name, work, needs=needs, uses=uses)
        return self.add(name, work, needs=needs, uses="compile", beside=(self.copies, tree))

    # --- the tree ---------------------------------------------------------------------------------------------

    def _add_checkers(self) -> None:
        """The trees of profiles that want checkers, beside the one that suites are made of and all others build."""
        for wanted in dict.fromkeys(profile.checkers for profile in self.profiles):
            if wanted != NONE:
                name = "checkers" if wanted == "auto" else f"checkers {Path(wanted).name}"
                self.checked[wanted] = self.add(name, self._checkers_of(wanted), needs=[self.applied])

    def tree_of(self, profile: Profile) -> Node[AppliedTree]:
        """What the kernels of a profile are built from."""
        return self.checked.get(profile.checkers, self.applied)

    def _checkers_of(self, wanted: str) -> Callable[[Report], AppliedTree]:
        def check(report: Report) -> AppliedTree:
            applied = self.applied.value
            checkers = read_checkers(wanted, applied.base, self.processes)
            if checkers is None:
                report.text = f"none for Linux {applied.base.kernel_version}"
                return applied
            checked = apply_checkers(applied, checkers, processes=self.processes, cache=self.cache, say=report.say)
            applying = sum(bool(checker.commit) for checker in checked.checkers)
            report.text = f"{applying} of {len(checked.checkers)} apply, {checked.commit[:12]}"
            report.made_of(checked.tree_id)
            return checked

        return check

    def source(self, tree: Node[AppliedTree], report: Report) -> Callable[[], Path]:
        """Gives a tree's files, written when something first asks for them."""
        return lambda: self.copies.files(tree.value, report.say)

    def close(self) -> None:
        """Give back what is held: the work copies of the trees."""
        self.copies.close()

    def let_go(self) -> None:
        """Give the tree's files back before the end if nothing will be made of them: the next tree needs few others."""
        if not any(map(_will_read_files, self.graph.nodes)):
            self.close()

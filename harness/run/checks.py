"""The checks of a run: what can be said of a series without booting it, as steps beside the others.

Joins the tools of `harness.kernel` and the lint of `harness.series` with the rules of `harness.verdict`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.checkpatch import Checkpatch, PatchText, texts_of
from harness.kernel.touched import KINDS, Kind, ObjectCompiler, version_of
from harness.model import AppliedTree, Case, CompilerMessage, Outcome, SuiteResult
from harness.run import kept
from harness.run.graph import Node, Report
from harness.run.object_checks import Base, ObjectCheck
from harness.run.outcomes import done, no_result
from harness.run.steps import Steps
from harness.series.lint import CONTEXT_LINES, side_effects
from harness.verdict.checks import SUITE, case_of, note_of

KIND = "check"  # of cache entries


@dataclass(slots=True)
class Found:
    """What one check gave: cases, and notes on what fails none of them."""

    cases: list[Case] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class CheckSteps:
    """The steps of the plan's checks."""

    def __init__(self, steps: Steps, *, processes: Processes, cache: Cache) -> None:
        self._steps = steps
        self._processes = processes
        self._cache = cache
        self._nodes: dict[str, Node[Found]] = {}  # by check
        self._base = Base(processes, cache, kept=steps.sandbox.active)

    def add(self) -> None:
        """A step for each check that the plan asks for."""
        makers: dict[str, Callable[[Report], Found]] = {"checkpatch": self._checkpatch, "side-effects": self._lint}
        kinds = {kind.name: kind for kind in KINDS}
        for name in self._steps.plan.checks:
            if name in makers:
                work = self._once(makers[name], "patches", partial(list[object], [name]))
                self._nodes[name] = self._steps.add(f"check {name}", work, needs=[self._steps.applied])
            else:
                self._add_kind(kinds[name])

    def _add_kind(self, kind: Kind) -> None:
        """A kind of compile, for each architecture that makes a difference; with the plan's first profile there."""
        steps = self._steps
        needs: list[Node[Any]] = [steps.applied, steps.trees.base_fix]
        for arch in steps.arches[:1] if kind.foreign else steps.arches:
            profile = next(target.profile for target in steps.targets if target.arch is arch)
            compiler = ObjectCompiler(self._processes, self._cache, steps.sandbox, steps.jobs)
            check = ObjectCheck(kind, arch, profile, steps.plan.strict, compiler, self._processes)
            name = kind.name if kind.foreign else f"{kind.name} {arch}"
            work = self._once(self._compile(check), "files", self._made_of(check))
            self._nodes[name] = steps.add(f"check {name}", work, needs=needs, uses="compile")

    def _compile(self, check: ObjectCheck) -> Callable[[Report], Found]:
        def run(report: Report) -> Found:
            applied = self._steps.applied.value

            def base() -> tuple[AppliedTree, Path]:
                tree = self._base.applied(applied, self._steps.trees.base_fix.value, report.say)
                return tree, self._base.source(tree, report.say)

            return Found(check.run(applied, self._steps.source(self._steps.applied, report), base, report.say))

        return run

    def _made_of(self, check: ObjectCheck) -> Callable[[], list[object]]:
        """What the answer of a compile comes from, beside the series."""

        def parts() -> list[object]:
            key = self._steps.builder.key(self._steps.applied.value, check.arch, check.profile)
            return [check.kind.name, check.arch, key, version_of(check.kind)]

        return parts

    def _once(
        self, work: Callable[[Report], Found], what: str, parts: Callable[[], list[object]]
    ) -> Callable[[Report], Found]:
        """The work of a check, or what it gave an earlier run: `parts` is what that comes from beside the series."""

        def run(report: Report) -> Found:
            name = kept.cases_key(self._steps, *parts())
            known = kept.load_cases(self._cache, KIND, name)
            found = Found(*known) if known is not None else work(report)
            report.cached = known is not None
            if known is None:
                kept.keep_cases(self._cache, KIND, name, found.cases, found.notes)
            return _told(found, report, what)

        return run

    def close(self) -> None:
        """Give back what is held: the work copy of the base."""
        self._base.close()

    @property
    def result(self) -> SuiteResult | None:
        """The suite of all checks, as far as they came."""
        if not self._nodes:
            return None
        cases: list[Case] = []
        for name, node in self._nodes.items():
            found = done(node)
            cases += found.cases if found is not None else [no_result(SUITE, name, node.error)]
        return SuiteResult(SUITE, "host", "", tuple(cases), sum(node.seconds for node in self._nodes.values()))

    @property
    def notes(self) -> list[str]:
        return [note for node in self._nodes.values() if (found := done(node)) is not None for note in found.notes]

    # --- checks of patches ------------------------------------------------------------------------------------

    def _texts(self) -> tuple[PatchText, ...]:
        return texts_of(self._steps.applied.value, self._processes, context_lines=CONTEXT_LINES)

    def _lint(self, report: Report) -> Found:
        return self._of_patches("side-effects", report, lambda text: side_effects(text.diff))

    def _checkpatch(self, report: Report) -> Found:
        applied = self._steps.applied.value
        with Checkpatch(applied, processes=self._processes, cache=self._cache, sandbox=self._steps.sandbox) as script:
            if script.trouble:
                report.text = script.trouble
                return Found([Case(SUITE, "checkpatch", Outcome.SKIP, message=script.trouble)])

            def check(text: PatchText) -> Sequence[CompilerMessage] | str:
                said = script.check(text)
                return said.trouble or said.messages

            return self._of_patches("checkpatch", report, check)

    def _of_patches(
        self, name: str, report: Report, check: Callable[[PatchText], Sequence[CompilerMessage] | str]
    ) -> Found:
        """A case for each patch; where a check gives a text, that says why it could not do its work."""
        found, quiet = Found(), []
        strict = self._steps.plan.strict
        texts = self._texts()
        if not texts:
            found.cases.append(Case(SUITE, name, Outcome.SKIP, message="there is no patch to look at"))
        for text in texts:
            report.say(f"patch {text.name} of {len(texts)}")
            started = time.monotonic()
            said = check(text)
            if isinstance(said, str):
                found.cases.append(Case(SUITE, f"{name}.{text.name}", Outcome.ERROR, message=said))
                continue
            seconds = round(time.monotonic() - started, 3)
            found.cases.append(case_of(name, text.name, said, strict=strict, seconds=seconds))
            if found.cases[-1].outcome is Outcome.PASS:
                quiet.append((f"patch {text.name}", said))
        found.notes += [note] if (note := note_of(name, quiet)) else []
        return found


def _told(found: Found, report: Report, what: str) -> Found:
    """The same, with a line for the progress display."""
    bad = sum(case.outcome.blames_kernel for case in found.cases)
    good = sum(case.outcome is Outcome.PASS for case in found.cases)
    report.good, report.text = not bad, report.text or f"{good} of {len(found.cases)} {what} passed"
    return found

"""The parts of a run's result, read from its steps: what was made of what, and on which machine.

Also of steps that failed, or never came to it.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from harness.errors import HarnessError
from harness.model import AppliedPatch, BaseReport, CheckedKernel, StepTime, SuiteResult, Tree
from harness.run import base
from harness.run.graph import State
from harness.run.outcomes import account_of, checker_cases, done, no_result, stage_case
from harness.run.steps import Steps


def describe_host() -> dict[str, str]:
    """What a reader must know of the machine to judge the times."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return {
        "system": release.get("PRETTY_NAME", platform.system()),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
    }


def times_of(steps: Steps) -> tuple[StepTime, ...]:
    nodes = (node for node in steps.graph.nodes if node.state is State.DONE)
    return tuple(StepTime(node.name, round(node.seconds, 3), node.cached) for node in nodes)


def series_title(steps: Steps) -> str:
    series = done(steps.trees.series)
    return "" if series is None else series.title


def patches_of(steps: Steps) -> tuple[AppliedPatch, ...]:
    applied = done(steps.applied)
    return () if applied is None else applied.patches


def checkers_of(steps: Steps) -> tuple[CheckedKernel, ...]:
    """What the kernels of each profile check that wants it, as far as its tree was made."""
    wanted = ((profile, steps.checked.get(profile.checkers)) for profile in steps.profiles)
    trees = ((profile.name, done(node)) for profile, node in wanted)
    return tuple(CheckedKernel(name, tree.checkers) for name, tree in trees if tree is not None)


def notes_of(steps: Steps) -> tuple[str, ...]:
    """What a reader must know beside the results, and what the tree's own notes do not say."""
    series = done(steps.trees.series)
    notes = [*steps.notes, *steps.archives.notes, *(series.warnings if series is not None else ())]
    if not steps.sandbox.active:
        notes.append(steps.sandbox.note)
    notes += [kernel.text for kernel in checkers_of(steps) if kernel.left_out or not kernel.checkers]
    runners = (account_of(target) for target in steps.targets)
    notes += [note for runner in runners if runner is not None for note in runner.notes]
    tree = tree_of(steps)
    said = tree.notes if tree is not None else ()
    return tuple(note for note in dict.fromkeys(notes) if note not in said)


def tree_of(steps: Steps) -> Tree | None:
    """The tree, with what applying the base fix has found out about it."""
    applied, choice = done(steps.applied), done(steps.trees.base)
    if applied is not None and not applied.reverted:
        return applied.base
    return choice.tree if choice is not None else done(steps.trees.tree)


def base_of(steps: Steps) -> BaseReport | None:
    applied, choice = done(steps.applied), done(steps.trees.base)
    if choice is None or choice.report is None:
        return None
    return choice.report if applied is None else base.after(choice.report, applied)


def host_suites_of(steps: Steps, checks: SuiteResult | None, error: HarnessError | None) -> tuple[SuiteResult, ...]:
    """What ran on the host: the series itself, its checks, and tools/testing/vma."""
    cases = [
        stage_case("series", node)
        for node in (steps.trees.tree, steps.trees.series, steps.trees.base, steps.trees.base_fix, steps.applied)
    ]
    checked = (case for node in steps.checked.values() for case in checker_cases(node))
    output = base.account(base_of(steps), patches_of(steps))
    found = [
        SuiteResult("series", "host", "", (*(case for case in cases if case is not None), *checked), output=output)
    ]
    found += [checks] if checks is not None and done(steps.applied) is not None else []
    vma = done(steps.host_vma)
    if vma is not None:
        found.append(vma)
    elif steps.host_vma is not None:
        why = steps.host_vma.error or error
        found.append(SuiteResult("vma", "host", "", (no_result("vma", "program", why),)))
    return tuple(suite for suite in found if suite.cases)

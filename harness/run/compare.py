"""Two runs held against each other: what became of the patches, and what is good in the one and bad in the other."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import AppliedPatch, Comparison, Kinship, PatchPair, PatchRole, Relation, RunResult, SuiteResult
from harness.verdict.relative import compare


def compare_runs(before: RunResult, after: RunResult) -> Comparison:
    """What the run `after` has found that `before` has not.

    Cases are compared by name on the same architecture and profile, findings by fingerprint; metrics are not.
    """
    old, new = _suites(before), _suites(after)
    judged, differences = compare(new, old)
    old_names, new_names = {suite.classname for suite in old}, {suite.classname for suite in new}
    cases = {(suite.classname, case.name) for suite in old for case in suite.cases}
    worse = [case for suite in judged for case in suite.cases if case.relation is Relation.NEW and case.fails]
    return Comparison(
        patches=pairs(_patches(before), _patches(after)),
        differences=tuple(one for one in differences if _classname(one.where, one.case) in old_names & new_names),
        compared=sum((suite.classname, case.name) in cases for suite in new for case in suite.cases),
        only_before=tuple(sorted(old_names - new_names)), only_after=tuple(sorted(new_names - old_names)),
        notes=_notes(before, after), worse=len(worse),
    )  # fmt: skip


def _classname(where: str, case: str) -> str:
    return where.removesuffix(f".{case}")


def _suites(result: RunResult) -> tuple[SuiteResult, ...]:
    """What both runs may have: not the steps with patches, whose names are numbers."""
    suites = (*result.host_suites, *(suite for target in result.targets for suite in target.suites))
    return tuple(suite for suite in suites if suite.suite not in ("series", "checks"))


def _patches(result: RunResult) -> list[AppliedPatch]:
    return [patch for patch in result.patches if patch.role is PatchRole.SERIES]


def pairs(before: Sequence[AppliedPatch], after: Sequence[AppliedPatch]) -> tuple[PatchPair, ...]:
    """Which patch became which: by what they change, then by subject; in the order of `after`, what is dropped last."""
    left = {patch.number: patch for patch in before}
    found: dict[int, PatchPair] = {}
    for same in (_changes_the_same, _has_the_subject):
        for patch in after:
            old = next((one for one in left.values() if same(one, patch)), None)
            if patch.number not in found and old is not None:
                kinship = Kinship.SAME if _changes_the_same(old, patch) else Kinship.CHANGED
                found[patch.number] = PatchPair(kinship, old.number, patch.number, patch.subject)
                del left[old.number]
    rows = [found.get(patch.number) or PatchPair(Kinship.ADDED, 0, patch.number, patch.subject) for patch in after]
    return (*rows, *(PatchPair(Kinship.DROPPED, patch.number, 0, patch.subject) for patch in left.values()))


def _changes_the_same(one: AppliedPatch, two: AppliedPatch) -> bool:
    return bool(one.patch_id) and one.patch_id == two.patch_id


def _has_the_subject(one: AppliedPatch, two: AppliedPatch) -> bool:
    return one.subject == two.subject


def _notes(before: RunResult, after: RunResult) -> tuple[str, ...]:
    """What is different beside the patches, so that a difference need not be theirs."""
    notes = []
    trees = [result.tree.tree_id if result.tree else "" for result in (before, after)]
    if trees[0] != trees[1]:
        versions = [result.tree.kernel_version if result.tree else "none" for result in (before, after)]
        notes.append(f"the base is another: {versions[0]} and {versions[1]}")
    where = ("tree", "series", "out")
    plans = [{key: value for key, value in result.plan.items() if key not in where} for result in (before, after)]
    changed = sorted(key for key in {**plans[0], **plans[1]} if plans[0].get(key) != plans[1].get(key))
    if changed:
        notes.append(f"the plans differ in {', '.join(changed)}")
    if before.version != after.version:
        notes.append(f"made by vmaharness {before.version} and {after.version}")
    return tuple(notes)

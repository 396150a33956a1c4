"""Results of a target that are kept in the cache, named by everything that they come from.

The tree, configuration, compiler, initramfs with all programs, commands, guest, accelerator, and the harness itself:
the same again would give the same again.  Consoles are kept with them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from harness.guest.accel import choose_accel
from harness.host.cache import Cache
from harness.model import Case, Outcome, TargetResult
from harness.report import results
from harness.run.answers import is_the_kernel_s
from harness.run.own import own_digest
from harness.run.steps import Steps
from harness.run.suites import Prepared
from harness.run.targets import Target

_FORMAT = 1
_RECORD = "result.json"


def kernel_key(steps: Steps, target: Target) -> str:
    """The name of a target's kernel that need not be there yet: of all that it is made from."""
    return steps.builder.key(steps.tree_of(target.profile).value, target.arch, target.profile)


def key(steps: Steps, kernel: str, target: Target, prepared: Sequence[Prepared], *more: object) -> str:
    """The name of everything that the result of a target comes from.

    `kernel` names its kernel, by what it is made from or by what it is; `more` is what else the result depends on.
    """
    plan = steps.tester.plan
    assert target.rootfs is not None
    config = steps.tester.config_of(target)
    commands = [[task.suite.name, *asdict(task.command).values()] for task in steps.tester.tasks(target, prepared)]
    unmade = [item.name for item in prepared if item.suite is None]
    parts = [
        _FORMAT, kernel, target.rootfs.value.digest,
        commands, unmade, plan.retries, plan.guest_seeds, asdict(config),
        choose_accel(config.accel, target.arch)[0], own_digest(), *more,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def load(stored: Cache, kind: str, name: str, directory: Path) -> TargetResult | None:
    """An earlier result, with its consoles copied to this run's `directory`."""
    entry = stored.find(kind, name)
    if entry is None:
        return None
    try:
        found = results.from_json(TargetResult, json.loads((entry / _RECORD).read_text()), directory)
        for console in entry.glob("console-*"):
            shutil.copyfile(console, directory / console.name)
    except (OSError, ValueError):
        return None  # made by another version: made again
    return found


def cases_key(steps: Steps, *parts: object) -> str:
    """The name of what a check says of the series: of the tree, each patch, how strict we are, ourselves, `parts`."""
    applied = steps.applied.value
    patches = [[patch.role, patch.number, patch.digest, patch.commit] for patch in applied.patches]
    own = own_digest(("kernel", "run", "series", "verdict"))
    found = [_FORMAT, applied.base.tree_id, applied.tree_id, patches, steps.plan.strict, own, *parts]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:40]


def load_cases(stored: Cache, kind: str, name: str) -> tuple[list[Case], list[str]] | None:
    """The cases and notes that a check gave; None where it is to be done."""
    entry = stored.find(kind, name)
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((entry / _RECORD).read_text()) if entry is not None else None
        if found is not None:
            return list(results.from_json(tuple[Case, ...], found["cases"], stored.root)), [*found["notes"]]
    return None


def keep_cases(stored: Cache, kind: str, name: str, cases: Sequence[Case], notes: Sequence[str]) -> None:
    """Keep what a check gave if it has said good or bad of everything: what was skipped may be possible next time."""
    if not cases or any(case.outcome not in (Outcome.PASS, Outcome.FAIL) for case in cases):
        return

    def fill(entry: Path) -> None:
        data = {"cases": results.to_json(tuple(cases), stored.root), "notes": list(notes)}
        (entry / _RECORD).write_text(json.dumps(data))

    stored.get(kind, name, fill)


def keep(stored: Cache, kind: str, name: str, result: TargetResult, directory: Path) -> None:
    """Keep the result of a target if all of it is the kernel's doing."""
    cases = [case for suite in result.suites for case in suite.cases]
    if not result.boots or not is_the_kernel_s(cases):
        return

    def fill(entry: Path) -> None:
        (entry / _RECORD).write_text(json.dumps(results.to_json(result, directory)))
        again = [proof.again for proof in result.exact.proofs] if result.exact is not None else []
        for console in {*(boot.console for boot in result.boots), *again}:
            if console.is_file():
                shutil.copyfile(console, entry / console.name)

    stored.get(kind, name, fill)

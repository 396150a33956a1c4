"""Prices that were kept under a name, and how a metric has changed over them.

One file a name in a directory of the user's: no cache removes it.  Costs are held against each other only where the
same programs counted them in the same guests by the same means.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from harness.costs import Mode, Point, Price, Samples, Side
from harness.errors import InputError, UserError
from harness.model import RunResult, TargetResult
from harness.report import results
from harness.report.files import write_atomic

FORMAT = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Saved:
    """What was kept of a run."""

    name: str
    saved: str  # ISO 8601, UTC
    version: str  # of vmaharness
    kernel_version: str
    tree: str
    series: str  # title
    points: tuple[Point, ...]
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Step:
    """A point of a metric's history, held against the one before it."""

    saved: Saved
    point: Point
    change: float | None  # None: it is the first, or the one before was counted by other means
    marked: bool  # the change is one


def check_name(directory: Path, name: str) -> Path:
    """The file of a name that is free.  Raises UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(f"--save {name[:64]}: not a name", fix="letters, digits and . _ + -, 64 at most")
    path = directory / f"{name}.json"
    if path.exists():
        raise UserError(f"--save {name}: {path} is there already", fix="choose another name, or remove the file")
    return path


def save(result: RunResult, directory: Path, name: str) -> Path:
    """Keep what a run came to.  Raises UserError for a name that is not free or a run without prices, InfraError."""
    path = check_name(directory, name)
    if result.cost is None or result.cost.void or not result.cost.prices or result.tree is None:
        raise UserError(f"--save {name}: there is nothing to keep: the run has no prices")
    points = [point for price in result.cost.prices for point in _points(price, result)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    saved = Saved(
        name, now, result.version, result.tree.kernel_version, result.tree.spec, result.series, tuple(points)
    )  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(results.to_json(saved, directory), indent=1) + "\n").encode())
    return path


def _points(price: Price, result: RunResult) -> list[Point]:
    assert result.cost is not None
    target = next(one for one in result.targets if (one.arch, one.profile) == (price.arch, price.profile))
    found = []
    for side, cost in ((Side.BASE, price.base), (Side.SERIES, price.series)):
        kernel = next(
            (one for one in result.cost.kernels if (one.side, one.arch, one.profile) == (side, *_of(price))), None
        )
        if cost is None or kernel is None:
            continue
        mine = [one for one in result.cost.samples if (one.metric, one.side, one.arch, one.profile) == (
            price.metric, side, *_of(price))]  # fmt: skip
        least = max(price.moved or 0.0, price.again or 0.0, price.least if side is Side.SERIES else 0.0)
        found.append(
            Point(price.metric, price.operation, *_of(price), price.mode, side, kernel.commit, cost, least,
                  _means(target, mine))
        )  # fmt: skip
    return found


def _of(price: Price) -> tuple[str, str]:
    return price.arch, price.profile


def _means(target: TargetResult, samples: Sequence[Samples]) -> str:
    """Names what a cost was counted by, beside the kernel."""
    compiler = target.build.toolchain.digest if target.build is not None else ""
    programs = target.rootfs.digest if target.rootfs is not None else ""
    boots = sorted({(one.accel, one.machine, one.smp, one.memory_mib) for one in target.boots})
    each = sorted((one.seed, one.cpus, len(one.repetitions)) for one in samples)
    return hashlib.sha256(repr((compiler, programs, boots, each)).encode()).hexdigest()[:16]


def load(directory: Path) -> list[Saved]:
    """All that was kept, the oldest first.  Raises InputError for a file that is none of ours."""
    found = []
    for path in sorted(directory.glob("*.json")):
        try:
            saved = results.from_json(Saved, json.loads(path.read_text(encoding="utf-8")), directory)
        except (OSError, ValueError) as error:
            raise InputError(
                path, 0, "holds no prices that were kept", fix="remove it, or name another directory"
            ) from error
        found.append(saved)
    return sorted(found, key=lambda saved: (saved.saved, saved.name))


def history(kept: Sequence[Saved], pattern: str) -> dict[tuple[str, str, str], list[Step]]:
    """How each metric (of an architecture and profile) that a glob matches has changed from kernel to kernel.

    A change point is where the cost moves by more than either run would call a change.
    """
    found: dict[tuple[str, str, str], list[Step]] = {}
    for saved in kept:
        for point in saved.points:
            if not fnmatchcase(point.metric, pattern):
                continue
            steps = found.setdefault((point.metric, point.arch, point.profile), [])
            last = steps[-1].point if steps else None
            if last is not None and (last.commit, last.means, last.cost) == (point.commit, point.means, point.cost):
                continue  # the same kernel again
            steps.append(_step(saved, point, last))
    return found


def _step(saved: Saved, point: Point, last: Point | None) -> Step:
    if last is None or (last.means, last.mode) != (point.means, point.mode):
        return Step(saved, point, None, marked=False)
    change = point.cost - last.cost
    marked = point.mode is not Mode.RELATIVE and abs(change) > max(point.least, last.least)
    return Step(saved, point, change, marked=marked)

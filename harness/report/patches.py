"""RunResult -> the patches of the series, a row each: what was done with each, and which of them broke what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.model import Case, Outcome, PatchResult, RunResult
from harness.report.text import one_line
from harness.report.words import WORDS

_MOST_BLAMES = 10
_SUBJECT = 40  # characters that a subject is cut to, at least

Cell = tuple[str, bool | None]
"""A word, and whether it is good; None: neither."""


def rows(result: RunResult) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """The columns, and for each patch its name and a cell for each column."""
    columns = _columns(result.per_patch)
    total = len(result.per_patch)
    found = []
    for patch in result.per_patch:
        cells = [_cell(patch, stages) for stages in (_stages(patch, column) for column in columns)]
        found.append((f"{patch.number}/{total} {one_line(patch.subject)}", cells))
    return [_title(column, result) for column in columns], found


def table(result: RunResult, width: int) -> list[tuple[str, bool | None]]:
    """The lines of the table; whether all of a line is good, for its colour."""
    if not result.per_patch:
        return []
    columns, found = rows(result)
    widths = [max(len(column), *(len(cells[at][0]) for _, cells in found)) for at, column in enumerate(columns)]
    room = max(_SUBJECT, width - sum(widths) - 2 * len(widths))
    names = min(room, max(len("patch"), *(len(name) for name, _ in found)))
    lines: list[tuple[str, bool | None]] = [(_line("patch", columns, names, widths), None)]
    for name, cells in found:
        good = None if all(word_good is None for _, word_good in cells) else all(good is not False for _, good in cells)
        lines.append((_line(_cut(name, names), [word for word, _ in cells], names, widths), good))
    return lines


def blames(result: RunResult, width: int) -> list[str]:
    """A line for each patch that broke something, with the first of what it broke."""
    total = len(result.per_patch)
    lines = []
    for number in dict.fromkeys(blame.number for blame in result.blames):
        its = [blame for blame in result.blames if blame.number == number]
        who = f"patch {number}/{total} “{one_line(its[0].subject)}”" if number else "the base"
        more = f" and {len(its) - 1} more" if len(its) > 1 else ""
        fixed = max(blame.fixed_by for blame in its) if all(blame.fixed_by for blame in its) else 0
        until = f" (until patch {fixed})" if fixed else ""
        lines.append(f"Broken by {who}{until}:")
        words = one_line(f"{its[0].where}: {its[0].title}", max(width, _SUBJECT) - 4 - len(more))
        lines.append(f"    {words}{more}")
    left = len(lines) - 2 * _MOST_BLAMES
    return [*lines[: 2 * _MOST_BLAMES], *([f"… and {left // 2} patches more: see results.json"] if left > 0 else [])]


def notes(result: RunResult) -> list[str]:
    """What a reader must know of single patches: new warnings, kernels that are an earlier one's."""
    total = len(result.per_patch)
    found = []
    for patch in result.per_patch:
        name = f"patch {patch.number}/{total}"
        if patch.warnings:
            found.append(f"{name}: {len(patch.warnings)} new compiler warnings, first {one_line(patch.warnings[0])}")
        for same in patch.same:
            found.append(f"{name}: {same.arch} {same.profile}: the kernel of patch {same.number}, bit for bit")
    return found


# --- cells ----------------------------------------------------------------------------------------------------


def _columns(patches: Iterable[PatchResult]) -> list[str]:
    """`checks`, `vma`, and for each target its build and its tests: the beginnings of stages' names."""
    found: dict[str, None] = {}
    for patch in patches:
        for case in patch.stages.cases:
            found[_column(case)] = None
    order = {"checks": 0, "vma": 1}
    return sorted(found, key=lambda column: order.get(column, 2 + column.endswith(".test")))


def _column(case: Case) -> str:
    place, _, stage = case.name.rpartition(".")
    return f"{place}.{stage if stage == 'build' else 'test'}" if place else stage


def _title(column: str, result: RunResult) -> str:
    """`x86_64 build`; with the profile where there are several."""
    place, _, stage = column.rpartition(".")
    arch, _, profile = place.partition(".")
    several = len({target.profile for target in result.targets}) > 1
    return " ".join(word for word in (arch, profile if several else "", stage) if word)


def _stages(patch: PatchResult, column: str) -> list[Case]:
    return [case for case in patch.stages.cases if _column(case) == column]


def _cell(patch: PatchResult, stages: Sequence[Case]) -> Cell:
    if not stages:
        return "-", None
    if bad := [case for case in stages if case.outcome.blames_kernel]:
        own = [case for case in bad if not case.excused]
        return (WORDS[own[0].outcome], False) if own else (bad[0].excused.replace("patch ", ""), False)
    if any(case.outcome is Outcome.ERROR for case in stages):
        return "ERROR", False
    place, _, stage = stages[0].name.rpartition(".")
    earlier = next((same.number for same in patch.same if f"{same.arch}.{same.profile}" == place), 0)
    if earlier and stage != "build":
        return f"as {earlier}", True
    passed = any(case.outcome is Outcome.PASS for case in stages)
    return ("ok", True) if passed else (WORDS[stages[0].outcome], None)


def _line(name: str, cells: Sequence[str], size: int, widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([name.ljust(size), *padded]).rstrip()


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"

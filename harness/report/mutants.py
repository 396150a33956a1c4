"""MutantsResult -> mutants.json and what a person reads: the verdict, a table of mutants and targets, the survivors.

Returns text and prints nothing.  What guests and patches said goes through `text.one_line`.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from harness.model import Fate, MutantResult, MutantsResult, MutantTarget, Outcome, Sighting
from harness.report.files import Layout, write_atomic
from harness.report.results import to_json
from harness.report.text import count, one_line, seconds

RESULTS = "mutants.json"

_WORDS = {
    Fate.CAUGHT: "caught",
    Fate.SURVIVED: "SURVIVED",
    Fate.SAME: "same kernel",
    Fate.BROKEN: "BROKEN",
    Fate.UNKNOWN: "NO VERDICT",
}
_STATES = {Outcome.PASS: "PASS", Outcome.FAIL: "FAIL", Outcome.NOT_RUN: "NOTHING RAN"}
_HOST_PASSED = "passed"


def publish(result: MutantsResult, directory: Path) -> None:
    """Write mutants.json and summary.txt.  Raises InfraError when one cannot be written."""
    data = to_json(result, directory.absolute())
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(directory / RESULTS, text.encode())
    write_atomic(Layout(directory).summary, summary(result, directory=directory).encode("utf-8", "backslashreplace"))


def summary(result: MutantsResult, *, directory: Path | None = None, width: int = 100) -> str:
    """The report, ending in a line break."""
    sections = (_verdict(result, width), _table(result), _caught(result, width), _uncaught(result, width))
    notes = [line for note in result.notes for line in _wrap(f"Note    {one_line(note)}", width, 8)]
    where = [f"Results {directory}"] if directory is not None else []
    return "\n\n".join("\n".join(lines) for lines in (*sections, notes, where) if lines) + "\n"


def _wrap(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def _verdict(result: MutantsResult, width: int) -> list[str]:
    word = _STATES.get(result.outcome, "ERROR")
    tree = f"{result.tree.kernel_version} ({result.tree.spec})" if result.tree else "no tree"
    said = f"{word}  {one_line(result.message, 2000)}"
    about = f"{count(len(result.mutants), 'mutant')} of {one_line(tree)} · {seconds(result.seconds)}"
    return [*_wrap(said, width, len(word) + 2), " " * (len(word) + 2) + about]


def _word(target: MutantTarget) -> str:
    if target.arch == "host" and target.fate is Fate.SURVIVED:
        return _HOST_PASSED  # most mutants are beyond it
    return _WORDS[target.fate]


def _table(result: MutantsResult) -> list[str]:
    """Mutants down, targets across."""
    columns = list(dict.fromkeys(target.name for mutant in result.mutants for target in mutant.targets))
    if not columns:
        return []
    rows = [["", *(f"vma on the {name}" if name == "host" else name for name in columns)]]
    for mutant in result.mutants:
        cells = {target.name: _word(target) for target in mutant.targets}
        rows.append([mutant.name, *(cells.get(name, "-") for name in columns)])
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in rows]


def _caught(result: MutantsResult, width: int) -> list[str]:
    """By which case and finding, after how much."""
    lines = []
    for mutant, target in _targets(result):
        if target.sightings:
            first = target.sightings[0]
            what = first.title or first.message or first.outcome.value
            lines.append(one_line(f"{mutant.name} on {target.name}: {first.case} ({first.outcome}): {what}", width))
            lines.append(f"    {after(first)}")
    return lines


def after(seen: Sighting) -> str:
    """How much had been done when it was seen.  A case counts its own operations when it ends, so these are a limit."""
    own = f"within {seen.operations:,} operations of the case" if seen.operations else "in a case that came to no count"
    when = f" ({seconds(seen.seconds)})" if seen.seconds else ""
    if not seen.cases_before:
        return f"{own}{when}, the first that ran"
    return f"{own}{when}, after {seen.cases_before} cases with {seen.before:,} operations"


def _uncaught(result: MutantsResult, width: int) -> list[str]:
    lines = []
    for mutant, target in _targets(result):
        if target.fate is not Fate.CAUGHT and target.arch != "host":
            said = f"{_word(target)}  {mutant.name}  {target.name}: {one_line(target.message)}"
            lines += _wrap(said, width, 4)
            if target.fate is Fate.SURVIVED and mutant.expected:
                hoped = one_line(f"expected: {' '.join(mutant.expects)} {mutant.expected}", width - 4)
                lines.append(f"    {hoped}")
    return lines


def _targets(result: MutantsResult) -> list[tuple[MutantResult, MutantTarget]]:
    return [(mutant, target) for mutant in result.mutants for target in mutant.targets]

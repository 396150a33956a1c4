"""BisectResult -> bisect.json and what a person reads: the patch, the failure, what is proven, and what it took.

Returns text and prints nothing.  What guests and patches said goes through `text.one_line` and `text.clean`.
"""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

from harness.model import BisectEnd, BisectResult, Candidate, ProbeResult, ProbeRole, Rung, Verdict
from harness.report.files import Layout, write_atomic
from harness.report.results import to_json
from harness.report.text import clean, count, one_line, seconds

RESULTS = "bisect.json"

_WORDS = {
    BisectEnd.FOUND: "FOUND", BisectEnd.CANDIDATES: "NOT ONE", BisectEnd.TIP_GOOD: "NOT THERE",
    BisectEnd.BASE_BAD: "NOT NEW", BisectEnd.UNTESTABLE: "UNTESTABLE", BisectEnd.UNFINISHED: "UNFINISHED",
}  # fmt: skip
_RUNGS = {
    Rung.COMMAND: "the command", Rung.HOST: "tools/testing/vma on the host, no kernel built",
    Rung.BUILD: "builds, no guest booted", Rung.GUEST: "guests",
}  # fmt: skip
_MOST_LINES = 24  # of what the failure looks like
_MOST_LISTED = 20


def publish(result: BisectResult, directory: Path) -> None:
    """Write bisect.json and summary.txt.  Raises InfraError when one cannot be written."""
    data = to_json(result, directory.absolute())
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(directory / RESULTS, text.encode())
    text = summary(result, directory=directory, width=120)
    write_atomic(Layout(directory).summary, text.encode("utf-8", "backslashreplace"))


def summary(result: BisectResult, *, directory: Path | None = None, width: int = 100) -> str:
    """The report, ending in a line break."""
    sections = (_head(result, width), _table(result, width), _failure(result), _facts(result, width))
    where = []
    if directory is not None:
        where = [f"Results {directory}", f"State   git -C {directory}/bisect.git bisect log"]
        where += [f"Patch   {result.patch}"] if result.patch is not None else []
    return "\n\n".join("\n".join(lines) for lines in (*sections, where) if lines) + "\n"


def _wrap(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def _place(result: BisectResult, one: Candidate) -> str:
    return f"{one.number}/{len(result.candidates) - 1} {one.commit[:12]} “{one_line(one.subject, 120)}”"


def _head(result: BisectResult, width: int) -> list[str]:
    word = _WORDS[result.end]
    lines: list[str] = []
    if result.end is BisectEnd.FOUND:
        lines += _wrap(f"{word}  {_place(result, result.culprits[0])}", width, len(word) + 2)
    else:
        lines += _wrap(f"{word}  {one_line(result.message, 2000)}", width, len(word) + 2)
    if result.end is BisectEnd.CANDIDATES:
        lines += [f"    {one_line(_place(result, one), width - 4)}" for one in result.culprits[:_MOST_LISTED]]
        more = len(result.culprits) - _MOST_LISTED
        lines += [f"    and {more} more"] if more > 0 else []
    pad = " " * (len(word) + 2)
    if result.sought is not None:
        where = "" if result.sought.rung is Rung.COMMAND else f"{result.sought.where}: "
        lines += _wrap(f"{pad}{where}{one_line(result.sought.title)}", width, len(pad) + 2)
    tree = f"{result.tree.kernel_version} ({_short(result.tree.spec)})" if result.tree else "no tree"
    total = count(max(0, len(result.candidates) - 1), "patch", "patches")
    lines += _wrap(f"{pad}{_short(result.title)}: {total} on {tree} · {seconds(result.seconds)}", width, len(pad) + 2)
    return lines


def _short(text: str) -> str:
    """On one line, names of commits abbreviated."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b", r"\1", one_line(text))


def _name(result: BisectResult, probe: ProbeResult) -> str:
    if probe.role is ProbeRole.REVERTED:
        return one_line(probe.subject, 60)
    if probe.number == 0:
        return "the base"
    return f"{probe.number}/{len(result.candidates) - 1} {one_line(probe.subject, 50)}"


def _table(result: BisectResult, width: int) -> list[str]:
    """Every commit that was tested, in the order of the series."""
    order = sorted(result.probes, key=lambda probe: (probe.role is ProbeRole.REVERTED, probe.number))
    rows = [(_name(result, probe), probe.verdict.value, probe.runs.text, one_line(probe.why)) for probe in order]
    if not rows:
        return []
    widest = max(len(row[0]) for row in rows)
    return [
        one_line_kept(f"{name:<{widest}}  {verdict:<4}  {runs:>8}  {why}".rstrip(), width)
        for name, verdict, runs, why in [("", "", "failed", ""), *rows]
    ]


def one_line_kept(text: str, limit: int) -> str:
    """Cut at the end, with the white space that makes columns."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _failure(result: BisectResult) -> list[str]:
    """What the failure looks like at the culprit, or else at the tip."""
    wanted = result.culprits[-1].commit if result.culprits else ""
    bad = [probe for probe in result.probes if probe.verdict is Verdict.BAD]
    shown = next((probe for probe in bad if probe.commit == wanted), bad[0] if bad else None)
    if shown is None or not shown.detail:
        return []
    lines = clean(shown.detail).rstrip().splitlines()
    cut = [f"    … {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    return [f"At {_name(result, shown)}:", *(f"    {line}" for line in lines[:_MOST_LINES]), *cut]


def _facts(result: BisectResult, width: int) -> list[str]:
    lines: list[str] = []
    if result.proof:
        lines.append("Proven  by three trees" if result.proven else "NOT fully proven")
        lines += [line for words in result.proof for line in _wrap(f"        {one_line(words)}", width, 10)]
    if result.rate is not None and result.sought is not None:
        lines += _wrap(f"Sure    {_sure(result)}", width, 8)
    total = len(result.candidates) - 1
    took = f"{count(result.builds, 'build')}, {count(result.boots, 'boot')}"
    trees = count(len(result.probes), "tree")
    shown = f", by {_RUNGS[result.sought.rung]}" if result.sought is not None else ""
    least = f"a search among {total} and its proof need {result.minimum} at least, beside both ends"
    lines += _wrap(f"Cost    {took} for {trees}{shown}; {least}", width, 8)
    for note in result.notes:
        lines += _wrap(f"Note    {one_line(note)}", width, 8)
    return lines


def _sure(result: BisectResult) -> str:
    assert result.rate is not None
    failed, of = result.rate.failed, result.rate.of
    if result.sought is not None and result.sought.rung is not Rung.GUEST and of == 1:
        return "it was run once at each commit, and taken for the same each time"
    if failed == of:
        return f"it failed in every one of {count(of, 'run')}, and is taken to be there always: one run a commit"
    runs = count(result.runs, "run")
    confidence = f"; {result.confidence:.1%} that the parent has not got it" if result.confidence else ""
    return f"it failed in {result.rate.text} runs, so {runs} without it make a commit good{confidence}"

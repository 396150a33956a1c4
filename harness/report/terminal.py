"""RunResult -> what a person reads: the verdict first, then what failed and how to see it again, then the rest.

Returns text and prints nothing.  All that guests, compilers and patches said goes through `text.one_line`, so that none
of it can drive the terminal.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from harness.model import (
    Accel,
    Case,
    Difference,
    Metric,
    Outcome,
    PatchRole,
    Relation,
    RunResult,
    SuiteResult,
    TargetResult,
)
from harness.report import cost, patches
from harness.report.files import KERNEL_SUITE, log_of
from harness.report.lines import first_place
from harness.report.rerun import capsule_command, rerun_command
from harness.report.text import count, one_line, seconds, standing
from harness.report.words import WORDS

_MOST_FAILURES = 10
_MOST_REASONS = 6
_MOST_METRICS = 8
_MOST_DIFFERENCES = 10

_AS_BEFORE = "same as the base"
_ORDER = (*WORDS.values(), _AS_BEFORE, "known", "flaky")
_BADWORDS = tuple(word for one, word in WORDS.items() if one.blames_kernel or one is Outcome.ERROR)
_GOOD, _BAD, _DIM = "32", "1;31", "2"  # SGR parameters

Paint = Callable[[str, str], str]


def summary(result: RunResult, *, directory: Path | None = None, colour: bool = False, width: int = 100) -> str:
    """The report of a run, ending in a line break.

    `directory` is where the results lie; logs are named relative to it.  Command lines and paths are never cut or
    wrapped, so they can be copied; everything else keeps to `width`.
    """
    paint: Paint = (lambda text, sgr: f"\x1b[{sgr}m{text}\x1b[0m") if colour else (lambda text, sgr: text)
    sections = (
        _verdict(result, paint, width),
        _table(result, paint, width),
        _patches(result, paint, width),
        _failures(result, (directory or Path()).absolute(), paint, width),
        _against_base(result, width),
        _exact(result, width),
        cost.section(result.cost, width) if result.cost is not None else [],
        _left_out(result, width),
        _numbers(result, width),
        _base(result, width),
        _notes(result, width),
        _times(result, width),
        _where(result, directory),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _is_bad(case: Case) -> bool:
    return case.fails or case.outcome is Outcome.ERROR


def _word(case: Case) -> str:
    """What a case counts as in the table."""
    if case.excused and case.outcome.blames_kernel:
        return "known" if case.known else "flaky" if case.relation is not Relation.SAME else _AS_BEFORE
    return WORDS[case.outcome]


def _all_cases(result: RunResult) -> list[tuple[SuiteResult, Case]]:
    return [(suite, case) for suite in result.suites for case in suite.cases]


def _wrap(text: str, width: int, indent: str = "", first: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=indent if first is None else first, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _cut(text: str, width: int) -> str:
    return one_line(text, max(20, width))


# --- the sections ---------------------------------------------------------------------------------------------


def _verdict(result: RunResult, paint: Paint, width: int) -> list[str]:
    """The verdict and why, then what was tested."""
    if result.outcome is Outcome.PASS:
        word, sgr = "PASS", _GOOD
    elif result.outcome in (Outcome.NOT_RUN, Outcome.SKIP):
        word, sgr = "INCOMPLETE" if result.left_out else "NOTHING RAN", _BAD
    else:
        word, sgr = ("FAIL" if result.outcome.blames_kernel else "ERROR"), _BAD
    indent = " " * (len(word) + 2)
    lines = _wrap(one_line(result.message) or _why(result), width, indent, f"{word}  ")
    lines[0] = paint(word, sgr) + lines[0][len(word) :]
    return [*lines, *_wrap(_subject(result), width, indent)]


def _why(result: RunResult) -> str:
    cases = _all_cases(result)
    bad = sum(_is_bad(case) for _, case in cases)
    good = sum(case.outcome is Outcome.PASS for _, case in cases)
    if bad:
        return f"{bad} of {count(len(cases), 'case')} failed"
    so_far = " before the run ended" if result.outcome is Outcome.ERROR else ""
    return f"{good} of {count(len(cases), 'case')} passed{so_far}"


def _subject(result: RunResult) -> str:
    fixes = sum(patch.role is PatchRole.BASE_FIX for patch in result.patches)
    patches = len(result.patches) - fixes
    series = f"“{one_line(result.series)}” ({count(patches, 'patch', 'patches')})" if result.series else "no series"
    tree = f"{one_line(result.tree.kernel_version)} ({one_line(result.tree.spec)})" if result.tree else "no tree"
    if result.base and result.base.presence and not patches:
        series = f"“{one_line(result.series)}” (as the tree has it)"
    with_fixes = f" with {count(fixes, 'base fix', 'base fixes')}" if fixes else ""
    return f"{series} on {tree}{with_fixes} · {seconds(result.seconds)}"


def _table(result: RunResult, paint: Paint, width: int) -> list[str]:
    """Targets down, suites across."""
    targets = [suite for target in result.targets for suite in target.suites]
    names = list(dict.fromkeys(suite.suite for suite in (*targets, *result.host_suites)))
    rows: dict[str, dict[str, Counter[str]]] = {"host": {}} if result.host_suites else {}
    rows |= {_target_name(target.arch, target.profile): {} for target in result.targets}  # also one that has no suites
    for suite in (*result.host_suites, *targets):
        row = rows.setdefault(_target_name(suite.arch, suite.profile), {})
        row.setdefault(suite.suite, Counter()).update(_word(case) for case in suite.cases)
    if not rows:
        return []
    for cell in (_long_cell, _short_cell):
        cells = [[cell(row[name]) if name in row else "-" for name in names] for row in rows.values()]
        lines = [["", *names], *([title, *line] for title, line in zip(rows, cells, strict=True))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        if sum(widths) + 3 * len(names) <= width:
            break
    shown = ["   ".join(cell.ljust(size) for cell, size in zip(lines[0], widths, strict=True)).rstrip()]
    for (title, *line), row in zip(lines[1:], rows.values(), strict=True):
        padded = [cell.ljust(size) for cell, size in zip(line, widths[1:], strict=True)]
        padded[-1] = padded[-1].rstrip()
        coloured = [paint(cell, _cell_colour(row.get(name))) for cell, name in zip(padded, names, strict=True)]
        shown.append("   ".join([title.ljust(widths[0]), *coloured]))
    return shown


def _patches(result: RunResult, paint: Paint, width: int) -> list[str]:
    """The patches of the series one by one, and which of them broke what."""
    colours = {True: _GOOD, False: _BAD, None: _DIM}
    lines = [paint(line, colours[good]) for line, good in patches.table(result, width)]
    blamed = patches.blames(result, width)
    return [*lines, "", *blamed] if blamed else lines


def _target_name(arch: str, profile: str) -> str:
    return f"{arch} {profile}".strip()


def _long_cell(words: Counter[str]) -> str:
    return ", ".join(f"{words[word]} {word}" for word in _ORDER if words[word]) or "NO CASES"


def _short_cell(words: Counter[str]) -> str:
    return f"{words[WORDS[Outcome.PASS]]}/{words.total()}"


def _cell_colour(words: Counter[str] | None) -> str:
    if words is None:
        return _DIM
    if not words or any(words[word] for word in _BADWORDS):
        return _BAD
    return _GOOD if words[WORDS[Outcome.PASS]] else _DIM


def _failures(result: RunResult, directory: Path, paint: Paint, width: int) -> list[str]:
    """Every failed case: what happened, where to read more, how to run it again."""
    bad = [(suite, case) for suite, case in _all_cases(result) if _is_bad(case)]
    lines: list[str] = []
    for suite, case in bad[:_MOST_FAILURES]:
        word = WORDS[case.outcome]
        lines += [""] if lines else []
        lines.append(f"{paint(word, _BAD)}  {one_line(suite.classname)}  {one_line(case.name)}")
        lines.append(f"    {_cut(standing(case) + (case.message or 'no reason given'), width - 4)}")
        if place := first_place(case):
            lines.append(f"    at     {one_line(place)}")
        log = log_of(result, suite, case, directory)
        if log is not None:
            shown = log.relative_to(directory) if log.is_relative_to(directory) else log
            line = f":{case.findings[0].line}" if case.findings and case.findings[0].line else ""
            lines.append(f"    log    {shown}{line}")
        lines.append(f"    again  {rerun_command(result, suite, case)}")
        if case.capsule is not None:
            lines.append(f"    see    {capsule_command(result, case.capsule)}")
    if len(bad) > _MOST_FAILURES:
        lines.append(f"\n… and {len(bad) - _MOST_FAILURES} more: see junit.xml or results.json")
    return lines


def _against_base(result: RunResult, width: int) -> list[str]:
    """What differs from the base, or is as bad there; and what failed without counting."""
    found = result.baseline.differences if result.baseline else ()
    lines = [*_excused(result, width), *_unlike(found, width)]
    left = len(lines) - _MOST_DIFFERENCES
    lines = [*lines[:_MOST_DIFFERENCES], *([f"… and {left} more: see results.json"] if left > 0 else [])]
    if found:
        count_of = Counter(difference.relation for difference in found)
        numbers = ", ".join(f"{number} {relation.value}" for relation, number in count_of.items())
        lines.insert(0, f"Against the base: {numbers} (cases and findings)")
    elif result.baseline and not result.baseline.notes:
        lines.insert(0, "Against the base: nothing is new, and nothing was wrong before")
    return lines


def _excused(result: RunResult, width: int) -> list[str]:
    """What failed without counting, but for what the base has too."""
    lines = []
    for suite, case in _all_cases(result):
        if case.outcome.blames_kernel and case.excused and _word(case) != _AS_BEFORE:
            word, place = _word(case).capitalize(), f"{one_line(suite.classname)}  {one_line(case.name)}"
            lines.append(f"{word}  {place}: {_cut(standing(case) + case.message, width - len(word) - len(place) - 4)}")
    return lines


def _unlike(found: Sequence[Difference], width: int) -> list[str]:
    """A line for each, the finding rather than the case that has it; what is new is among the failures already."""
    told = {(one.relation, one.where) for one in found if one.fingerprint}
    lines = []
    for one in found:
        ran_well = one.relation is Relation.GONE and one.base == Outcome.PASS.value  # said by its reason
        if one.relation is Relation.NEW or ran_well or (not one.fingerprint and (one.relation, one.where) in told):
            continue
        word, place = one.relation.value.capitalize(), one_line(one.where)
        lines.append(f"{word}  {place}: {_cut(one.base or one.series, width - len(word) - len(place) - 4)}")
    return lines


def _exact(result: RunResult, width: int) -> list[str]:
    """What exact guests came to: the races they reached, and whether failures are the same again."""
    lines = []
    for target in result.targets:
        if target.exact is None:
            continue
        proofs = [one_line(proof.words, 400) for proof in target.exact.proofs]
        priced = result.cost is not None  # by programs that are there to meet no race
        if priced and not proofs:
            continue
        what = "what failed, once more:" if priced else f"races reached: {target.exact.races}"
        lines += _wrap(f"{_target_name(target.arch, target.profile)}: {what}", width, "        ", "Exact   ")
        lines += [line for words in proofs for line in _wrap(words, width, "        ", "        ")]
    return lines


def _left_out(result: RunResult, width: int) -> list[str]:
    """What was not run, by reason."""
    reasons = Counter(
        (case.outcome, one_line(suite.classname), one_line(case.message))
        for suite, case in _all_cases(result)
        if case.outcome in (Outcome.NOT_RUN, Outcome.SKIP)
    )
    lines = [
        _cut(f"{WORDS[outcome].capitalize()}: {count(number, 'case')} of {name}: {why}", width)
        for (outcome, name, why), number in list(reasons.items())[:_MOST_REASONS]
    ]
    if result.left_out:
        lines = [
            *_wrap(f"No time was left for: {', '.join(map(one_line, result.left_out))}", width, "    ", ""),
            *lines,
        ]
    more = len(reasons) - _MOST_REASONS
    return [*lines, f"… and {count(more, 'reason')} more: see results.json"] if more > 0 else lines


def _numbers(result: RunResult, width: int) -> list[str]:
    """The first metric of each case, targets across; where there are many, of one case for each workload."""
    rows: dict[str, dict[str, Metric]] = {}
    for suite, case in _all_cases(result):
        row = rows.setdefault(f"{suite.suite} {one_line(case.name)}", {})
        if case.metrics and case.outcome is Outcome.PASS:
            row[_target_name(suite.arch, suite.profile)] = case.metrics[0]
    rows = {name: row for name, row in rows.items() if row}
    if not rows or result.cost is not None:
        return []
    targets = list(dict.fromkeys(name for row in rows.values() for name in row))
    tcg = any(boot.accel is Accel.TCG for target in result.targets for boot in target.boots)
    shown = list((rows if len(rows) <= _MOST_METRICS else _one_a_workload(rows)).items())[:_MOST_METRICS]
    lines = [["", *targets]]
    lines += [[name, *(_value(row.get(target)) for target in targets)] for name, row in shown]
    text = [_cut_right(line, width) for line in _aligned(lines)]
    text[0] = "Numbers" + text[0][len("Numbers") :]
    more = len(rows) - len(shown)
    if more:
        text.append(f"… and {count(more, 'case')} more: see results.json")
    if tcg:
        text.append("Taken under TCG: they say nothing about hardware.")
    return text


def _one_a_workload(rows: dict[str, dict[str, Metric]]) -> dict[str, dict[str, Metric]]:
    """The first of the cases whose names differ only in the number they end in: the one with fewest threads."""
    first = {re.sub(r"[^A-Za-z0-9]?[0-9]+(?:@[0-9]+)?$", "", name): name for name in reversed(rows)}
    return {name: row for name, row in rows.items() if name in first.values()}


def _value(metric: Metric | None) -> str:
    return "-" if metric is None else f"{metric.value:,.4g} {metric.unit}" if metric.value < 1000 else (
        f"{metric.value:,.0f} {metric.unit}"
    )  # fmt: skip


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Columns two blanks apart: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[0] = max(widths[0], len("Numbers"))
    return [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(size) for cell, size in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]


def _cut_right(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _base(result: RunResult, width: int) -> list[str]:
    """Whether the tree is the one that the series was made for, and whether the result is the one it names."""
    if result.base is None:
        return []
    lines = _wrap(one_line(result.base.text), width, "        ", "Base    ")
    for patch in result.base.presence:
        lines += _wrap(one_line(f"patch {patch.number} {patch.text}"), width, " " * 10, " " * 8)
    return lines


def _notes(result: RunResult, width: int) -> list[str]:
    """What a reader must know to believe the rest."""
    said = (*result.notes, *(result.base.notes if result.base else ()), *(result.tree.notes if result.tree else ()))
    notes = [one_line(note) for note in dict.fromkeys(said)]
    notes += [text for kernel in result.checkers if (text := one_line(kernel.text)) not in notes]
    boots = [boot for target in result.targets for boot in target.boots]
    accels: dict[str, dict[str, None]] = {}
    for boot in boots:
        accels.setdefault(f"{boot.accel.upper()}: {one_line(boot.accel_reason)}", {})[boot.arch] = None
    notes += [f"{' and '.join(arches)} guests ran under {reason}" for reason, arches in accels.items()]
    notes += [*filter(None, map(_warnings, result.targets)), *patches.notes(result)]
    return [line for note in notes for line in _wrap(note, width, "        ", "Note    ")]


def _warnings(target: TargetResult) -> str:
    """The compiler's warnings: how many, and the first."""
    messages = target.build.messages if target.build else ()
    warnings = [message for message in messages if message.severity == "warning"]
    if not warnings:
        return ""
    first = warnings[0]
    place = f"{first.path}:{first.line}: " if first.path else ""
    number = count(len(warnings), "compiler warning")
    return f"{_target_name(target.arch, target.profile)}: {number}, first {one_line(place + first.text)}"


def _times(result: RunResult, width: int) -> list[str]:
    lines = []
    size = max((len(_target_name(target.arch, target.profile)) for target in result.targets), default=0)
    for target in result.targets:
        parts = []
        if build := target.build:
            parts.append("build cached" if build.cached else f"build {seconds(build.seconds)}")
        for boot in target.boots[-1:]:
            parts += [f"init {seconds(boot.init_s)}"] if boot.init_s else []
            parts += [f"SSH {seconds(boot.ssh_s)}"] if boot.ssh_s else []
        parts += [f"{suite.suite} {seconds(suite.seconds)}" for suite in _timed(target.suites)]
        if parts:
            first = f"Time    {_target_name(target.arch, target.profile).ljust(size)}  "
            lines += _wrap(" · ".join(part.replace(" ", "\xa0") for part in parts), width, " " * len(first), first)
    return [line.replace("\xa0", " ") for line in lines]


def _timed(suites: Iterable[SuiteResult]) -> list[SuiteResult]:
    return [suite for suite in suites if suite.seconds and suite.suite != KERNEL_SUITE]


def _where(result: RunResult, directory: Path | None) -> list[str]:
    return [f"Results {directory}"] if directory else []

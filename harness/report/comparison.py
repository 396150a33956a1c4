"""Comparison -> what a person reads: the patches as a range-diff has them, then what is worse, then what is better."""

from __future__ import annotations

from collections import Counter

from harness.model import Comparison, Difference, Kinship, Outcome, PatchPair, Relation, RunResult
from harness.report.text import count, one_line

_SIGNS = {Kinship.SAME: "=", Kinship.CHANGED: "!", Kinship.ADDED: ">", Kinship.DROPPED: "<"}
_MOST_DIFFERENCES = 30
_WORDS = {Relation.NEW: "Worse", Relation.FIXED: "Fixed", Relation.SAME: "Still", Relation.GONE: "Not seen"}


def text(found: Comparison, before: RunResult, after: RunResult, *, width: int = 100) -> str:
    """The report, ending in a line break."""
    sections = [_verdict(found, before, after), _patches(found), _differences(found, width), _left_out(found)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _verdict(found: Comparison, before: RunResult, after: RunResult) -> list[str]:
    if found.worse:
        words = f"WORSE  {count(found.worse, 'case')} that did not fail before"
    elif not found.compared:
        words = "NOTHING TO COMPARE  the runs have no case in common"
    else:
        words = f"NO WORSE  of {count(found.compared, 'case')} that both runs have"
    runs = [
        f"{name}  {one_line(run.series) or 'no series'}: {run.outcome}, {one_line(run.message, 120)}"
        for name, run in (("before", before), ("after ", after))
    ]
    return [words, *runs]


def _patches(found: Comparison) -> list[str]:
    """`2:  3 ! subject`, as git range-diff writes it."""
    if all(pair.kinship is Kinship.SAME and pair.before == pair.after for pair in found.patches):
        return ["Patches: the same"] if found.patches else []
    return ["Patches", *(_pair(pair) for pair in found.patches)]


def _pair(pair: PatchPair) -> str:
    before, after = (str(number) if number else "-" for number in (pair.before, pair.after))
    return f"  {before:>3}: {after:>3} {_SIGNS[pair.kinship]} {one_line(pair.subject)}"


def _differences(found: Comparison, width: int) -> list[str]:
    lines = [_difference(one, width) for one in found.differences]
    number = Counter(one.relation for one in found.differences)
    numbers = ", ".join(f"{number[relation]} {word.lower()}" for relation, word in _WORDS.items() if number[relation])
    left = len(lines) - _MOST_DIFFERENCES
    more = [f"… and {left} more"] if left > 0 else []
    return [f"Cases and findings: {numbers}", *lines[:_MOST_DIFFERENCES], *more] if lines else []


def _difference(one: Difference, width: int) -> str:
    if one.fingerprint:
        said = one.series or one.base
    else:
        said = " -> ".join(outcome or "no such case" for outcome in (one.base, one.series))
        said = said if one.base != one.series else (one.series or Outcome.NOT_RUN.value)
    word = _WORDS[one.relation]
    return f"  {word:<8}  {one_line(f'{one.where}: {said}', max(width, 60) - 12)}"


def _left_out(found: Comparison) -> list[str]:
    lines = [f"Note    {one_line(note)}" for note in found.notes]
    lines += [f"Note    only before: {name}" for name in found.only_before]
    return lines + [f"Note    only after: {name}" for name in found.only_after]

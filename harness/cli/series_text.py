"""A survey for people: what is there, what is not, what would be applied; readable in ten seconds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from harness.model import BaseState, FileBase
from harness.series.diffstat import counted
from harness.series.survey.listing import States, author_of, chosen_of, completeness
from harness.series.survey.survey import Survey, SurveyedPatch, SurveyedSeries, reason, short

_FINE = (BaseState.EXACT, BaseState.NEW)
_WORST = (BaseState.MISMATCH, BaseState.BROKEN, BaseState.OTHER, BaseState.UNKNOWN)


def as_text(found: Survey, states: States, *, width: int) -> str:
    """The whole survey."""
    chosen, refused = chosen_of(found)
    blocks = ["\n".join(_series(found, series, states.get(index), width)) for index, series in enumerate(found.series)]
    blocks.append("\n".join(_rest(found, chosen, refused)))
    text = "\n\n".join(block for block in blocks if block)
    # Whatever a stranger's document has, it moves no cursor.
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _series(
    found: Survey, series: SurveyedSeries, states: Sequence[Sequence[FileBase]] | None, width: int
) -> Iterator[str]:
    yield f"{series.title}: v{series.version}, {completeness(series)}"
    date = (series.cover.date if series.cover is not None else "") or series.patches[0].piece.date
    yield "  " + ", ".join(part for part in (author_of(series), date) if part)
    if states is not None:
        yield f"  on this tree: {_on_tree(states)}"
    if series.applicable:
        yield "  applicable, in this order:"
    else:
        yield f"  not applicable: {reason(found.source, series)}"
        yield from (f"  fix: {error.fix}" for error in series.objections[:1] if error.fix)
    for index, patch in enumerate(series.patches):
        row = states[index] if states is not None and len(states) == len(series.patches) else None
        yield from _patch(patch, row, width, alone=len(series.patches) == 1)
    if series.cover is not None:
        yield f"   0  {series.cover.subject.title}  (cover letter: kept, not applied)"
        yield from _trailers(series.cover_trailers, width)
    for each in series.duplicates:
        same = "the same patch as" if each.same else "another patch than"
        yield f"  twice: {each.number or each.subject} ({each.place}), {same} {each.first}"
    if series.base.commit:
        yield f"  base-commit: {series.base.commit}"
    if series.base.prerequisite_patch_ids:
        yield f"  prerequisites: {len(series.base.prerequisite_patch_ids)} patches, by patch-id"
    for words in series.base.said:
        yield from _wrapped(f"base, as it says: {words}", width, indent=2)
    yield from (f"  warning: {words}" for words in series.warnings)


def _patch(patch: SurveyedPatch, states: Sequence[FileBase] | None, width: int, *, alone: bool) -> Iterator[str]:
    piece = patch.piece
    real = counted(piece.files)
    counts = f"  +{real.additions} -{real.deletions}" if piece.files else ""
    yield f"{patch.number:4}  {piece.subject.title or piece.place}{counts}"
    yield from _wrapped(", ".join(f"{file.path} +{file.additions} -{file.deletions}" for file in piece.files), width)
    if piece.error is not None and not alone:
        yield f"      {short('', piece.error)} ({piece.place})"
    yield from _trailers(patch.trailers, width)
    yield from (f"      {each.path}: {each.text}" for each in states or () if _is_odd(each))
    for fixup in patch.fixups:
        changed = counted(fixup.files)
        yield f"      + {fixup.subject.title}  +{changed.additions} -{changed.deletions}  (squashed into it)"


def _is_odd(base: FileBase) -> bool:
    """Whether a file is to be named: where the series first finds another one, what follows from that is not said."""
    return base.state not in _FINE and not (base.chained and base.state is BaseState.MISMATCH)


def _on_tree(states: Sequence[Sequence[FileBase]]) -> str:
    """How the series fits the tree, in few words."""
    every = [each for row in states for each in row]
    odd = [each for each in every if _is_odd(each)]
    if not odd:
        return "every file is the one it was made from"
    worst = next((state for state in _WORST if any(each.state is state for each in odd)), odd[0].state)
    count = sum(each.state is worst for each in odd)
    return f"{worst.value} in {count} {'file' if count == 1 else 'files'}"


def _trailers(trailers: Sequence[str], width: int) -> Iterator[str]:
    """`Reviewed-by: A, B`: names alone, a line a kind."""
    by_kind: dict[str, list[str]] = {}
    for trailer in trailers:
        kind, _, value = trailer.partition(":")
        by_kind.setdefault(kind, []).append(value.partition("<")[0].strip() or value.strip())
    for kind, people in by_kind.items():
        yield from _wrapped(f"{kind}: {', '.join(people)}", width)


def _wrapped(text: str, width: int, *, indent: int = 6) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _rest(found: Survey, chosen: int | None, refused: str) -> Iterator[str]:
    """What belongs to no series, and the decision."""
    if found.replies:
        yield f"{found.replies} {'reply' if found.replies == 1 else 'replies'}, of which nothing is taken but tags"
    for each in found.candidates:
        yield f"a diff in a reply, not applied: {each.subject} ({each.place}), {', '.join(each.files)}"
    yield from (f"note: {words}" for words in found.notes)
    if chosen is None:
        yield f"nothing to apply: {refused}"
    elif len(found.series) > 1:
        series = found.series[chosen]
        yield f"to be applied: {series.title} v{series.version}, {completeness(series)}"

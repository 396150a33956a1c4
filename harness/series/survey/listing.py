"""A survey as plain data, as `series show --json` prints it.  The names are promised in docs/series.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import UserError
from harness.model import FileBase, FileChange
from harness.series.diffstat import Stated, counted
from harness.series.patch import Piece
from harness.series.read import pick
from harness.series.survey.order import gap_words
from harness.series.survey.survey import Survey, SurveyedPatch, SurveyedSeries, reason, short

States = Mapping[int, Sequence[Sequence[FileBase]]]
"""By the place of a series in the survey: for each of its patches the files as they are in a tree."""


def as_data(found: Survey, states: States | None = None) -> dict[str, object]:
    """Everything in a survey; `states` are what a tree has of the files, where there is one."""
    given = states or {}
    chosen, refused = chosen_of(found)
    return {
        "source": found.source,
        "series": [_series(found, series, given.get(index)) for index, series in enumerate(found.series)],
        "replies": found.replies,
        "notes": list(found.notes),
        "candidates": [
            {"subject": each.subject, "author": each.author, "place": each.place, "files": list(each.files)}
            for each in found.candidates
        ],
        "chosen": chosen,
        "refused": refused,
    }


def chosen_of(found: Survey) -> tuple[int | None, str]:
    """Which of the series would be applied, or why none would be."""
    try:
        chosen, _ = pick(found)
    except UserError as error:
        return None, short(found.source, error)
    return next(index for index, series in enumerate(found.series) if series is chosen), ""


def author_of(series: SurveyedSeries) -> str:
    """Whose series it is: who wrote its cover letter, or else its first patch."""
    return (series.cover.author if series.cover is not None else "") or series.patches[0].piece.author


def completeness(series: SurveyedSeries) -> str:
    """`10 of 16 only; 1–9, 11–16 missing`, `10 of 10`, `2 patches`."""
    if series.expected is None:
        return f"{len(series.patches)} {'patch' if len(series.patches) == 1 else 'patches'}"
    if series.missing:
        return gap_words(series.present, series.missing, series.expected)
    return f"{len(series.patches)} of {series.expected}"


def _series(found: Survey, series: SurveyedSeries, states: Sequence[Sequence[FileBase]] | None) -> dict[str, object]:
    rows = states if states is not None and len(states) == len(series.patches) else [None] * len(series.patches)
    return {
        "title": series.title,
        "version": series.version,
        "expected": series.expected,
        "present": list(series.present),
        "missing": list(series.missing),
        "author": author_of(series),
        "applicable": series.applicable,
        "reason": reason(found.source, series),
        "patches": [_patch(patch, row) for patch, row in zip(series.patches, rows, strict=True)],
        "order": [
            {"n": patch.number, "subject": patch.piece.subject.title,
             "fixups": [fixup.subject.title for fixup in patch.fixups]}
            for patch in series.patches
        ],
        "cover": _cover(series),
        "base": {
            "commit": series.base.commit, "prerequisite_patch_ids": list(series.base.prerequisite_patch_ids),
            "said": list(series.base.said),
        },
        "duplicates": [
            {"n": each.number, "subject": each.subject, "place": each.place, "first": each.first, "same": each.same}
            for each in series.duplicates
        ],
        "warnings": list(series.warnings),
        "fix": series.objections[0].fix if series.objections else "",
    }  # fmt: skip


def _cover(series: SurveyedSeries) -> dict[str, object] | None:
    cover = series.cover
    if cover is None:
        return None
    return {
        "subject": cover.subject.title, "author": cover.author, "date": cover.date, "message_id": cover.message_id,
        "trailers": list(series.cover_trailers), "stated": _stated(cover.stated), "place": cover.place,
    }  # fmt: skip


def _patch(patch: SurveyedPatch, states: Sequence[FileBase] | None) -> dict[str, object]:
    piece = patch.piece
    return {
        "n": patch.number,
        **_changes(piece),
        "trailers": list(patch.trailers),
        "base": [*_base(piece.files)] if states is None else [_state(each) for each in states],
        "stated": _stated(piece.stated),
        "fixups": [_changes(fixup) for fixup in patch.fixups],
        "damage": piece.damaged.damage if piece.damaged is not None else "",
        "reason": short("", piece.error) if piece.error is not None else "",
        "warnings": list(piece.warnings),
    }


def _changes(piece: Piece) -> dict[str, object]:
    real = counted(piece.files)
    return {
        "subject": piece.subject.title, "author": piece.author, "date": piece.date, "additions": real.additions,
        "deletions": real.deletions, "files": [_file(file) for file in piece.files],
        "message_id": piece.message_id, "place": piece.place,
    }  # fmt: skip


def _file(file: FileChange) -> dict[str, object]:
    return {"path": file.path, "additions": file.additions, "deletions": file.deletions}


def _base(files: Sequence[FileChange]) -> list[dict[str, object]]:
    """What the patch names, without a tree to hold it against."""
    return [
        {"path": file.path, "wanted": file.old_blob if file.old_blob.strip("0") else None, "state": "unknown"}
        for file in files
    ]


def _state(base: FileBase) -> dict[str, object]:
    return {"path": base.path, "wanted": base.wanted or None, "state": base.state.value, "found": base.found or None}


def _stated(stated: Stated | None) -> dict[str, int] | None:
    if stated is None:
        return None
    return {"files": stated.files, "additions": stated.additions, "deletions": stated.deletions}

"""A source -> the one series in it that is to be applied, or why there is none.

The rules: the newest version that is complete; never two series; nothing that anything speaks against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.model import Series
from harness.series.sources.source import KINDS, open_source
from harness.series.survey.survey import Survey, SurveyedSeries, survey

if TYPE_CHECKING:
    from harness.series.mend.repair import Content


def read_series(source: str, *, processes: Processes, repo: Path | None, repair: Content | None = None) -> Series:
    """Read what `source` names; `repo` is the git repository that a range OLD..NEW is a range of.

    With `repair`, which gives the tree's files, patches that an archive has damaged are rebuilt; else they are refused.
    Raises UserError or InputError when the source does not hold exactly one whole series of text patches.
    """
    return choose(read_survey([source], processes=processes, repo=repo, repair=repair))


def read_survey(
    sources: Sequence[str], *, processes: Processes, repo: Path | None, repair: Content | None = None
) -> Survey:
    """Everything that is in the documents, taken together.  Raises UserError or InputError for an unreadable one."""
    opened = [open_source(source, processes=processes, repo=repo) for source in sources]
    found = survey(", ".join(each.source for each in opened), opened)
    if repair is not None:
        from harness.series.mend.mended import mended  # noqa: PLC0415 - start-up time

        found = mended(found, repair)
    if found.series or found.replies:
        return found
    if found.errors:
        raise found.errors[0]
    raise nothing_in(found)


def nothing_in(found: Survey) -> InputError:
    """What to say of a document without any patch."""
    what = "the file is empty" if not found.messages else "no patch in it"
    return InputError(found.source, 0, what, fix=found.hint or KINDS)


def choose(found: Survey) -> Series:
    """The series to apply.  Raises UserError or InputError with the first reason against it."""
    chosen, warnings = pick(found)
    return as_series(found.source, chosen, (*found.origin, *warnings))


def pick(found: Survey) -> tuple[SurveyedSeries, tuple[str, ...]]:
    """The series to apply, and what to say of the choice.  Raises UserError or InputError."""
    if found.errors:
        raise found.errors[0]
    if not found.series:
        raise nothing_in(found)
    for series in found.series:
        if series.orphan:
            raise series.objections[0]
    chosen, warnings = _newest(found)
    if chosen.objections:
        raise chosen.objections[0]
    return chosen, warnings


def as_series(source: str, found: SurveyedSeries, warnings: tuple[str, ...] = ()) -> Series:
    """A series of a survey as it would be applied, whether or not it can be."""
    return Series(
        source=source, title=found.title, version=found.version,
        patches=tuple(replace(patch.patch, number=number) for number, patch in enumerate(found.patches, 1)),
        cover=found.cover.text if found.cover is not None else "", base=found.base,
        warnings=(*warnings, *found.warnings),
    )  # fmt: skip


def _newest(found: Survey) -> tuple[SurveyedSeries, tuple[str, ...]]:
    """The newest complete version of the one series that there is, and what to say of the choice."""
    if len({series.line for series in found.series}) > 1:
        raise _several(found)
    by_version = sorted(found.series, key=lambda series: -series.version)
    newest = by_version[0]
    if len({series.version for series in by_version}) < len(by_version):
        raise _several(found)
    if len(by_version) == 1 or not newest.only_incomplete:
        return newest, ()
    whole = next((series for series in by_version if not series.only_incomplete), None)
    if whole is None:
        listed = ", ".join(f"v{series.version}" for series in reversed(by_version))
        objection = newest.objections[0]
        raise UserError(
            f"{found.source}: holds more than one version of a series: {listed}; none is complete:"
            f" v{newest.version} has {len(newest.patches)} of {newest.expected}",
            fix=objection.fix,
        )
    return whole, (f"v{newest.version} is incomplete ({_have(newest)}): v{whole.version} is taken",)


def _several(found: Survey) -> UserError:
    """Two series in one document: which is meant cannot be known."""
    numbered = [series for series in found.series if series.expected is not None]
    odd = [series for series in found.series if series.expected is None]
    if len(numbered) == 1 and len(odd) == 1:
        piece = odd[0].patches[0].piece
        return UserError(
            f"{found.source}: patches with n/m and one without in the same series: {piece.subject.title!r}"
            f" ({piece.place})",
            fix="take it out, or name what to apply, in order, in a quilt `series` file beside the patches",
        )
    listed = " and ".join(f"{_have(series)} of “{series.title}” v{series.version}" for series in found.series)
    totals = sorted({series.expected for series in numbered if series.expected is not None})
    of = f"of {' and '.join(str(total) for total in totals)} patches: " if len(totals) > 1 else ""
    return UserError(f"{found.source}: holds more than one series: {of}{listed}", fix="keep the one to apply")


def _have(series: SurveyedSeries) -> str:
    count = len(series.patches)
    return f"{count}/{series.expected}" if series.expected is not None else f"{count}"

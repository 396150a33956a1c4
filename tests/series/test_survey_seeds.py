"""The real documents, where they are at hand: exactly what is in each of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.process import Processes
from harness.series.read import choose, read_survey
from harness.series.survey.survey import Survey, SurveyedSeries, reason


def survey_of(seeds: Path, processes: Processes, *numbers: str) -> Survey:
    return read_survey([str(next(seeds.glob(f"{n}_*"))) for n in numbers], processes=processes, repo=None)


def one(found: Survey) -> SurveyedSeries:
    (series,) = found.series
    return series


def lines(series: SurveyedSeries) -> tuple[int, int, int]:
    files = [file for patch in series.patches for file in patch.piece.files]
    return len({file.path for file in files}), sum(f.additions for f in files), sum(f.deletions for f in files)


def test_000_is_one_patch_of_sixteen(seeds: Path, processes: Processes) -> None:
    found = survey_of(seeds, processes, "000")
    series = one(found)
    assert (series.version, series.expected, series.present) == (6, 16, (10,))
    assert series.missing == (*range(1, 10), *range(11, 17))
    assert (lines(series), found.replies, found.candidates) == ((7, 147, 76), 10, ())
    with pytest.raises(UserError, match="10 of 16 only"):
        choose(found)


def test_001_is_a_comment_of_000(seeds: Path, processes: Processes) -> None:
    alone = survey_of(seeds, processes, "001")
    assert (alone.series, alone.replies) == ((), 1)
    both = survey_of(seeds, processes, "000", "001")
    assert (len(both.series), both.replies) == (1, 10)
    assert survey_of(seeds, processes, "001", "000").replies == 10


def test_002_is_its_authors_and_damaged(seeds: Path, processes: Processes) -> None:
    found = survey_of(seeds, processes, "002")
    series = one(found)
    assert (series.version, series.expected, series.present) == (1, 2, (1,))
    signed = re.search(r"(?m)^> Signed-off-by: (.*) <", next(seeds.glob("002_*")).read_text("utf-8"))
    assert signed
    assert series.patches[0].piece.author.startswith(f"{signed[1]} <"), "not the reviewer's"
    assert lines(series) == (4, 486, 479)
    assert "patch 1: the diffstat says 5 files, the diff changes 4" in series.warnings
    assert reason(found.source, series).startswith("whitespace lost")


def test_003_is_damaged(seeds: Path, processes: Processes) -> None:
    found = survey_of(seeds, processes, "003")
    series = one(found)
    assert (series.version, lines(series)) == (5, (2, 29, 17))
    assert reason(found.source, series) == "whitespace lost"
    assert "--repair" in series.objections[0].fix


def test_004_is_ten_patches_in_order(seeds: Path, processes: Processes) -> None:
    found = survey_of(seeds, processes, "004")
    series = one(found)
    assert (series.version, series.expected, series.present) == (3, 10, tuple(range(1, 11)))
    assert (series.applicable, found.replies, found.candidates) == (True, 62, ())
    tags = {patch.number: len(patch.trailers) for patch in series.patches if patch.trailers}
    assert tags == {1: 2, 4: 2, 5: 2, 9: 1, 10: 2}
    stated = [patch.piece.stated for patch in series.patches]
    assert all(each is not None for each in stated)
    assert not series.warnings
    assert [patch.number for patch in choose(found).patches] == list(range(1, 11))

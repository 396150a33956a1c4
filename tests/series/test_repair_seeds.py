"""Repair of the real documents: what can be said of them without their trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.process import Processes
from harness.series.read import read_series

WANTED = ("5eb0d77c4438", "4706c6769902", "688f3612e16d", "e7dbaf96aa17")


def test_a_quoted_patch_names_the_blobs_of_its_base(seeds: Path, processes: Processes) -> None:
    (path,) = seeds.glob("002_*")
    with pytest.raises(UserError) as caught:
        read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: b"other\n")
    assert all(blob in caught.value.what for blob in WANTED)


def test_one_physical_line_is_refused_where_its_lines_are_not(seeds: Path, processes: Processes) -> None:
    (path,) = seeds.glob("003_*")
    with pytest.raises(UserError, match=r"include/linux/mm\.h, hunk @@ -734,6 \+734,30 @@: the lines that it removes"):
        read_series(str(path), processes=processes, repo=None, repair=lambda _path, _blob: b"other\n")

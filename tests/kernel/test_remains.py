"""What is left of each patch's lines when the whole series is applied."""

from __future__ import annotations

import difflib
import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.remains import remains
from harness.model import Patch
from tests.kernel.conftest import make_patch

FILE = "mm/a.c"


def patch(number: int, old: str, new: str) -> Patch:
    return make_patch(number, {FILE: (old, new)})


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def left(*patches: Patch) -> list[tuple[int, str, int]]:
    return [(line.number, line.text.decode(), line.patch) for line in remains(patches).get(FILE, ())]


def test_lines_belong_to_the_patch_that_added_them_and_go_with_the_one_that_takes_them() -> None:
    base = text("a", "b", "c")
    one = text("a", "x", "y", "b", "c")
    two = text("top", "a", "x", "z", "b", "c")
    assert left(patch(1, base, one), patch(2, one, two)) == [
        (1, "top", 2), (2, "a", 0), (3, "x", 1), (4, "z", 2), (5, "b", 0), (6, "c", 0),
    ]  # fmt: skip


def test_a_fixups_lines_belong_to_its_patch() -> None:
    base, one, two = text("a"), text("a", "b"), text("a", "b", "c")
    fixed = replace(patch(1, base, one), fixups=(patch(7, one, two),))
    assert left(fixed) == [(1, "a", 0), (2, "b", 1), (3, "c", 1)]


def test_a_deleted_file_leaves_nothing_and_a_new_one_all_of_it() -> None:
    assert left(patch(1, "", text("a")), patch(2, text("a"), text("a", "b"))) == [(1, "a", 1), (2, "b", 2)]
    assert remains([patch(1, text("a"), "")]) == {}


def test_a_mail_whose_files_are_unknown_leaves_nothing() -> None:
    assert remains([replace(patch(1, text("a"), text("b")), files=())]) == {}


_FILES = st.lists(st.sampled_from(["int a;", "int b;", "", "{", "}", "-- x", "++ y", "@@ -1 +1 @@"]), max_size=30)


@given(st.lists(_FILES, min_size=2, max_size=5))
def test_what_it_shows_is_in_the_file_that_the_series_makes(versions: list[list[str]]) -> None:
    texts = [text(*lines) for lines in versions]
    patches = [patch(number, old, new) for number, (old, new) in enumerate(itertools.pairwise(texts), 1) if old != new]
    final = texts[-1].splitlines()
    for number, line, _ in left(*patches):
        assert final[number - 1] == line


@given(_FILES, _FILES)
def test_every_line_that_one_patch_adds_is_its_own(before: list[str], after: list[str]) -> None:
    old, new = text(*before), text(*after)
    if old == new:
        return
    added = [line for line in difflib.unified_diff(before, after, lineterm="") if line.startswith("+")][1:]
    assert sorted(f"+{line}" for _, line, patch in left(patch(1, old, new)) if patch) == sorted(added)

"""Titles as the -mm tree makes file names of them, and the fixes that are named after those."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.series.survey.fixups import find_parent, is_fix, mangle, place_of


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("mm/example: count the readers", "mm-example-count-the-readers"),
        ("[PATCH v3 2/9] mm: a", "mm-a"),
        ("mm: use ->counter, and drop a+b & c", "mm-use-counter-and-drop-ab-c".replace("ab", "a-b")),
        ("mm/example: rename __is_counted()", "mm-example-rename-__is_counted"),
        ("mm: what {now}?  It's  done.", "mm-what-now-its-done"),
        ("- /:- ", ""),
    ],
)
def test_mangled_titles(title: str, name: str) -> None:
    assert mangle(title) == name


@pytest.mark.parametrize("suffix", ["-fix", "-fix-2", "-fix-13", "-v2", "-fix-fix", "-v3-fix-2"])
def test_a_fix_finds_its_parent(suffix: str) -> None:
    title = f"mm-example-count-it{suffix}"
    assert is_fix(title)
    assert find_parent(title, {"mm-example-count-it": "parent", "mm-example": "other"}) == "parent"
    assert find_parent(title, {"mm-example-count": "other"}) is None


@pytest.mark.parametrize(
    "title", ["mm: a fix", "mm: example-fix", "fix", "-fix", "mm-example-prefix", "mm-fix-example"]
)
def test_titles_that_are_no_fix(title: str) -> None:
    assert not is_fix(title)


def test_a_patch_that_is_called_fix_is_the_parent_of_its_fix() -> None:
    assert find_parent("mm-example-fix-fix", {"mm-example-fix": "it"}) == "it"


def test_fixes_in_order() -> None:
    titles = ["a-b-fix-10", "a-b-fix-2", "a-b-fix-2-fix", "a-b-fix"]
    assert sorted(titles, key=place_of) == ["a-b-fix", "a-b-fix-2", "a-b-fix-2-fix", "a-b-fix-10"]


@given(st.text(max_size=2000))
def test_any_title_is_mangled_to_a_name(title: str) -> None:
    name = mangle(title)
    assert mangle(name) == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    is_fix(title)
    find_parent(title, {})

"""Blobs that patches name against blobs that there are: pure values."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.kernel import blobs
from harness.model import BaseState, FileBase, FileChange, Patch

A, B, C, D = (letter * 40 for letter in "abcd")
NONE = "0" * 40


def patch(number: int, *files: tuple[str | None, str | None, str, str], fixups: tuple[Patch, ...] = ()) -> Patch:
    """A patch of files (before, after, blob before, blob after), whose names are abbreviated as in a mail."""
    changes = tuple(FileChange(old, new, 1, 1, wanted[:12], makes[:12]) for old, new, wanted, makes in files)
    return Patch(number, f"patch {number}", "", "", "", changes, b"", "", fixups)


def states(patches: list[Patch], tree: dict[str, str]) -> list[list[BaseState]]:
    return [[file.state for file in files] for files in blobs.before_applying(patches, tree)]


def test_the_first_patch_of_a_file_is_held_against_the_tree_and_the_next_against_the_first() -> None:
    patches = [patch(1, ("f", "f", A, B)), patch(2, ("f", "f", B, C), ("g", "g", D, A))]
    assert states(patches, {"f": A, "g": D}) == [[BaseState.EXACT], [BaseState.EXACT, BaseState.EXACT]]
    assert states(patches, {"f": C, "g": D}) == [[BaseState.MISMATCH], [BaseState.MISMATCH, BaseState.EXACT]]


def test_a_patch_that_is_missing_breaks_the_chain() -> None:
    first, third = blobs.before_applying([patch(1, ("f", "f", A, B)), patch(2, ("f", "f", C, D))], {"f": A})
    assert first[0].state is BaseState.EXACT
    assert third == (FileBase("f", C[:12], B[:12], BaseState.BROKEN, chained=True),)
    assert third[0].text == f"broken chain: want blob {C[:12]}, found {B[:12]}"


def test_new_files_and_files_that_should_not_be_there() -> None:
    new = patch(1, (None, "f", NONE, A))
    assert states([new], {}) == [[BaseState.NEW]]
    assert states([new], {"f": B}) == [[BaseState.MISMATCH]]
    assert states([new, patch(2, ("f", "f", A, B))], {}) == [[BaseState.NEW], [BaseState.EXACT]]


def test_a_file_that_is_not_there_is_a_mismatch_even_without_a_blob() -> None:
    assert states([patch(1, ("f", "f", "", ""))], {}) == [[BaseState.MISMATCH]]
    assert states([patch(1, ("f", "f", "", ""))], {"f": A}) == [[BaseState.UNKNOWN]]


def test_what_follows_a_patch_without_blobs_is_unknown() -> None:
    assert states([patch(1, ("f", "f", "", "")), patch(2, ("f", "f", B, C))], {"f": A})[1] == [BaseState.UNKNOWN]


def test_names_of_another_kind_cannot_be_compared() -> None:
    assert states([patch(1, ("f", "f", A, B))], {"f": "e" * 64}) == [[BaseState.UNKNOWN]]


def test_a_renamed_file_takes_its_chain_along() -> None:
    patches = [patch(1, ("f", "g", A, B)), patch(2, ("g", "g", B, C))]
    assert states(patches, {"f": A}) == [[BaseState.EXACT], [BaseState.EXACT]]
    assert blobs.last_made(patches) == {"f": "", "g": C[:12]}


def test_a_fixup_is_part_of_its_patch() -> None:
    fix = patch(1, ("f", "f", B, C), ("h", "h", D, A))
    (one,) = [patch(1, ("f", "f", A, B), ("g", "g", A, B), fixups=(fix,))]
    assert {(item.path, item.wanted, item.makes) for item in blobs.touches(one)} == {
        ("f", A[:12], C[:12]), ("g", A[:12], B[:12]), ("h", D[:12], A[:12]),
    }  # fmt: skip


def test_a_fixup_without_blobs_leaves_what_it_makes_unknown() -> None:
    one = patch(1, ("f", "f", A, B), fixups=(patch(1, ("f", "f", "", "")),))
    assert [(item.wanted, item.makes) for item in blobs.touches(one)] == [(A[:12], "")]


def test_what_the_series_wants_and_leaves() -> None:
    patches = [patch(1, ("f", "f", A, B), (None, "n", NONE, D)), patch(2, ("f", "f", B, C), ("n", None, D, NONE))]
    assert blobs.first_wanted(patches) == {"f": A[:12]}
    assert blobs.last_made(patches) == {"f": C[:12], "n": ""}
    assert blobs.is_made(patches, {"f": C})
    assert not blobs.is_made(patches, {"f": C, "n": D})
    assert not blobs.is_made(patches, {"f": A})


def test_a_series_that_ends_where_it_begins_is_not_in_the_tree() -> None:
    assert not blobs.is_made([patch(1, ("f", "f", A, B)), patch(2, ("f", "f", B, A))], {"f": A})


def test_after_a_patch() -> None:
    one = patch(1, ("f", "f", A, B), ("g", None, A, NONE), ("h", "h", "", ""))
    found = blobs.results(one, {"f": B, "g": "", "h": C})
    assert [file.exact for file in found] == [True, True, None]
    assert [file.exact for file in blobs.results(one, {"f": C, "g": A, "h": C})] == [False, False, None]


def test_what_applied_on_other_blobs_is_on_another_base() -> None:
    patches = [patch(1, ("f", "f", A, B)), patch(2, ("f", "f", D, C))]
    stated = blobs.before_applying(patches, {"f": C})
    assert [file.state for file in blobs.as_applied(patches[0], stated[0], {"f": C})] == [BaseState.OTHER]
    assert [file.state for file in blobs.as_applied(patches[1], stated[1], {"f": C})] == [BaseState.BROKEN]
    found = blobs.as_applied(patches[1], stated[1], {"f": D})
    assert [file.state for file in found] == [BaseState.EXACT], "what is there counts more than what was said"
    assert replace(found[0], chained=False) == FileBase("f", D[:12], D, BaseState.EXACT)


_NAMES = st.text("0123456789abcdef", min_size=40, max_size=40)


@given(_NAMES, st.integers(4, 40), st.integers(4, 40))
def test_abbreviations_of_a_name_are_the_same_blob(name: str, one: int, other: int) -> None:
    assert blobs.is_same(name[:one], name[:other])


@given(_NAMES, _NAMES, st.integers(0, 3))
def test_too_short_a_name_is_no_blob(name: str, other: str, length: int) -> None:
    assert not blobs.is_same(name[:length], other)
    assert blobs.name(name[:length]) == ""

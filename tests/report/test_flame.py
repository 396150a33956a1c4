"""Flame graphs of a difference: SVG that any browser shows, without scripts and styles."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from harness.report.flame import WIDTH, difference, folded

SVG = "{http://www.w3.org/2000/svg}"
STACKS = {
    ("[user]",): (5_000, 5_000),
    ("fault", "handle"): (1_000_000, 1_000_000),
    ("fault", "handle", "lock_vma"): (50_000, 51_300),
    ("fault", "handle", "gone"): (400, 0),
    ("fault", "<evil> & \"co\""): (10_000, 10_000),
}  # fmt: skip


def drawn(text: str) -> list[tuple[str, float, str]]:
    """Tooltip, width and colour of each frame."""
    found = []
    for group in ET.fromstring(text).iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert rect is not None
        found.append((title.text or "", float(rect.attrib["width"]), rect.attrib["fill"]))
    return found


def test_a_small_change_is_wide_in_the_first_graph_and_named() -> None:
    frames = drawn(difference("faults.anon.1", "instructions a fault", STACKS, (100, 100)))
    first, second = [frame for frame in frames if frame[0].startswith("lock_vma")]
    assert first[0] == "lock_vma: 500.00 → 513.00 instructions a fault (+13.00)"
    assert first[1] > 0.7 * (WIDTH - 20), "13 of the 17 instructions that moved"
    assert 0.02 * WIDTH < second[1] < 0.1 * WIDTH, "a twentieth of all"
    gone = [frame for frame in frames if frame[0].startswith("gone")]
    red, blue = (int(first[2][1:3], 16), int(first[2][5:], 16)), (int(gone[0][2][1:3], 16), int(gone[0][2][5:], 16))
    assert red[0] > red[1]
    assert blue[0] < blue[1]


def test_a_frame_says_what_is_its_own() -> None:
    frames = drawn(difference("x", "instructions a fault", STACKS, (100, 100)))
    handle = next(words for words, _, _ in frames if words.startswith("handle"))
    assert "of its own 10,000.00 → 10,000.00 (+0.00)" in handle
    assert "(+9.00)" in handle


def test_it_has_no_scripts_and_no_styles() -> None:
    text = difference("x", "instructions a fault", STACKS, (100, 100))
    for word in ("<script", "style", "class=", "onclick", "http://", "https://", "<evil>"):
        assert word not in text.replace("http://www.w3.org/2000/svg", ""), word


def test_nothing_at_all_is_a_graph_as_well() -> None:
    ET.fromstring(difference("x", "instructions a fault", {}, (1, 1)))
    same = drawn(difference("x", "instructions a fault", {("a",): (5, 5)}, (1, 1)))
    assert [words.partition(":")[0] for words, _, _ in same] == ["all", "a"], "nothing changed: one graph is empty"


@given(st.dictionaries(st.lists(st.text(min_size=1), min_size=1, max_size=5).map(tuple),
                       st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=20))  # fmt: skip
def test_any_names_make_sound_xml(stacks: dict[tuple[str, ...], tuple[int, int]]) -> None:
    clean = {tuple("".join(c for c in name if c.isprintable()) or "x" for name in stack): sides
             for stack, sides in stacks.items()}  # fmt: skip
    for _, width, _ in drawn(difference("x", "instructions a fault", clean, (7, 9))):
        assert 0 < width <= WIDTH


def test_folded_stacks_are_lines() -> None:
    assert folded({("a", "b"): (1, 2), ("c",): (3, 4)}) == "a;b 1 2\nc 3 4\n"

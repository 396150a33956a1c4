"""What guests and tools say becomes text that XML, JSON and a terminal can hold."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.text import clamp, clean, count, one_line, seconds


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;5;196mred\x1b[m\x1b[K", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(B\x1b=text\x1b7", "text"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("nul\x00 bell\x07 del\x7f c1\x9b", "nul\\x00 bell\\x07 del\\x7f c1\\x9b"),
        ("\ud800 \ufffe \U0001fffe", "\\ud800 \\ufffe \\U0001fffe"),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        ("tab\tand ünïcode stay", "tab\tand ünïcode stay"),
    ],
)
def test_clean(text: str | bytes, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.one_of(st.text(st.characters(exclude_categories=())), st.binary()))
def test_cleaned_text_survives_xml(text: str | bytes) -> None:
    element = ElementTree.Element("text")
    element.text = clean(text)
    assert (ElementTree.fromstring(ElementTree.tostring(element, encoding="utf-8")).text or "") == element.text
    assert clean(element.text) == element.text


@given(st.text(st.characters(exclude_categories=())), st.integers(2, 40))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_clamp_keeps_both_ends_and_says_where_the_rest_is() -> None:
    text = "first line\n" + "x" * 100_000 + "\nlast line"
    cut = clamp(text, 4096, "console-arm64-lockdep.log")
    assert len(cut.encode()) <= 4096
    assert cut.startswith("first line\n")
    assert cut.endswith("\nlast line")
    assert "… cut, see console-arm64-lockdep.log" in cut


@given(st.text(), st.integers(100, 400))
def test_clamp_counts_bytes(text: str, limit: int) -> None:
    cut = clamp(text * 20, limit, "log")
    assert len(cut.encode()) <= limit
    assert cut == text * 20 or "… cut, see log" in cut


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (312, "5 min 12 s"),
     (3599.7, "1 h 00 min"), (3900, "1 h 05 min")],
)  # fmt: skip
def test_seconds(value: float, words: str) -> None:
    assert seconds(value) == words


def test_count() -> None:
    assert (count(1, "case"), count(2, "case"), count(0, "patch", "patches")) == ("1 case", "2 cases", "0 patches")

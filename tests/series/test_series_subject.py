"""Subject lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.series.subject import Subject, parse_subject


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[PATCH] mm: x", Subject("mm: x", tagged=True)),
        ("[PATCH RESEND v3 02/10] mm: x", Subject("mm: x", 3, 2, 10, tagged=True, resend=True)),
        ("[PATCH v3 RESEND 02/10] mm: x", Subject("mm: x", 3, 2, 10, tagged=True, resend=True)),
        ("[RFC PATCH 1/1] a [b] c", Subject("a [b] c", 1, 1, 1, tagged=True)),
        ("[PATCHv4,6/16]  a\n  b", Subject("a b", 4, 6, 16, tagged=True)),
        ("[mm-unstable] [PATCH v2 0/4] t", Subject("t", 2, 0, 4, tagged=True)),
        ("Re: [PATCH 1/2] x", Subject("x", 1, 1, 2, tagged=True, reply=True)),
        ("[list] RE: [PATCH 1/2] x", Subject("x", 1, 1, 2, tagged=True, reply=True)),
        ("Fwd: x", Subject("x", reply=True)),
        ("fix 1/2 of it", Subject("fix 1/2 of it")),
        ("regression: not a reply", Subject("regression: not a reply")),
        ("", Subject("")),
    ],
)
def test_subject_is_taken_apart(text: str, expected: Subject) -> None:
    assert parse_subject(text) == expected


@given(st.text(max_size=300))
def test_any_subject_is_taken(text: str) -> None:
    assert parse_subject(text).version >= 0

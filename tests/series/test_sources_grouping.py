"""Sets are found by what mails have in common: the same sets that come out of holding everything against everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.series.patch import Kind, Piece
from harness.series.subject import Subject
from harness.series.survey import grouping
from harness.series.survey.grouping import Set, group, relatives

NAMES = st.sampled_from(["", "a", "b", "c"])


@st.composite
def documents(draw: st.DrawFn) -> list[Piece]:
    count = draw(st.integers(0, 14))
    return [draw(pieces(index)) for index in range(count)]


@st.composite
def pieces(draw: st.DrawFn, index: int) -> Piece:
    number = draw(st.sampled_from([None, 0, 1, 2]))
    total = draw(st.sampled_from([None, 1, 2] if number is None else [1, 2]))
    own = draw(st.sampled_from(["", f"m{index}"]))
    return Piece(
        Kind.COVER if number == 0 else Kind.PATCH,
        Subject(draw(NAMES), version=draw(st.sampled_from([1, 2])), number=number, total=total),
        f"m:{index}", sender=draw(NAMES), message_id=f"<{own}>" if own else "", own=own,
        references=tuple(draw(st.lists(st.sampled_from(["m0", "m1", "m2", "elsewhere"]), max_size=2))),
        form=draw(st.sampled_from(["mail", "patchwork"])), series_title=draw(NAMES),
        titles=tuple(draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=2))) if number == 0 else (),
    )  # fmt: skip


def shape(sets: list[Set]) -> list[object]:
    lines = [[sets.index(each) for each in line] for line in relatives(sets)]
    return [[([p.place for p in each.patches], [c.place for c in each.covers], each.loose) for each in sets], lines]


class Everything(grouping._Homes):
    """All sets of a version and total, in order, without any index."""

    def near(self, piece: Piece, root: str) -> Iterator[int]:
        mark = grouping._mark(piece)
        return (index for index, each in enumerate(self.sets) if (each.version, each.total) == mark)


@pytest.mark.slow
@settings(max_examples=400)
@given(document=documents(), together=st.booleans())
def test_nothing_is_missed_by_looking_where_something_is_shared(document: list[Piece], together: bool) -> None:
    found = shape(group(document, together=together))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "_Homes", Everything)
        patch.setattr(grouping, "_kinship", lambda one: [("all", "")])
        assert shape(group(document, together=together)) == found


def series(number: int) -> list[Piece]:
    """A cover letter and two patches in a thread of their own, by a sender who sends much."""
    cover = f"c{number}"
    return [
        Piece(
            Kind.COVER if at == 0 else Kind.PATCH, Subject(f"series {number} step {at}", number=at, total=2), "m",
            sender="ada", message_id=f"<{cover if at == 0 else f'p{number}.{at}'}>", own=cover if at == 0 else "",
            references=() if at == 0 else (cover,),
        )
        for at in range(3)
    ]  # fmt: skip


def test_a_lists_mailbox_is_grouped_in_steps_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_COMPARISONS", 10_000)
    found = group([piece for number in range(1000) for piece in series(number)], together=False)
    assert len(found) == 1000
    assert len(relatives(found)) == 1000


def test_what_would_take_for_ever_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_COMPARISONS", 1000)
    alike = [
        Piece(Kind.PATCH, Subject(f"patch {number}", number=1, total=2), f"m:{number}", sender="ada")
        for number in range(100)
    ]
    with pytest.raises(UserError, match="too many patches"):
        group(alike, together=False)

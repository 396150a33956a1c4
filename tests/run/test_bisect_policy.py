"""Which commits are tested next, and what a log says after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.run.bisect.log import Log, open_log
from harness.run.bisect.policy import Half, choose, equally_good, two_at_once
from harness.verdict.bisect import steps_left


def halves(total: int) -> list[Half]:
    """As `git rev-list --bisect-all` has them: the commits 1 to `total`, each with the smaller of its two sides."""
    return [Half(str(number), min(number, total - number)) for number in range(1, total + 1)]


@given(st.integers(2, 300), st.integers(1, 300), st.sets(st.integers(1, 300)))
def test_no_choice_costs_a_step_more_than_the_middle(total: int, bad: int, there: set[int]) -> None:
    """Whatever kernels are there, a search among so many takes at most as many steps as one without them."""
    first, last, steps = 1, total, 0
    bad = min(bad, total)
    while first < last:
        left = last - first + 1
        gits = str(left // 2)
        at = int(choose(halves(left), left, gits, lambda name, first=first: first + int(name) - 1 in there))  # type: ignore[misc]
        if first + at - 1 >= bad:
            last = first + at - 1
        else:
            first += at
        steps += 1
    assert first == bad
    assert steps <= steps_left(total)


def test_a_kernel_that_is_there_is_tried_first_where_it_is_as_good() -> None:
    assert choose(halves(10), 10, "5", lambda name: name == "3") == "3"
    assert choose(halves(10), 10, "5", lambda name: name == "1") == "5"
    assert choose(halves(10), 10, "5", lambda name: name in "35") == "5"
    assert choose(halves(10), 10, "5", lambda _: False) == "5"
    assert choose([], 4, "git's", lambda _: True) == "git's"
    assert "10" not in [half.commit for half in equally_good(halves(10), 10)], "the bad end has been tested"


@given(st.integers(2, 400), st.integers(1, 400))
def test_two_at_once_leave_a_third(total: int, bad: int) -> None:
    line = [str(number) for number in range(1, total + 1)]
    bad, turns = min(bad, total), 0
    while len(line) > 1:
        size = len(line)
        for commit in two_at_once(line, (), lambda _: False):
            if int(commit) >= bad:
                line = [one for one in line if int(one) <= int(commit)]
                break
            line = [one for one in line if int(one) > int(commit)]
        assert len(line) <= -(-size // 3)
        turns += 1
    assert line == [str(bad)]


def test_a_skipped_commit_is_not_tried_again() -> None:
    line = [str(number) for number in range(1, 10)]
    assert two_at_once(line, (), lambda _: False) == ("3", "6")
    assert two_at_once(line, {"3"}, lambda _: False) == ("2", "6")
    assert two_at_once(["1", "2"], {"1"}, lambda _: False) == ()
    assert two_at_once(["1", "2"], (), lambda _: False) == ("1",)
    assert two_at_once([str(number) for number in range(1, 31)], (), lambda name: name == "12") == ("12", "20")


# --- the log --------------------------------------------------------------------------------------------------


def test_what_is_in_the_log_is_not_done_again(tmp_path: Path) -> None:
    log = Log(tmp_path / "bisect.jsonl")
    log.add("begin", format=1)
    assert log.once("step", lambda: {"value": 1})["value"] == 1
    again = Log(tmp_path / "bisect.jsonl")
    assert again.once("step", lambda: {"value": 2})["value"] == 1
    assert [step["step"] for step in again.named("")] == ["begin", "step"]


@pytest.mark.parametrize("torn", [b"{", b'{"step": "x"}', b"\xff\xfe"])
def test_half_a_line_was_never_written(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "bisect.jsonl"
    Log(path).add("begin", format=1)
    with path.open("ab") as file:
        file.write(torn)
    Log(path).add("next")
    assert [step["step"] for step in Log(path).named("")] == ["begin", "next"]


@pytest.mark.parametrize(
    "text", ["[]\n", "{}\n", '{"step": 1}\n', '{"step": "begin"}\n', '{"step": "begin", "format": 2}\n', "no\n", ""]
)
def test_what_is_no_log_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bisect.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"bisect\.jsonl"):
        open_log(tmp_path)

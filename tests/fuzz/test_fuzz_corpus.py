"""Every reader takes every document of the corpus or refuses it in the harness's own words, in steps in proportion."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import CORPUS, TARGETS, run

FILES = sorted(path for name in ("fuzz", "pages") for path in (CORPUS.parent / name).glob("**/[!.]*") if path.is_file())


def steps(action: Callable[[], object]) -> int:
    """How many calls Python makes in an action: a measure of work that is the same on every machine."""
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_of_each_target_has_something_that_is_taken(target: str) -> None:
    taken = [path.name for path in sorted((CORPUS / target).iterdir()) if run(target, path.read_bytes())]
    assert taken


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_reader_takes_or_refuses_it_in_bounded_steps(path: Path) -> None:
    data = path.read_bytes()
    for target in TARGETS:
        assert steps(lambda target=target: run(target, data)) < 20_000 + 100 * len(data), target  # type: ignore[misc]


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_documents_cut_and_joined_anywhere(target: str, data: st.DataObject) -> None:
    """What hypothesis makes of the corpus: pieces of one document inside another, and bytes changed."""
    documents = st.sampled_from(FILES).map(Path.read_bytes).filter(lambda raw: len(raw) < 20_000)
    one, other = data.draw(documents), data.draw(documents)
    at, start = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    end = data.draw(st.integers(start, len(other)))
    run(target, one[:at] + other[start:end] + data.draw(st.binary(max_size=20)) + one[at:])


UNITS = [
    b">", b"From ", b"\n", b" ", b"\t", b"=?utf-8?q?", b"<", b"&lt;", b"<pre>", b"[", b"\\", b'"a', b"- ", b"--- a/f\n",
    b"+++ b/f\n", b"@@ -1 +1 @@\n", b"diff --git a/f b/f\n", b"~", b"a/", b"From: A <a@b>\n", b"--z\n",
    b"* [PATCH] x\n", b"\xc2\xa0", b"=\n", b"<a href=x>",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_much_of_the_same_takes_no_more_than_linear_steps(target: str, unit: bytes) -> None:
    """Of calls that Python makes; with a quadratic pattern inside one of them this hangs instead of passing."""
    for count in (100, 20_000):
        assert steps(lambda count=count: run(target, unit * count)) < 20_000 + 100 * len(unit) * count  # type: ignore[misc]


def test_a_target_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise ValueError(data)

    monkeypatch.setitem(TARGETS, "words", broken)
    with pytest.raises(ValueError, match="x"):
        run("words", b"x")

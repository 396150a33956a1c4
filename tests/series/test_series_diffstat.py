"""What a mail states of its diff, and what it says of its base."""

from __future__ import annotations

import pytest

from harness.model import BaseHints, FileChange
from harness.series.diffstat import Stated, counted, stated_in, wrong_files, wrong_lines
from harness.series.hints import hints_in, together


@pytest.mark.parametrize(
    ("line", "stated"),
    [
        (b" 2 files changed, 3 insertions(+), 1 deletion(-)", Stated(2, 3, 1)),
        (b" 1 file changed, 1 insertion(+)", Stated(1, 1, 0)),
        (b" 1 file changed, 4 deletions(-)", Stated(1, 0, 4)),
        (b"--- a.c | 2 +- b.c | 1 - 2 files changed, 1 insertion(+), 2 deletions(-) --- a/a.c~x", Stated(2, 1, 2)),
        (b" 2 files changed, 3 insertions(+), 1 deletion(-), 4 modifications(!)", None),
        (b"many files changed", None),
        (b"> 2 files", None),
    ],
)
def test_summaries(line: bytes, stated: Stated | None) -> None:
    assert stated_in([b"x", line, b"y"]) == stated


def test_the_last_summary_counts() -> None:
    assert stated_in([b" 1 file changed, 1 insertion(+)", b" 2 files changed, 2 deletions(-)"]) == Stated(2, 0, 2)


def test_disagreements() -> None:
    files = [FileChange("a", "a", 2, 1), FileChange("b", "b", 1, 0)]
    assert counted(files) == Stated(2, 3, 1)
    assert (wrong_lines(Stated(2, 3, 1), files), wrong_files(Stated(2, 3, 1), files)) == ("", "")
    assert wrong_lines(Stated(2, 3, 2), files) == "the diffstat says +3 -2, the diff has +3 -1"
    assert wrong_files(Stated(3, 3, 1), files) == "the diffstat says 3 files, the diff changes 2"
    assert (wrong_lines(None, files), wrong_files(None, files)) == ("", "")


def test_hints() -> None:
    lines = [
        b"base-commit: " + b"a" * 40, b"base-commit: " + b"b" * 40, b"base-commit: not a name",
        b"prerequisite-patch-id: " + b"c" * 40, b"It is based on v6.14-rc3.", b"> based on v6.1", b"based on an idea",
    ]  # fmt: skip
    hints = hints_in(lines, "UTF-8")
    assert hints == BaseHints("a" * 40, ("c" * 40,), ("It is based on v6.14-rc3.",))
    assert together([BaseHints(), hints, hints]) == hints

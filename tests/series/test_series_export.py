"""The mailbox that `series export` writes: git am takes it as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.process import Processes
from harness.series.read import choose, read_series, read_survey
from harness.series.survey.export import as_mailbox
from tests.kernel.conftest import git

MakeMail = Callable[..., bytes]

FIX = """\
diff --git a/mm/a.c b/mm/a.c
--- a/mm/a.c
+++ b/mm/a.c
@@ -2,3 +2,3 @@ int f(void)
 TWO
-more
+most
 three
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    place = tmp_path / "tree"
    (place / "mm").mkdir(parents=True)
    for name in ("a", "b"):
        (place / f"mm/{name}.c").write_text("one\ntwo\nthree\n")
    git(place, "init", "-q")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "base")
    return place


def test_git_am_takes_it_in_order(tmp_path: Path, tree: Path, make_mail: MakeMail, diff: str) -> None:
    body = "Why.\n\nFrom here on Thu Jan  1 10:00:00 2026\nit is said twice: ä."
    box = tmp_path / "in.mbox"
    box.write_bytes(
        make_mail("mm-change-a-fix", FIX)
        + make_mail("[PATCH v2 2/2] mm: change b", diff.replace("mm/a.c", "mm/b.c"), body=body)
        + make_mail("Re: [PATCH v2 1/2] mm: change a")
        + make_mail("[PATCH v2 0/2] both", "")
        + make_mail("[PATCH v2 1/2] mm: change a")
    )
    with Processes() as processes:
        series = choose(read_survey([str(box)], processes=processes, repo=None))
    out = tmp_path / "out.mbox"
    out.write_bytes(as_mailbox(series))
    git(tree, "am", "-q", str(out))
    assert git(tree, "log", "-3", "--reverse", "--format=%an %s").splitlines() == [
        "Ada Example mm: change a", "Ada Example mm-change-a-fix", "Ada Example mm: change b",
    ]  # fmt: skip
    assert (tree / "mm/a.c").read_text() == "one\nTWO\nmost\nthree\n"
    assert "twice: ä." in git(tree, "log", "-1", "--format=%B")
    assert b"X-Vmaharness-Fixup-For: mm: change a\nFrom: Ada Example" in out.read_bytes()
    assert out.read_bytes().count(b"\nX-Vmaharness-Fixup-For:") == 1


def test_what_is_exported_reads_back_the_same(tmp_path: Path, make_mail: MakeMail, diff: str) -> None:
    box = tmp_path / "in.mbox"
    box.write_bytes(make_mail("[PATCH 2/2] b", diff.replace("mm/a.c", "mm/b.c")) + make_mail("[PATCH 1/2] a"))
    with Processes() as processes:
        first = read_series(str(box), processes=processes, repo=None)
        (tmp_path / "out.mbox").write_bytes(as_mailbox(first))
        second = read_series(str(tmp_path / "out.mbox"), processes=processes, repo=None)
    assert [patch.digest for patch in first.patches] == [patch.digest for patch in second.patches]


def test_a_gap_is_not_exported(tmp_path: Path, make_mail: MakeMail) -> None:
    (tmp_path / "m").write_bytes(make_mail("[PATCH 2/2] b"))
    with Processes() as processes, pytest.raises(UserError, match="2 of 2 only; 1 missing"):
        choose(read_survey([str(tmp_path / "m")], processes=processes, repo=None))

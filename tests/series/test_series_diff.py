"""The diff state machine: what it counts and what it refuses, with the line."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.model import FileChange
from harness.series.diff import parse_diff
from harness.series.mail import Text


def files(text: str) -> tuple[FileChange, ...]:
    lines = text.encode().split(b"\n")
    return parse_diff("m", Text(lines, list(range(1, len(lines) + 1)))).files


def refusal(text: str) -> tuple[int, str]:
    with pytest.raises(InputError) as caught:
        files(text)
    return caught.value.line, caught.value.what


GIT = "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n"


def test_counts_are_of_the_hunks_alone() -> None:
    text = GIT + "@@ -1,2 +1,2 @@\n a\n--- not a header\n+++ nor this\n@@ -9 +9,2 @@ f()\n x\n+y\n-- \n2.39\n"
    assert files(text) == (FileChange("f", "f", 2, 1),)


def test_removed_line_that_looks_like_a_signature() -> None:
    assert files(GIT + "@@ -1,2 +1 @@\n a\n-- \n-- \n2.39\n") == (FileChange("f", "f", 0, 1),)


def test_no_newline_markers_count_for_nothing() -> None:
    text = GIT + "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
    assert files(text) == (FileChange("f", "f", 1, 1),)


def test_empty_line_is_blank_context() -> None:
    assert files(GIT + "@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n") == (FileChange("f", "f", 1, 1),)
    assert files(GIT + "@@ -1,2 +1,3 @@\n+c\n a\n\n\n-- \n") == (FileChange("f", "f", 1, 0),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("diff --git a/n b/n\nnew file mode 100644\nindex 0000000..5\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n",
         FileChange(None, "n", 1, 0)),
        ("diff --git a/n b/n\nnew file mode 100755\nindex 0000000..e69de29\n",
         FileChange(None, "n", 0, 0, "0000000", "e69de29")),
        ("diff --git a/n b/n\ndeleted file mode 100644\nindex e69de29bb2d1d..0000000000000\n",
         FileChange("n", None, 0, 0, "e69de29bb2d1d", "0000000000000")),
        ("diff --git a/n b/n\ndeleted file mode 120000\nindex 5..0000000\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
         FileChange("n", None, 0, 1)),
        ("diff --git a/o b/n\nsimilarity index 100%\nrename from o\nrename to n\n", FileChange("o", "n", 0, 0)),
        ("diff --git a/d/o b/n\nsimilarity index 90%\ncopy from d/o\ncopy to n\nindex 1..2 100644\n--- a/d/o\n+++ b/n\n"
         "@@ -1 +1 @@\n-a\n+b\n", FileChange("d/o", "n", 1, 1)),
        ("diff --git a/s p b/s p\nold mode 100644\nnew mode 100755\n", FileChange("s p", "s p", 0, 0)),
        ('diff --git "a/\\303\\244" "b/\\303\\244"\nold mode 100644\nnew mode 100755\n', FileChange("ä", "ä", 0, 0)),
        ("--- linux.orig/mm/a.c\t2026-01-01\n+++ linux/mm/a.c\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n",
         FileChange("mm/a.c", "mm/a.c", 1, 1)),
        ("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", FileChange(None, "x", 1, 0)),
    ],
)  # fmt: skip
def test_kinds_of_change(text: str, expected: FileChange) -> None:
    assert files("Text before.\n---\n f | 1 +\n\n" + text) == (expected,)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GIT + "@@ -1,9 +1,9 @@\n a\n", 7, "7 old and 7 new lines are missing"),
        (GIT + "@@ -1,9 +1,9 @@\n a", 6, "8 old and 8 new lines are missing"),
        (GIT + "@@ -1,2 +1,2 @@\n a\nbroken\n", 7, "cut short"),
        (GIT + "@@ -1 +1 @@\n-a\n-b\n", 7, "does not fit"),
        (GIT + "@@ -1 +1,2 @@\n a\n+b\n+c\n", 8, "more lines than its header says"),
        (GIT + "@@ -1 +1 @@\n-a\n+b\n\n@@ -7 +7 @@\n-a\n+b\n", 9, "without the file"),
        (GIT + "@@ -1,x +1 @@\n", 5, "hunk header"),
        (GIT, 1, "cut short"),
        ("diff --git a/n b/n\nnew file mode 100644\nindex 0000000..5fffffff\n", 1, "cut short"),
        ("diff --git a/n b/n\nindex 1..2\nGIT binary patch\nliteral 1\n", 3, "binary patch"),
        ("Binary files a/x and b/x differ\n", 1, "binary patch"),
        ("diff --cc f\n", 1, "combined diff"),
        ("diff --git x\nnew mode 100644\n", 1, "without a file name"),
    ],
)
def test_damage_is_named_with_its_line(text: str, line: int, words: str) -> None:
    found, what = refusal(text)
    assert words in what
    assert found == line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x", "leaves the tree"),
        ("d/../../x", "leaves the tree"),
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        (".git/config", "inside .git"),
        ("d/.GIT/hooks/x", "inside .git"),
        ("git~1/x", "inside .git"),
        (".git ./x", "inside .git"),
        ("d//x", "plain form"),
        ("./x", "plain form"),
        ("d\\x", "backslashes"),
    ],
)
def test_names_outside_the_tree(name: str, words: str) -> None:
    hunk = "@@ -0,0 +1 @@\n+x\n"
    for text in (
        f"diff --git a/ok b/ok\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n{hunk}",
        f"diff --git a/{name} b/{name}\nnew file mode 100644\n",
        f"diff --git a/o b/n\nrename from o\nrename to {name}\n",
        f"diff --git a/o b/n\ncopy from {name}\ncopy to n\n",
        f"--- /dev/null\n+++ b/{name}\n{hunk}",
    ):
        assert words in refusal(text)[1]


def test_name_that_is_absolute_as_it_stands() -> None:
    assert "absolute" in refusal("--- /dev/null\n+++ /etc/passwd\n@@ -0,0 +1 @@\n+x\n")[1]
    assert "absolute" in refusal("diff --git /etc/passwd /etc/passwd\nnew file mode 100644\n")[1]


def test_quoted_name_that_leaves_the_tree() -> None:
    assert "leaves the tree" in refusal('diff --git "a/\\056./x" "b/\\056./x"\nnew file mode 100644\n')[1]
    assert "control characters" in refusal('diff --git "a/x\\000" "b/x\\000"\nnew file mode 100644\n')[1]


def test_names_without_prefix() -> None:
    assert "noprefix" in refusal("--- mm/a.c\n+++ mm/a.c\n@@ -1 +1 @@\n-a\n+b\n")[1]
    assert "without the a/" in refusal("--- a.c\n+++ b.c\n@@ -1 +1 @@\n-a\n+b\n")[1]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("120000", "symbolic link"),
        ("160000", "submodule"),
        ("020666", "character device"),
        ("060000", "block device"),
        ("010644", "FIFO"),
        ("100666", "other than a plain file"),
        ("junk", "other than a plain file"),
    ],
)
def test_modes_that_no_patch_may_make(mode: str, words: str) -> None:
    for how in (f"new file mode {mode}", f"old mode 100644\nnew mode {mode}", f"index 1..2 {mode}"):
        assert words in refusal(f"diff --git a/x b/x\n{how}\n")[1]

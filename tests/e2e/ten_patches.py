"""Ten patches of this project's own on a real tree, one of which breaks something; made by editing the tree's files.

The series is a range of commits in a bare clone that borrows the tree's objects, so that nothing of the kernel's text
is kept here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Edit = Callable[[str], str]

TOUCHED = ("mmap", "mremap", "mprotect", "madvise", "mlock", "msync", "rmap", "memory", "util", "mincore")
"""The files of mm/ to which the patches add a symbol, one each, so that each kernel is another one."""


@dataclass(frozen=True)
class Line:
    """A clone and its commits, the base first."""

    clone: Path
    commits: tuple[str, ...]

    @property
    def tree(self) -> str:
        """As --tree has it."""
        return f"{self.clone}@{self.commits[-1]}"

    @property
    def range(self) -> str:
        return f"{self.commits[0]}..{self.commits[-1]}"


def appended(text: str) -> Edit:
    return lambda content: f"{content}{text}"


def replaced(pattern: str, by: str, *more: tuple[str, str]) -> Edit:
    """Exactly one place of a file for each pattern."""

    def edit(content: str) -> str:
        for before, after in ((pattern, by), *more):
            content, count = re.subn(before, after, content)
            assert count == 1, f"{count} places match {before}"
        return content

    return edit


DOES_NOT_BUILD_ON_ARM64 = {"arch/arm64/mm/mmap.c": appended("\nint vmaharness_arm64 = vmaharness_is_nowhere;\n")}
BREAKS_USERLAND_VMA = {
    "mm/vma.c": replaced(r"(can_vma_merge_before\(struct vma_merge_struct \*vmg\)\n\{\n)", r"\1\treturn false;\n")
}
LOOKS_UP_WITHOUT_RCU = {
    "mm/memory.c": replaced(
        r"\trcu_read_lock\(\);\n(retry:\n\tvma = mas_walk)", r"\1",
        (r"\trcu_read_unlock\(\);\n(\treturn vma;\n\ninval_end_read:\n)", r"\1"),
        (r"(\ninval:\n)\trcu_read_unlock\(\);\n", r"\1"),
    )
}  # fmt: skip
"""Lockdep says so during boot."""
WARNS_AT_BOOT = {
    "mm/vmstat.c": appended(
        "\nstatic int __init vmaharness_warns(void)\n{\n\tWARN_ON(1);\n\treturn 0;\n}\n"
        "late_initcall(vmaharness_warns);\n"
    )
}
"""With any configuration."""
NOW_AND_THEN = {
    "mm/vmstat.c": appended(
        "\n#include <linux/random.h>\nstatic int __init vmaharness_now_and_then(void)\n{\n"
        "\tWARN_ON(!get_random_u32_below(3));\n\treturn 0;\n}\nlate_initcall(vmaharness_now_and_then);\n"
    )
}
"""In one boot of three."""
BROKEN = {"mm/interval_tree.c": appended("\n#error vmaharness: not here\n")}
MENDED = {"mm/interval_tree.c": replaced(r"\n#error vmaharness: not here\n", "")}


def make_line(
    directory: Path, repo: Path, base: str, defect: Mapping[str, Edit], *, at: int, unbuildable: Sequence[int] = (),
    same_kernels: bool = False, tag: str = "",
) -> Line:  # fmt: skip
    """Ten commits on `base` of `repo`, of which number `at` (from 1) has the defect.

    Of the `unbuildable` ones no kernel compiles.  `same_kernels`: the others are documentation only.
    No kernel of a line is one of a line with another `tag`.
    """
    clone, index = directory / "linux.git", directory / "index"

    def git(*words: str, text: str | None = None) -> str:
        environment = {
            **os.environ, "GIT_DIR": str(clone), "GIT_INDEX_FILE": str(index), "GIT_AUTHOR_NAME": "A U Thor",
            "GIT_AUTHOR_EMAIL": "author@example.org", "GIT_COMMITTER_NAME": "A U Thor",
            "GIT_COMMITTER_EMAIL": "author@example.org", "GIT_AUTHOR_DATE": "2026-11-25T12:00:00Z",
            "GIT_COMMITTER_DATE": "2026-11-25T12:00:00Z",
        }  # fmt: skip
        done = subprocess.run(["git", *words], env=environment, input=text, capture_output=True, text=True, check=True)
        return done.stdout.removesuffix("\n")

    def change(path: str, edit: Edit, parent: str) -> None:
        old = subprocess.run(
            ["git", f"--git-dir={clone}", "cat-file", "blob", f"{parent}:{path}"], capture_output=True, text=True,
            check=False,
        ).stdout  # fmt: skip
        blob = git("hash-object", "-w", "--stdin", text=edit(old))
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")

    def commit(subject: str, changes: Mapping[str, Edit], parent: str) -> str:
        for path, edit in changes.items():
            change(path, edit, parent)
        return git("commit-tree", git("write-tree"), "-p", parent, "-m", subject)

    git("init", "-q", "--bare", str(clone))
    (clone / "objects/info/alternates").write_text(f"{repo / 'objects'}\n")
    git("read-tree", base)
    commits = [base]
    for number, name in enumerate(TOUCHED, 1):
        page = {f"Documentation/mm/vmaharness_{number}.rst": appended(f"Page {number}\n")}
        code = {f"mm/{name}.c": appended(f"\nint vmaharness_patch{tag}_{number};\n")}
        changes: dict[str, Edit] = dict(page if same_kernels else code)
        if number == at:
            changes |= defect
        if number in unbuildable and number - 1 not in unbuildable:
            changes |= BROKEN
        if number - 1 in unbuildable and number not in unbuildable:
            changes |= MENDED
        words = " and breaks something" if number == at else ""
        commits.append(commit(f"mm: patch {number} of ten{words}", changes, commits[-1]))
    git("update-ref", "refs/heads/series", commits[-1])
    return Line(clone, tuple(commits))

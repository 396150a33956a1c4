"""Whose an error of the compiler is: what was said of a tree, held against the lines that its checkers added."""

from __future__ import annotations

import re

from harness.host.process import Processes
from harness.kernel.git import Git
from harness.model import AppliedTree, Build

_FILE = re.compile(r"\+\+\+ b/(.{1,4096})")
_HUNK = re.compile(r"@@ -\S{1,20} \+(\d{1,9})(?:,(\d{1,9}))? @@")
_AS_IT_IS = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/")


def checkers_broke(tree: AppliedTree, build: Build, processes: Processes) -> bool:
    """Whether a build failed by lines of checkers alone: then it says nothing of the series.

    A series may change what they use; they are this project's, or the user's own, and no part of it.
    """
    errors = [(one.path, one.line) for one in build.messages if one.severity == "error"]
    if not errors or not any(checker.commit for checker in tree.checkers):
        return False
    added = _added(tree, processes)
    return all(any(line in lines for lines in added.get(path, ())) for path, line in errors)


def _added(tree: AppliedTree, processes: Processes) -> dict[str, list[range]]:
    """By file: the lines, as the tree numbers them, that its checkers added.  Raises InfraError."""
    first = next(checker.commit for checker in tree.checkers if checker.commit)
    diff = Git(processes, tree.repo).ask("diff", "-U0", *_AS_IT_IS, f"{first}^", tree.commit)
    found: dict[str, list[range]] = {}
    path = ""
    for line in diff.split("\n"):
        if match := _FILE.fullmatch(line):
            path = match[1]
        elif match := _HUNK.match(line):
            begin, count = int(match[1]), int(match[2] or 1)
            found.setdefault(path, []).append(range(begin, begin + count))
    return found

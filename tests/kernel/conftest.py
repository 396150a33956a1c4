"""A cache of its own, processes that end with the test, and the fake kernel as a git clone."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache as once
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.source import resolve_tree
from harness.model import FileChange, Patch, Series, Tree

FAKE = Path(__file__).parent.parent / "fakes" / "fakelinux"
ENV = {
    "PATH": os.defpath, "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A U Thor", "GIT_AUTHOR_EMAIL": "author@example.org", "GIT_AUTHOR_DATE": "2026-01-01T10:00:00Z",
    "GIT_COMMITTER_NAME": "A U Thor", "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_COMMITTER_DATE": "2026-01-01T10:00:00Z",
}  # fmt: skip

Resolve = Callable[[object], Tree]


def git(directory: Path, *arguments: str) -> str:
    """git as a user has it, in one of the tests' clones; it does not look after each commit whether to tidy up."""
    command = ["git", "-c", "init.defaultBranch=main", "-c", "maintenance.auto=false", "-c", "gc.auto=0", *arguments]
    return subprocess.run(command, cwd=directory, env=ENV, check=True, capture_output=True, text=True).stdout


@once
def _fake_repository() -> dict[str, bytes]:
    """The git directory of a clone of the fake kernel with one commit: made once, the same each time."""
    with TemporaryDirectory() as place:
        clone = Path(place) / "linux"
        shutil.copytree(FAKE, clone)
        git(clone, "init", "-q", "--template=")
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", "Fake 6.12")
        files = [path for path in (clone / ".git").rglob("*") if path.is_file()]
        return {str(path.relative_to(clone)): path.read_bytes() for path in files}


def fake_clone(directory: Path) -> Path:
    """The fake kernel as a git clone with one commit."""
    shutil.copytree(FAKE, directory)
    for name, content in _fake_repository().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (directory / ".git/refs/tags").mkdir()
    return directory


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """The fake kernel as a plain directory."""
    directory = tmp_path / "linux"
    shutil.copytree(FAKE, directory)
    return directory


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The fake kernel as a git clone with one commit."""
    return fake_clone(tmp_path / "linux")


@pytest.fixture
def resolve(processes: Processes, cache: Cache) -> Resolve:
    """resolve_tree for specs that need no archive."""

    def no_archive(suite: str) -> object:
        raise AssertionError(f"asked for the archive of {suite}")

    def ask(spec: object) -> Tree:
        archive: Callable[..., object] = no_archive
        return resolve_tree(
            str(spec), processes=processes, cache=cache, archive_for=archive, say=lambda _: None  # type: ignore[arg-type]
        )  # fmt: skip

    return ask


def make_patch(
    number: int, changes: dict[str, tuple[str, str]], *, subject: str = "", header: str = "", body: str = ""
) -> Patch:
    """A patch that changes files from one text to another ("" is a file that is not there)."""
    subject = subject or f"mm: change {number}"
    diff = body
    for path, (old, new) in changes.items():
        sides = ("/dev/null" if not old else f"a/{path}", "/dev/null" if not new else f"b/{path}")
        kind = "new file mode 100644\n" if not old else "deleted file mode 100644\n" if not new else ""
        lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), *sides)
        diff += f"diff --git a/{path} b/{path}\n{kind}" + "".join(lines)
    mail = (
        f"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        f"From: A U Thor <author@example.org>\n"
        f"{header or 'Date: Thu, 1 Jan 2026 12:00:00 +0100'}\n"
        f"Subject: [PATCH {number}/9] {subject}\n\nBecause of that.\n\nSigned-off-by: A U Thor <author@example.org>\n"
        f"---\n\n{diff}-- \n2.39\n"
    )
    files = tuple(
        FileChange(path if old else None, path if new else None, 1, 1) for path, (old, new) in changes.items()
    )
    return Patch(number, subject, "A U Thor <author@example.org>", "", "", files, mail.encode(), f"{number:04d}.patch")


def series(*patches: Patch) -> Series:
    return Series("series.mbox", "a series", 1, patches)

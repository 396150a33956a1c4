"""`--repair` as a user gives it: a saved page, a clone that has gone on since, and what the commands say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.posted import commit, numbered
from tests.kernel.conftest import FAKE, git
from tests.series import damage

FILE = "mm/example.c"
BEFORE = numbered(30)
AFTER = BEFORE.replace("int line_14;\n", "int l14(int a)\n{\n\tif (a)\n\t\treturn a + 1;\n\n\treturn 0;\n}\n")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The fake kernel: the page's patch is for `base`; HEAD has a commit more, elsewhere in the file."""
    directory = tmp_path / "linux"
    shutil.copytree(FAKE, directory)
    git(directory, "init", "-q")
    commit(directory, {FILE: BEFORE}, "Fake 6.12")
    git(directory, "branch", "base")
    commit(directory, {FILE: "int before;\n" + BEFORE}, "mm: one more")
    return directory


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*words: object) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "VMAHARNESS_CACHE": str(tmp_path / "cache"),
        }  # fmt: skip
        argv = [sys.executable, "-m", "harness.cli.main", *(str(word) for word in words)]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A reply that quotes the patch, with the blobs of its files."""
    path = tmp_path / "page.txt"
    path.write_text(damage.reply({FILE: (BEFORE, AFTER)}))
    return path


@pytest.mark.slow
def test_the_base_is_found_and_the_result_is_bit_exact(run: Run, clone: Path, page: Path) -> None:
    words = ("apply", "--base-fix", "none", "--tree", clone, "--series", page, "--repair")
    refused = run(*words)
    assert refused.returncode == 2
    assert f"{FILE} wants blob {damage.blob(BEFORE)[:12]}, the tree has" in refused.stderr
    for base in ("auto", "base"):
        done = run(*words, "--base", base)
        assert done.returncode == 0, done.stderr
        assert "bit-exact" in done.stdout


def test_without_the_flag_it_is_refused_with_the_offer(run: Run, clone: Path, page: Path) -> None:
    done = run("apply", "--base-fix", "none", "--tree", clone, "--series", page)
    assert done.returncode == 2
    assert "whitespace lost" in done.stderr
    assert "--repair" in done.stderr


def test_a_patch_without_blobs_is_rebuilt_at_an_offset_and_exported(run: Run, clone: Path, tmp_path: Path) -> None:
    diff = damage.diff_of({FILE: (BEFORE, AFTER)})
    page, mailbox = tmp_path / "notice.txt", tmp_path / "out.mbox"
    page.write_text(damage.notice("one", [*damage.stat_of(diff), *diff[1:]]))
    done = run("series", "export", page, "--repair", "--tree", clone, "-o", mailbox)
    assert done.returncode == 0, done.stderr
    assert "+1 lines from where it says" in done.stderr
    git(clone, "am", "-q", str(mailbox))
    assert (clone / FILE).read_text() == "int before;\n" + AFTER


def test_the_series_verbs_need_a_tree_to_repair_with(run: Run, page: Path) -> None:
    done = run("series", "show", page, "--repair")
    assert done.returncode == 2
    assert "--tree" in done.stderr


@pytest.mark.slow
def test_the_survey_shows_the_reason(run: Run, clone: Path, page: Path) -> None:
    done = run("series", "show", page, "--repair", "--tree", clone)
    assert done.returncode == 0
    assert f"wants blob {damage.blob(BEFORE)[:12]}" in done.stdout
    shown = run("series", "show", page, "--repair", "--tree", f"{clone}@base")
    assert "proven by the blob" in shown.stdout

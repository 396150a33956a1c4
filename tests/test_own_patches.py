"""The patches that come with the project are complete and in order; applying them is for tests with a kernel."""

from __future__ import annotations

import email
import email.policy
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness.data import patches_dir
from harness.host.cache import Cache, default_root
from harness.host.process import Processes
from harness.kernel.apply import apply_series
from harness.kernel.source import resolve_tree
from harness.model import Arch
from harness.plan.model import Plan
from harness.run.sources import Archives, read_base_fix
from harness.series.mutants import load
from harness.suites.faults import FaultsSuite
from harness.suites.hazards import HazardsSuite

BROKEN = Path(__file__).parent / "data" / "patches"
DOCS = Path(__file__).parents[1] / "docs"
DIRECTORIES = sorted(path.parent for path in patches_dir().rglob("series"))
PATCHES = sorted([*patches_dir().rglob("*.patch"), *BROKEN.glob("*.patch")])


def relative(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_there_are_a_base_fix_and_a_demo_series() -> None:
    assert patches_dir() / "base-fix" / "6.12" in DIRECTORIES
    assert patches_dir() / "demo" in DIRECTORIES


@pytest.mark.parametrize("directory", DIRECTORIES, ids=relative)
def test_series_file_names_every_patch_in_order_but_the_cover_letter(directory: Path) -> None:
    patches = sorted(path.name for path in directory.glob("*.patch") if not path.name.startswith("0000-"))

    assert (directory / "series").read_text().splitlines() == patches


def test_demo_series_has_a_cover_letter_and_at_least_four_patches() -> None:
    demo = patches_dir() / "demo"

    assert "diff --git" not in (demo / "0000-cover-letter.patch").read_text()
    assert len((demo / "series").read_text().splitlines()) >= 4


@pytest.mark.parametrize("patch", PATCHES, ids=relative)
def test_mail_is_what_git_am_needs(patch: Path) -> None:
    message = email.message_from_bytes(patch.read_bytes(), policy=email.policy.default)
    body = message.get_content()

    assert message["From"] == "Vma Harness <vmaharness@example.org>"
    assert message["Subject"].startswith("[PATCH")
    assert message["Date"]
    if not patch.name.startswith("0000-"):
        assert "\nSigned-off-by: Vma Harness <vmaharness@example.org>\n---\n" in body
        assert "\ndiff --git a/" in body


@pytest.mark.parametrize("directory", sorted((patches_dir() / "mutants").iterdir()), ids=lambda path: path.name)
def test_every_mutant_is_whole(directory: Path, processes: Processes) -> None:
    """One patch each, with a family and what it expects; from many families."""
    found = load(directory, (), processes=processes)

    assert len(found) >= 16
    assert len({mutant.family for mutant in found}) >= 10
    assert all(mutant.expects or mutant.expected for mutant in found)


@pytest.mark.parametrize(("version", "page"), [("6.12", "mutants.md"), ("7.2", "mutants-7.2.md")])
def test_every_mutant_has_its_row_in_the_score(version: str, page: str) -> None:
    names = {path.stem for path in (patches_dir() / "mutants" / version).glob("*.patch")}
    rows = re.findall(
        r"^\| `([\w-]+)` \| [^|]+ \| [^|]+ \| [^|]+ \| [^|]+ \|$", (DOCS / page).read_text(), re.MULTILINE
    )

    assert sorted(rows) == sorted(names)
    assert f"{len(names)} for {version}" in (DOCS.parent / "README.md").read_text()


@pytest.mark.parametrize("directory", sorted((patches_dir() / "mutants").iterdir()), ids=lambda path: path.name)
def test_what_a_mutant_expects_is_there(directory: Path, processes: Processes) -> None:
    """A glob that matches no case orders nothing, and says something untrue beside a survivor."""
    cases = [f"hazards.{case}" for command in HazardsSuite().commands(Arch.X86_64, 2) for case in command.cases]
    cases += [f"faults.{case}" for command in FaultsSuite().commands(Arch.X86_64, 2) for case in command.cases]
    globs = {glob for mutant in load(directory, (), processes=processes) for glob in mutant.expects}

    assert not [glob for glob in globs if glob != "kernel.boot" and not any(fnmatchcase(case, glob) for case in cases)]


@pytest.mark.kernel
@pytest.mark.network
def test_the_mutants_of_the_default_tree_apply(processes: Processes) -> None:
    """Each alone, by `git am`, on top of the base fix."""
    with Cache(default_root()) as cache:
        archives = Archives(processes, cache, lambda _: None)
        tree = resolve_tree(
            Plan().tree, processes=processes, cache=cache, archive_for=archives, say=lambda _: None
        )  # fmt: skip
        fix = read_base_fix("auto", tree, processes)
        version = ".".join(tree.kernel_version.split(".")[:2])
        for mutant in load(patches_dir() / "mutants" / version, (), processes=processes):
            applied = apply_series(tree, fix, mutant.series, processes=processes, cache=cache, say=lambda _: None)
            assert len(applied.patches) == 2, mutant.name


def test_readme_describes_every_broken_patch() -> None:
    described = {
        line.split("`")[1] for line in (BROKEN / "README.md").read_text().splitlines() if line.startswith("| `")
    }

    assert described == {path.name for path in BROKEN.glob("*.patch")}

"""The patches that come with the project are complete and in order; applying them is for tests with a kernel."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from harness.data import patches_dir

BROKEN = Path(__file__).parent / "data" / "patches"
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


def test_readme_describes_every_broken_patch() -> None:
    described = {
        line.split("`")[1] for line in (BROKEN / "README.md").read_text().splitlines() if line.startswith("| `")
    }

    assert described == {path.name for path in BROKEN.glob("*.patch")}

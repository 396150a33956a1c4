"""Which base fix is taken, and what guests are made of."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from harness.data import patches_dir
from harness.host.apt import SUITES
from harness.run import sources


def test_the_base_fix_of_a_version_is_found_by_itself() -> None:
    assert sources.find_base_fix("auto", "6.12.117") == patches_dir() / "base-fix" / "6.12"
    assert sources.find_base_fix("auto", "7.2.12") is None
    assert sources.find_base_fix("auto", "6.1") is None


def test_none_and_a_directory() -> None:
    assert sources.find_base_fix("none", "6.12.117") is None
    assert sources.find_base_fix("/my/fix", "6.12.117") == Path("/my/fix")


@pytest.mark.parametrize(
    ("release", "suite"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "trixie"}, "trixie"),
        ({"ID": "debian", "VERSION_CODENAME": "potato"}, SUITES[0]),
        ({"ID": "ubuntu", "VERSION_CODENAME": "noble"}, SUITES[0]),
    ],
)
def test_guests_run_the_hosts_own_debian(release: dict[str, str], suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert sources.guest_suite() == suite

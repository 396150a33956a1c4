"""The bootstrap: what it installs and says, that it does nothing where nothing is missing, and what it removes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "ci" / "setup.sh"
TABLE = "flex\tflex\tKconfig's parser\nqemu-system-arm\tQEMU for arm64\tarm64 guests\n"
PYTHON = """#!/bin/sh
case "$*" in
*--explain) cat table ;;
*) cut -f1 table ;;
esac
"""


class Host:
    """A machine on whose PATH are only these programs; what apt-get and sudo were asked is kept."""

    def __init__(self, place: Path) -> None:
        self.place, self.path = place, place / "bin"
        self.path.mkdir()
        for name in ("cat", "cut", "env", "tail", "tr"):
            (self.path / name).symlink_to(f"/usr/bin/{name}")
        self.program("python", PYTHON)
        self.misses(TABLE)
        self.is_user(0)

    def program(self, name: str, script: str) -> None:
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def misses(self, table: str) -> None:
        (self.place / "table").write_text(table)

    def is_user(self, number: int) -> None:
        self.program("id", f"#!/bin/sh\necho {number}\n")

    def has_apt(self, exit_code: int = 0) -> None:
        self.program("apt-get", f'#!/bin/sh\necho "apt-get $*" >>asked\necho "E: no route"\nexit {exit_code}\n')

    def has_sudo(self, exit_code: int = 0) -> None:
        options = 'for word; do case $word in --pre*) echo "$word" >>asked; shift ;; esac; done'
        self.program(
            "sudo", f'#!/bin/sh\n[ "$1" != -n ] || exit {exit_code}\necho sudo >>asked\n{options}\nexec "$@"\n'
        )

    def install(self, **environment: str) -> subprocess.CompletedProcess[str]:
        script = f". {SETUP}; cache={self.place} python={self.path}/python; PATH={self.path}; install_packages"
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script], cwd=self.place,
            env={"PATH": os.defpath, "HOME": "/none", **environment}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    @property
    def asked(self) -> list[str]:
        file = self.place / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_what_is_missing_is_installed_and_said_with_what_it_is_for(host: Host) -> None:
    host.has_apt()
    done = host.install()
    assert done.returncode == 0
    assert done.stderr == f"vmaharness: installing host packages:\n{TABLE}"
    assert host.asked == [
        "apt-get update -qq", "apt-get install -y -qq --no-install-recommends flex qemu-system-arm"
    ]  # fmt: skip


def test_nothing_is_done_where_nothing_is_missing(host: Host) -> None:
    host.misses("")
    host.has_apt()
    done = host.install()
    assert (done.returncode, done.stdout + done.stderr, host.asked) == (0, "", [])


def test_a_user_installs_through_sudo(host: Host) -> None:
    host.is_user(1000)
    host.has_apt()
    host.has_sudo()
    assert host.install().returncode == 0
    assert [line.split()[0] for line in host.asked] == ["sudo", "apt-get", "sudo", "apt-get"]


def test_sudo_keeps_the_proxies_that_there_are(host: Host) -> None:
    host.is_user(1000)
    host.has_apt()
    host.has_sudo()
    assert host.install(http_proxy="http://p.example:3128", no_proxy="m.example", https_proxy="").returncode == 0
    kept = ["sudo", "--preserve-env=http_proxy", "--preserve-env=no_proxy"]
    assert host.asked[:4] == [*kept, "apt-get update -qq"] and host.asked[4:7] == kept


@pytest.mark.parametrize("sudo", [False, True], ids=["no sudo", "sudo that wants a password"])
def test_who_may_not_install_is_told_the_packages(host: Host, sudo: bool) -> None:
    host.is_user(1000)
    host.has_apt()
    if sudo:
        host.has_sudo(1)
    done = host.install()
    assert (done.returncode, host.asked) == (3, [])
    assert "fix: as root: apt-get install --no-install-recommends flex qemu-system-arm" in done.stderr


def test_another_distribution_is_told_the_programs(host: Host) -> None:
    done = host.install()
    assert done.returncode == 3
    assert done.stderr.startswith(TABLE)
    assert "this is no Debian; install the programs above with your distribution's tools" in done.stderr


def test_apts_own_words_are_shown_where_it_fails(host: Host) -> None:
    host.has_apt(100)
    done = host.install()
    assert done.returncode == 3
    assert "E: no route\n" in done.stderr
    assert "check the network and /etc/apt" in done.stderr


def test_environments_of_checkouts_that_are_gone_are_removed(tmp_path: Path) -> None:
    places = {"here": str(tmp_path), "gone": str(tmp_path / "a clone"), "older": None}
    for name, checkout in places.items():
        environment = tmp_path / "venv" / name
        (environment / "bin").mkdir(parents=True)
        if checkout is not None:
            (environment / "checkout").write_text(checkout)
    for left in (["here", "older"], []):
        script = f". {SETUP}; cache={tmp_path}; forget_environments"
        subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", script], check=True)
        assert sorted(path.name for path in tmp_path.glob("venv/*")) == left
        shutil.rmtree(tmp_path / "venv", ignore_errors=True)


def test_a_link_to_the_program_is_the_program(tmp_path: Path) -> None:
    project = tmp_path / "project" / "ci"
    project.mkdir(parents=True)
    shutil.copy(SETUP.with_name("vmaharness"), project)
    (project / "setup.sh").write_text("set_up() { venv=$PWD/venv; }\n")
    program = tmp_path / "venv" / "bin" / "vmaharness"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$VMAHARNESS_PROGRAM: $*"\n')
    program.chmod(0o755)
    (tmp_path / "vmaharness").symlink_to("project/ci/vmaharness")
    done = subprocess.run(["./vmaharness", "run", "a b"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "./vmaharness: run a b\n"

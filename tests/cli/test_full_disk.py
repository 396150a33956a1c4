"""A cache on a disk that is really full: a message, exit code 3, the results that there are, and nothing left."""

from __future__ import annotations

import base64
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.arch import host_arch
from harness.model import Arch, Outcome
from harness.report import results
from tests.kernel.conftest import fake_clone, git

PROJECT = Path(__file__).parents[2]
ARCH = host_arch() or Arch.X86_64
BWRAP = shutil.which("bwrap") or "bwrap"


def _small_disks_can_be_made() -> bool:
    words = [BWRAP, "--dev-bind", "/", "/", "--size", "4096", "--tmpfs", "/mnt", "true"]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _small_disks_can_be_made(), reason="bubblewrap cannot mount a small disk here")
@pytest.mark.parametrize("size", [300_000, 4_800_000], ids=["in our own writing", "in git am's"])
def test_it_is_the_machines_fault_and_said(place: Path, size: int) -> None:
    clone, full = fake_clone(place / "linux"), place / "full"
    full.mkdir()
    git(clone, "tag", "base")
    data = base64.encodebytes(random.Random(1).randbytes(3_000_000))  # what no compression makes small
    (clone / "mm/data.h").write_bytes(data)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "mm: much more")
    (place / "series.mbox").write_text(git(clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
    (place / "plain.config").write_text("CONFIG_SMP=y\n")
    command = [
        sys.executable, "-m", "harness.cli.main", "build", "--tree", "linux@base", "--series", "series.mbox",
        "--base-fix", "none", "--check", "none", "--arch", ARCH, "--profile", "plain=./plain.config", "--out", "here",
    ]  # fmt: skip
    shell = '"$@"; code=$?; find "$VMAHARNESS_CACHE/scratch" -mindepth 1 -printf "left %p\\n"; exit $code'
    done = subprocess.run(
        [BWRAP, "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", full, "sh", "-c", shell, "sh", *command],
        env=os.environ | {"PYTHONPATH": str(PROJECT), "VMAHARNESS_CACHE": f"{full}/cache"}, cwd=place, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stdout.split())  # however its lines are broken
    assert "No space left on device" in said or f"the disk of {full}/cache/" in said
    assert "bug" not in done.stderr
    assert "does not apply" not in done.stderr + done.stdout
    assert "left " not in [line[:5] for line in done.stdout.splitlines()], done.stdout
    assert results.load(place / "here/results.json").outcome is Outcome.ERROR
    assert (place / "here/junit.xml").exists()

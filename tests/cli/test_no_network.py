"""A whole run on a machine that reaches no archive, with an empty cache: the machine's fault, and said so."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.arch import host_arch
from harness.host import apt
from harness.host.process import SYSTEM_PATH
from harness.model import Arch, Outcome, Payload
from harness.report import results
from harness.run import leftovers
from harness.run.suites import Prepared
from tests.cli.conftest import Invoke
from tests.fakes.fake_archive import unreachable_archive
from tests.kernel.conftest import fake_clone
from tests.run.image_guest import Names

ARCH = host_arch() or Arch.X86_64


@pytest.mark.parametrize("tree", ["debian:linux-source-6.12", "linux"], ids=["the kernel", "the guests' packages"])
def test_it_is_the_machines_fault_and_said(
    place: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tree: str
) -> None:
    programs, cache = place / "programs", place.parent / "cache"
    programs.mkdir()
    unreachable_archive(programs)
    monkeypatch.setattr(apt, "SYSTEM_PATH", f"{programs}:{SYSTEM_PATH}")
    monkeypatch.setattr(apt, "find_mirrors", lambda _: ("http://m.example/debian", "https://s.example/security"))
    # The registry's fragments are for real kernels; programs that need nothing of the archive are there.
    monkeypatch.setattr("harness.kernel.kconfig.fragments_dir", lambda: place / "no-registry")
    monkeypatch.setattr("harness.run.suites.Workshop.faults", lambda *_: Prepared("faults", Names(), Payload()))
    fake_clone(place / "linux")
    (place / "plain.config").write_text("CONFIG_SMP=y\n")
    done = invoke(
        "run", "--tree", tree, "--series", "none", "--base-fix", "none", "--arch", ARCH.value, "--suite", "faults",
        "--profile", "plain=./plain.config", "--accel", "tcg", "--no-sandbox", "--out", "here",
    )  # fmt: skip
    assert done.exit_code == 3, done.output
    what = "Debian's archive at m.example and s.example cannot be reached, and nothing of bookworm"
    fix = "fix: check the network and the mirror in /etc/apt/sources.list"
    assert what in " ".join(done.stdout.split()), "the summary says it"
    assert f": {what}" in done.stderr
    assert f": {fix}" in done.stderr
    assert "bug" not in done.stderr
    result = results.load(place / "here/results.json")
    assert result.outcome is Outcome.ERROR
    assert what in result.message
    suites = ElementTree.parse(place / "here/junit.xml").getroot()
    assert int(suites.get("errors", "0")) > 0
    for error in suites.iter("error"):
        assert what in error.get("message", "")
        assert "Could not resolve 'm.example'" in str(error.text)
        assert fix in str(error.text)
    assert list((cache / "apt").iterdir()) == []
    assert [*leftovers.left(cache), *(cache / "scratch").iterdir()] == []

"""`doctor`: what it says of a machine with holes, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import doctor as module
from harness.host import checks
from harness.host.checks import Check
from harness.host.needs import Need, needs
from harness.host.process import Processes
from harness.model import Arch
from tests.cli.conftest import Invoke

GOOD = Check("git", "program", True, True, "2.39.5", "trees")
LACKING = Check("ccache", "program", False, False, "missing", "fast builds", "apt-get install ccache")
MISSING = Check("flex", "program", False, True, "missing", "Kconfig", "apt-get install flex")

OPTIONAL = Check("sparse", "program", False, False, "missing", "a check", "apt-get install sparse", asked_for=True)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """What the checks of the host find; the test fills it."""
    found: list[Check] = []
    monkeypatch.setattr("harness.host.checks.check_host", lambda *_: tuple(found))
    monkeypatch.setattr(module, "check_sandbox", lambda _: GOOD)
    return found


def test_a_machine_with_holes(machine: list[Check], invoke: Invoke) -> None:
    machine += [GOOD, LACKING, MISSING, OPTIONAL]
    done = invoke("doctor", "--accel", "tcg", "--arch", "arm64")
    assert done.exit_code == 3
    assert done.stdout.splitlines() == [
        "ok        git            2.39.5",
        "lacking   ccache         missing",
        "MISSING   flex           missing",
        "optional  sparse         missing",
        "ok        git            2.39.5",
        "ok        KVM for arm64  will not be used, TCG will: asked for",
        "",
        "A run cannot work without:",
        "  flex: Kconfig",
        "      fix: apt-get install flex",
        "",
        "A run works, but not as well, without:",
        "  ccache: fast builds",
        "      fix: apt-get install ccache",
        "",
        "Only what a plan asks for needs:",
        "  sparse: a check",
        "      fix: apt-get install sparse",
        "",
        "All packages at once: apt-get install ccache flex",
    ]


def test_a_run_works_without_what_is_optional(machine: list[Check], invoke: Invoke) -> None:
    machine += [GOOD, LACKING]
    assert invoke("doctor", "--accel", "tcg").exit_code == 0
    machine[:] = [GOOD, OPTIONAL]
    assert invoke("doctor", "--accel", "tcg").stdout.endswith("\nAll is there.\n")


def test_after_a_bootstrap_all_is_there(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, machine: list[Check], tmp_path: Path
) -> None:
    """The same table says what a bootstrap installs and what is there."""
    installed = {need.name for need in needs() if not need.asked_for}
    monkeypatch.setattr(Need, "find", lambda need, *_: "somewhere" if need.name in installed else "")
    monkeypatch.setattr(checks, "_program_version", lambda *_: "1.0")
    with Processes() as processes:
        machine += checks.check_needs(processes, needs())
    done = invoke("doctor", "--accel", "tcg")
    assert (done.exit_code, done.stdout.endswith("\nAll is there.\n")) == (0, True)
    assert done.stdout.count("optional  ") == len(needs()) - len(installed) > 0
    assert "lacking" not in done.stdout
    assert "All packages at once" not in done.stdout


def test_elsewhere_than_on_debian_programs_are_named(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, machine: list[Check]
) -> None:
    monkeypatch.setattr(checks, "is_debian", lambda: False)
    monkeypatch.setattr(Need, "find", lambda *_: "")
    with Processes() as processes:
        machine += checks.check_needs(processes, needs([Arch.X86_64]))
    said = invoke("doctor", "--accel", "tcg").stdout
    assert "fix: install the program flex with your distribution's tools (Debian has it in flex)\n" in said
    assert (
        "fix: install the file /usr/include/gelf.h with your distribution's tools (Debian has it in libelf-dev)" in said
    )
    assert "fix: install the Python module ensurepip with" in said
    assert "apt-get install" not in said


def test_as_json(machine: list[Check], invoke: Invoke) -> None:
    machine += [MISSING, OPTIONAL]
    done = invoke("doctor", "--accel", "tcg", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["able"]) == (3, False)
    assert found["checks"][0]["fix"] == "apt-get install flex"
    assert [check["state"] for check in found["checks"]] == ["missing", "optional", "ok", "ok", "ok"]


def test_kvm_by_name_where_it_cannot_work_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    check = module.check_accel("kvm", Arch.X86_64)
    assert check.stops_run
    assert check.found.startswith("KVM cannot run x86_64 guests here")
    assert check.fix
    assert module.check_accel("auto", Arch.X86_64).ok


def test_the_sandbox_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Processes() as processes:
        check = module.check_sandbox(processes)
    assert (check.ok, check.required) == (False, False)
    assert check.found

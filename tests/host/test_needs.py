"""The table of what a run needs from the host, and the bare Python that must be able to print it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.arch import ARCHES
from harness.host import needs as module
from harness.host.needs import Need, missing, needs
from harness.model import Arch

PROJECT = Path(__file__).parents[2]


@pytest.fixture(params=[*Arch])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Arch:
    """A host of each architecture."""
    arch = Arch(request.param)
    monkeypatch.setattr("platform.machine", lambda: ARCHES[arch].uname)
    return arch


def test_the_other_architecture_is_the_foreign_one(host: Arch) -> None:
    packages = {need.package for need in needs()}
    for arch, info in ARCHES.items():
        assert info.qemu_package in packages
        assert (
            set(info.compiler_packages) <= packages if arch is not host else packages.isdisjoint(info.compiler_packages)
        )


def test_native_guests_need_no_cross_compiler(host: Arch) -> None:
    packages = {need.package for need in needs([host])}
    assert ARCHES[host].qemu_package in packages
    assert not any("cross" in package for package in packages)


def test_each_need_can_be_found_and_says_what_for() -> None:
    for need in needs():
        assert need.programs or need.files or need.module
        assert need.why
    names = [need.name for need in needs()]
    assert len(set(names)) == len(names)


def test_finding_programs_files_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "flex"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert Need("flex", "flex", "", programs=("lex", "flex")).find() == str(program)
    assert Need("bison", "bison", "", programs=("bison",)).find() == ""
    header = Need("h", "h-dev", "", files=("/usr/include/x.h", "/usr/local/include/x.h"))
    assert header.find(tmp_path) == ""
    (tmp_path / "usr/local/include").mkdir(parents=True)
    (tmp_path / "usr/local/include/x.h").touch()
    assert header.find(tmp_path) == f"{tmp_path}/usr/local/include/x.h"
    assert Need("m", "m", "", module="json").find() == "python module json"
    assert Need("m", "m", "", module="no_such_module_at_all").find() == ""


def test_missing_packages_are_printed_one_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module.main(["--missing"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [need.package for need in missing(needs()) if not need.asked_for]
    assert "sparse" not in printed  # a bootstrap installs nothing that only some plans need
    assert {"git", "flex", "qemu-system-x86", "ccache"} <= set(printed)
    module.main(["--missing", "--required"])
    assert "ccache" not in capsys.readouterr().out.splitlines()
    module.main(["--missing", "--explain", "--arch", "x86_64"])
    explained = capsys.readouterr().out
    assert "flex\tflex\tKconfig's parser\n" in explained
    assert "qemu-system-arm" not in explained


def test_a_python_without_any_library_can_print_it() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from harness.host.needs import main; sys.exit(main(sys.argv[2:]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(PROJECT), "--explain"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(needs())


def test_an_apt_get_alone_makes_no_debian(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/apt-get").touch(mode=0o755)
    assert not module.is_debian(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/debian_version").write_text("12.5\n")
    assert module.is_debian(tmp_path)

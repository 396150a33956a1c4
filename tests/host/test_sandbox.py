"""What a confined program can and cannot do, tried with bubblewrap itself: as whoever runs the tests, and as nobody."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from harness.host.process import Completed, Processes
from harness.host.sandbox import Sandbox, probe


@pytest.fixture
def sandbox(processes: Processes) -> Sandbox:
    found = probe(processes, wanted=True)
    if not found.active:
        pytest.skip(found.note)
    return found


def as_nobody() -> list[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root to become somebody else")
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]


def shell(
    processes: Processes, sandbox: Sandbox, script: str, work: Path, prefix: list[str] | None = None
) -> Completed:
    wrapped = sandbox.wrap(["sh", "-c", script], cwd=work, writable=[work], env={"GREETING": "hello"})
    return processes.run([*(prefix or []), *wrapped])


@pytest.fixture(params=["me", "nobody"])
def prefix(request: pytest.FixtureRequest) -> list[str]:
    return [] if request.param == "me" else as_nobody()


@pytest.fixture
def work(tmp_path: Path, prefix: list[str]) -> Path:
    """A work directory that the user of the test may write; its parents can be passed."""
    directory = tmp_path / "work"
    directory.mkdir()
    if prefix:
        os.chown(directory, 65534, 65534)
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    return directory


def test_the_named_directory_can_be_written(
    processes: Processes, sandbox: Sandbox, work: Path, prefix: list[str]
) -> None:
    done = shell(processes, sandbox, "pwd; echo made > file; echo $GREETING; id -u", work, prefix)
    assert done.ok, done.words
    assert (work / "file").read_text() == "made\n"
    assert done.text.splitlines()[:2] == [str(work), "hello"]


@pytest.mark.parametrize("place", ["/usr", "/etc", "/", "/var", "BESIDE"])
def test_nothing_else_can_be_written(
    processes: Processes, sandbox: Sandbox, work: Path, prefix: list[str], place: str
) -> None:
    target = (str(work.parent) if place == "BESIDE" else place) + "/vmaharness-was-here"
    done = shell(processes, sandbox, f"echo bad > {target}", work, prefix)
    assert not done.ok or target.startswith(("/tmp/", "/dev/"))  # the sandbox's own, which the host never sees
    assert not Path(target).exists()


def test_tmp_is_private(processes: Processes, sandbox: Sandbox, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    marker = Path("/tmp") / f"vmaharness-test-{os.getpid()}"
    assert shell(processes, sandbox, f"echo x > {marker} && cat {marker}", work).text == "x\n"
    assert not marker.exists()


def test_there_is_no_network(processes: Processes, sandbox: Sandbox, work: Path, prefix: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connect = f"exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"
        outside = processes.run(["sh", "-c", connect])
        assert outside.ok, outside.words
        assert not shell(processes, sandbox, connect, work, prefix).ok


def test_home_and_environment_are_not_there(
    processes: Processes, sandbox: Sandbox, work: Path, prefix: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    done = shell(processes, sandbox, f"env; ls -d {Path.home()} /home/* /root/.ssh", work, prefix)
    assert "hunter2" not in done.text
    assert f"{Path.home()}\n" not in done.text
    assert "HOME=/nonexistent" in done.text


def test_other_processes_are_not_there(processes: Processes, sandbox: Sandbox, work: Path, prefix: list[str]) -> None:
    done = shell(processes, sandbox, "ls -d /proc/[0-9]*", work, prefix)
    assert len(done.text.split()) < 5
    assert not shell(processes, sandbox, f"kill -0 {os.getpid()}", work, prefix).ok


def test_readable_is_read_only(processes: Processes, sandbox: Sandbox, tmp_path: Path) -> None:
    work, source = tmp_path / "work", tmp_path / "source"
    for directory in (work, source):
        directory.mkdir()
    (source / "file").write_text("source\n")
    script = f"cat {source}/file; echo bad > {source}/new"
    done = processes.run(sandbox.wrap(["sh", "-c", script], cwd=work, writable=[work], readable=[source]))
    assert done.text == "source\n"
    assert not done.ok
    assert not (source / "new").exists()


def test_without_a_sandbox_directory_and_environment_are_the_same(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    done = shell(processes, Sandbox("off"), "pwd; echo $GREETING; env", tmp_path)
    assert done.text.splitlines()[:2] == [str(tmp_path), "hello"]
    assert "hunter2" not in done.text
    assert "HOME=/nonexistent" in done.text


def test_unwanted_is_off_and_says_so(processes: Processes) -> None:
    found = probe(processes, wanted=False)
    assert (found.mode, found.active) == ("off", False)
    assert "unconfined" in str(found)


@pytest.mark.parametrize(
    ("script", "said"),
    [(None, "apt-get install bubblewrap"), ("echo 'bwrap: No permissions to create namespace' >&2; exit 1", "No perm")],
)
def test_why_it_cannot_be_used(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    if script is not None:
        (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = probe(processes, wanted=True)
    assert found.mode == "unavailable"
    assert said in found.note

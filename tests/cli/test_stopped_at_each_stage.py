"""A run of the fake kernel that is stopped by Ctrl-C, and by SIGKILL, while each stage's program is at work.

No program of it survives, no lock is held, nothing of it is left behind the next run, and that one works.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from harness.arch import ARCHES, host_arch
from harness.cli.results import MARK
from harness.host import sessions
from harness.model import Arch, Outcome
from harness.report import results
from harness.run import leftovers
from harness.run.probe import READING
from tests.fakes.fake_archive import fake_archive
from tests.fakes.fake_qemu_control import BOOTED, FakeQemuControl
from tests.fakes.sshd import SshServer, finish
from tests.kernel.conftest import fake_clone, git

PROJECT = Path(__file__).parents[2]
ARCH = host_arch() or Arch.X86_64
STATE = "vma_lock_success 5\n--vmaharness--\n0\n--vmaharness--\n debug_locks: 1\n--vmaharness--\n"

# A stand-in for a program: with these words in its command line it does not come to its end, and nor does its child.
_BLOCKS = """\
#!/bin/sh
case " $* " in
*"WORDS"*)
BEFORE
    sleep 1000 &
    : >PLACE/blocked
    wait ;;
esac
exec REAL "$@"
"""
# As git does in a repository that it fetches into: the lock stays if it cannot remove it.
_LOCKS = """\
    for word; do case $word in --git-dir=*) lock=${word#*=}/shallow.lock ;; esac; done
    : >"$lock"
    trap 'rm "$lock"; exit 143' TERM"""


@dataclass(frozen=True)
class Stage:
    """What is at work when the signal comes."""

    program: str
    words: str = ""
    before: str = ""
    tree: str = "clone"
    guest: bool = False


STAGES = {
    "fetch": Stage("git", " fetch ", before=_LOCKS, tree="url"),
    "packages": Stage("apt-get", " update "),
    "unpack": Stage("gzip", " -dc ", tree="tarball"),
    "apply": Stage("git", " am "),
    "checkout": Stage("git", " read-tree --reset "),
    "config": Stage("awk"),
    "compile": Stage("gcc", " -c "),
    "initramfs": Stage("dpkg-deb"),
    "boot": Stage(ARCHES[ARCH].qemu, guest=True),
    "report": Stage("results.json"),
}


@dataclass(frozen=True)
class Sources:
    """The fake kernel in each form, and a series for it."""

    clone: Path
    tarball: Path
    series: Path

    def tree(self, form: str) -> str:
        return {"clone": f"{self.clone}@base", "url": f"file://{self.clone}@base", "tarball": str(self.tarball)}[form]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    place = tmp_path_factory.mktemp("sources")
    clone, tarball, series = fake_clone(place / "linux"), place / "linux.tar.gz", place / "series.mbox"
    git(clone, "tag", "base")
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(clone, "linux", filter=lambda item: None if ".git" in Path(item.name).parts else item)
    (clone / "mm/vma.c").write_text((clone / "mm/vma.c").read_text() + "int more;\n")
    git(clone, "commit", "-q", "-a", "-m", "mm: more")
    series.write_text(git(clone, "format-patch", "--stdout", "HEAD~1..HEAD"))
    return Sources(clone, tarball, series)


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[str]]:
    """What forks the command."""
    forking = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.forked_command"], cwd=PROJECT, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    yield forking
    os.killpg(forking.pid, signal.SIGKILL)
    forking.communicate()


class Bench:
    """Runs of one command line, one after the other."""

    def __init__(self, place: Path, forks: subprocess.Popen[str], sources: Sources, stage: Stage) -> None:
        self.place, self.stage, self._forks, self._running = place, stage, forks, 0
        self.cache, self.out, self.temporary = place / "cache", place / "here", place / "tmp"
        self.console = self.out / f"console-{ARCH}-plain.log"
        self.programs, self.blocked = place / "programs", place / "blocked"
        for directory in (self.programs, self.temporary):
            directory.mkdir()
        fake_archive(self.programs, place / "packages", ARCH)
        self.qemu = FakeQemuControl(place / "qemu", ARCHES[ARCH].qemu)
        self._real = shutil.which(stage.program, path=f"{self.programs}:{os.environ['PATH']}")
        if self._real == str(self.programs / stage.program):
            self._real = shutil.move(self._real, f"{self._real}.real")
        (place / "plain.config").write_text("CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=y\n")
        self._argv = [
            "run", "--tree", sources.tree(stage.tree), "--series", str(sources.series), "--base-fix", "none",
            "--check", "none", "--arch", ARCH, "--profile", "plain=plain.config", "--suite", "faults", "--accel", "tcg",
            "--out", "here",
        ]  # fmt: skip

    def start(self, *, block: bool) -> int:
        """The process of a run, in which the stage's program blocks or does not."""
        env = {"VMAHARNESS_CACHE": str(self.cache), "TMPDIR": str(self.temporary)}
        if self.stage.program == "results.json":
            env |= {"HOLD": f"{self.place}/results.json"} if block else {}
        elif self.stage.guest:
            shutil.copy(self.qemu.program, self.programs)
            self.qemu.plan([{"console": "Linux version 6.12\n"}] if block else BOOTED)
        else:
            self._stand_in(block)
        request = {
            "argv": self._argv, "cwd": str(self.place), "env": env, "out": str(self.place / "said"),
            "programs": str(self.programs), "guest": self.stage.guest,
        }  # fmt: skip
        assert self._forks.stdin is not None
        self._forks.stdin.write(json.dumps(request) + "\n")
        self._forks.stdin.flush()
        self._running = self._number()
        return self._running

    def _stand_in(self, block: bool) -> None:
        path = self.programs / self.stage.program
        if block:
            values = {"WORDS": self.stage.words, "BEFORE": self.stage.before, "PLACE": str(self.place)}
            text = _BLOCKS.replace("REAL", str(self._real))
            for name, value in values.items():
                text = text.replace(name, value)
            path.write_text(text)
            path.chmod(0o755)
        else:
            path.unlink()
            if str(self._real).endswith(".real"):
                shutil.move(str(self._real), path)

    def _number(self) -> int:
        assert self._forks.stdout is not None
        return int(self._forks.stdout.readline())

    def _answer(self) -> int:
        """The exit code."""
        code, self._running = self._number(), 0
        return code

    def end(self) -> None:
        """What a test that has failed left running would be in the next one's way."""
        if self._running:
            os.kill(self._running, signal.SIGKILL)
            self._answer()

    def wait_for_block(self, pid: int) -> None:
        while not self.is_blocked():
            if sessions.started(pid) is None:
                pytest.fail(f"it has ended with {self._answer()}: {self.said}")
            time.sleep(0.01)

    def is_blocked(self) -> bool:
        if self.stage.guest:
            return self.console.exists() and b"Linux" in self.console.read_bytes()
        return self.blocked.exists()

    def stop(self, number: signal.Signals) -> int:
        """Start a run, let it come to the stage, and send the signal; its exit code."""
        for sign in (self.blocked, self.console):
            sign.unlink(missing_ok=True)
        pid = self.start(block=True)
        self.wait_for_block(pid)
        there = sessions.processes(self.cache)
        if self.stage.program != "results.json":
            own = [process for process in there if process.kind != "keeper"]
            assert len(own) > (not self.stage.guest), "there is something to survive: it and its child"
        os.kill(pid, number)
        if self.stage.program == "results.json":
            self._wait_until_heard(number)
            self.blocked.unlink()
        code = self._answer()
        while sessions.processes(self.cache) or any(process.is_there for process in there):
            time.sleep(0.01)  # a keeper needs a moment; a test that hangs here has found what survives
        return code

    def _wait_until_heard(self, number: signal.Signals) -> None:
        while number is not signal.SIGKILL and "stopping" not in self.said:
            time.sleep(0.01)

    def run(self) -> int:
        self.start(block=False)
        return self._answer()

    @property
    def said(self) -> str:
        return (self.place / "said").read_text()

    def held(self) -> list[Path]:
        """Locks that somebody holds."""
        return [lock for lock in (*self.cache.rglob("*.lock"), self.out / MARK) if sessions.is_flocked(lock)]

    def left(self) -> list[Path]:
        """What is of no use to anybody, but for a work copy that was being changed: the next run takes it."""
        hidden = [path for path in self.out.rglob(".*") if path.name != MARK]
        return [*(self.cache / "scratch").iterdir(), *self.temporary.iterdir(), *hidden]

    def left_behind(self) -> list[str]:
        """The same, with work copies; a run into the directory of an earlier one leaves that one's entry in a list."""
        found = [item.name for item in leftovers.left(self.cache) if item.kind != "entry"]
        return [*found, *map(str, self.left())]


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, forks: subprocess.Popen[str], sources: Sources
) -> Iterator[Bench]:
    made = Bench(tmp_path, forks, sources, STAGES[request.param])
    if not made.stage.guest:
        yield made
        made.end()
        return

    def segment() -> bytes:
        (base,) = made.cache.glob("store/rootfs/*/initramfs.gz")
        return Path(made.qemu.option("-initrd")).read_bytes()[base.stat().st_size :]

    def answer(channel: paramiko.Channel, command: str) -> None:
        """A command between its marks, which are what a guest's kernel log would be of."""
        script = command.replace(READING, f"printf %s '{STATE}'").replace(">/dev/kmsg", f">>{made.console}")
        done = subprocess.run(["sh", "-c", f"anon() {{ :; }}; cow() {{ :; }}; fork() {{ :; }}; {script}"],
                              capture_output=True, check=False)  # fmt: skip
        finish(done.returncode, done.stdout, done.stderr)(channel, command)

    sshd = SshServer(segment)
    sshd.handlers |= {"echo": answer, "sh": finish(0, STATE.encode())}
    made.qemu.port(sshd.port)
    with sshd:
        yield made
        made.end()


@pytest.mark.parametrize("bench", STAGES, indirect=True)
def test_nothing_survives_and_the_next_run_works(bench: Bench) -> None:
    complete = bench.stage.program == "results.json"
    assert bench.stop(signal.SIGINT) == (0 if complete else 130), bench.said
    interrupted = results.load(bench.out / "results.json")
    assert interrupted.outcome is (Outcome.PASS if complete else Outcome.ERROR)
    assert complete or interrupted.message == "interrupted (SIGINT)"
    assert (bench.out / "junit.xml").exists()
    assert (bench.held(), bench.left()) == ([], [])
    assert bench.stop(signal.SIGKILL) == -signal.SIGKILL
    assert bench.held() == []
    assert bench.run() == 0, bench.said
    assert results.load(bench.out / "results.json").outcome is Outcome.PASS
    assert (bench.held(), bench.left_behind()) == ([], [])

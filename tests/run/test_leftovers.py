"""What a killed harness has left is found and removed; what belongs to anybody else is not touched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.sessions import started
from harness.kernel.checkout import CHANGING
from harness.run import leftovers, registry

PROJECT = Path(__file__).parents[2]

HARNESS = """
import sys, time
from pathlib import Path
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sessions import this_session

root = Path(sys.argv[1])
own = this_session(root)
with Processes(session=own) as processes, Cache(root, session=own) as cache:
    cache.tell(command=["vmaharness", "run"], directory="/results")
    (cache.scratch("guest") / "big").write_bytes(b"x" * 2**20)
    with cache.slot("checkouts", "tree") as place:
        (place / "linux").mkdir(exist_ok=True)
        (place / "index").touch()
        (place / "objects-x").mkdir(exist_ok=True)
        processes.spawn(["sleep", "1000"])
        (root / "ready").touch()
        time.sleep(1000)
"""


class Harness:
    """One that works in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HARNESS, str(root)], env=os.environ | {"PYTHONPATH": str(PROJECT)}
        )
        until = time.monotonic() + 30
        while not ((root / "ready").exists() and self.has_started_a_program(root)):
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        (root / "ready").unlink()

    def has_started_a_program(self, root: Path) -> bool:
        """Its keeper has forked; on a busy machine some time goes by until the child is that program."""
        live = [one for one in leftovers.live(root) if one.pid == self.process.pid]
        return any(process.kind == "sleep" for one in live for process in one.processes)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def kinds(root: Path) -> list[str]:
    return [item.kind for item in leftovers.left(root)]


def gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while started(pid) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_what_works_is_shown_and_not_touched(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    try:
        (live,) = leftovers.live(tmp_path)
        assert (live.pid, live.command, live.directory) == (harness.process.pid, ("vmaharness", "run"), "/results")
        assert "sleep" in {process.kind for process in live.processes}
        assert leftovers.left(tmp_path) == []
        assert leftovers.clean(tmp_path, leftovers.left(tmp_path)) == []
        assert leftovers.live(tmp_path) == [live]
    finally:
        harness.kill()
        for process in live.processes:
            assert gone(process.pid), "its keeper ends it"


def test_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    killed, works = Harness(tmp_path), Harness(tmp_path)
    try:
        (place,) = (one.name for one in leftovers.live(tmp_path) if one.pid == killed.process.pid)
        killed.kill()
        with socket.socket(socket.AF_UNIX) as qmp:
            os.chdir(tmp_path / "scratch" / place)  # a short name, whatever the temporary directory is called
            qmp.bind("qmp")
            os.chdir(PROJECT)
        copies = {path.name: path for path in (tmp_path / "checkouts/tree").iterdir() if path.is_dir()}
        assert set(copies) == {"0", "1"}
        found = leftovers.left(tmp_path)
        scratch = [item for item in found if item.kind == "scratch"]
        assert [item.name for item in scratch] == [f"{place}, 1 socket"]
        assert scratch[0].bytes >= 2**20
        assert [item.name for item in found if item.kind == "work copy"] == ["tree/0/objects-x"]
        cleaned = set(leftovers.clean(tmp_path, found))
        assert cleaned <= set(found)
        for item in set(found) - cleaned:  # a keeper that has seen by itself that its harness is gone
            assert item.process is not None
            assert gone(item.process.pid)
        assert not (tmp_path / "scratch" / place).exists()
        assert sorted(path.name for path in copies["0"].iterdir()) == ["index", "linux"]
        assert sorted(path.name for path in copies["1"].iterdir()) == ["index", "linux", "objects-x"]
        assert leftovers.left(tmp_path) == []
        assert works.process.poll() is None
    finally:
        killed.kill()
        works.kill()


def test_a_work_copy_that_was_being_written_goes_whole(cache: Cache) -> None:
    with cache.slot("checkouts", "tree") as place:
        (place / "linux").mkdir()
        (place / CHANGING).touch()
        assert kinds(cache.root) == [], "somebody holds it"
    assert kinds(cache.root) == ["work copy", "work copy"]
    leftovers.clean(cache.root, leftovers.left(cache.root))
    assert list(place.iterdir()) == []


def test_a_process_whose_keeper_was_killed_too(tmp_path: Path) -> None:
    """Only somebody who kills by hand gets that far: the program is told to die with its keeper."""
    harness = Harness(tmp_path)
    (live,) = leftovers.live(tmp_path)
    for process in live.processes:
        if process.kind == "keeper":
            os.kill(process.pid, signal.SIGSTOP)  # it will not see that the harness is gone
    harness.kill()
    left = [item for item in leftovers.left(tmp_path) if item.kind == "process"]
    assert {item.process.kind for item in left if item.process} == {"keeper", "sleep"}
    assert set(left) <= set(leftovers.clean(tmp_path, left))
    assert [item for item in leftovers.left(tmp_path) if item.kind == "process"] == []


def test_a_scratch_directory_that_is_just_being_made_stays(cache: Cache) -> None:
    (cache.root / "scratch" / "1-00000000").mkdir()
    assert kinds(cache.root) == []
    os.utime(cache.root / "scratch" / "1-00000000", (0, 0))
    assert kinds(cache.root) == ["scratch"]


def test_locks_of_a_git_that_was_killed_while_it_fetched(cache: Cache) -> None:
    entry, _ = cache.get("git", "key", lambda into: (into / "repo.git/refs/vmaharness").mkdir(parents=True))
    repository = entry / "repo.git"
    (repository / "objects/pack").mkdir(parents=True)
    for name in ("shallow.lock", "refs/vmaharness/x.lock", "objects/pack/tmp_pack_x", "objects/pack/pack-x.pack"):
        (repository / name).touch()
    with cache.lock("git-key"):
        assert kinds(cache.root) == [], "somebody fetches"
    assert kinds(cache.root) == ["pack", "lock", "lock"]
    leftovers.clean(cache.root, leftovers.left(cache.root))
    assert [path.name for path in repository.rglob("*") if path.is_file()] == ["pack-x.pack"]


def test_an_entry_of_a_run_whose_directory_is_gone(cache: Cache, tmp_path: Path) -> None:
    registry.add(cache.root, "1-00000000", tmp_path / "nowhere")
    registry.add(cache.root, "2-00000000", cache.root / "scratch")  # what is in the cache is no run of anybody's
    assert [item.name for item in leftovers.left(cache.root)] == ["run 1-00000000, whose directory is gone"]
    leftovers.clean(cache.root, leftovers.left(cache.root))
    assert registry.known(cache.root) == {}


@pytest.mark.parametrize("root", ["missing", "empty"])
def test_no_cache_is_nothing_left(tmp_path: Path, root: str) -> None:
    (tmp_path / "empty").mkdir()
    assert (leftovers.live(tmp_path / root), leftovers.left(tmp_path / root)) == ([], [])

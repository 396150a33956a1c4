"""The cache: published whole or not at all, made once, cleaned of what killed runs left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.errors import Cancelled, InfraError
from harness.host.cache import Cache, remove_tree
from harness.host.process import Stop


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(into: Path) -> None:
        made.append(into)
        (into / "file").write_text("content")

    with Cache(tmp_path) as cache:
        assert cache.find("kind", "key") is None
        first, was_there = cache.get("kind", "key", make)
        again, is_there = cache.get("kind", "key", make)
    assert (was_there, is_there, len(made)) == (False, True, 1)
    assert first == again
    assert (first / "file").read_text() == "content"


def test_a_failure_publishes_nothing(tmp_path: Path) -> None:
    def make(into: Path) -> None:
        (into / "half").touch()
        raise InfraError("broke")

    with Cache(tmp_path) as cache:
        with pytest.raises(InfraError):
            cache.get("kind", "key", make)
        assert cache.find("kind", "key") is None


def test_two_threads_make_it_once(tmp_path: Path) -> None:
    made: list[int] = []
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        cache.get("kind", "key", lambda _: made.append(1))

    with Cache(tmp_path) as cache:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert made == [1]


def test_an_entry_without_its_mark_is_not_believed_and_replaced(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        broken = cache.entry("kind", "key")
        broken.mkdir(parents=True)
        (broken / "torn").touch()
        path, was_there = cache.get("kind", "key", lambda into: (into / "whole").touch())
    assert not was_there
    assert [file.name for file in path.iterdir() if file.name != ".complete"] == ["whole"]


def test_no_two_scratch_directories_have_one_name(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        assert len({cache.scratch("x") for _ in range(1000)}) == 1000


def test_scratch_goes_with_its_process_and_killed_ones_are_reaped(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from harness.host.cache import Cache\n"
        f"cache = Cache(Path({str(tmp_path)!r})).__enter__()\n"
        "(cache.scratch('x') / 'f').touch(); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert len(list((tmp_path / "scratch").iterdir())) == 1, "the killed process left its scratch space"
    with Cache(tmp_path) as living, Cache(tmp_path):
        assert len(list((tmp_path / "scratch").iterdir())) == 2, "only the living ones are left"
        living.scratch("mine")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_waiting_for_a_lock_can_be_interrupted(tmp_path: Path) -> None:
    stop = Stop()
    with Cache(tmp_path) as holder, Cache(tmp_path, stop) as waiter, holder.lock("name"):
        stop.set("Ctrl-C")
        with pytest.raises(Cancelled), waiter.lock("name"):
            pass


def test_a_slot_is_kept_and_held_by_one_at_a_time(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        with cache.slot("work", "a") as first, cache.slot("work", "a") as second:
            assert first != second
            (first / "file").touch()
        with cache.slot("work", "a") as again:
            assert (again / "file").exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfraError, match="cannot use the cache") as caught, Cache(tmp_path / "file" / "cache"):
        pass
    assert "VMAHARNESS_CACHE" in caught.value.fix


def test_read_only_trees_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "a" / "b").chmod(0o500)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()

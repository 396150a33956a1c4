"""What goes out of the cache and what stays: age, size, use by others, damage."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import cli
from harness.host.cache import COMPLETE, Cache
from harness.host.upkeep import EVERY_S, RECENT_S, collect, default_limit, items, tidy, verify

MIB = 2**20


def put(cache: Cache, name: str, *, age_s: float, size: int = MIB) -> Path:
    """An entry that was used some seconds ago."""

    def make(work: Path) -> None:
        (work / "image").write_bytes(os.urandom(size))

    entry, _ = cache.get("build", name, make)
    then = time.time() - age_s
    os.utime(entry / COMPLETE, (then, then))
    return entry


@pytest.fixture
def old_scratch(cache: Cache) -> None:
    """This process has been at work for a month."""
    then = time.time() - 30 * 86_400
    os.utime(next((cache.root / "scratch").glob("*/owner.lock")), (then, then))


def left(cache: Cache) -> set[str]:
    return {item.name for item in items(cache)}


def test_what_was_unused_longest_goes_until_the_rest_is_small_enough(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        for name, age_s in (("old", 3 * RECENT_S), ("older", 4 * RECENT_S), ("oldest", 5 * RECENT_S)):
            put(cache, name, age_s=age_s)
        put(cache, "fresh", age_s=10)
        rehearsed = collect(cache, 2 * MIB + MIB // 2, now=time.time(), dry_run=True)
        assert left(cache) == {"old", "older", "oldest", "fresh"}
        found = collect(cache, 2 * MIB + MIB // 2, now=time.time())
        assert [item.name for item in found.removed] == ["oldest", "older"]
        assert [item.name for item in rehearsed.removed] == ["oldest", "older"]
        assert left(cache) == {"old", "fresh"}
        assert found.left_bytes <= 2 * MIB + MIB // 2


def test_what_was_used_in_the_last_hour_stays(cache: Cache) -> None:
    put(cache, "fresh", age_s=RECENT_S / 2)
    found = collect(cache, 0, now=time.time())
    assert (found.removed, found.in_use) == ((), 1)


@pytest.mark.usefixtures("old_scratch")
def test_what_a_long_run_has_used_stays(cache: Cache) -> None:
    put(cache, "used", age_s=10 * 86_400)
    put(cache, "before", age_s=40 * 86_400)
    found = collect(cache, 0, now=time.time())
    assert [item.name for item in found.removed] == ["before"]


def test_an_entry_that_is_used_at_that_moment_is_put_back(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = put(cache, "entry", age_s=5 * RECENT_S)
    rename = Path.rename

    def use_and_rename(self: Path, target: Path) -> Path:
        if self == entry:
            os.utime(entry / COMPLETE)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", use_and_rename)
    assert collect(cache, 0, now=time.time()).removed == ()
    assert cache.find("build", "entry") == entry


def test_a_work_copy_that_is_held_stays(cache: Cache) -> None:
    then = time.time() - 5 * RECENT_S
    with cache.slot("checkouts", "tree") as held:
        (held / "file").write_bytes(b"x" * MIB)
        for path in (held, held.with_name("0.lock")):
            os.utime(path, (then, then))
        assert collect(cache, 0, now=time.time()).removed == ()
        assert (held / "file").exists()
    assert [item.kind for item in collect(cache, 0, now=time.time()).removed] == ["checkout"]
    assert not held.exists()
    with cache.slot("checkouts", "tree") as again:
        assert list(again.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damage_is_found_and_the_entry_made_again(cache: Cache, damage: str) -> None:
    entry = put(cache, "entry", age_s=0)
    put(cache, "other", age_s=0)
    image = entry / "image"
    if damage == "cut":
        os.truncate(image, 10)
    elif damage == "changed":
        image.write_bytes(bytes(MIB))
    else:
        image.unlink()
    assert (cache.find("build", "entry") is None) == (damage != "changed"), "sizes are looked at each time"
    ((item, trouble),) = verify(cache)
    assert (item.name, "image" in trouble) == ("entry", True)
    assert cache.find("build", "entry") is None
    assert list(verify(cache)) == []


def test_an_entry_of_an_older_version_is_as_good_as_it_was(cache: Cache) -> None:
    entry = put(cache, "entry", age_s=0)
    (entry / COMPLETE).write_text("")
    assert cache.find("build", "entry") == entry
    assert list(verify(cache)) == []


def test_runs_tidy_up_once_a_day(cache: Cache) -> None:
    put(cache, "old", age_s=5 * RECENT_S)
    now = time.time()
    assert tidy(cache, 0, now=now) is None, "a cache that is new"
    assert tidy(cache, 0, now=now + EVERY_S / 2) is None
    found = tidy(cache, 0, now=now + EVERY_S + 1)
    assert found is not None
    assert [item.name for item in found.removed] == ["old"]
    assert tidy(cache, 0, now=now + EVERY_S + 2) is None


@pytest.mark.parametrize(("words", "gib"), [(None, 20), ("3", 3), ("0.5", 0.5), ("0", 20), ("much", 20)])
def test_the_limit_is_a_number_of_gib(words: str | None, gib: float) -> None:
    assert default_limit(words) == gib * 2**30


def test_the_verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAHARNESS_CACHE", str(tmp_path))
    with Cache(tmp_path) as cache:
        put(cache, "old", age_s=5 * RECENT_S)
        put(cache, "bad", age_s=0)
        (cache.entry("build", "bad") / "image").write_bytes(b"")
    run = CliRunner().invoke
    listed = run(cli, ["cache", "ls"]).output
    assert listed.splitlines()[1].split()[:2] == ["build", "2"]
    dry = run(cli, ["cache", "gc", "--size", "0", "--dry-run"]).output
    assert dry.startswith("would go  build old  1.0 MiB\n1 would be removed")
    bad = run(cli, ["cache", "verify"])
    assert (bad.exit_code, bad.output.splitlines()[-1]) == (3, "1 damaged")
    assert run(cli, ["cache", "verify"]).exit_code == 0
    assert run(cli, ["cache", "gc", "--size", "0"]).output.startswith("removed  build old")

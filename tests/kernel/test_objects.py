"""Directories of objects between builds: when they are used again, and what is remembered of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.kernel.objects import MOST_KEPT, Objects, kept_objects


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    source = tmp_path / "place" / "linux"
    (source / "mm").mkdir(parents=True)
    (source / "mm/vma.c").touch()
    (source / "mm/entry.S").touch()
    return source


def build(checkout: Path, way: str = "gcc", *, name: str = "x", good: bool = True) -> bool:
    """A build; whether it found what an earlier one left."""
    with kept_objects(checkout, name, way) as objects:
        found = (objects.directory / "object").exists()
        (objects.directory / "object").touch()
        objects.good = good
    return found


class TestKept:
    def test_the_next_build_finds_them(self, checkout: Path) -> None:
        assert [build(checkout), build(checkout), build(checkout, name="y")] == [False, True, False]

    def test_not_made_in_another_way(self, checkout: Path) -> None:
        assert [build(checkout), build(checkout, "clang")] == [False, False]

    def test_not_after_a_failure(self, checkout: Path) -> None:
        assert [build(checkout, good=False), build(checkout)] == [False, False]

    def test_not_after_an_error(self, checkout: Path) -> None:
        build(checkout)
        with pytest.raises(KeyboardInterrupt), kept_objects(checkout, "x", "gcc"):
            raise KeyboardInterrupt
        assert not (checkout / "objects-x").exists()

    def test_not_when_the_harness_was_killed(self, checkout: Path) -> None:
        build(checkout)
        with kept_objects(checkout, "x", "gcc"):
            assert not list(checkout.parent.glob("*.note"))  # as SIGKILL would leave it now

    def test_the_oldest_give_way(self, checkout: Path) -> None:
        for number in range(MOST_KEPT + 2):
            build(checkout, name=str(number))
        assert len([path for path in checkout.glob("objects-*") if path.is_dir()]) == MOST_KEPT

    def test_builds_beside_each_other_keep_theirs(self, checkout: Path) -> None:
        def work(worker: int) -> None:
            for turn in range(20):
                with kept_objects(checkout, f"{worker}-{turn % 5}", "way") as objects:
                    objects.write("file", "text")
                    assert (objects.directory / "file").is_file()
                    objects.good = True

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, worker) for worker in range(4)]:
                done.result()
        assert len([path for path in checkout.glob("objects-*") if path.is_dir()]) <= MOST_KEPT + 3

    @pytest.mark.parametrize("note", ["", "[]", "{}", '{"way": "gcc", "compiled": true, "said": 3}', "\x00"])
    def test_a_damaged_note(self, checkout: Path, note: str) -> None:
        build(checkout)
        (checkout.parent / "objects-x.note").write_text(note)
        assert not build(checkout)


class TestHeard:
    def test_an_object_that_stays_keeps_its_words(self, checkout: Path) -> None:
        objects = Objects(checkout.parent)
        objects.hear(["  CC      mm/vma.o", "mm/vma.c:1: warning: old", "  AS      mm/entry.o", "odd"], checkout)
        heard = objects.hear(["  CC      mm/vma.o", "mm/vma.c:1: warning: new", "  LD      vmlinux"], checkout)
        assert heard == ["mm/vma.c:1: warning: new", "odd"]

    def test_an_object_that_is_made_in_silence_has_none(self, checkout: Path) -> None:
        objects = Objects(checkout.parent, said={"mm/vma.o": ["warning"]})
        assert objects.hear(["  CC      mm/vma.o"], checkout) == []

    def test_an_object_whose_source_is_gone_has_none(self, checkout: Path) -> None:
        objects = Objects(checkout.parent, said={"mm/gone.o": ["warning"], "vmlinux": ["ld: warning"]})
        assert objects.hear([], checkout) == ["ld: warning"]

    def test_what_make_says_is_nobodys(self, checkout: Path) -> None:
        objects = Objects(checkout.parent)
        last = "make[1]: *** [Makefile:1: mm] Error 2"
        assert objects.hear(["  CC      mm/vma.o", last], checkout) == [last]
        assert objects.hear([], checkout) == []

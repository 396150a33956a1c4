"""The cpio writer: what goes in comes out, for us and for the cpio program; the same entries are the same bytes."""

from __future__ import annotations

import shutil
import stat
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest import cpio

names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20)
paths = st.lists(names, min_size=1, max_size=4).map("/".join).filter(lambda path: path != "TRAILER!!!")
modes = st.sampled_from([stat.S_IFREG | 0o755, stat.S_IFREG | 0o600, stat.S_IFLNK | 0o777])
numbers = st.integers(0, 2**20)
entries = st.one_of(
    st.builds(cpio.Entry, paths, modes, st.binary(max_size=200)),
    st.builds(cpio.Entry, paths, st.just(stat.S_IFCHR | 0o600), st.just(b""), st.tuples(numbers, numbers)),
)


@given(st.lists(entries, max_size=8))
def test_round_trip(given_entries: list[cpio.Entry]) -> None:
    packed = cpio.pack(given_entries)
    assert list(cpio.unpack(packed)) == given_entries
    assert len(packed) % cpio.ALIGNMENT == 0
    assert cpio.pack(given_entries) == packed


@given(st.binary(max_size=400))
def test_junk_is_a_value_error(junk: bytes) -> None:
    with pytest.raises(ValueError):
        list(cpio.unpack(junk))


@given(st.lists(entries, min_size=1, max_size=3), st.integers(1, 400))
def test_a_cut_archive_is_a_value_error(given_entries: list[cpio.Entry], cut: int) -> None:
    packed = cpio.pack(given_entries)
    with pytest.raises(ValueError):
        list(cpio.unpack(packed[: max(0, len(packed) - len("TRAILER!!!\0") - cut)]))


def test_parents_come_once_and_before() -> None:
    given_entries = [cpio.regular("a/b/c", b"1"), cpio.directory("a", 0o700), cpio.regular("a/d", b"2")]
    assert [entry.path for entry in cpio.with_parents(given_entries)] == ["a", "a/b", "a/b/c", "a/d"]


def test_a_parents_own_mode_is_kept_when_it_comes_first() -> None:
    made = cpio.with_parents([cpio.directory("root", 0o700), cpio.regular("root/key", b"")])
    assert [(entry.path, stat.S_IMODE(entry.mode)) for entry in made] == [("root", 0o700), ("root/key", 0o644)]


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio program here")
def test_the_cpio_program_reads_it() -> None:
    archive = cpio.pack(
        [
            cpio.directory("dev"),
            cpio.character_device("dev/null", 1, 3, 0o666),
            cpio.regular("init", b"#!/bin/sh\n", 0o755),
            cpio.symlink("sbin", "bin"),
        ]
    )
    listed = subprocess.run(["cpio", "-itv"], input=archive, capture_output=True, check=True).stdout.decode()
    lines = [line.split() for line in listed.splitlines()]
    assert [line[0] for line in lines] == ["drwxr-xr-x", "crw-rw-rw-", "-rwxr-xr-x", "lrwxrwxrwx"]
    assert lines[1][4:6] == ["1,", "3"]
    assert lines[3][-3:] == ["sbin", "->", "bin"]

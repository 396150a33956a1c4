"""Packs as git itself reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.kernel.git import make_repository
from harness.kernel.packing import Pack, Tree
from tests.kernel.conftest import git

NAMES = st.text(alphabet="abAB.-0", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
FILES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=40), max_size=12)


def pack_files(repo: Path, files: dict[str, bytes]) -> str:
    """A repository with a tree of files; later ones win."""
    directory = make_repository(repo) / "objects" / "pack"
    root = Tree()
    with (directory / "draft").open("w+b") as file:
        pack = Pack(file)
        for path, data in files.items():
            root.put(path.encode(), "100644", pack.add("blob", data))
        name = pack.add_tree(root).hex()
        pack.finish(directory / "draft", directory)
    return name


def files_of(repo: Path, tree: str) -> dict[str, bytes]:
    names = [name for name in git(repo, "ls-tree", "-r", "-z", "--name-only", tree).split("\0") if name]
    show = ["git", "cat-file", "blob"]
    return {
        name: subprocess.run([*show, f"{tree}:{name}"], cwd=repo, check=True, capture_output=True).stdout
        for name in names
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=FILES)
def test_git_reads_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    repo = tmp_path_factory.mktemp("pack") / "repo.git"
    kept = {
        path: data
        for position, (path, data) in enumerate(files.items())
        if not any(
            other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in list(files)[position + 1 :]
        )
    }
    tree = pack_files(repo, files)
    assert files_of(repo, tree) == kept
    git(repo, "fsck", "--strict", "--full")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 2047, 2048, 70000])
def test_sizes_around_the_steps_of_the_header(tmp_path: Path, size: int) -> None:
    tree = pack_files(tmp_path / "repo.git", {"file": b"x" * size})
    assert files_of(tmp_path / "repo.git", tree) == {"file": b"x" * size}


def test_offsets_that_need_64_bits(tmp_path: Path) -> None:
    with (tmp_path / "draft").open("w+b") as file:
        pack = Pack(file)
        names = [pack.add("blob", b"%d" % number * 50) for number in range(9)]
    pack._objects = {name: (offset + (1 << 33), crc) for name, (offset, crc) in pack._objects.items()}
    (tmp_path / "index").write_bytes(pack._index(bytes(20)))
    with (tmp_path / "index").open("rb") as index:
        shown = subprocess.run(["git", "show-index"], stdin=index, check=True, capture_output=True, text=True).stdout
    offsets = {line.split()[1]: int(line.split()[0]) for line in shown.splitlines()}
    assert offsets == {name.hex(): pack._objects[name][0] for name in names}

"""What the user may call a tree, and what happens to it (nothing)."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import InfraError, UserError
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.source import kernel_version, resolve_tree
from harness.model import Package, Tree
from tests.kernel.conftest import Resolve, git


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in directory.rglob("*")
        if path.is_file()
    }


def files_of(tree: Tree) -> list[str]:
    return git(tree.repo, "ls-tree", "-r", "--name-only", tree.commit).splitlines()


@pytest.fixture
def tarball(fake: Path, tmp_path: Path) -> Path:
    path = tmp_path / "linux.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(fake, "linux-6.12.999")
    return path


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        ("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = X\n", "6.12.117"),
        ("VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "7.2.0-rc3"),
        ("VERSION = 7\nPATCHLEVEL = 2\n", "7.2"),
        ("all:\n\techo VERSION = 3\n", ""),
        ("VERSION = 1.2.3\nSRC = x\n", ""),
    ],
)
def test_version(makefile: str, version: str) -> None:
    assert kernel_version(makefile) == version


class TestClone:
    def test_its_commit_is_used(self, clone: Path, resolve: Resolve) -> None:
        tree = resolve(clone)
        assert tree.commit == git(clone, "rev-parse", "HEAD").strip()
        assert tree.tree_id == git(clone, "rev-parse", "HEAD^{tree}").strip()
        assert tree.kernel_version == "6.12.999-fake"
        assert tree.notes == ()
        assert "mm/vma.c" in files_of(tree)

    def test_it_is_never_written_to(self, clone: Path, resolve: Resolve) -> None:
        # A file that is newer than the index says is what makes git refresh an index.
        os.utime(clone / "Makefile", (1, 1))
        before = listing(clone)
        resolve(clone)
        assert listing(clone) == before

    def test_a_dirty_one_is_used_at_its_commit_and_says_so(self, clone: Path, resolve: Resolve) -> None:
        for name in ("mm/vma.c", "mm/memory.c"):
            (clone / name).write_text("broken")
        (clone / "untracked").write_text("")
        tree = resolve(clone)
        assert tree.notes == ("dirty: 2 changed files were not used: mm/memory.c, mm/vma.c",)
        assert "broken" not in git(tree.repo, "show", f"{tree.commit}:mm/vma.c")

    def test_a_subdirectory_names_the_whole(self, clone: Path, resolve: Resolve) -> None:
        assert resolve(clone / "mm").tree_id == resolve(clone).tree_id

    def test_a_linked_worktree(self, clone: Path, resolve: Resolve, tmp_path: Path) -> None:
        git(clone, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
        (tmp_path / "linked" / "new").write_text("new\n")
        git(tmp_path / "linked", "add", "new")
        git(tmp_path / "linked", "commit", "-q", "-m", "more")
        assert "new" in files_of(resolve(tmp_path / "linked"))
        assert "new" not in files_of(resolve(clone))

    def test_a_bare_repository(self, clone: Path, resolve: Resolve, tmp_path: Path) -> None:
        git(tmp_path, "clone", "-q", "--bare", str(clone), "bare.git")
        assert resolve(tmp_path / "bare.git").commit == resolve(clone).commit

    def test_a_ref_of_a_clone(self, clone: Path, resolve: Resolve) -> None:
        git(clone, "tag", "v1")
        (clone / "mm/vma.c").write_text("int changed;\n")
        git(clone, "commit", "-q", "-a", "-m", "changed")
        assert resolve(f"{clone}@v1").commit == git(clone, "rev-parse", "v1").strip()
        with pytest.raises(UserError, match="has no commit nowhere"):
            resolve(f"{clone}@nowhere")

    def test_its_names_for_commits_are_known(self, clone: Path, resolve: Resolve) -> None:
        git(clone, "branch", "topic/one")
        assert git(resolve(clone).repo, "rev-parse", "topic/one", "main").split() == [resolve(clone).commit] * 2

    def test_hooks_and_monitors_of_the_clone_do_not_run(self, clone: Path, resolve: Resolve, tmp_path: Path) -> None:
        spy = tmp_path / "spy"
        spy.write_text(f"#!/bin/sh\ntouch {tmp_path}/spied\n")
        spy.chmod(0o755)
        git(clone, "config", "core.fsmonitor", str(spy))
        resolve(clone)
        assert not (tmp_path / "spied").exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a clone to somebody else")
    def test_a_clone_of_another_owner(self, clone: Path, resolve: Resolve) -> None:
        for path in (clone, *clone.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
        assert resolve(clone).kernel_version == "6.12.999-fake"

    def test_no_commit_yet(self, fake: Path, resolve: Resolve) -> None:
        git(fake, "init", "-q")
        with pytest.raises(UserError, match="no commit yet"):
            resolve(fake)

    def test_a_clone_of_something_else(self, clone: Path, resolve: Resolve) -> None:
        git(clone, "rm", "-q", "Kconfig")
        git(clone, "commit", "-q", "-m", "no kernel")
        with pytest.raises(UserError, match="no kernel tree: it has no Kconfig"):
            resolve(clone)


class TestUrl:
    def test_a_ref_without_history(self, clone: Path, resolve: Resolve) -> None:
        first = git(clone, "rev-parse", "HEAD").strip()
        (clone / "mm/vma.c").write_text("int changed;\n")
        git(clone, "commit", "-q", "-a", "-m", "changed")
        tree = resolve(f"file://{clone}@main")
        assert tree.commit == git(clone, "rev-parse", "HEAD").strip()
        with pytest.raises(subprocess.CalledProcessError):
            git(tree.repo, "cat-file", "-e", first)

    def test_locks_of_a_git_that_was_killed_stop_nobody(self, clone: Path, resolve: Resolve, cache: Cache) -> None:
        resolve(f"file://{clone}@main")
        (repository,) = (cache.root / "store/git").glob("*/repo.git")
        (ref,) = (repository / "refs/vmaharness").iterdir()
        ref.with_name(f"{ref.name}.lock").touch()
        (repository / "shallow.lock").touch()
        git(clone, "commit", "-q", "--allow-empty", "-m", "next")
        tree = resolve(f"file://{clone}@main")
        assert tree.commit == git(clone, "rev-parse", "HEAD").strip()
        assert tree.notes == ()

    def test_a_moved_branch_is_fetched_again(self, clone: Path, resolve: Resolve) -> None:
        resolve(f"file://{clone}@main")
        (clone / "mm/vma.c").write_text("int changed;\n")
        git(clone, "commit", "-q", "-a", "-m", "changed")
        assert resolve(f"file://{clone}@main").commit == git(clone, "rev-parse", "HEAD").strip()

    def test_without_a_ref_it_is_head(self, clone: Path, resolve: Resolve) -> None:
        assert resolve(f"file://{clone}").commit == git(clone, "rev-parse", "HEAD").strip()

    def test_an_unreachable_one_falls_back_on_the_last_time(
        self, clone: Path, resolve: Resolve, tmp_path: Path
    ) -> None:
        known = resolve(f"file://{clone}@main")
        clone.rename(tmp_path / "gone")
        tree = resolve(f"file://{clone}@main")
        assert tree.commit == known.commit
        assert "could not be fetched" in tree.notes[0]

    def test_an_unreachable_one(self, resolve: Resolve, tmp_path: Path) -> None:
        with pytest.raises(InfraError, match="cannot fetch HEAD"):
            resolve(f"file://{tmp_path}/nothing")

    def test_an_unknown_ref(self, clone: Path, resolve: Resolve) -> None:
        with pytest.raises(UserError, match="has no ref nowhere"):
            resolve(f"file://{clone}@nowhere")


class TestTarball:
    @pytest.mark.parametrize("program", ["", "xz", "gzip", "bzip2"])
    def test_every_compression(self, tarball: Path, resolve: Resolve, program: str) -> None:
        if program:
            if shutil.which(program) is None:
                pytest.skip(f"no {program}")
            subprocess.run([program, str(tarball)], check=True)
            tarball = next(tarball.parent.glob("linux.tar.*"))
        tree = resolve(tarball)
        assert tree.kernel_version == "6.12.999-fake"
        assert "mm/vma.c" in files_of(tree)

    def test_the_same_files_are_the_same_commit(
        self, tarball: Path, fake: Path, resolve: Resolve, tmp_path: Path
    ) -> None:
        again = tmp_path / "again.tar"
        with tarfile.open(again, "w") as archive:  # other order, no directory at the top
            for path in sorted(fake.rglob("*"), reverse=True):
                archive.add(path, f"./{path.relative_to(fake)}", recursive=False)
        assert resolve(again).commit == resolve(tarball).commit == resolve(fake).commit

    def test_git_names_it_as_if_it_had_been_added(self, clone: Path, resolve: Resolve, tmp_path: Path) -> None:
        for name in ("mm.c", "mm-x", "mm0"):  # beside mm/, whose place in the order is that of "mm/"
            (clone / name).write_text(name)
        (clone / "large").write_bytes(os.urandom(1 << 18))
        (clone / "empty").write_bytes(b"")
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", "more")
        with tarfile.open(tmp_path / "t.tar", "w") as archive:
            archive.add(clone, "linux")
        tree = resolve(tmp_path / "t.tar")
        assert tree.tree_id == resolve(clone).tree_id
        assert git(tree.repo, "fsck", "--strict", "--full") == ""

    def test_a_later_file_takes_the_place_of_an_earlier_one(self, tarball: Path, resolve: Resolve) -> None:
        with tarfile.open(tarball, "a") as archive:
            for name, data in (("door", b"old"), ("door/x", b"new"), ("mm/vma.c", b"last"), ("init", b"no directory")):
                member = tarfile.TarInfo(f"linux-6.12.999/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        tree = resolve(tarball)
        shown = [git(tree.repo, "show", f"{tree.commit}:{name}") for name in ("door/x", "mm/vma.c", "init")]
        assert shown == ["new", "last", "no directory"]

    def test_a_link_to_nothing(self, tarball: Path, resolve: Resolve) -> None:
        with tarfile.open(tarball, "a") as archive:
            member = tarfile.TarInfo("linux-6.12.999/link")
            member.type, member.linkname = tarfile.LNKTYPE, "linux-6.12.999/none"
            archive.addfile(member)
        with pytest.raises(UserError, match="is damaged") as caught:
            resolve(tarball)
        assert "link to nothing" in caught.value.detail

    def test_the_second_time_it_is_there(self, tarball: Path, resolve: Resolve, cache: Cache) -> None:
        first = resolve(tarball)
        (first.repo / "marker").write_text("")
        assert (resolve(tarball).repo / "marker").exists()

    def test_links_and_modes(self, fake: Path, resolve: Resolve, tmp_path: Path) -> None:
        (fake / "script").write_text("#!/bin/sh\n")
        (fake / "script").chmod(0o755)
        os.link(fake / "script", fake / "twin of it")
        (fake / "link").symlink_to("mm/vma.c")
        with tarfile.open(tmp_path / "l.tar", "w") as archive:
            archive.add(fake, "linux")
        tree = resolve(tmp_path / "l.tar")
        modes = {line.split("\t")[1]: line[:6] for line in git(tree.repo, "ls-tree", tree.commit).splitlines()}
        assert (modes["script"], modes["twin of it"], modes["link"]) == ("100755", "100755", "120000")
        assert git(tree.repo, "show", f"{tree.commit}:link") == "mm/vma.c"

    @pytest.mark.parametrize("name", ["../evil", "/evil", "linux/../../evil"])
    def test_paths_that_lead_out(self, tarball: Path, resolve: Resolve, name: str) -> None:
        with tarfile.open(tarball, "a") as archive:
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
        with pytest.raises(UserError, match="outside itself"):
            resolve(tarball)

    def test_git_data_in_it_is_left_out(self, clone: Path, resolve: Resolve, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "c.tar", "w") as archive:
            archive.add(clone, "linux")
        assert not [name for name in files_of(resolve(tmp_path / "c.tar")) if ".git" in name]

    @pytest.mark.parametrize("damage", ["cut", "junk", "empty", "cut xz"])
    def test_a_damaged_one(self, tarball: Path, resolve: Resolve, cache: Cache, damage: str) -> None:
        if damage == "cut xz":
            subprocess.run(["xz", str(tarball)], check=True)
            tarball = tarball.with_name("linux.tar.xz")
        data = tarball.read_bytes()
        new = {"cut": data[: len(data) // 2 + 100], "junk": os.urandom(5000), "empty": b"", "cut xz": data[:-1000]}
        tarball.write_bytes(new[damage])
        with pytest.raises(UserError, match="no tarball, or is damaged"):
            resolve(tarball)
        assert not list(cache.entry("tree", "").glob("*"))

    def test_no_kernel_in_it(self, fake: Path, resolve: Resolve, tmp_path: Path) -> None:
        (fake / "Makefile").write_text("all:\n")
        with tarfile.open(tmp_path / "n.tar", "w") as archive:
            archive.add(fake, "linux")
        with pytest.raises(UserError, match="Makefile says no VERSION"):
            resolve(tmp_path / "n.tar")


class TestDirectory:
    def test_a_plain_directory(self, fake: Path, resolve: Resolve) -> None:
        before = listing(fake)
        assert "mm/vma.c" in files_of(resolve(fake))
        assert listing(fake) == before

    def test_a_change_makes_another_tree(self, fake: Path, resolve: Resolve) -> None:
        first = resolve(fake)
        (fake / "mm/vma.c").write_text("int changed;\n")
        assert resolve(fake).tree_id != first.tree_id

    def test_inside_another_clone(self, fake: Path, resolve: Resolve) -> None:
        git(fake.parent, "init", "-q")
        assert "mm/vma.c" in files_of(resolve(fake))

    def test_one_that_was_built_in(self, fake: Path, resolve: Resolve) -> None:
        (fake / ".config").write_text("")
        with pytest.raises(UserError, match="has been built in") as caught:
            resolve(fake)
        assert "mrproper" in caught.value.fix

    @pytest.mark.parametrize("missing", ["Makefile", "Kconfig"])
    def test_no_kernel(self, fake: Path, resolve: Resolve, missing: str) -> None:
        (fake / missing).unlink()
        with pytest.raises(UserError, match=f"it has no {missing}"):
            resolve(fake)

    def test_nothing_there(self, resolve: Resolve, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="there is no tree") as caught:
            resolve(tmp_path / "nothing")
        assert "debian:linux-source-6.12" in caught.value.fix


class FakeArchive:
    """One suite of an archive that holds packages as files."""

    def __init__(self, packages: dict[str, Path], *, reachable: bool = True) -> None:
        self.packages = packages
        self.reachable = reachable
        self.notes: list[str] = []

    def candidate(self, name: str, arch: str) -> Package:
        if not self.reachable:
            raise InfraError("Debian's archive cannot be reached")
        if name not in self.packages:
            raise UserError("no such package")
        return Package(name, "6.12.999-1", "all")

    def download(self, package: Package) -> Path:
        return self.packages[package.name]

    def unpack(self, deb: Path, into: Path) -> None:
        (into / "usr/src").mkdir(parents=True)
        shutil.copy(deb, into / "usr/src/linux-source-6.12.tar.xz")


class TestDebian:
    @pytest.fixture
    def ask(self, processes: Processes, cache: Cache) -> Callable[[str, dict[str, FakeArchive]], Tree]:
        def resolve(spec: str, suites: dict[str, FakeArchive]) -> Tree:
            empty = FakeArchive({})
            return resolve_tree(
                spec, processes=processes, cache=cache, say=lambda _: None,
                archive_for=lambda suite: suites.get(suite, empty),  # type: ignore[arg-type, return-value]
            )  # fmt: skip

        return resolve

    def test_the_first_suite_that_has_it(
        self, tarball: Path, ask: Callable[[str, dict[str, FakeArchive]], Tree]
    ) -> None:
        tree = ask("debian:linux-source-6.12", {"trixie": FakeArchive({"linux-source-6.12": tarball})})
        assert tree.kernel_version == "6.12.999-fake"
        assert tree.notes == ()

    def test_a_suite_out_of_reach_does_not_matter_if_another_has_it(
        self, tarball: Path, ask: Callable[[str, dict[str, FakeArchive]], Tree]
    ) -> None:
        suites = {
            "bookworm": FakeArchive({}, reachable=False), "sid": FakeArchive({"linux-source-6.12": tarball}),
        }  # fmt: skip
        assert ask("debian:linux-source-6.12", suites).kernel_version

    def test_no_suite_has_it(self, ask: Callable[[str, dict[str, FakeArchive]], Tree]) -> None:
        with pytest.raises(UserError, match="no suite of Debian has a package linux-source-9"):
            ask("debian:linux-source-9.9", {})

    def test_offline_with_nothing(self, ask: Callable[[str, dict[str, FakeArchive]], Tree]) -> None:
        with pytest.raises(InfraError, match="cannot be reached"):
            ask("debian:linux-source-6.12", {"bookworm": FakeArchive({}, reachable=False)})

    def test_offline_with_one_in_the_cache(
        self, tarball: Path, ask: Callable[[str, dict[str, FakeArchive]], Tree]
    ) -> None:
        known = ask("debian:linux-source-6.12", {"bookworm": FakeArchive({"linux-source-6.12": tarball})})
        tree = ask("debian:linux-source-6.12", {"bookworm": FakeArchive({}, reachable=False)})
        assert tree.commit == known.commit
        assert "cannot be reached" in tree.notes[0]
        assert "linux-source-6.12_6.12.999-1" in tree.notes[0]

    def test_a_package_without_sources(
        self, tmp_path: Path, ask: Callable[[str, dict[str, FakeArchive]], Tree]
    ) -> None:
        class Empty(FakeArchive):
            def unpack(self, deb: Path, into: Path) -> None:
                (into / "usr").mkdir()

        with pytest.raises(UserError, match="has no kernel sources"):
            ask("debian:busybox", {"bookworm": Empty({"busybox": tmp_path})})

    def test_a_name_that_is_none(self, ask: Callable[[str, dict[str, FakeArchive]], Tree]) -> None:
        with pytest.raises(UserError, match="no name of a Debian package"):
            ask("debian:../../x", {})

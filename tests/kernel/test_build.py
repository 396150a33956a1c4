"""Builds of the fake kernel with the host's own compiler: good, bad, found again, and hostile."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.arch import ARCHES, host_arch
from harness.errors import Cancelled, InfraError, MissingTool, UserError
from harness.host.cache import Cache
from harness.host.elf import build_id, has_lines
from harness.host.process import Child, Processes
from harness.host.sandbox import Sandbox, probe
from harness.kernel import build as building
from harness.kernel import toolchain as tools
from harness.kernel.apply import apply_series
from harness.kernel.build import Builder
from harness.kernel.checkout import write_files
from harness.kernel.kconfig import has_types
from harness.model import AppliedTree, Arch, Build, Outcome, Profile
from tests.kernel.conftest import Resolve, git

ARCH = host_arch() or Arch.X86_64
GOOD = "CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=y\nCONFIG_SHMEM=y\n"


class Bench:
    """A clone, a cache and a builder; `make` does all that a run does for one kernel."""

    def __init__(self, clone: Path, resolve: Resolve, processes: Processes, cache: Cache, tmp_path: Path) -> None:
        self.clone, self.processes, self.cache = clone, processes, cache
        self.log = tmp_path / "build.log"
        self.said: list[str] = []
        self.checkouts: list[Path] = []
        self._resolve, self._tmp_path = resolve, tmp_path
        self.sandbox = Sandbox("off")
        self.kept: Path | None = None  # where the work copy lies that is used again

    def profile(self, text: str = GOOD, name: str = "plain") -> Profile:
        path = self._tmp_path / f"{name}.config"
        path.write_text(text)
        return Profile(name, (path,))

    def applied(self) -> AppliedTree:
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "--allow-empty", "-m", "as it is")
        tree = self._resolve(self.clone)
        return apply_series(tree, None, None, processes=self.processes, cache=self.cache, say=lambda _: None)

    def builder(self) -> Builder:
        return Builder(self.processes, self.cache, self.sandbox)

    def checkout(self, applied: AppliedTree) -> Path:
        place = self.kept or self.cache.scratch("source")
        self.checkouts.append(write_files(applied, place, processes=self.processes))
        return self.checkouts[-1]

    def make(self, profile: Profile | None = None) -> Build:
        applied = self.applied()
        return self.builder().build(
            applied, ARCH, profile or self.profile(),
            source=lambda: self.checkout(applied), jobs=2, nice=lambda: 5, say=self.said.append, log=self.log,
        )  # fmt: skip

    def configure(self, profile: Profile | None = None) -> tuple[Path | None, bool]:
        applied = self.applied()
        return self.builder().configure(
            applied, ARCH, profile or self.profile(), source=lambda: self.checkout(applied), say=self.said.append
        )

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.clone / path).read_text()
        assert old in text
        (self.clone / path).write_text(text.replace(old, new))


@pytest.fixture
def bench(
    clone: Path, resolve: Resolve, processes: Processes, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    # The registry's fragments are for real kernels.
    monkeypatch.setattr("harness.kernel.kconfig.fragments_dir", lambda: tmp_path / "no-registry")
    return Bench(clone, resolve, processes, cache, tmp_path)


class TestGood:
    def test_everything_is_there(self, bench: Bench) -> None:
        build = bench.make()
        assert (build.outcome, build.cached, build.arch, build.profile) == (Outcome.PASS, False, ARCH, "plain")
        assert build.image is not None
        assert build.vmlinux is not None
        assert build.image.read_bytes() == build.vmlinux.read_bytes()
        assert "CONFIG_PER_VMA_LOCK=y" in build.config.read_text().splitlines()
        assert len(build.build_id) == 40
        assert "CC      mm/vma.o" in bench.log.read_text()
        assert build.log.read_bytes() == bench.log.read_bytes()
        assert (build.directory / "System.map").is_file()
        assert build.cpu_seconds > 0
        assert build.messages == ()
        assert bench.said[0] == "configuring"

    def test_paths_in_the_kernel_are_the_trees(self, bench: Bench) -> None:
        build = bench.make()
        assert build.image is not None
        assert b"compiled from init/main.c\0" in build.image.read_bytes()
        assert str(bench.cache.root).encode() not in build.image.read_bytes()

    def test_it_has_lines_and_what_asks_for_debug_information_has_more(self, bench: Bench) -> None:
        lines = bench.make()
        types = bench.make(bench.profile(f"{GOOD}CONFIG_DEBUG_INFO=y\n", "types"))
        assert (has_types(lines.config), has_types(types.config)) == (False, True)
        assert lines.vmlinux is not None
        assert has_lines(lines.vmlinux)
        assert types.vmlinux is not None
        assert not has_lines(types.vmlinux), "what the fake kernel does of itself: nothing"

    def test_it_is_found_again_without_checkout_or_compiler(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = bench.make()
        started: list[str] = []
        spawn = bench.processes.spawn

        def note(argv: Sequence[str], **options: Any) -> Child:
            started.append(str(argv[0]))
            return spawn(argv, **options)

        monkeypatch.setattr(bench.processes, "spawn", note)
        found = bench.builder().find(bench.applied(), ARCH, bench.profile())
        assert found == replace(first, cached=True)
        assert set(started) <= {"git"}
        bench.log.unlink()
        assert bench.make().cached
        assert bench.log.read_bytes() == first.log.read_bytes()
        assert len(bench.checkouts) == 1

    @pytest.mark.parametrize("change", ["tree", "config", "toolchain"])
    def test_another_input_is_another_build(self, bench: Bench, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
        first = bench.make()
        profile = bench.profile()
        if change == "tree":
            bench.edit("mm/vma.c", "return 1;", "return 2;")
        elif change == "config":
            profile = bench.profile(GOOD.replace("SHMEM=y", "SHMEM=n"))
        else:
            monkeypatch.setattr(tools, "_versions", lambda *_: dict.fromkeys(("compiler", "linker"), "gcc 99"))
        assert bench.builder().find(bench.applied(), ARCH, profile) is None
        assert bench.make(profile).key != first.key

    def test_what_no_build_reads_makes_no_other_build(self, bench: Bench) -> None:
        first = bench.make()
        docs = bench.clone / "Documentation" / "mm"
        docs.mkdir(parents=True)
        (docs / "vma.rst").write_text("VMAs\n")
        (bench.clone / "mm" / "unused.c").write_text("this is no C\n")
        (bench.clone / "tools/testing/vma/notes").write_text("notes\n")
        same = bench.make()
        assert (same.cached, same.build_id) == (True, first.build_id)
        assert same.key != first.key
        assert same.directory != first.directory
        assert same.image is not None
        assert len(bench.checkouts) == 1, "nothing was written or compiled"

    @pytest.mark.parametrize(
        ("path", "text"),
        [("mm/vma.c", "int more;\n"), ("include/linux/mm.h", "\n"), ("include/linux/new.h", "\n"),
         ("mm/Makefile", "\n"), ("mm/Kconfig", "\n"), ("scripts/list.txt", "\n"), ("init/table.tbl", "\n")],
    )  # fmt: skip
    def test_what_a_build_may_read_makes_another(self, bench: Bench, path: str, text: str) -> None:
        bench.make()
        with (bench.clone / path).open("a") as file:
            file.write(text)
        assert bench.builder().find(bench.applied(), ARCH, bench.profile()) is None

    def test_another_way_of_asking_for_the_same_is_the_same(self, bench: Bench) -> None:
        first = bench.make()
        other = bench.profile("# why\nCONFIG_SHMEM=y\nCONFIG_PER_VMA_LOCK=y\n\nCONFIG_SMP=y\n", "other")
        again = bench.make(other)
        assert (again.key, again.cached, again.profile) == (first.key, True, "other")

    def test_a_damaged_record_is_built_again(self, bench: Bench) -> None:
        first = bench.make()
        (first.directory / "build.json").write_text("{}")
        assert bench.builder().find(bench.applied(), ARCH, bench.profile()) is None
        assert not bench.make().cached

    @pytest.mark.skipif(shutil.which("ccache") is None, reason="no ccache")
    def test_two_checkouts_share_the_compiler_cache(self, bench: Bench) -> None:
        bench.make()
        bench.edit("mm/vma.c", "return 1;", "return 2;")
        bench.make()
        assert bench.checkouts[0] != bench.checkouts[1]
        env = {"CCACHE_DIR": str(bench.cache.root / "ccache"), "PATH": "/usr/bin:/bin"}
        stats = bench.processes.run(["ccache", "--print-stats"], env=env).text
        counts = dict(line.split("\t") for line in stats.splitlines())
        assert int(counts["direct_cache_hit"]) == 3  # of four objects, the one that was edited was compiled
        assert int(counts["cache_miss"]) == 5

    def test_progress_knows_how_much_there_is(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.make()
        bench.edit("mm/vma.c", "return 1;", "return 2;")
        bench.make()
        assert any("of ~4 objects" in said for said in bench.said)

    def test_two_at_once_compile_once(self, bench: Bench) -> None:
        applied, profile, builder = bench.applied(), bench.profile(), bench.builder()
        into = write_files(applied, bench.cache.scratch("source"), processes=bench.processes)
        results: list[Build] = []

        def work(number: int) -> None:
            log = bench.log.with_name(f"{number}.log")
            results.append(
                builder.build(
                    applied, ARCH, profile, source=lambda: into, jobs=1, nice=lambda: 0, say=lambda _: None, log=log
                )
            )

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(result.cached for result in results) == [False, True]


class TestConfig:
    def test_what_does_not_stick_stops_before_the_compiler(self, bench: Bench) -> None:
        profile = bench.profile("CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=n\n")
        with pytest.raises(UserError) as caught:
            bench.make(profile)
        assert f"CONFIG_PER_VMA_LOCK: wanted n, got y ({profile.fragments[0]}:2)" in caught.value.what
        assert "it has no prompt" in caught.value.detail
        assert "CC " not in bench.log.read_text()
        assert bench.builder().find(bench.applied(), ARCH, profile) is None

    def test_it_can_be_proven_before_anything_is_compiled(self, bench: Bench) -> None:
        config, cached = bench.configure()
        assert config is not None
        assert not cached
        assert bench.configure() == (config, True)
        assert bench.said == ["configuring"]
        build = bench.make()
        assert build.outcome is Outcome.PASS
        assert build.config.read_text() == config.read_text()
        assert bench.said.count("configuring") == 1
        assert bench.configure() == (build.config, True)

    def test_proving_alone_refuses_what_does_not_stick(self, bench: Bench) -> None:
        with pytest.raises(UserError, match="wanted n, got y"):
            bench.configure(bench.profile("CONFIG_SMP=y\nCONFIG_PER_VMA_LOCK=n\n"))

    def test_a_kernel_whose_compile_changes_the_configuration(self, bench: Bench) -> None:
        bench.edit("Makefile", "@cp $< $@", "@cp $< $@; sed -i s/CONFIG_SHMEM=y/CONFIG_SHMEM=n/ $(config)")
        with pytest.raises(UserError, match="CONFIG_SHMEM: wanted y, got n"):
            bench.make()

    def test_a_broken_kconfig_is_a_failed_build(self, bench: Bench) -> None:
        bench.edit("mm/Kconfig", "config SHMEM", "cofnig SHMEM")
        assert bench.configure() == (None, False)
        build = bench.make()
        assert build.outcome is Outcome.FAIL
        assert (build.messages[0].path, build.messages[0].text) == ("mm/Kconfig", "syntax error")
        checkouts = len(bench.checkouts)
        assert bench.configure() == (None, True)
        assert bench.make().messages == build.messages
        assert len(bench.checkouts) == checkouts


class TestBad:
    def test_a_kernel_that_does_not_compile(self, bench: Bench) -> None:
        bench.edit("mm/memory.c", "return result;", "return nothing;")
        build = bench.make()
        assert (build.outcome, build.image, build.vmlinux, build.build_id) == (Outcome.FAIL, None, None, "")
        (error,) = (message for message in build.messages if message.severity == "error")
        assert (error.path, error.line) == ("mm/memory.c", 13)
        assert "nothing" in error.text
        assert build.log.read_bytes() == bench.log.read_bytes()
        assert "CONFIG_SMP=y" in build.config.read_text()

    def test_it_is_not_compiled_again(self, bench: Bench) -> None:
        bench.edit("mm/memory.c", "return result;", "return nothing;")
        first = bench.make()
        bench.log.unlink()
        again = bench.make()
        assert (first.cached, again.cached, len(bench.checkouts)) == (False, True, 1)
        assert (again.outcome, again.image, again.vmlinux) == (Outcome.FAIL, None, None)
        assert (again.messages, again.config_digest) == (first.messages, first.config_digest)
        assert again.log.read_bytes() == bench.log.read_bytes() == first.log.read_bytes()
        assert bench.builder().find(bench.applied(), ARCH, bench.profile()) is None, "there is no such kernel"
        bench.edit("mm/memory.c", "return nothing;", "return result;")
        assert bench.make().outcome is Outcome.PASS

    @pytest.mark.parametrize(
        "said", ["cc1: internal compiler error: Segmentation fault", "make: vfork: Resource temporarily unavailable",
                 "make[1]: *** [Makefile:1: mm/vma.o] Terminated", "/bin/sh: 1: flex: not found",
                 "tools/objtool/elf.c:1:10: fatal error: gelf.h: No such file or directory"],
    )  # fmt: skip
    def test_what_the_machine_may_have_done_is_compiled_again(self, bench: Bench, said: str) -> None:
        bench.edit("Makefile", "@cp $< $@", f"@echo '{said}' >&2; exit 1")
        for _ in range(2):
            build = bench.make()
            assert (build.outcome, build.cached) == (Outcome.FAIL, False)

    def test_a_header_that_the_kernel_lacks_is_its_own_fault(self, bench: Bench) -> None:
        bench.edit("mm/vma.c", "#include <linux/mm.h>", "#include <linux/gone.h>")
        for cached in (False, True):
            build = bench.make()
            assert (build.outcome, build.cached) == (Outcome.FAIL, cached)

    def test_make_that_is_killed_says_nothing_of_the_kernel(self, bench: Bench) -> None:
        bench.edit("Makefile", "@cp $< $@", "@kill -KILL $$PPID; sleep 1")
        with pytest.raises(InfraError, match="make was ended by signal 9 while compiling"):
            bench.make()

    def test_a_kernel_that_does_not_link(self, bench: Bench) -> None:
        bench.edit("mm/memory.c", "return result;", "return nothing();")
        bench.edit("include/linux/mm.h", "struct vma {", "int nothing(void);\nstruct vma {")
        build = bench.make()
        assert build.outcome is Outcome.FAIL
        assert any("undefined reference to `nothing'" in message.text for message in build.messages)

    def test_warnings_are_kept_with_a_good_build(self, bench: Bench) -> None:
        bench.edit("mm/memory.c", "int result = 0;", "int result = 0, unused = 3;")
        build = bench.make()
        found = bench.builder().find(bench.applied(), ARCH, bench.profile())
        assert build.outcome is Outcome.PASS
        assert found is not None
        for one in (build, found):
            (warning,) = one.messages
            assert (warning.severity, warning.path, warning.line) == ("warning", "mm/memory.c", 6)
            assert warning.option == "-Wunused-variable"

    def test_make_that_makes_nothing(self, bench: Bench) -> None:
        bench.edit("Makefile", "@cp $< $@", "@true")
        build = bench.make()
        assert build.outcome is Outcome.FAIL
        assert f"make made no {ARCHES[ARCH].image_path}" in build.messages[0].text


class TestKeptObjects:
    """The work copy is used again, as a run does, and the objects beside it with it."""

    @pytest.fixture(autouse=True)
    def kept(self, bench: Bench, tmp_path: Path) -> None:
        bench.kept = tmp_path / "place"
        bench.kept.mkdir()

    @staticmethod
    def compiled(bench: Bench) -> list[str]:
        return [line.split()[-1] for line in bench.log.read_text().splitlines() if line.startswith("  CC ")]

    def test_only_what_changed_is_compiled_and_the_kernel_is_the_same(self, bench: Bench, tmp_path: Path) -> None:
        assert len(self.compiled(bench) if bench.make() else []) == 4
        bench.edit("mm/vma.c", "return 1;", "return 2;")
        upon = bench.make()
        assert self.compiled(bench) == ["mm/vma.o"]
        bench.kept, bench.cache = None, Cache(tmp_path / "another")
        with bench.cache:
            alone = bench.make()
            assert upon.vmlinux is not None
            assert alone.vmlinux is not None
            assert upon.vmlinux.read_bytes() == alone.vmlinux.read_bytes()

    def test_what_the_compiler_said_of_the_others_is_said_again(self, bench: Bench) -> None:
        bench.edit("mm/memory.c", "{", "{ int unused;")
        first = bench.make().messages
        bench.edit("mm/vma.c", "return 1;", "return 2;")
        second = bench.make().messages
        assert self.compiled(bench) == ["mm/vma.o"]
        assert first
        assert second == first
        bench.edit("mm/memory.c", "{ int unused;", "{")
        assert bench.make().messages == ()

    def test_another_configuration_begins_anew(self, bench: Bench) -> None:
        bench.make()
        bench.make(bench.profile(GOOD.replace("SHMEM=y", "SHMEM=n")))
        assert sorted(self.compiled(bench)) == ["init/main.o", "mm/memory.o", "mm/vma.o"]

    def test_after_a_build_that_failed(self, bench: Bench) -> None:
        bench.edit("mm/vma.c", "return 1;", "return 1")
        assert bench.make().outcome is Outcome.FAIL
        assert bench.kept is not None
        assert not list(bench.kept.rglob("objects-*"))
        bench.edit("mm/vma.c", "return 1", "return 1;")
        assert bench.make().messages == ()

    def test_a_link_that_a_build_left_is_not_followed(self, bench: Bench, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_text("mine")
        bench.make()
        assert bench.kept is not None
        (objects,) = (path for path in bench.kept.rglob("objects-*") if path.is_dir())
        for name in (".config", "requested.config"):
            (objects / name).unlink(missing_ok=True)
            (objects / name).symlink_to(precious)
        bench.edit("mm/vma.c", "return 1;", "return 2;")
        assert bench.make().outcome is Outcome.PASS
        assert precious.read_text() == "mine"


class TestMachine:
    def test_a_full_disk_is_not_the_kernels_fault(self, bench: Bench) -> None:
        bench.edit("Makefile", "@cp $< $@", "@echo 'cp: No space left on device' >&2; false")
        with pytest.raises(InfraError, match="is full") as caught:
            bench.make()
        assert not isinstance(caught.value, MissingTool)
        assert not list(bench.checkouts[0].glob("objects-*"))

    def test_too_little_room_is_known_before(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(building, "NEEDED_BYTES", 1 << 60)
        with pytest.raises(InfraError, match="is full"):
            bench.make()
        assert bench.checkouts == []

    def test_too_little_memory_is_not_the_kernels_fault(self, bench: Bench) -> None:
        words = "gcc: fatal error: Killed signal terminated program cc1"
        bench.edit("Makefile", "@cp $< $@", f"@echo '{words}' >&2; false")
        with pytest.raises(InfraError, match="out of memory"):
            bench.make()

    def test_no_compiler(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(tools, "SYSTEM_PATH", str(tmp_path))
        other = next(arch for arch in ARCHES if arch is not ARCH)
        with pytest.raises(MissingTool) as caught:
            bench.builder().find(bench.applied(), other, bench.profile())
        assert ARCHES[other].compiler_packages[0] in caught.value.fix

    def test_a_stop_ends_make_and_leaves_nothing(self, bench: Bench) -> None:
        (bench.clone / "include/linux/hostile.mk").write_text(
            "$(objtree)/vmlinux: sleep\nsleep:\n\t@touch $(objtree)/asleep; sleep 600\n"
        )
        applied, profile = bench.applied(), bench.profile()

        def stop_when_it_sleeps() -> None:
            while not list(source.glob("objects-*/asleep")):
                pause.wait(0.05)
            bench.processes.stop.set("Ctrl-C")

        pause = threading.Event()
        source = write_files(applied, bench.cache.scratch("source"), processes=bench.processes)
        watcher = threading.Thread(target=stop_when_it_sleeps)
        watcher.start()
        with pytest.raises(Cancelled):
            bench.builder().build(
                applied, ARCH, profile, source=lambda: source, jobs=1, nice=lambda: 0, say=lambda _: None, log=bench.log
            )
        watcher.join()
        assert not list(source.glob("objects-*"))


class TestConfined:
    @pytest.fixture
    def confined(self, bench: Bench, processes: Processes) -> Bench:
        bench.sandbox = probe(processes, wanted=True)
        if not bench.sandbox.active:
            pytest.skip(bench.sandbox.note)
        return bench

    def hostile(self, bench: Bench, command: str) -> Build:
        text = f"$(objtree)/vmlinux: hostile\nhostile:\n\t@{command}\n"
        (bench.clone / "include/linux/hostile.mk").write_text(text)
        return bench.make()

    def test_a_good_kernel_builds(self, confined: Bench) -> None:
        build = confined.make()
        assert (build.outcome, build.sandbox) == (Outcome.PASS, "bubblewrap")
        assert build.cpu_seconds > 0.02

    @pytest.mark.parametrize("place", ["{clone}", "{source}", "/var/tmp", "/usr", "{cache}/store", "/root"])
    def test_writing_elsewhere_fails(self, confined: Bench, place: str) -> None:
        command = f"touch {place}/evil".format(
            clone=confined.clone, source="$(srctree)", cache=confined.cache.root
        )  # fmt: skip
        build = self.hostile(confined, command)
        assert build.outcome is Outcome.FAIL
        assert "touch: cannot touch" in build.log.read_text()
        assert not list(confined.cache.root.parent.rglob("evil"))

    def test_there_is_no_network(self, confined: Bench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            build = self.hostile(confined, f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'")
        assert build.outcome is Outcome.FAIL
        assert "onnect" in build.log.read_text()

    def test_the_home_directory_cannot_be_seen(self, confined: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_TOKEN", "hunter2")
        build = self.hostile(confined, f"env; ls {Path.home()}")
        assert build.outcome is Outcome.FAIL
        assert "No such file or directory" in build.log.read_text()
        assert "hunter2" not in build.log.read_text()


class TestBuildId:
    @pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 80, b"junk" * 50])
    def test_of_what_is_no_elf_file(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "file").write_bytes(data)
        assert build_id(tmp_path / "file") == ""

    def test_as_the_linker_wrote_it(self, bench: Bench, processes: Processes) -> None:
        build = bench.make()
        assert build.vmlinux is not None
        if shutil.which("readelf") is None:
            pytest.skip("no readelf")
        assert f"Build ID: {build.build_id}" in processes.run(["readelf", "-n", build.vmlinux]).text


def test_toolchains_of_both_architectures_differ(processes: Processes, cache: Cache) -> None:
    digests: dict[str, Callable[..., object]] = {}
    for arch in ARCHES:
        try:
            found = tools.toolchain(arch, processes=processes, cache=cache)
        except MissingTool:
            pytest.skip("one of the compilers is not installed")
        assert found == tools.toolchain(arch, processes=processes)
        digests[found.digest] = tools.toolchain
        assert "gcc" in found.compiler
        assert "ld" in found.linker.lower()
    assert len(digests) == len(ARCHES)

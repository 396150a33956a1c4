"""tools/testing/vma of the fake kernel: made once for all trees that have alike what it reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.arch import host_arch
from harness.errors import InfraError
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.kernel.apply import apply_series
from harness.kernel.checkout import write_files
from harness.kernel.source import resolve_tree
from harness.model import Arch, Outcome
from harness.run.content import TreeContent
from harness.suites.vma_program import VmaBuilder, VmaProgram
from tests.kernel.conftest import FAKE, git

ARCH = host_arch() or Arch.X86_64


class Bench:
    """The fake kernel's clone, of which programs are made."""

    def __init__(self, clone: Path, processes: Processes, cache: Cache) -> None:
        self.clone, self.processes, self.cache = clone, processes, cache
        self.checkouts = 0
        shutil.copytree(FAKE, clone)
        git(clone, "init", "-q")

    def write(self, path: str, text: str) -> None:
        (self.clone / path).parent.mkdir(parents=True, exist_ok=True)
        (self.clone / path).write_text(text)

    def make(self) -> VmaProgram:
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "--allow-empty", "-m", "as it is")
        tree = resolve_tree(
            str(self.clone), processes=self.processes, cache=self.cache, archive_for=no_archive, say=lambda _: None
        )
        applied = apply_series(tree, None, None, processes=self.processes, cache=self.cache, say=lambda _: None)

        def source() -> Path:
            self.checkouts += 1
            return write_files(applied, self.cache.scratch("source"), processes=self.processes)

        builder = VmaBuilder(self.processes, self.cache, Sandbox("off"), None)  # type: ignore[arg-type]
        return builder.build(ARCH, TreeContent(applied, self.processes), source, jobs=1, say=lambda _: None)


def no_archive(suite: str) -> DebianArchive:
    raise AssertionError(f"asked for the archive of {suite}")


@pytest.fixture
def bench(tmp_path: Path, processes: Processes, cache: Cache) -> Bench:
    return Bench(tmp_path / "linux", processes, cache)


@pytest.mark.parametrize(
    "path",
    ["mm/memory.c", "Documentation/mm.rst", "include/linux/mm_types.c", "tools/testing/selftests/mm/good.c",
     "arch/arm64/mm.c"],
)  # fmt: skip
def test_what_it_does_not_read_makes_no_new_program(bench: Bench, path: str) -> None:
    first = bench.make()
    assert (first.outcome, first.cached, first.tests) == (Outcome.PASS, False, ("lock", "unlock"))
    bench.write(path, "/* changed */\n")
    again = bench.make()
    assert (again.outcome, again.cached, again.tests, bench.checkouts) == (Outcome.PASS, True, first.tests, 1)
    assert first.program is not None
    assert again.program is not None
    assert again.program.read_bytes() == first.program.read_bytes()
    bench.write(path, "/* changed again */\n")
    assert bench.make().cached


@pytest.mark.parametrize(
    "path", ["mm/vma.c", "include/linux/mm.h", "tools/testing/vma/vma.c", "tools/include/any.h", "lib/any.c",
             "include/linux/stdio.h", "mm/Kconfig", "tools/testing/vma/data"],
)  # fmt: skip
def test_what_it_reads_or_may_read_does(bench: Bench, path: str) -> None:
    assert not bench.make().cached
    before = FAKE / path
    bench.write(path, f"{before.read_text() if before.exists() else ''}\n")
    assert not bench.make().cached


def test_one_that_does_not_compile_is_of_its_tree_alone(bench: Bench) -> None:
    bench.write("mm/vma.c", "this is no C\n")
    first = bench.make()
    assert (first.outcome, first.cached) == (Outcome.FAIL, False)
    assert bench.make().cached
    bench.write("mm/memory.c", "/* changed */\n")
    assert not bench.make().cached


@pytest.mark.parametrize(
    "does", ["kill -KILL $$PPID; sleep 1", "echo 'cc: fatal error: Killed signal terminated program cc1' >&2; exit 1"]
)
def test_what_the_machine_may_have_done_is_no_result(bench: Bench, does: str) -> None:
    makefile = "tools/testing/vma/Makefile"
    bench.write(makefile, (FAKE / makefile).read_text().replace("$(CC) $(CFLAGS) -o $@", f"{does}; $(CC)"))
    for _ in range(2):
        with pytest.raises(InfraError, match="tools/testing/vma could not be built"):
            bench.make()

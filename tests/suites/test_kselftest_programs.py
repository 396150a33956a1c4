"""Building selftests of a tree: the fake kernel's, with the host's compiler; what does not build is told by name."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from harness.arch import host_arch
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.elf import read_elf
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.model import Arch, Outcome
from harness.suites.kselftest import Selftest, Table
from harness.suites.kselftest_programs import TEST_INPUTS, KselftestBuilder, Selftests, header_inputs

FAKE = Path(__file__).parents[1] / "fakes" / "fakelinux"
NATIVE = host_arch() or Arch.X86_64
pytestmark = pytest.mark.skipif(host_arch() is not Arch.X86_64, reason="the fake tree's Makefile is asked for x86_64")


def _table(*keys: str) -> Table:
    split = ((key, *key.split("/")) for key in keys)
    tests = (Selftest(key.replace("/", "-"), place, name, 1.0, "a test of ours") for key, place, name in split)
    return Table((), tuple(tests))


ALL = _table("mm/good", "mm/broken", "mm/elsewhere", "mm/absent", "proc/quiet", "net/other")


class Shop:
    """A builder on a copy of the fake tree.  `asked` has what the tree's content was asked for."""

    def __init__(self, processes: Processes, cache: Cache, tmp_path: Path) -> None:
        self.tree = tmp_path / "linux"
        shutil.copytree(FAKE, self.tree)
        self.processes = processes
        self.asked: list[tuple[str, ...]] = []
        self.written = 0
        no_archive = cast("DebianArchive", None)  # no library is wanted
        self._builder = KselftestBuilder(processes, cache, Sandbox("off"), no_archive)

    def build(self, table: Table, headers: str = "h1", tests: str = "t1") -> Selftests:
        def content(paths: Sequence[str]) -> str:
            self.asked.append(tuple(paths))
            return tests if paths == TEST_INPUTS else headers

        return self._builder.build(table, NATIVE, content, self._source, jobs=2, say=lambda _: None)

    def _source(self) -> Path:
        self.written += 1
        return self.tree

    def output(self, program: Path) -> str:
        copy = program.with_name(f"{program.name}.copy")
        shutil.copyfile(program, copy)
        copy.chmod(0o755)
        return self.processes.run([copy]).text


@pytest.fixture
def shop(processes: Processes, cache: Cache, tmp_path: Path) -> Shop:
    return Shop(processes, cache, tmp_path)


def test_what_builds_and_what_does_not(shop: Shop) -> None:
    before = _snapshot(shop.tree)
    found = shop.build(ALL)
    assert sorted(found.programs) == ["mm/good", "proc/quiet"]
    # Its own headers, and no timeout of its own: deadlines are ours.
    assert shop.output(found.programs["mm/good"]) == "TAP version 13\n1..1\nok 1 answer\n# 42 86400\n"
    assert "libgcc_s.so.1" in read_elf(found.programs["mm/good"].read_bytes()).needed, "pthread_cancel() wants it"
    missing = {one.key: (one.outcome, one.message) for one in found.missing}
    assert missing == {
        "mm/broken": (
            Outcome.FAIL,
            "broken.c:2:10: fatal error: linux/no_such_header.h: No such file or directory",
        ),
        "mm/elsewhere": (Outcome.SKIP, "the tree does not build tools/testing/selftests/mm/elsewhere.c for x86_64"),
        "mm/absent": (Outcome.SKIP, "the tree has no tools/testing/selftests/mm/absent.c"),
        "net/other": (Outcome.SKIP, "the tree has no tools/testing/selftests/net"),
    }
    assert _snapshot(shop.tree) == before, "the tree is shared, and only read"
    again = shop.build(ALL)
    assert (again.cached, again.programs, again.missing) == (True, found.programs, found.missing)
    assert shop.written == 1
    assert shop.asked[:2] == [header_inputs(NATIVE), TEST_INPUTS]


def test_headers_are_kept_where_only_tests_change(shop: Shop) -> None:
    table = _table("proc/quiet")
    shop.build(table)
    makefile = shop.tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("headers:\n", "headers:\n\tfalse\n"))
    assert list(shop.build(table, tests="t2").programs) == ["proc/quiet"]
    (one,) = shop.build(table, headers="h2").missing
    assert one.outcome is Outcome.FAIL
    assert one.message.startswith("make headers: ")
    assert "Error 1" in one.message


def test_a_makefile_that_does_not_work_fails_its_tests(shop: Shop) -> None:
    (shop.tree / "tools/testing/selftests/proc/Makefile").write_text("include ../no-such.mk\n")
    (one,) = shop.build(_table("proc/quiet")).missing
    assert (one.key, one.outcome) == ("proc/quiet", Outcome.FAIL)
    assert "no-such.mk" in one.message


def test_a_link_that_make_leaves_is_not_followed(shop: Shop) -> None:
    secret = shop.tree.parent / "secret"
    secret.write_text("of the host\n")
    rules = (
        "TEST_GEN_PROGS := quiet\nOVERRIDE := 1\n$(OUTPUT)/quiet: ; ln -sf " + str(secret) + " $@\ninclude ../lib.mk\n"
    )
    (shop.tree / "tools/testing/selftests/proc/Makefile").write_text(rules)
    found = shop.build(_table("proc/quiet"))
    assert found.programs == {}
    assert found.missing[0].outcome is Outcome.FAIL


def _snapshot(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}

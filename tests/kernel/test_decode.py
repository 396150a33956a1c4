"""Files and lines for call traces, by a script that must not be trusted."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.arch import host_arch
from harness.host.cache import Cache
from harness.host.elf import has_lines
from harness.host.process import Processes
from harness.host.sandbox import probe
from harness.kernel import decode
from harness.kernel.decode import MAX_FRAMES, NO_LINES, NO_SCRIPT, NO_VMLINUX, Decoded, Decoder
from harness.kernel.git import Git, make_repository
from harness.model import AppliedTree, Arch, Build, Case, Finding, Frame, Outcome, Tree
from tests.report import samples

pytestmark = pytest.mark.skipif(host_arch() is None or shutil.which("gcc") is None, reason="no compiler here")

SOURCE = """\
int example_inner(int a) { return a * 3; }

int kernel_init(int a)
{
	return example_inner(a) + 1;
}
"""

# What the real one does, in a few lines: nm for the function's address, addr2line for the place.
SCRIPT = """\
#!/usr/bin/env bash
while read -r number symbol; do
	name=${symbol%+*}; offset=${symbol#*+}; offset=${offset%/*}
	base=$(${CROSS_COMPILE}nm "$1" | awk -v name="$name" '$3 == name { print $1 }')
	place=$(${CROSS_COMPILE}addr2line -e "$1" "$(printf %x $((0x$base + offset)))")
	echo "$number $name ($place) "
done
"""


class Bench:
    """A tree with a script, and a "kernel" of one source file."""

    def __init__(self, directory: Path, processes: Processes, cache: Cache) -> None:
        self.directory = directory
        self.processes = processes
        self.cache = cache
        self.vmlinux = directory / "vmlinux"

    def compile(self, *flags: str) -> None:
        source = self.directory / "init"
        source.mkdir(exist_ok=True)
        (source / "main.c").write_text(SOURCE)
        argv = ["gcc", "-O0", *flags, "-nostdlib", "-Wl,-e,kernel_init", "init/main.c", "-o", str(self.vmlinux)]
        subprocess.run([*argv, f"-ffile-prefix-map={self.directory}/="], cwd=self.directory, check=True)

    def tree(self, script: str | None) -> AppliedTree:
        repo = make_repository(self.cache.scratch("tree") / "repo.git")
        git = Git(self.processes, repo)
        name = decode.SCRIPT if script is not None else "README"
        blob = git.run("hash-object", "-w", "--stdin", input=(script or "").encode()).text.strip()
        listing = f"100755 blob {blob}\t{name.rpartition('/')[2]}\n"
        tree = git.run("mktree", input=listing.encode()).text.strip()
        if "/" in name:
            tree = git.run("mktree", input=f"040000 tree {tree}\tscripts\n".encode()).text.strip()
        commit = git.run("commit-tree", tree, "-m", "a tree").text.strip()
        base = Tree("here", "6.12", repo, commit, tree)
        return AppliedTree(base, (), repo, commit, tree)

    def build(self) -> Build:
        native = host_arch() or Arch.X86_64
        return replace(samples.build(native), vmlinux=self.vmlinux)

    def decode(self, script: str | None, *frames: Frame) -> Decoded:
        sandbox = probe(self.processes, wanted=True)
        decoder = Decoder(self.processes, self.cache, sandbox)
        return decoder.decode(self.tree(script), self.build(), frames)


@pytest.fixture
def bench(tmp_path: Path, processes: Processes, cache: Cache) -> Bench:
    return Bench(tmp_path, processes, cache)


KNOWN = Frame("kernel_init", 4, 0x20)
UNKNOWN = Frame("no_such_function", 4, 0x20)


def finding(*frames: Frame) -> Finding:
    return Finding("warning", "WARNING in f", "f", "WARNING", 1, "0123", frames=frames)


def test_a_frame_gets_its_line(bench: Bench) -> None:
    bench.compile("-g")
    decoded = bench.decode(SCRIPT, KNOWN, UNKNOWN)
    (place,) = decoded.places[KNOWN]
    assert place.endswith("init/main.c:4")
    done = decoded.finding(finding(KNOWN, UNKNOWN))
    assert [bool(frame.sources) for frame in done.frames] == [True, False]
    assert done.undecoded == decoded.reason != ""
    assert decoded.finding(finding(KNOWN)).undecoded == ""


def test_the_line_that_the_report_says_itself_stays(bench: Bench) -> None:
    said = replace(UNKNOWN, sources=("mm/example.c:7",))
    assert Decoded({}, "why").finding(finding(said)).frames == (said,)
    assert Decoded({}, "why").case(Case("faults", "a", Outcome.FAIL, findings=(finding(said),))).findings[0].frames
    assert Decoded({}, "why").finding(finding()).undecoded == "", "there is nothing to decode"


def test_without_debug_information_the_script_is_not_run(bench: Bench) -> None:
    bench.compile()
    assert not has_lines(bench.vmlinux)
    assert bench.decode("exit 1", KNOWN) == Decoded({}, NO_LINES)
    bench.vmlinux.unlink()
    assert bench.decode("exit 1", KNOWN) == Decoded({}, NO_VMLINUX)
    assert not has_lines(bench.vmlinux)


def test_a_tree_without_the_script(bench: Bench) -> None:
    bench.compile("-g")
    assert has_lines(bench.vmlinux)
    assert bench.decode(None, KNOWN) == Decoded({}, NO_SCRIPT)


def test_a_script_that_fails_or_never_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.compile("-g")
    assert bench.decode("exit 7", KNOWN).reason.endswith("ended with exit code 7")
    monkeypatch.setattr(decode, "DEADLINE_S", 0.5)
    decoded = bench.decode("echo 'f0 kernel_init (mm/example.c:3) '; while :; do sleep 1; done", KNOWN)
    assert "did not end" in decoded.reason
    assert decoded.places == {KNOWN: ("mm/example.c:3",)}, "what it said until then counts"


def test_a_script_that_floods_is_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.compile("-g")
    monkeypatch.setattr(decode, "_MAX_OUTPUT_BYTES", 100_000)
    monkeypatch.setattr(decode, "DEADLINE_S", 2.0)
    assert bench.decode("while :; do echo 'f0 kernel_init (a.c:1)'; done", KNOWN).places == {KNOWN: ("a.c:1",)}
    assert max(path.stat().st_size for path in bench.cache.root.rglob("said")) <= 100_000


def test_a_script_can_change_nothing(bench: Bench) -> None:
    bench.compile("-g")
    if not probe(bench.processes, wanted=True).active:
        pytest.skip("no sandbox here")
    before = bench.vmlinux.read_bytes()
    mine = bench.directory / "mine"
    bench.decode(f'echo harm > "$1"; echo harm > {mine}; exit 0', KNOWN)
    assert bench.vmlinux.read_bytes() == before
    assert not mine.exists()


def test_names_that_are_no_names_never_reach_the_script(bench: Bench) -> None:
    bench.compile("-g")
    evil = Frame("a[$(touch /tmp/harm)]", 1, 2)
    seen = bench.decode("cat >&2; cat", evil, KNOWN)
    assert evil not in seen.places
    (given_lines,) = (path.read_text() for path in bench.cache.root.rglob("decode-*/frames"))
    assert given_lines == "f0 kernel_init+0x4/0x20\n"


def test_no_more_frames_than_are_worth_it(bench: Bench) -> None:
    bench.compile("-g")
    bench.decode("exit 0", *(Frame(f"f{number}", 1, 2) for number in range(MAX_FRAMES + 10)))
    (given_lines,) = (path.read_text() for path in bench.cache.root.rglob("decode-*/frames"))
    assert given_lines.count("\n") == MAX_FRAMES


@given(st.text())
def test_any_output_is_read(output: str) -> None:
    for place in decode._places(output + "\nf0 f (mm/a.c:1 mm/b.h:22 (discriminator 3)) \n", [KNOWN]).values():
        assert place == ("mm/a.c:1", "mm/b.h:22")

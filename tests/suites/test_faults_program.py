"""The faults program itself: compiled without a warning, run on the host's kernel, and made to fail."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.arch import ARCHES, cross_prefix
from harness.errors import InfraError, MissingTool
from harness.host.cache import Cache
from harness.host.process import Completed, Processes
from harness.model import Arch, CommandResult, Outcome
from harness.suites.faults import WORKLOADS, FaultsSuite
from harness.suites.programs import build_program, sources_of
from tests.suites.conftest import native

PROGRAM = "faults"


def run(processes: Processes, program: Path, *arguments: str) -> Completed:
    return processes.run([program, *arguments], deadline_s=120)


def small_program(directory: Path, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "main.c").write_text(text)
    return directory


def test_compiled_once_per_content(processes: Processes, cache: Cache, tmp_path: Path) -> None:
    sources = small_program(tmp_path / "small", "int main(void) { return 7; }\n")

    def build() -> Path:
        return build_program("small", native(), processes=processes, cache=cache, sources=sources)

    first = build()
    stamp = first.stat().st_mtime_ns
    assert build() == first and first.stat().st_mtime_ns == stamp
    assert processes.run([first]).exit_code == 7
    small_program(sources, "int main(void) { return 8; }\n")
    assert build() != first


def test_a_program_that_does_not_compile_says_why(processes: Processes, cache: Cache, tmp_path: Path) -> None:
    sources = small_program(tmp_path / "bad", "int main(void) { return nothing; }\n")
    with pytest.raises(InfraError) as caught:
        build_program("bad", native(), processes=processes, cache=cache, sources=sources)
    assert "main.c:1" in caught.value.detail and "nothing" in caught.value.detail


@pytest.mark.parametrize("arch", list(Arch))
def test_a_missing_compiler_is_named_with_its_package(
    arch: Arch, processes: Processes, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool) as caught:
        build_program("faults", arch, processes=processes, cache=cache)
    assert caught.value.program == f"{cross_prefix(arch)}gcc"
    assert caught.value.package in ("gcc", ARCHES[arch].compiler_packages[0])


@pytest.mark.parametrize("workload", [workload.name for workload in WORKLOADS])
def test_every_workload_on_this_kernel(workload: str, program: Path, processes: Processes) -> None:
    suite = FaultsSuite(program=str(program))
    command = next(one for one in suite.commands(Arch.X86_64, 2) if one.argv[1] == workload and one.argv[3] != "1")
    done = run(processes, program, *command.argv[1:], "--ops", "40", "--repeat", "2", "--seed", "3")
    assert not done.timed_out
    (case,) = suite.parse(command, CommandResult(done.exit_code, done.text, done.words, done.seconds))
    # The host's kernel may have no userfaultfd for us, and its counters are not ours alone.
    allowed = (Outcome.PASS, Outcome.SKIP) if workload == "uffd" else (Outcome.PASS,)
    assert case.outcome in allowed, f"{case.message}\n{case.detail}"


def test_several_workloads_in_one_go(program: Path, processes: Processes) -> None:
    done = run(processes, program, "anon", "shared", "--ops", "10", "--repeat", "3")
    results = [line for line in done.text.splitlines() if line.startswith("ok")]
    assert results == ["ok 1 - anon.1", "ok 2 - shared.1"]
    assert "# metric fault_time" in done.text
    assert done.text.count("(discarded)") == 2


def test_the_first_repetition_is_in_no_metric(program: Path, processes: Processes) -> None:
    done = run(processes, program, "anon", "--ops", "50", "--repeat", "3")
    (line,) = [line for line in done.text.splitlines() if line.startswith("# metric fault_time ")]
    measured = [line for line in done.text.splitlines() if line.startswith("# repetition") and "discarded" not in line]
    assert len(measured) == 2
    assert int(line.split()[-1]) == sum(int(one.split()[-2]) for one in measured)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonesuch",),
        ("anon", "--ops", "0"),
        ("anon", "--ops", "-1"),
        ("anon", "--ops", "12x"),
        ("anon", "--threads", "100000"),
        ("anon", "--repeat", "1"),
        ("anon", "--bogus"),
    ],
)
def test_a_bad_command_line_is_refused(arguments: tuple[str, ...], program: Path, processes: Processes) -> None:
    done = run(processes, program, *arguments)
    assert (done.exit_code, done.text) == (2, "")
    assert done.words


def test_a_file_that_cannot_be_made_is_a_failed_case(program: Path, processes: Processes) -> None:
    done = run(processes, program, "file-read", "--dir", "/nonexistent")
    assert done.exit_code == 1
    assert "not ok 1 - file-read.1 # cannot make a file in /nonexistent: No such file" in done.text


@dataclass(frozen=True)
class Mutant:
    """The program with one line changed so that it meets what a broken kernel would do."""

    workload: str
    source: str
    old: str
    new: str
    message: str
    outcome: Outcome = Outcome.FAIL


MUTANTS = (
    Mutant("anon", "anon.c", "MAP_ANONYMOUS, -1", "MAP_ANONYMOUS | MAP_POPULATE, -1", "the kernel counted"),
    Mutant("anon", "../common/pattern.c", "word[mark_place(run, number)] =", "word[0] = 1, word[1] =", "touched page"),
    Mutant("refault", "anon.c", "MADV_DONTNEED))", "MADV_NORMAL))", "touched page"),
    Mutant(
        "shared",
        "shared.c",
        "mremap(run->area, 0, size, MREMAP_MAYMOVE)",
        "mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)",
        "touched page",
    ),
    Mutant("file-read", "file.c", "fill_page(run, buffer, n);", "fill_page(run, buffer, n + 1);", "read page"),
    Mutant(
        "file-write",
        "file.c",
        "PROT_READ | PROT_WRITE,\n\t\t\t      MAP_SHARED",
        "PROT_READ | PROT_WRITE, MAP_PRIVATE",
        "written page",
    ),
    Mutant("cow", "cow.c", "MAP_PRIVATE | MAP_ANONYMOUS", "MAP_SHARED | MAP_ANONYMOUS", "child saw contents"),
    Mutant("stack", "stack.c", "grown_page(worker, i), worker", "grown_page(worker, 0), worker", "touched page"),
    Mutant("race.munmap", "race.c", "setup = expect_holes", "setup = map_area", "unexpected signal 11", Outcome.CRASH),
    Mutant(
        "race.mprotect",
        "race.c",
        "mprotect(range.start, range.size, prot)",
        "madvise(range.start, range.size, MADV_DONTNEED)",
        "touched page",
    ),
    Mutant("race.mremap", "race.c", "range->first + i, &found", "range->first + i + 1, &found", "raced page"),
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.workload}-{Path(mutant.source).name}")
def test_wrong_contents_are_found(mutant: Mutant, processes: Processes, cache: Cache, tmp_path: Path) -> None:
    shutil.copytree(sources_of("faults").parent, tmp_path / "programs")
    sources = tmp_path / "programs" / "faults"
    text = (sources / mutant.source).read_text()
    assert mutant.old in text
    (sources / mutant.source).write_text(text.replace(mutant.old, mutant.new))
    program = build_program("faults", native(), processes=processes, cache=cache, sources=sources)
    suite = FaultsSuite(program=str(program))
    command = next(one for one in suite.commands(native(), 2) if one.argv[1] == mutant.workload and one.argv[3] != "1")
    done = run(processes, program, *command.argv[1:], "--ops", "3000")
    (case,) = suite.parse(command, CommandResult(done.exit_code, done.text, done.words, done.seconds))
    assert case.outcome is mutant.outcome, case
    assert mutant.message in case.message

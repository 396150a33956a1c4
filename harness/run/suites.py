"""The suites by name, and what each needs before a guest can run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from harness.errors import UserError
from harness.events import Say
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.kernel.git import Git, content_of
from harness.model import AppliedTree, Arch, Case, Command, CommandResult, Outcome, Payload, SuiteResult
from harness.run.content import TreeContent
from harness.run.own import own_digest
from harness.run.tasks import wanted
from harness.suites import bench, faults, hazards, kselftest, sizes, vma
from harness.suites.kselftest_programs import KselftestBuilder, Selftests
from harness.suites.programs import build_program
from harness.suites.suite import ExactSuite, Suite
from harness.suites.vma_program import VmaBuilder, VmaProgram

DESCRIPTIONS = {
    "vma": "tools/testing/vma of the tree under test, on the host and in each guest; one case for each of its tests",
    "faults": "page faults of every kind, alone and against threads that change the mappings around them",
    "hazards": "what is known to go wrong around VMA locks: races, storms, reuse, refusals, kills, bad pointers",
    "bench": "what faults and mappings cost, in the shapes of will-it-scale, pft and an allocator",
    "sizes": "what the objects around VMAs take: object caches, and memory for each VMA; measured in the guest",
    "kselftest": "selected selftests of the tree under test (tools/testing/selftests/mm and /proc), built from it",
}


_REVIVED: dict[str, Callable[[Command], Suite]] = {
    "vma": lambda command: vma.VmaSuite(command.cases),
    "faults": lambda _: faults.FaultsSuite(),
    "hazards": lambda _: hazards.HazardsSuite(),
    "bench": lambda _: bench.BenchSuite(),
    "sizes": lambda _: sizes.SizesSuite(),
    "kselftest": lambda _: kselftest.KselftestSuite(),
}


def revive(name: str, command: Command) -> Suite:
    """The suite that reads what a command of an earlier run says now.  Raises UserError for one that is not ours."""
    if name not in _REVIVED:
        raise UserError(f"no suite is called {name[:64]!r}", fix=f"suites: {', '.join(_REVIVED)}")
    return _REVIVED[name](command)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A suite ready for one architecture; `cases` say of what there is nothing to run, and why."""

    name: str
    suite: Suite | None
    payload: Payload = field(default_factory=Payload)
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What making suites takes."""

    processes: Processes
    cache: Cache
    sandbox: Sandbox
    archive: DebianArchive
    jobs: int

    def vma_program(self, applied: AppliedTree, arch: Arch, source: Callable[[], Path], say: Say) -> VmaProgram:
        """tools/testing/vma of the tree for an architecture; `source` gives the tree's files if it must be compiled."""
        builder = VmaBuilder(self.processes, self.cache, self.sandbox, self.archive)
        return builder.build(arch, TreeContent(applied, self.processes), source, jobs=self.jobs, say=say)

    def selftests(self, applied: AppliedTree, arch: Arch, source: Callable[[], Path], say: Say) -> Selftests:
        """The selected selftests of the tree for an architecture."""

        def content(paths: Sequence[str]) -> str:
            return content_of(Git(self.processes, applied.repo), applied.commit, paths)

        builder = KselftestBuilder(self.processes, self.cache, self.sandbox, self.archive)
        return builder.build(kselftest.table(), arch, content, source, jobs=self.jobs, say=say)

    def faults(self, arch: Arch, say: Say) -> Prepared:
        program = build_program("faults", arch, processes=self.processes, cache=self.cache, say=say)
        return Prepared("faults", faults.FaultsSuite(), faults.payload(program))

    def hazards(self, arch: Arch, say: Say) -> Prepared:
        program = build_program("hazards", arch, processes=self.processes, cache=self.cache, say=say)
        return Prepared("hazards", hazards.HazardsSuite(), hazards.payload(program))

    def bench(self, arch: Arch, say: Say) -> Prepared:
        program = build_program("bench", arch, processes=self.processes, cache=self.cache, say=say)
        return Prepared("bench", bench.BenchSuite(), bench.payload(program))

    def sizes(self, arch: Arch, say: Say) -> Prepared:
        program = build_program("sizes", arch, processes=self.processes, cache=self.cache, say=say)
        return Prepared("sizes", sizes.SizesSuite(), sizes.payload(program))


def unseedable(prepared: Sequence[Prepared]) -> tuple[Case, ...]:
    """What exact guests have nothing to do with: a case that says so for each such suite."""
    why = "does not run in exact guests"
    found: list[Case] = []
    for item in (item for item in prepared if not isinstance(item.suite, ExactSuite)):
        found += item.cases
        if item.suite is not None or not item.cases:
            found.append(Case(item.name, "exact", Outcome.SKIP, message=f"{item.name} {why}"))
    return tuple(found)


def prepared_vma(program: VmaProgram) -> Prepared:
    """The vma suite of a program, or the case that says that there is none."""
    if program.program is None:
        return Prepared("vma", None, cases=(vma_build_case(program),))
    return Prepared("vma", vma.VmaSuite(program.tests), vma.payload(program.program))


def vma_build_case(program: VmaProgram) -> Case:
    log = program.log.read_text(errors="replace")
    return Case("vma", "build", program.outcome, message=program.message, detail=log[-16_000:])


def prepared_kselftest(selftests: Selftests, patterns: Sequence[str]) -> Prepared:
    """The kselftest suite of what was built, with a case for each test that is asked for and was not."""
    log = selftests.log.read_text(errors="replace")[-16_000:]
    missing = {one.key: one for one in selftests.missing}
    cases = tuple(
        Case(
            kselftest.NAME, test.name, missing[test.key].outcome, message=missing[test.key].message,
            detail=log if missing[test.key].outcome is Outcome.FAIL else "",
        )
        for test in kselftest.table().tests
        if test.key in missing and wanted(patterns, kselftest.NAME, test.name)
    )  # fmt: skip
    suite = kselftest.KselftestSuite(tuple(selftests.programs)) if selftests.programs else None
    return Prepared(kselftest.NAME, suite, kselftest.payload(selftests.programs), cases)


def key_on_host(program: VmaProgram, sandbox: Sandbox) -> str:
    """Names all that the host's result of a program comes from."""
    made = program.program.read_bytes() if program.program is not None else program.log.read_bytes()
    parts = (made, *(word.encode() for word in (*program.tests, sandbox.mode, own_digest())))
    return sha256(b"\0".join(parts)).hexdigest()[:40]


def run_on_host(program: VmaProgram, processes: Processes, sandbox: Sandbox) -> SuiteResult:
    """The vma program on this host, confined: it is code of the patches.  Where all passes, once more for leaks."""
    if program.program is None:
        return SuiteResult("vma", "host", "", (vma_build_case(program),))
    suite = vma.VmaSuite(program.tests, program=str(program.program))
    (command,) = suite.commands(program.arch, 1)
    done = _on_host(command, program.program.parent, processes, sandbox)
    if isinstance(done, str):
        cases = tuple(Case("vma", test, Outcome.TIMEOUT, message=done) for test in command.cases)
        return SuiteResult("vma", "host", "", cases)
    cases = suite.parse(command, done)
    if all(case.outcome is Outcome.PASS for case in cases):
        leaks = _on_host(suite.leak_check(), program.program.parent, processes, sandbox)
        timeout = Case("vma", "leaks", Outcome.TIMEOUT, message=leaks if isinstance(leaks, str) else "")
        cases = (*cases, timeout if isinstance(leaks, str) else suite.parse_leak_check(leaks))
    return SuiteResult("vma", "host", "", cases, done.seconds, done.stdout + done.stderr)


def _on_host(command: Command, readable: Path, processes: Processes, sandbox: Sandbox) -> CommandResult | str:
    """What a command of the suite gave on this host; a line that says so where it did not end."""
    argv = sandbox.wrap(list(command.argv), cwd=Path("/"), writable=[], readable=[readable])
    done = processes.run(argv, deadline_s=command.timeout_s * 4)
    if done.timed_out:
        return f"no end after {done.seconds:.0f} s"
    return CommandResult(done.exit_code, done.text, done.stderr.decode("utf-8", "replace"), done.seconds)

"""The suites by name, and what each needs before a guest can run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.events import Say
from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import Sandbox
from harness.model import AppliedTree, Arch, Case, CommandResult, Outcome, Payload, SuiteResult
from harness.suites import faults, vma
from harness.suites.programs import build_program
from harness.suites.suite import Suite
from harness.suites.vma_program import VmaBuilder, VmaProgram

DESCRIPTIONS = {
    "vma": "tools/testing/vma of the tree under test, on the host and in each guest; one case for each of its tests",
    "faults": "page faults of every kind, alone and against threads that change the mappings around them",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A suite ready for one architecture; without a `suite`, `case` says why there is nothing to run."""

    name: str
    suite: Suite | None
    payload: Payload = field(default_factory=Payload)
    case: Case | None = None


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
        return builder.build(arch, applied.tree_id, source, jobs=self.jobs, say=say)

    def faults(self, arch: Arch, say: Say) -> Prepared:
        say(f"compiling the page-fault programs for {arch}")
        program = build_program("faults", arch, processes=self.processes, cache=self.cache)
        return Prepared("faults", faults.FaultsSuite(), faults.payload(program))


def prepared_vma(program: VmaProgram) -> Prepared:
    """The vma suite of a program, or the case that says that there is none."""
    if program.program is None:
        return Prepared("vma", None, case=vma_build_case(program))
    return Prepared("vma", vma.VmaSuite(program.tests), vma.payload(program.program))


def vma_build_case(program: VmaProgram) -> Case:
    log = program.log.read_text(errors="replace")
    return Case("vma", "build", program.outcome, message=program.message, detail=log[-16_000:])


def run_on_host(program: VmaProgram, processes: Processes, sandbox: Sandbox) -> SuiteResult:
    """The vma program on this host, confined: it is code of the patches."""
    if program.program is None:
        return SuiteResult("vma", "host", "", (vma_build_case(program),))
    suite = vma.VmaSuite(program.tests, program=str(program.program))
    (command,) = suite.commands(program.arch, 1)
    argv = sandbox.wrap(list(command.argv), cwd=Path("/"), writable=[], readable=[program.program.parent])
    done = processes.run(argv, deadline_s=command.timeout_s * 4)
    if done.timed_out:
        message = f"no end after {done.seconds:.0f} s"
        cases = tuple(Case("vma", test, Outcome.TIMEOUT, message=message) for test in command.cases)
        return SuiteResult("vma", "host", "", cases, done.seconds)
    result = CommandResult(done.exit_code, done.text, done.stderr.decode("utf-8", "replace"), done.seconds)
    return SuiteResult("vma", "host", "", suite.parse(command, result), done.seconds, result.stdout + result.stderr)

"""Call traces -> files and lines, by the tree's own scripts/decode_stacktrace.sh and the kept vmlinux.

The script is a program of the tree under test, and shell that computes with what it reads: it runs in the sandbox,
bounded in time, memory and output, and is given FUNCTION+OFFSET/SIZE alone, never text of a console.  What it says is
believed only in the form that it should have.  Knows no console and no rules.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.host.cache import Cache
from harness.host.elf import has_lines
from harness.host.process import SYSTEM_PATH, Processes
from harness.host.sandbox import Sandbox
from harness.kernel.git import Git, contents_at
from harness.model import AppliedTree, Build, Case, Finding, Frame

SCRIPT = "scripts/decode_stacktrace.sh"
MAX_FRAMES = 1000
"""Of one target; each different one costs two programs."""

DEADLINE_S = 60.0
_MAX_OUTPUT_BYTES = 4 << 20
_MAX_MEMORY_BYTES = 4 << 30

_NAME = re.compile(r"[A-Za-z_][\w.$]{0,250}")
_LINE = re.compile(r"^f(\d{1,6}) [\w.$]{1,255} \((.{1,4000})\) *$", re.MULTILINE)
_PLACE = re.compile(r"(?<!\S)([\w./+@~-]{1,300}:\d{1,7})(?!\S)")

NO_SCRIPT = f"the tree has no {SCRIPT}"
NO_LINES = "vmlinux says nothing of lines (it has no .debug_line)"
NO_VMLINUX = "there is no vmlinux"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was found out: the places of frames, and why those without any have none."""

    places: dict[Frame, tuple[str, ...]]
    reason: str

    def case(self, case: Case) -> Case:
        """The same case, its findings decoded."""
        return replace(case, findings=tuple(self.finding(one) for one in case.findings)) if case.findings else case

    def finding(self, finding: Finding) -> Finding:
        # What the report itself says of its first frame is kept where nothing better is known.
        frames = tuple(replace(one, sources=self.places.get(bare(one), one.sources)) for one in finding.frames)
        missing = any(not frame.sources for frame in frames)
        return replace(finding, frames=frames, undecoded=self.reason if missing else "")


def bare(frame: Frame) -> Frame:
    return replace(frame, sources=())


class Decoder:
    """Decodes the frames of one tree's kernels."""

    def __init__(self, processes: Processes, cache: Cache, sandbox: Sandbox) -> None:
        self._processes = processes
        self._cache = cache
        self._sandbox = sandbox

    def decode(self, applied: AppliedTree, build: Build, frames: Iterable[Frame]) -> Decoded:
        """The places of the frames.  What cannot be told is a reason, never an error; raises Cancelled."""
        wanted = list(dict.fromkeys(bare(frame) for frame in frames if _NAME.fullmatch(frame.function)))
        if build.vmlinux is None or not build.vmlinux.is_file():
            return Decoded({}, NO_VMLINUX)
        if not has_lines(build.vmlinux):
            return Decoded({}, NO_LINES)
        for tool in ("addr2line", "nm"):
            name = f"{build.toolchain.cross_compile}{tool}"
            if shutil.which(name, path=SYSTEM_PATH) is None:
                return Decoded({}, f"{name} is not installed")
        script = contents_at(Git(self._processes, applied.repo), applied.commit, [SCRIPT]).get(SCRIPT)
        if script is None:
            return Decoded({}, NO_SCRIPT)
        output, reason = self._run(script, build, wanted[:MAX_FRAMES])
        return Decoded(_places(output, wanted), reason or "the debug information does not say")

    def _run(self, script: bytes, build: Build, frames: list[Frame]) -> tuple[str, str]:
        """What the script said, and what went wrong with it ("" if nothing did)."""
        assert build.vmlinux is not None
        work = self._cache.scratch("decode")
        program, given, said = work / "decode_stacktrace.sh", work / "frames", work / "said"
        program.write_bytes(script)
        given.write_text("".join(f"f{number} {one.spot}\n" for number, one in enumerate(frames)))
        limits = ["prlimit", f"--as={_MAX_MEMORY_BYTES}", f"--fsize={_MAX_OUTPUT_BYTES}", "--core=0", "--"]
        # No modules: the base of the paths is found by the script itself, and a modules directory is not given.
        argv = self._sandbox.wrap(
            [*limits, "bash", program, build.vmlinux, "auto"], cwd=Path("/"), writable=[],
            readable=[work, build.vmlinux.parent], env={"CROSS_COMPILE": build.toolchain.cross_compile},
        )  # fmt: skip
        with given.open("rb") as stdin, said.open("wb") as stdout:
            child = self._processes.spawn(argv, stdin=stdin.fileno(), stdout=stdout)
            try:
                code = child.wait(DEADLINE_S, self._processes.stop)
                self._processes.stop.check()
            finally:
                self._processes.forget(child)
        text = said.read_bytes()[:_MAX_OUTPUT_BYTES].decode("utf-8", "replace")
        if code is None:
            return text, f"{SCRIPT} did not end within {DEADLINE_S:.0f} s"
        return text, f"{SCRIPT} ended with exit code {code}" if code else ""


def _places(output: str, frames: list[Frame]) -> dict[Frame, tuple[str, ...]]:
    """The script's lines, each told by the number that it was given with."""
    found: dict[Frame, tuple[str, ...]] = {}
    for match in _LINE.finditer(output):
        number, places = int(match[1]), tuple(place.removeprefix("./") for place in _PLACE.findall(match[2]))
        if number < len(frames) and places:
            found[frames[number]] = places[:16]
    return found

"""Each applied patch held against the tree's own scripts/checkpatch.pl.

The script is a program of the tree that the patches are for (never the one that they leave behind), and what it reads
is a stranger's: it runs in the sandbox, bounded in time.  It is given what `git am` made of a patch, so that how the
mail was encoded makes no difference.  Knows no cases and no verdict.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.host.cache import Cache, remove_tree
from harness.host.process import SYSTEM_PATH, Processes
from harness.host.sandbox import Sandbox
from harness.kernel.git import Git, contents_at
from harness.model import AppliedPatch, AppliedTree, CompilerMessage, PatchRole

SCRIPT = "scripts/checkpatch.pl"
NO_SCRIPT = f"the tree has no {SCRIPT}"
NO_PERL = "perl is not installed (apt-get install perl)"
DEADLINE_S = 120.0

_READS = (SCRIPT, "scripts/spelling.txt", "scripts/const_structs.checkpatch")
_OPTIONS = ("--no-tree", "--terse", "--showfile", "--show-types", "--no-summary", "--color=never")
_SAID = re.compile(
    r"(?:#\d{1,9}: (?:FILE: )?)?(?P<path>[^\s:]{0,4096}):(?P<line>\d{1,9}):? ?"
    r"(?P<kind>ERROR|WARNING|CHECK):(?P<type>[A-Z0-9_]{1,80}): (?P<text>.{1,2000})"
)


@dataclass(frozen=True, slots=True)
class PatchText:
    """A patch of the series as it was applied."""

    patch: AppliedPatch
    mail: bytes  # git's own
    diff: str  # with much context

    @property
    def name(self) -> str:
        """`3`: its place in the series."""
        return str(self.patch.number)


@dataclass(frozen=True, slots=True)
class Said:
    """What the script said of a patch; `trouble` where it could not."""

    messages: tuple[CompilerMessage, ...] = ()
    trouble: str = ""


def texts_of(applied: AppliedTree, processes: Processes, *, context_lines: int) -> tuple[PatchText, ...]:
    """The patches of the series.  Raises InfraError where git cannot give them."""
    git = Git(processes, applied.repo)
    found = []
    for patch in applied.patches:
        if patch.role is PatchRole.SERIES:
            mail = git.ask("format-patch", "-1", "--stdout", "--no-signature", "--no-renames", patch.commit)
            diff = git.ask("show", "--format=", "--no-renames", f"-U{context_lines}", patch.commit)
            found.append(PatchText(patch, f"{mail}\n".encode("utf-8", "replace"), diff))
    return tuple(found)


class Checkpatch:
    """The script of one tree, written to the cache's scratch space; gone when the context ends."""

    def __init__(self, applied: AppliedTree, *, processes: Processes, cache: Cache, sandbox: Sandbox) -> None:
        self._processes = processes
        self._sandbox = sandbox
        self._place = cache.scratch("checkpatch")
        files = contents_at(Git(processes, applied.repo), applied.base.commit, _READS)
        for name, content in files.items():
            path = self._place / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        self.trouble = NO_SCRIPT if SCRIPT not in files else ""
        if not self.trouble and shutil.which("perl", path=SYSTEM_PATH) is None:
            self.trouble = NO_PERL

    def __enter__(self) -> Checkpatch:
        return self

    def __exit__(self, *_: object) -> None:
        remove_tree(self._place)

    def check(self, text: PatchText) -> Said:
        """What the script says of a patch.  Never raises for what it says; raises Cancelled."""
        mail = self._place / f"{text.name}.patch"
        mail.write_bytes(text.mail)
        argv = self._sandbox.wrap(
            ["perl", SCRIPT, *_OPTIONS, mail.name], cwd=self._place, writable=[], readable=[self._place]
        )
        done = self._processes.run(argv, cwd=self._place, deadline_s=DEADLINE_S)
        if done.timed_out:
            return Said(trouble=f"{SCRIPT} did not end within {DEADLINE_S:.0f} s")
        messages = parse(done.text, mail.name)
        if done.exit_code not in (0, 1) or (done.exit_code == 1 and not messages):
            words = (done.words.splitlines() or ["nothing"])[0]
            return Said(trouble=f"{SCRIPT} ended with {done.exit_code} and said: {words}")
        return Said(messages)


def parse(output: str, mail: str) -> tuple[CompilerMessage, ...]:
    """The script's terse lines; what is about the mail itself (its message) has no path."""
    found = []
    for line in output.splitlines():
        if match := _SAID.fullmatch(line):
            severity = "error" if match["kind"] == "ERROR" else "warning"
            path = "" if Path(match["path"]).name == mail else match["path"]
            found.append(CompilerMessage(severity, path, int(match["line"]), match["text"], match["type"]))
    return tuple(found)

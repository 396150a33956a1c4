"""How structures of a kernel lie in memory, by pahole, where the kernel has debug information (DWARF or BTF).

The kernel is what a stranger's patches made: pahole runs in the sandbox, bounded in time, memory and output, and what
it says is believed only in the form that it should have.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from harness.costs import Member, Structure
from harness.host.cache import Cache
from harness.host.elf import section_names
from harness.host.process import SYSTEM_PATH, Processes
from harness.host.sandbox import Sandbox
from harness.kernel.kconfig import has_types
from harness.model import Build

NAMES = ("vm_area_struct", "mm_struct", "vma_lock")
"""What is looked for; a kernel need not have all of them."""

DEADLINE_S = 120.0
_MAX_BYTES = 1 << 20
_MAX_MEMORY_BYTES = 4 << 30

_HEAD = re.compile(r"struct (\w{1,100}) \{")
_MEMBER = re.compile(
    r"\t(?:[^\t].*?\W|\})(\w{1,100})?(?:\[\d*\])*\)?(?: ?:\d+| ?:\s+\d+)?;\s+/\*\s+(\d+)(?::\s*\d+)?\s+(\d+) \*/.*"
)
_INSIDE = re.compile(r"\t\t+.*?\W(\w{1,100})(?:\[\d*\])*(?: ?:\d+)?;.*")
_ATTRIBUTE = re.compile(r" __attribute__\(\(.*?\)\)(?=;)")
_FUNCTION = re.compile(r"\t.*\(\*(\w{1,100})\)\(.*\);\s+/\*\s+(\d+)\s+(\d+) \*/.*")
_SIZE = re.compile(r"\t/\* size: (\d+), cachelines: \d+, members: \d+ \*/")


@dataclass(frozen=True, slots=True)
class Structures:
    """What was read, and why there is nothing where there is nothing."""

    found: tuple[Structure, ...]
    reason: str = ""


def structures(build: Build, *, processes: Processes, cache: Cache, sandbox: Sandbox) -> Structures:
    """The structures of `NAMES`.  What cannot be told is a reason, never an error; raises Cancelled."""
    if build.vmlinux is None:
        return Structures((), "there is no vmlinux")
    if not (has_types(build.config) or b".BTF" in section_names(build.vmlinux)):
        return Structures((), "the kernel was built without debug information of types (DWARF or BTF)")
    if shutil.which("pahole", path=SYSTEM_PATH) is None:
        return Structures((), "pahole is not installed (apt-get install pahole)")
    work = cache.scratch("pahole")
    argv = sandbox.wrap(
        ["prlimit", f"--as={_MAX_MEMORY_BYTES}", f"--fsize={_MAX_BYTES}", "--core=0", "--", "pahole", "-C",
         ",".join(NAMES), build.vmlinux],
        cwd=work, writable=[work], readable=[build.vmlinux.parent],
    )  # fmt: skip
    done = processes.run(argv, deadline_s=DEADLINE_S)
    found = parse(done.text) if done.ok and len(done.stdout) <= _MAX_BYTES else ()
    return Structures(found, "" if found else "pahole does not say")


def parse(text: str) -> tuple[Structure, ...]:
    """What pahole printed: a structure for each that has a size; the first of several of one name."""
    found: dict[str, Structure] = {}
    name, inside = "", ""
    members: list[Member] = []
    for line in (_ATTRIBUTE.sub("", line) for line in text.splitlines()):
        if head := _HEAD.match(line):
            name, members, inside = head[1], [], ""
        elif inner := _INSIDE.fullmatch(line):
            inside = inside or inner[1]
        elif member := (_FUNCTION.fullmatch(line) or _MEMBER.fullmatch(line)):
            members.append(Member(member[1] or f"{{{inside}, …}}", int(member[2]), int(member[3])))
            inside = ""
        elif name and (size := _SIZE.fullmatch(line)):
            found.setdefault(name, Structure(name, int(size[1]), tuple(members), _holes(members, int(size[1]))))
            name = ""
    return tuple(found.values())


def _holes(members: Sequence[Member], size: int) -> tuple[tuple[int, int], ...]:
    """What lies between members, and behind the last one; bit fields of one word share it."""
    holes, end = [], 0
    for member in sorted(members, key=lambda one: one.offset):
        if member.offset > end:
            holes.append((end, member.offset - end))
        end = max(end, member.offset + member.size)
    return (*holes, (end, size - end)) if size > end and members else tuple(holes)

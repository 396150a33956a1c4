"""Exact guests: the job list that such a guest works through by itself, and what it keeps for the harness to fetch.

The list is a cpio segment behind the initramfs, uncompressed and made of nothing but the jobs, so that the same jobs
are the same bytes.  What the guest does with it is `exact.sh`.  Knows no suite, and judges nothing; what a guest hands
over is believed in its form only as far as it was checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.guest import cpio
from harness.guest.console import EXACT_END_MARK
from harness.model import CommandResult

PLACE = "vmaharness/exact"
KEPT = "/run/exact"

KEEP_BYTES = 48 * 1024
"""How much of each stream of a job is fetched: half from its beginning, half from its end."""

_MARK = b"vmaharness: "
_PANIC = b"Kernel panic - not syncing"
_PROBE = "probe"
_NO_TIME = (0.0, 0.0)
_SECTION = re.compile(r"== (\d{4})\.(stdout|stderr|code|time|probe)")
_END = "== end"


@dataclass(frozen=True, slots=True)
class Job:
    """A command of the list.  The guest marks its beginning and end on the console by `mark`, and ends it itself."""

    mark: str  # one line; "vmaharness: MARK" and "vmaharness: end of MARK" are what the console shows
    argv: tuple[str, ...]
    guest_s: int  # deadline in the guest's own seconds: a billion instructions, or idleness


@dataclass(frozen=True, slots=True)
class JobList:
    """What an exact guest does before its first packet.  `probe` is run before the first job and after each."""

    jobs: tuple[Job, ...]
    probe: tuple[str, ...]

    @property
    def segment(self) -> bytes:
        """The list and the program that works through it, as a cpio archive."""
        script = Path(__file__).with_name("exact.sh").read_bytes()
        entries = [
            cpio.regular(f"{PLACE}/run", script, 0o755),
            cpio.regular(f"{PLACE}/probe", f"exec {shlex.join(self.probe)}\n".encode()),
            cpio.regular(f"{PLACE}/fetch", _FETCH.encode()),
            cpio.directory(f"{PLACE}/jobs"),
        ]
        for number, job in enumerate(self.jobs, 1):
            place = f"{PLACE}/jobs/{number:04}"
            entries += [
                cpio.regular(f"{place}/name", f"{job.mark}\n".encode()),
                cpio.regular(f"{place}/seconds", f"{job.guest_s}\n".encode()),
                cpio.regular(f"{place}/command", f"exec {shlex.join(job.argv)}\n".encode()),
            ]
        return cpio.pack(cpio.with_parents(entries))

    @property
    def longest_s(self) -> int:
        return max((job.guest_s for job in self.jobs), default=0)


# What is too long is cut in the guest: an SSH session's output is bounded as a whole.
_FETCH = f"""\
cd {KEPT} || exit 1
for file in *; do
    echo "== $file"
    if [ $(wc -c <$file) -gt {KEEP_BYTES} ]; then
        {{ head -c {KEEP_BYTES // 2} $file; printf '\\n[... cut ...]\\n'; tail -c {KEEP_BYTES // 2} $file; }} | base64
    else
        base64 <$file
    fi
done
echo '{_END}'
"""

FETCH = ("sh", f"/{PLACE}/fetch")
"""The command that prints what the jobs left."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job left.  `result` counts seconds of the guest's own time; `probe` is what the probe said after it."""

    result: CommandResult
    timed_out: bool
    probe: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What an exact guest kept: the probe's words before the first job, and each job's result (None: it has none)."""

    probe: str
    results: tuple[JobResult | None, ...]


def parse_fetched(output: str, jobs: Sequence[Job]) -> Kept:
    """Read what FETCH printed.  Raises ValueError where it is not whole."""
    files: dict[str, str] = {}
    lines: list[str] = []
    name = ""
    *body, last = output.rstrip("\n").split("\n")
    if last != _END:
        raise ValueError("the guest's results do not come to an end")
    for line in [*body, "== "]:
        if not line.startswith("== "):
            lines.append(line)
            continue
        if name:
            files[name] = _decoded(name, lines)
        found = _SECTION.fullmatch(line)
        name, lines = f"{found[1]}.{found[2]}" if found else "", []
    results = tuple(_result(files, f"{number:04}", job) for number, job in enumerate(jobs, 1))
    return Kept(files.get(f"0000.{_PROBE}", ""), results)


def _decoded(name: str, lines: Sequence[str]) -> str:
    try:
        return base64.b64decode("".join(lines), validate=True).decode("utf-8", "replace")
    except binascii.Error as error:
        raise ValueError(f"the guest's results are damaged in {name}") from error


def _result(files: dict[str, str], number: str, job: Job) -> JobResult | None:
    """None where the job did not come to its end, or what it left is not sound."""
    code, times = files.get(f"{number}.code", "").strip(), files.get(f"{number}.time", "")
    if not code.isdigit():
        return None
    began, ended = _times(times)
    seconds = max(0.0, round(ended - began, 2))
    result = CommandResult(int(code), files.get(f"{number}.stdout", ""), files.get(f"{number}.stderr", ""), seconds)
    return JobResult(result, seconds >= job.guest_s, files.get(f"{number}.{_PROBE}", ""))


def _times(text: str) -> tuple[float, float]:
    """Two lengths of time since boot; nothing else is a time."""
    found = re.fullmatch(r"(\d{1,9}\.\d{2}) (\d{1,9}\.\d{2})\n", text)
    return (float(found[1]), float(found[2])) if found else _NO_TIME


# --- the console ----------------------------------------------------------------------------------------------


def exact_part(console: bytes, *, ended: bool) -> bytes:
    """What of an exact guest's console is a function of its inputs.

    That is all up to the end of its last job; of a guest that died before, all up to its panic, or all that it said if
    it `ended` without one; else (it was ended by the host's clock) all up to its last mark.
    """
    end = console.find(EXACT_END_MARK.encode())
    if end < 0:
        end = console.find(_PANIC)
    if end < 0 and ended:
        return console
    if end < 0:
        end = console.rfind(_MARK)
    return console[: console.find(b"\n", end) + 1] if end >= 0 else b""


def checksum(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()


def compared(seed: int, first: bytes, again: bytes) -> tuple[bool, str]:
    """Whether the exact parts of two consoles are the same, and words for it."""
    if first and first == again:
        return True, f"again at seed {seed}: the same, bit for bit (sha256 {checksum(first)[:16]}…)"
    if not first:
        return False, f"seed {seed}: nothing of the console is exact"
    pairs = zip(first.split(b"\n"), again.split(b"\n"), strict=False)
    line, (then, now) = next(
        ((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]),
        (0, (f"{len(first)} bytes".encode(), f"{len(again)} bytes".encode())),
    )
    shown = [text.decode("utf-8", "replace").strip()[:100] for text in (then, now)]
    where = f"line {line}" if line else "its length"
    return False, f"NOT the same again at seed {seed}, from {where} on: “{shown[0]}”, then “{shown[1]}”"

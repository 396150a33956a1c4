"""Exact guests without a guest: their job list, what they hand over, and which part of a console is exact."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import pytest

from harness.guest import cpio
from harness.guest.exact import (
    FETCH,
    KEEP_BYTES,
    PLACE,
    Job,
    JobList,
    checksum,
    compared,
    exact_part,
    parse_fetched,
)
from harness.model import CommandResult

JOBS = (Job("faults anon.1", ("/bin/faults", "anon", "it's"), 30), Job("vma vma", ("env", "A=b", "/bin/vma"), 90))
LIST = JobList(JOBS, ("sh", "-c", "cat /proc/vmstat; echo '--'"))


def entries() -> dict[str, bytes]:
    return {entry.path: entry.data for entry in cpio.unpack(LIST.segment)}


def section(name: str, text: str) -> str:
    return f"== {name}\n{base64.encodebytes(text.encode()).decode()}"


def fetched(*sections: tuple[str, str]) -> str:
    return "".join(section(*one) for one in sections) + "== end\n"


WHOLE = (
    ("0000.probe", "before"), ("0001.stdout", "KTAP\n"), ("0001.stderr", "oh\n"), ("0001.code", "1\n"),
    ("0001.time", "0.50 1.75\n"), ("0001.probe", "after"), ("0002.code", "143\n"), ("0002.time", "2.00 92.01\n"),
)  # fmt: skip


def test_the_same_jobs_are_the_same_bytes() -> None:
    assert LIST.segment == JobList(JOBS, LIST.probe).segment
    assert LIST.segment != JobList(JOBS[:1], LIST.probe).segment
    assert len(LIST.segment) % cpio.ALIGNMENT == 0
    assert LIST.longest_s == 90


def test_a_job_is_a_command_line_that_a_shell_becomes() -> None:
    """`timeout` ends the program itself and not a shell that has it for a child."""
    files = entries()
    assert files[f"{PLACE}/jobs/0001/command"] == b"exec /bin/faults anon 'it'\"'\"'s'\n"
    assert files[f"{PLACE}/jobs/0002/name"] == b"vma vma\n"
    assert files[f"{PLACE}/jobs/0002/seconds"] == b"90\n"
    assert files[f"{PLACE}/probe"].startswith(b"exec sh -c ")


def test_no_key_is_in_the_list() -> None:
    assert not [path for path in entries() if "ssh" in path or "dropbear" in path]


def test_what_the_guest_prints_is_read(tmp_path: Path) -> None:
    """Its own script, on a directory of results: nothing lost, and what is long is cut in its middle."""
    kept = tmp_path / "kept"
    kept.mkdir()
    for name, text in WHOLE:
        (kept / name).write_text(text)
    (kept / "0001.stdout").write_text("first\n" + "x" * KEEP_BYTES + "\nlast\n")
    script = entries()[f"{PLACE}/fetch"].decode().replace("/run/exact", str(kept))
    said = subprocess.run([FETCH[0], "-c", script], capture_output=True, text=True, check=True).stdout
    found = parse_fetched(said, JOBS)
    assert found.results[0] is not None
    assert found.results[0].result.stdout.startswith("first\nxxx")
    assert found.results[0].result.stdout.endswith("xxx\nlast\n")
    assert "[... cut ...]" in found.results[0].result.stdout
    assert len(found.results[0].result.stdout) < KEEP_BYTES + 100


def test_results_in_the_guests_own_seconds() -> None:
    found = parse_fetched(fetched(*WHOLE), JOBS)
    first, second = found.results
    assert found.probe == "before"
    assert first is not None
    assert first.result == CommandResult(1, "KTAP\n", "oh\n", 1.25)
    assert (first.timed_out, first.probe) == (False, "after")
    assert second is not None
    assert second.timed_out, "it took as long as it was given"


def test_a_job_without_an_exit_code_has_no_result() -> None:
    sections = [one for one in WHOLE if one[0] != "0001.code"]
    assert parse_fetched(fetched(*sections), JOBS).results[0] is None
    assert parse_fetched(fetched(), JOBS).results == (None, None)


@pytest.mark.parametrize(
    "output",
    ["", "== 0001.code\nMAo=\n", "== 0001.code\nM\n== end\n", "== 0001.code\n!!!!\n== end\n"],
    ids=["nothing", "no end", "cut", "no base64"],
)
def test_damaged_results_are_none(output: str) -> None:
    with pytest.raises(ValueError, match="results"):
        parse_fetched(output, JOBS)


def test_names_that_are_none_of_ours_are_left_out() -> None:
    odd = (("../../etc/passwd", "x"), ("9999.code", "0"), ("0001.what", "x"))
    assert parse_fetched(fetched(*odd, *WHOLE), JOBS) == parse_fetched(fetched(*WHOLE), JOBS)


def test_times_that_are_none_end_nothing() -> None:
    sections = [one if one[0] != "0001.time" else ("0001.time", "now then\n") for one in WHOLE]
    first = parse_fetched(fetched(*sections), JOBS).results[0]
    assert first is not None
    assert (first.result.seconds, first.timed_out) == (0.0, False)


# --- consoles ---------------------------------------------------------------------------------------------------

BOOT = b"[    0.0] Linux\r\n[    0.5] vmaharness: init\r\n"
JOB = b"[    0.6] vmaharness: faults anon.1\r\n[    0.7] word\r\n"
END = b"[    0.9] vmaharness: end of the exact part\r\n"
PANIC = b"[    0.8] Kernel panic - not syncing: on purpose\r\n"


@pytest.mark.parametrize(
    ("console", "ended", "part"),
    [
        (BOOT + JOB + END + b"[    1.0] vmaharness: ssh\r\n", False, BOOT + JOB + END),
        (BOOT + JOB + PANIC + b"[    0.8] Rebooting", True, BOOT + JOB + PANIC),
        (BOOT + JOB + b"reset", True, BOOT + JOB + b"reset"),
        (BOOT + JOB + b"[  120.0] hung", False, BOOT + JOB[: JOB.index(b"\n") + 1]),
        (b"[    0.0] Linux\r\n", False, b""),
        (b"", True, b""),
    ],
    ids=["to its end", "panic", "reset", "ended by the host", "no mark", "empty"],
)
def test_the_exact_part_of_a_console(console: bytes, ended: bool, part: bytes) -> None:
    assert exact_part(console, ended=ended) == part


def test_a_difference_is_named_by_its_line() -> None:
    same, words = compared(7, BOOT + JOB, BOOT + JOB)
    assert same
    assert words == f"again at seed 7: the same, bit for bit (sha256 {checksum(BOOT + JOB)[:16]}…)"
    same, words = compared(7, BOOT + JOB, BOOT + JOB.replace(b"word", b"world"))
    assert not same
    assert re.fullmatch(r"NOT the same again at seed 7, from line 4 on: “.*word”, then “.*world”", words)


@pytest.mark.parametrize(("first", "again"), [(BOOT, BOOT + JOB), (b"", b""), (BOOT, b"")])
def test_less_or_nothing_is_not_the_same(first: bytes, again: bytes) -> None:
    assert not compared(1, first, again)[0]

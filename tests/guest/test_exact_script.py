"""The guest's own script, run by this host's shell: what it does with a job list, and when it stops."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.guest import cpio
from harness.guest.exact import KEPT, PLACE, Job, JobList, Kept, parse_fetched


class Machine:
    """A directory that stands for the guest's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kmsg = root / "kmsg"
        self.taint = root / "tainted"
        self.taint.write_text("512\n")
        (root / "locks").write_text(" debug_locks: 1\n")

    def work(self, *jobs: tuple[str, str], seconds: int = 20) -> Kept:
        """Work through jobs given as (name, shell command), and fetch what they left."""
        listed = tuple(Job(name, ("sh", "-c", command), seconds) for name, command in jobs)
        made = JobList(listed, ("cat", str(self.root / "locks")))
        for entry in cpio.unpack(made.segment):
            path = self.root / entry.path
            if entry.data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._moved(entry.data))
        self._shell("run")
        return parse_fetched(self._shell("fetch"), listed)

    def _moved(self, data: bytes) -> bytes:
        moved = {
            b"/dev/kmsg": self.kmsg, KEPT.encode(): self.root / "kept",
            b"/proc/sys/kernel/tainted": self.taint,
        }  # fmt: skip
        for place, other in moved.items():
            data = data.replace(b">" + place, b">>" + place).replace(place, str(other).encode())
        return data

    def _shell(self, script: str) -> str:
        done = subprocess.run(
            ["sh", self.root / PLACE / script], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == ""
        return done.stdout

    @property
    def marks(self) -> Sequence[str]:
        return [line.removeprefix("<1>vmaharness: ") for line in self.kmsg.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_jobs_are_marked_and_all_that_they_say_is_kept(machine: Machine) -> None:
    kept = machine.work(("a one", "echo out; echo err >&2; exit 3"), ("a two", "kill -SEGV $$"))
    assert machine.marks == ["a one", "end of a one", "a two", "end of a two", "end of the exact part"]
    one, two = kept.results
    assert one is not None
    assert (one.result.exit_code, one.result.stdout, one.result.stderr) == (3, "out\n", "err\n")
    assert one.probe == kept.probe == " debug_locks: 1\n"
    assert two is not None
    assert two.result.exit_code == 139
    assert not two.timed_out


def test_a_job_has_no_terminal_and_nothing_to_read(machine: Machine) -> None:
    (one,) = machine.work(("a one", "cat; tty")).results
    assert one is not None
    assert one.result.stdout == "not a tty\n"


@pytest.mark.parametrize(
    ("harm", "reason"),
    [("echo ' debug_locks: 0' >{root}/locks", "lockdep is off"), ("echo 640 >{root}/tainted", "an oops"),
     ("echo 544 >{root}/tainted", "a bad page")],
)  # fmt: skip
def test_after_what_spends_a_guest_nothing_more_is_run(machine: Machine, harm: str, reason: str) -> None:
    kept = machine.work(("a one", harm.format(root=machine.root)), ("a two", "true"))
    assert kept.results[0] is not None, reason
    assert kept.results[1] is None
    assert machine.marks[-1] == "end of the exact part"


def test_where_lockdep_was_off_before_all_is_run(machine: Machine) -> None:
    (machine.root / "locks").write_text(" debug_locks: 0\n")
    assert None not in machine.work(("a one", "true"), ("a two", "true")).results


def test_a_job_is_ended_at_its_deadline_and_the_list_with_it(machine: Machine) -> None:
    kept = machine.work(("a one", "echo began; exec sleep 60"), ("a two", "true"), seconds=1)
    one, two = kept.results
    assert one is not None
    assert (one.timed_out, one.result.stdout, two) == (True, "began\n", None)

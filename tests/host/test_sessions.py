"""Marks: whose a process is, whether that one lives, and that nothing is ended which is not what was seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host import sessions
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.host.sandbox import probe
from harness.host.sessions import VARIABLE, Process, Session, parse, this_session


def test_a_mark_is_read_as_it_was_written(tmp_path: Path) -> None:
    session = this_session(tmp_path)
    assert parse(session.mark) == session
    assert session.lives
    assert not replace(session, started=session.started - 1).lives, "the number was given away again"
    assert replace(session, namespace=1).lives, "nothing can be said of another namespace"
    for text in ("", "x", session.mark + "x", session.mark.replace("-", "_")):
        assert parse(text) is None


def dead(cache: Path) -> Session:
    """The session of a harness that is gone."""
    with subprocess.Popen(["true"]) as gone:
        return replace(this_session(cache), pid=gone.pid, started=sessions.started(gone.pid) or 1)


@contextmanager
def sleeping(session: Session | None) -> Iterator[subprocess.Popen[bytes]]:
    """A program with the mark of a session, or none."""
    env = {**os.environ, **({VARIABLE: session.mark} if session else {})}
    with subprocess.Popen(["sleep", "1000"], env=env) as program:
        try:
            until = time.monotonic() + 10
            while Path(f"/proc/{program.pid}/comm").read_text() != "sleep\n":
                assert time.monotonic() < until
                time.sleep(0.01)
            yield program
        finally:
            program.kill()


@pytest.mark.parametrize("confined", [True, False])
def test_what_a_harness_starts_has_its_mark_confined_or_not(tmp_path: Path, confined: bool) -> None:
    own = this_session(tmp_path)
    with Processes(session=own) as processes:
        child = processes.spawn(["sh", "-c", "sleep 1000 & wait"])
        sandbox = probe(processes, wanted=confined)
        if confined and not sandbox.active:
            pytest.skip(sandbox.note)
        cleared = processes.spawn(sandbox.wrap(["sleep", "1000"], cwd=Path("/"), writable=()))
        until = time.monotonic() + 10
        while time.monotonic() < until:
            found = sessions.processes(tmp_path)
            if sum(process.kind == "sleep" for process in found) == 2:
                break
            time.sleep(0.02)
        assert {process.kind for process in found} == {"keeper", "sh", "sleep", *(["bwrap"] if confined else [])}
        assert all(process.marked for process in found)
        assert {process.session for process in found} == {own}
        assert os.getpid() not in {process.pid for process in found}
        assert sessions.processes(tmp_path / "another") == []
        processes.forget(child)
        processes.forget(cleared)


def test_it_is_ended_by_number_start_and_mark(tmp_path: Path) -> None:
    session = dead(tmp_path)
    with sleeping(session) as program:
        (seen,) = sessions.processes(tmp_path)
        assert (seen.pid, seen.kind, seen.session, seen.session.lives) == (program.pid, "sleep", session, False)
        wrong = [
            replace(seen, started=seen.started + 1),
            replace(seen, session=replace(session, word="00000000")),
            replace(seen, pid=2**22 + 1),
        ]
        assert sessions.end(wrong) == []
        assert program.poll() is None
        assert sessions.end([seen]) == [seen]
        assert program.wait(10) == -signal.SIGKILL


def test_programs_of_others_are_not_seen(tmp_path: Path) -> None:
    with sleeping(None), sleeping(replace(dead(tmp_path), namespace=1)):
        assert sessions.processes(tmp_path) == []


def test_a_child_that_lost_the_mark_is_its_parents(tmp_path: Path) -> None:
    session, script = (
        dead(tmp_path),
        "import os\nos.spawnvpe(os.P_WAIT, 'sleep', ['sleep', '1000'], {'PATH': '/bin:/usr/bin'})",
    )
    env = {**os.environ, VARIABLE: session.mark}
    with subprocess.Popen([sys.executable, "-c", script], env=env) as program:
        try:
            found: list[Process] = []
            until = time.monotonic() + 10
            while not any(one.kind == "sleep" and not one.marked for one in found) and time.monotonic() < until:
                found = sessions.processes(tmp_path)
            by_kind = {process.kind: process for process in found}
            assert not by_kind["sleep"].marked
            assert by_kind["sleep"].session == session
            assert len(sessions.end(found)) == 2
        finally:
            program.kill()


def test_locks_are_looked_at_and_not_made(tmp_path: Path) -> None:
    assert not sessions.is_held(tmp_path / "no.lock")
    assert not (tmp_path / "no.lock").exists()
    with Cache(tmp_path) as cache:
        assert sessions.is_held(cache.root / "scratch" / cache.session.name / "owner.lock")


@pytest.mark.parametrize("missing", [True, False])
def test_a_file_that_nobody_locks(tmp_path: Path, missing: bool) -> None:
    if not missing:
        (tmp_path / "file").touch()
    assert not sessions.is_flocked(tmp_path / "file")

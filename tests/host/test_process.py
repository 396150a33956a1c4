"""Processes: what is run, ended and left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.errors import Cancelled, InfraError
from harness.host.process import Processes, Stop


def alive(pid: int) -> bool:
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def wait_until_dead(pid: int) -> None:
    until = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < until, f"process {pid} is still alive"
        time.sleep(0.01)


def wait_for_file(path: Path) -> str:
    until = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < until, f"{path} was never written"
        time.sleep(0.01)
    return path.read_text()


def test_output_and_exit_code() -> None:
    with Processes() as processes:
        done = processes.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.stdout, done.stderr, done.exit_code, done.ok) == (b"out\n", b"err\n", 3, False)


def test_input_is_fed_and_lines_are_heard() -> None:
    heard: list[str] = []
    with Processes() as processes:
        done = processes.run(["cat"], input=b"one\ntwo\n", on_line=heard.append)
    assert done.ok
    assert heard == ["one", "two"]


def test_a_log_gets_both_outputs_appended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    with Processes() as processes:
        processes.run(["sh", "-c", "echo out; echo err >&2"], log=log)
    assert log.read_text() == "before\nout\nerr\n"


def test_a_program_that_is_not_there_exits_127() -> None:
    with Processes() as processes:
        done = processes.run(["/no/such/program"])
    assert done.exit_code == 127
    assert "No such file" in done.words


def test_a_signal_is_128_and_its_number() -> None:
    with Processes() as processes:
        assert processes.run(["sh", "-c", "kill -SEGV $$"]).exit_code == 128 + signal.SIGSEGV


def test_the_deadline_ends_the_program_and_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with Processes() as processes:
        done = processes.run(["sh", "-c", f"sleep 300 & echo $! > {note}; wait"], deadline_s=2.0)
    assert done.timed_out
    assert not done.ok
    wait_until_dead(int(note.read_text()))


def test_what_a_program_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with Processes() as processes:
        left = f"setsid sh -c 'echo $$ > {note}; exec sleep 300' &"
        done = processes.run(["sh", "-c", f"{left} until [ -s {note} ]; do sleep 0.05; done"])
    assert done.ok
    wait_until_dead(int(note.read_text()))


def test_a_stop_interrupts_a_wait_and_forbids_a_start() -> None:
    stop = Stop()
    with Processes(stop) as processes:
        threading.Timer(0.2, stop.set, ["Ctrl-C"]).start()
        with pytest.raises(Cancelled, match="Ctrl-C"):
            processes.run(["sleep", "300"])
        with pytest.raises(Cancelled):
            processes.run(["true"])


def test_closing_ends_what_was_spawned() -> None:
    with Processes() as processes:
        child = processes.spawn(["sleep", "300"])
        assert child.poll() is None
    assert child.exit_code is not None


def test_a_program_ignores_no_signal() -> None:
    with Processes() as processes:
        said = processes.run(["grep", "SigIgn", "/proc/self/status"]).text
    ignored = int(said.split()[1], 16)
    names = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ)
    assert [name for name in names if ignored >> (name - 1) & 1] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_harness(tmp_path: Path, number: int) -> None:
    note = tmp_path / "pid"
    script = (
        "import sys; from harness.host.process import Processes\n"
        f"Processes().run(['sh', '-c', 'setsid sh -c \"echo $$ > {note}; exec sleep 300\" & sleep 300'])\n"
    )
    harness = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.getcwd()})  # noqa: PTH109
    pid = int(wait_for_file(note))
    harness.send_signal(number)
    harness.wait(10)
    wait_until_dead(pid)


def test_cpu_time_includes_children() -> None:
    with Processes() as processes:
        done = processes.run(["sh", "-c", "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'"])
    assert done.cpu_seconds > 0.02


def test_a_program_gives_way_with_its_whole_session() -> None:
    with Processes() as processes:
        done = processes.run(["sh", "-c", "nice; cat /proc/self/autogroup 2>/dev/null || true"], nice=7)
    value, _, group = done.text.partition("\n")
    assert value == "7"
    assert not group or group.strip().endswith("nice 7")


def test_a_program_has_no_terminal() -> None:
    with Processes() as processes:
        assert processes.run(["sh", "-c", "exec </dev/tty"]).exit_code != 0


def test_descriptors_keep_their_numbers_whatever_numbers_others_have() -> None:
    pipes = [os.pipe() for _ in range(4)]
    reads, writes = [read for read, _ in pipes], [write for _, write in pipes]
    with Processes() as processes:
        script = "; ".join(f"echo {fd} >&{fd}" for fd in writes) + f"; ! true <&{reads[0]}"
        done = processes.run(["bash", "-c", script], pass_fds=writes)
        for fd in writes:
            os.close(fd)
        # What is read to its end is held open by no keeper.
        said = [os.read(fd, 99) + os.read(fd, 99) for fd in reads]
    for fd in reads:
        os.close(fd)
    assert "Bad file descriptor" in done.words
    assert said == [b"%d\n" % fd for fd in writes]


def test_words_and_variables_of_any_bytes_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", os.fsdecode(b"\xff=\n"))
    with Processes() as processes:
        inherited = processes.run(["sh", "-c", 'printf "%s|" "$WORD" "$@"', "sh", "", "a b", os.fsdecode(b"\xfe")])
        alone = processes.run(["env"], env={"ONE": "1"})
        large = processes.run(["sh", "-c", "echo $#", "sh", *["x" * 100] * 10_000])
    assert inherited.stdout == b"\xff=\n||a b|\xfe|"
    assert alone.stdout == b"ONE=1\n"
    assert large.text == "10000\n"


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with Processes() as processes, pytest.raises(InfraError, match="cannot start true: No such file"):
        processes.run(["true"], cwd=tmp_path / "none")


def test_the_end_of_what_starts_programs_is_survived_by_them_and_by_us() -> None:
    with Processes() as processes:
        child = processes.spawn(["sleep", "300"])
        nursery = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(nursery, signal.SIGKILL)
        wait_until_dead(nursery)
        assert processes.run(["echo", "here"]).text == "here\n"
        assert child.poll() is None


def test_a_killed_keeper_takes_its_program_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with Processes() as processes:
        child = processes.spawn(["sh", "-c", f"echo $$ > {note}; exec sleep 300"])
        program = int(wait_for_file(note))
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(10) == 128 + signal.SIGKILL
        wait_until_dead(program)

"""A guest that does what it should: boots, runs commands, and leaves nothing behind."""

from __future__ import annotations

import shlex
import subprocess
import threading
from pathlib import Path

import paramiko
import pytest

from harness.errors import Cancelled, GuestLost, InfraError, MissingTool
from harness.guest import qemu
from harness.guest.ssh import KEEP_BYTES
from harness.model import Accel, Arch, Outcome
from tests.fakes.fake_qemu_control import INIT, SSH
from tests.fakes.sshd import finish, hang
from tests.guest.conftest import Bench


def test_boot_and_first_command(bench: Bench) -> None:
    with bench.guest() as guest:
        boot = guest.boot()
    assert (boot.outcome, boot.message) == (Outcome.PASS, "")
    assert 0 < boot.init_s <= boot.ssh_s <= boot.total_s
    assert (boot.accel, boot.accel_reason, boot.machine) == (Accel.KVM, "a test", "q35")
    assert list(boot.argv) == [str(bench.qemu.program), *bench.qemu.argv()[1:]]
    assert boot.cmdline == bench.qemu.option("-append")
    assert boot.console == bench.directory / "out" / "console-x86_64-lockdep.log"
    assert boot.console.read_text().endswith("vmaharness: ssh\n")
    assert bench.sshd.commands == ["true; exit $?"]
    assert bench.deaths == []


def test_nothing_is_left(bench: Bench) -> None:
    bench.processes.run(["true"])  # the first start of a program opens a socket for all of them
    threads = {thread.name for thread in threading.enumerate()}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with bench.guest() as guest:
        guest.boot()
        assert bench.left_over() != []
    bench.sshd.hang_up()
    assert bench.left_over() == []
    bench.sshd.join()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert {thread.name for thread in threading.enumerate()} == threads


def test_a_command_has_an_exit_code_and_both_outputs(bench: Bench) -> None:
    bench.sshd.handlers["program"] = finish(3, b"out\xff\n", b"err\n")
    lines: list[str] = []
    with bench.guest() as guest:
        guest.boot()
        result = guest.run(["program", "an argument"], timeout_s=20, on_line=lines.append)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\ufffd\n", "err\n")
    assert lines == ["out\ufffd"]
    assert bench.sshd.commands[-1] == "program 'an argument'; exit $?"


def test_lines_are_heard_while_the_command_runs(bench: Bench) -> None:
    heard = threading.Event()

    def handler(channel: paramiko.Channel, _command: str) -> None:
        channel.sendall(b"first\nsecond")
        assert heard.wait(20)
        channel.send_exit_status(0)
        channel.close()

    bench.sshd.handlers["program"] = handler
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        heard.set()

    with bench.guest() as guest:
        guest.boot()
        guest.run(["program"], timeout_s=20, on_line=on_line)
    assert lines == ["first", "second"]


def test_a_flood_is_drained_and_kept_within_bounds(bench: Bench) -> None:
    piece = b"0123456789abcdef" * 4096
    count = 3 * KEEP_BYTES // len(piece)

    def handler(channel: paramiko.Channel, _command: str) -> None:
        channel.sendall(b"begin\n")
        for _ in range(count):
            channel.sendall(piece)
        channel.sendall(b"\nend")
        channel.send_exit_status(0)
        channel.close()

    bench.sshd.handlers["flood"] = handler
    with bench.guest() as guest:
        guest.boot()
        result = guest.run(["flood"], timeout_s=60)
    left_out = count * len(piece) + len(b"begin\n\nend") - KEEP_BYTES
    assert result.stdout.startswith("begin\n0123")
    assert result.stdout.endswith("cdef\nend")
    assert f"[... {left_out} bytes left out ...]" in result.stdout
    assert len(result.stdout) < KEEP_BYTES + 100


def test_read(bench: Bench) -> None:
    bench.sshd.handlers["cat -- /proc/vmstat"] = finish(0, b"vma_lock_success 5\n")
    bench.sshd.handlers["cat"] = finish(1, b"", b"cat: no such file\n")
    with bench.guest() as guest:
        guest.boot()
        assert guest.read("/proc/vmstat") == "vma_lock_success 5\n"
        with pytest.raises(InfraError, match="cannot read /nowhere in the guest") as caught:
            guest.read("/nowhere")
    assert caught.value.detail == "cat: no such file"


def in_shell(log: Path, channel: paramiko.Channel, command: str) -> None:
    """What a guest's shell does with a command; its kernel log is a file."""
    script = command.replace(">/dev/kmsg", f"| sed 's/^<1>/[    2.0] /' >>{shlex.quote(str(log))}")
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    finish(done.returncode, done.stdout, done.stderr)(channel, command)


def test_a_command_runs_between_its_marks_and_is_told_apart_from_what_follows(bench: Bench) -> None:
    log = bench.directory / "out" / "console-x86_64-lockdep.log"
    bench.sshd.handlers["echo"] = lambda channel, command: in_shell(log, channel, command)
    with bench.guest() as guest:
        guest.boot()
        argv = ["sh", "-c", "printf 'no end of line'; echo oops >&2; exit 3"]
        result, after = guest.run_marked(argv, "case 'one'", "echo counters; echo more", timeout_s=60)
        assert (result.exit_code, result.stdout, result.stderr) == (3, "no end of line", "oops\n")
        assert after == "counters\nmore\n"
        killed, after = guest.run_marked(["sh", "-c", "echo it; kill -9 $$"], "two", "echo still", timeout_s=60)
        assert (killed.exit_code, killed.stdout, after) == (137, "it\n", "still\n")
        silent, _ = guest.run_marked(["true"], "three", "true", timeout_s=60)
        assert silent.stdout == ""
    marks = [f"[    2.0] vmaharness: {what}" for what in ("case 'one'", "end of case 'one'", "two", "end of two")]
    assert [line for line in log.read_text().splitlines() if line.startswith("[    2.0]")][:4] == marks


def test_a_shell_that_ends_in_the_middle_gives_no_result(bench: Bench) -> None:
    bench.sshd.handlers["echo"] = finish(0, b"16 of 16 passed\n")
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match="the shell of vma vma did not come to its end"):
            guest.run_marked(["vma"], "vma vma", "true", timeout_s=60)


def test_an_end_mark_is_waited_for_on_the_console(bench: Bench) -> None:
    """What the kernel said before it is on the console then, however far that lags behind SSH."""
    lagging: list[threading.Timer] = []

    def late(guest_console: Path) -> None:
        with guest_console.open("ab") as console:
            console.write(b"[    2.0] a report\n[    2.0] vmaharness: end of it\n")

    def handler(channel: paramiko.Channel, command: str) -> None:
        lagging.append(threading.Timer(0.2, late, [bench.directory / "out" / "console-x86_64-lockdep.log"]))
        lagging[0].start()
        in_shell(bench.directory / "kmsg", channel, command)

    bench.sshd.handlers["echo"] = handler
    with bench.guest() as guest:
        guest.boot()
        guest.run_marked(["true"], "it", "true", timeout_s=60)
        assert "a report" in guest.console_text()
    lagging[0].join()


def test_the_console_is_kept_byte_for_byte(bench: Bench) -> None:
    odd = b"\tcolumn\xff\xfe\r\r\n\x1b[0mend"
    bench.qemu.plan([{"hex": odd.hex()}, {"console": "\n" + INIT + SSH}])
    with bench.guest() as guest:
        boot = guest.boot()
        text = guest.console_text()
    assert boot.outcome is Outcome.PASS
    assert boot.console.read_bytes().startswith(odd)
    assert text.startswith("\tcolumn\ufffd\ufffd\n\x1b[0mend\n")


def test_a_slow_boot_slows_the_pace(bench: Bench) -> None:
    bench.qemu.plan([{"sleep": 1.2}, {"console": INIT + SSH}])
    with bench.guest() as guest:
        before = guest.pace
        guest.boot()
        assert guest.pace.stretch > before.stretch == 1.0


@pytest.mark.slow
def test_qemu_that_will_not_quit_is_killed(bench: Bench) -> None:
    bench.qemu.plan([{"deaf": True}, {"console": INIT + SSH}])
    with bench.guest() as guest:
        assert guest.boot().outcome is Outcome.PASS
    assert bench.left_over() == []


def test_a_stop_ends_a_boot(bench: Bench) -> None:
    bench.qemu.plan([])
    with bench.guest() as guest:
        threading.Timer(0.2, bench.processes.stop.set, ["Ctrl-C"]).start()
        with pytest.raises(Cancelled, match="Ctrl-C"):
            guest.boot()
    assert bench.left_over() == []


def test_a_stop_ends_a_command(bench: Bench) -> None:
    bench.sshd.handlers["sleep"] = hang
    with bench.guest() as guest:
        guest.boot()
        threading.Timer(0.2, bench.processes.stop.set, ["Ctrl-C"]).start()
        with pytest.raises(Cancelled, match="Ctrl-C"):
            guest.run(["sleep", "1000"], timeout_s=1000)
    assert bench.left_over() == []
    assert bench.deaths == []


def test_qemu_that_refuses_to_start_is_quoted(bench: Bench) -> None:
    bench.qemu.plan([{"refuse": True, "words": "qemu: could not load kernel 'bzImage'", "exit": 1}])
    with (
        pytest.raises(InfraError, match=r"would not start \(exit code 1\): qemu: could not load kernel"),
        bench.guest(),
    ):
        pass
    assert bench.left_over() == []


def test_a_program_that_is_no_program_is_quoted(bench: Bench) -> None:
    with pytest.raises(InfraError, match="would not start"), bench.guest(program=bench.directory / "rootfs"):
        pass
    assert bench.left_over() == []


def test_no_qemu_is_a_missing_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="qemu-system-aarch64") as caught:
        qemu.find_program(Arch.ARM64)
    assert "apt-get install qemu-system-arm" in caught.value.fix


def test_use_without_a_boot_is_refused(bench: Bench) -> None:
    with bench.guest() as guest, pytest.raises(InfraError, match="not booted") as caught:
        guest.run(["true"], timeout_s=1)
    assert not isinstance(caught.value, GuestLost)

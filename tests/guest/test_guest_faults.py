"""A guest that dies, hangs or lies, at each moment of its life: what is said, and how the harness gets away."""

from __future__ import annotations

import time
from dataclasses import replace

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.errors import GuestLost, InfraError
from harness.guest import keys, watch
from harness.guest.console import LAST_LINES
from harness.model import Outcome
from tests.fakes.fake_qemu_control import BOOTED, INIT, PANIC, PANIC_MESSAGE, SSH, Step
from tests.fakes.sshd import Handler, finish, hang, load_host_key, vanish
from tests.guest.conftest import Bench

RESET: Step = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}}
OFF: Step = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-shutdown"}}


def playing(bench: Bench, *steps: Step) -> Handler:
    """A command under which the guest does this, and which never ends by itself."""

    def handler(channel: paramiko.Channel, command: str) -> None:
        bench.qemu.play(*steps)
        hang(channel, command)

    return handler


# --- while booting ----------------------------------------------------------------------------------------------


def test_an_early_panic_is_data(bench: Bench) -> None:
    bench.qemu.plan([{"console": "".join(f"line {number}\n" for number in range(60)) + PANIC}, RESET, {"exit": 0}])
    with bench.guest() as guest:
        boot = guest.boot()
        assert PANIC_MESSAGE in guest.console_text()
    assert (boot.outcome, boot.message) == (Outcome.CRASH, f"panic: {PANIC_MESSAGE}")
    assert (boot.init_s, boot.ssh_s) == (0, 0)
    (death,) = bench.deaths
    assert len(death.last_lines) == LAST_LINES
    assert "end Kernel panic" in death.last_lines[-1]


def test_a_panic_that_does_not_end_qemu_is_noticed(bench: Bench) -> None:
    bench.qemu.plan([{"console": INIT + PANIC}])
    with bench.guest() as guest:
        started = time.monotonic()
        boot = guest.boot()
        noticed_s = time.monotonic() - started
    assert (boot.outcome, boot.message) == (Outcome.CRASH, f"panic: {PANIC_MESSAGE}")
    assert boot.init_s > 0
    assert noticed_s < bench.config.boot_s / 2, "noticed by the panic, not by a deadline"


def test_the_panic_event_of_qemu_counts_too(bench: Bench) -> None:
    bench.qemu.plan([{"console": INIT}, {"event": "GUEST_PANICKED", "data": {"action": "pause"}}])
    with bench.guest() as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.CRASH
    assert boot.message.startswith("panic: ")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([RESET, {"exit": 0}], "exit: the guest reset itself: QEMU ended with exit code 0"),
        ([OFF, {"exit": 0}], "exit: the guest powered itself off: QEMU ended with exit code 0"),
        ([RESET], "exit: the guest reset itself"),
        ([{"console": "[    1.0] reboot: Power off not available: System halted instead\n"}], "exit: the guest halted"),
        ([{"exit": 134}], "exit: QEMU ended with exit code 134"),
    ],
)
def test_an_end_without_a_panic_says_how(bench: Bench, steps: list[Step], message: str) -> None:
    bench.qemu.plan([{"console": "[    0.0] Linux version\n"}, *steps])
    with bench.guest() as guest:
        boot = guest.boot()
    assert (boot.outcome, boot.message) == (Outcome.CRASH, message)


def test_the_last_words_are_heard_without_a_line_end(bench: Bench) -> None:
    bench.qemu.plan([{"console": "[    1.0] Kernel panic - not syncing: cut"}, {"exit": 0}])
    with bench.guest() as guest:
        assert guest.boot().message == "panic: Kernel panic - not syncing: cut"


def test_a_silent_boot_is_a_hang(bench: Bench) -> None:
    bench.config = replace(bench.config, silence_s=1.0)
    bench.qemu.plan([{"console": "[    0.0] Linux version\n"}])
    with bench.guest() as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.TIMEOUT
    assert boot.message.startswith("silence: no word on the console for ")
    assert bench.deaths[0].last_lines == ("[    0.0] Linux version",)


@pytest.mark.slow
def test_a_boot_that_talks_for_ever_runs_into_its_deadline(bench: Bench) -> None:
    bench.config = replace(bench.config, boot_s=0.5)
    bench.qemu.plan([{"console": "talk\n", "sleep": 0.05}] * 20)
    with bench.guest() as guest:
        boot = guest.boot()
    assert (boot.outcome, boot.message) == (Outcome.TIMEOUT, "deadline: init did not come within 0.5 s")


def test_a_guest_that_does_not_stop_talking_is_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_CONSOLE_BYTES", 1 << 20)
    bench.qemu.plan([{"console": INIT + "[    1.000000][    T1] WARNING: again\n" * 30_000}])
    with bench.guest() as guest:
        boot = guest.boot()
    assert (boot.outcome, boot.message) == (Outcome.CRASH, "flood: the console has more than 1 MiB")


def test_ssh_that_never_listens(bench: Bench) -> None:
    bench.config = replace(bench.config, boot_s=1.5)
    bench.qemu.plan([{"console": INIT}])
    with bench.guest() as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.TIMEOUT
    assert "but SSH did not within 1.5 s: it never said that it listens" in boot.message
    assert boot.init_s > 0


def test_ssh_that_says_that_it_will_not_come(bench: Bench) -> None:
    bench.qemu.plan([{"console": INIT + "[    1.0][    T1] vmaharness: no ssh, dropbear ended with status 139\n"}])
    with bench.guest() as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.CRASH
    assert boot.message == "ssh: vmaharness: no ssh, dropbear ended with status 139"


def test_ssh_that_takes_connections_and_says_nothing(bench: Bench) -> None:
    bench.config = replace(bench.config, boot_s=1.5)
    bench.sshd.mute = True
    with bench.guest() as guest:
        boot = guest.boot()
    assert boot.outcome is Outcome.TIMEOUT
    assert "but SSH did not within 1.5 s" in boot.message


def test_a_guest_that_dies_during_the_handshake(bench: Bench) -> None:
    bench.sshd.mute = True
    bench.qemu.plan([*BOOTED, {"sleep": 0.3}, {"console": PANIC}, {"exit": 0}])
    with bench.guest() as guest:
        started = time.monotonic()
        boot = guest.boot()
        noticed_s = time.monotonic() - started
    assert boot.outcome is Outcome.CRASH
    assert noticed_s < bench.config.boot_s / 2


def test_another_host_key_is_never_accepted(bench: Bench) -> None:
    bench.sshd.host_key = load_host_key(keys.dropbear_host_key(Ed25519PrivateKey.generate()))
    with bench.guest() as guest, pytest.raises(InfraError, match="its host key is another"):
        guest.boot()
    assert bench.sshd.commands == []
    assert bench.left_over() == []


# --- under a command --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "reason", "message"),
    [
        ([{"console": PANIC}, RESET, {"exit": 0}], "panic", PANIC_MESSAGE),
        ([{"console": PANIC}], "panic", PANIC_MESSAGE),
        ([{"exit": 137}], "exit", "QEMU ended with exit code 137"),
        ([RESET], "exit", "the guest reset itself"),
    ],
)
def test_a_death_under_a_command(bench: Bench, steps: list[Step], reason: str, message: str) -> None:
    bench.sshd.handlers["suite"] = playing(bench, {"console": "[    5.0] last words\n"}, *steps)
    with bench.guest() as guest:
        guest.boot()
        started = time.monotonic()
        with pytest.raises(GuestLost, match=message) as caught:
            guest.run(["suite"], timeout_s=100)
        lost_s = time.monotonic() - started
        guest.settle()
        assert guest.death is not None
        assert "last words" in guest.console_text()
        with pytest.raises(GuestLost, match=message):
            guest.run(["true"], timeout_s=100)
    assert caught.value.reason == reason
    assert "[    5.0] last words" in caught.value.detail
    assert lost_s < 50, "noticed by the death, not by a deadline"
    assert len(bench.deaths) == 1
    assert bench.left_over() == []


def test_a_death_is_told_of_at_once_although_nobody_asks(bench: Bench) -> None:
    with bench.guest() as guest:
        guest.boot()
        bench.qemu.play({"console": PANIC}, {"exit": 0})
        assert bench.died.wait(20)
    assert bench.deaths[0].reason == "panic"
    assert "end Kernel panic" in bench.deaths[0].last_lines[-1]


def test_a_splat_that_is_not_fatal_kills_nobody(bench: Bench) -> None:
    def handler(channel: paramiko.Channel, command: str) -> None:
        bench.qemu.play({"console": "[    3.0] WARNING: possible circular locking dependency detected\n"})
        finish(0, b"done\n")(channel, command)

    bench.sshd.handlers["suite"] = handler
    with bench.guest() as guest:
        guest.boot()
        assert guest.run(["suite"], timeout_s=20).stdout == "done\n"
        assert guest.death is None


def complaining(bench: Bench, monkeypatch: pytest.MonkeyPatch, grace_s: float) -> None:
    """A command that makes the kernel complain, and then never ends."""
    monkeypatch.setattr("harness.guest.watch.COMPLAINT_GRACE_S", grace_s)
    bench.is_complaint = lambda line: "WARNING" in line
    bench.sshd.handlers["suite"] = playing(bench, *({"console": text} for text in ("WARNING: one\n", "the rest\n")))


def test_a_guest_that_is_to_end_at_its_first_complaint(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    complaining(bench, monkeypatch, 0.3)
    with bench.guest() as guest:
        guest.boot()
        started = time.monotonic()
        with pytest.raises(GuestLost, match="after what the kernel complained of") as caught:
            guest.run(["suite"], timeout_s=100)
        lost_s = time.monotonic() - started
        assert "the rest" in guest.console_text()
    assert caught.value.reason == "complaint"
    assert 0.3 <= lost_s < 50
    assert bench.left_over() == []


def test_a_guest_goes_on_after_complaints_that_are_not_enough(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    complaining(bench, monkeypatch, 0.2)
    bench.is_enough = lambda text: "WARNING: two" in text
    asked: list[float] = []

    def handler(channel: paramiko.Channel, command: str) -> None:
        bench.qemu.play({"console": "WARNING: one\n"})
        time.sleep(1)
        asked.append(time.monotonic())
        playing(bench, {"console": "WARNING: two\n"})(channel, command)

    bench.sshd.handlers["suite"] = handler
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match="after what the kernel complained of"):
            guest.run(["suite"], timeout_s=100)
        assert asked, "the first complaint did not end it"


def test_a_boot_with_a_complaint_that_does_not_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    complaining(bench, monkeypatch, 0.3)
    bench.qemu.plan([{"console": INIT + "WARNING: one\n"}])
    with bench.guest() as guest:
        boot = guest.boot()
    assert (boot.outcome, boot.message.partition(": ")[0]) == (Outcome.FAIL, "complaint")


def test_after_a_complaint_a_command_may_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    complaining(bench, monkeypatch, 20.0)

    def handler(channel: paramiko.Channel, command: str) -> None:
        bench.qemu.play({"console": "WARNING: one\n"})
        finish(0, b"done\n")(channel, command)

    bench.sshd.handlers["suite"] = handler
    with bench.guest() as guest:
        guest.boot()
        assert guest.run(["suite"], timeout_s=20).stdout == "done\n"
    assert bench.deaths == []


def test_a_command_without_an_end(bench: Bench) -> None:
    def handler(channel: paramiko.Channel, _command: str) -> None:
        while not channel.closed:
            channel.sendall(b"still here\n")
            time.sleep(0.02)

    bench.sshd.handlers["suite"] = handler
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match="suite: no end after") as caught:
            guest.run(["suite"], timeout_s=0.5, silence_s=20)
    assert caught.value.reason == "deadline"


def test_a_command_without_a_word(bench: Bench) -> None:
    bench.sshd.handlers["suite"] = hang
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match="suite: no output for") as caught:
            guest.run(["suite"], timeout_s=100, silence_s=0.3)
    assert caught.value.reason == "silence"


def test_a_guest_without_a_sign_of_life(bench: Bench) -> None:
    """The command may be silent, the SSH server may not: it stops answering, and so does its kernel."""
    bench.config = replace(bench.config, silence_s=1.5)

    def handler(_channel: paramiko.Channel, _command: str) -> None:
        for transport in bench.sshd.transports:
            transport.packetizer.send_message = lambda *_: None  # type: ignore[method-assign]

    bench.sshd.handlers["suite"] = handler
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match="no sign of life for") as caught:
            guest.run(["suite"], timeout_s=100)
    assert caught.value.reason == "silence"


def test_a_guest_that_is_frozen_between_commands(bench: Bench) -> None:
    bench.config = replace(bench.config, silence_s=1.5)
    with bench.guest() as guest:
        guest.boot()
        for transport in bench.sshd.transports:
            transport.packetizer.send_message = lambda *_: None  # type: ignore[method-assign]
        with pytest.raises(GuestLost, match="no sign of life for") as caught:
            guest.run(["suite"], timeout_s=100)
    assert caught.value.reason == "silence"


def test_a_lost_exit_status_is_a_lost_guest(bench: Bench) -> None:
    bench.sshd.handlers["suite"] = vanish
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match="the connection broke without an exit status") as caught:
            guest.run(["suite"], timeout_s=100)
    assert caught.value.reason == "ssh"


def test_the_console_may_explain_a_broken_connection(bench: Bench) -> None:
    def handler(channel: paramiko.Channel, command: str) -> None:
        vanish(channel, command)
        bench.qemu.play({"sleep": 0.3}, {"console": PANIC}, {"exit": 0})

    bench.sshd.handlers["suite"] = handler
    with bench.guest() as guest:
        guest.boot()
        with pytest.raises(GuestLost, match=PANIC_MESSAGE) as caught:
            guest.run(["suite"], timeout_s=100)
    assert caught.value.reason == "panic"


def test_a_connection_that_breaks_between_commands(bench: Bench) -> None:
    with bench.guest() as guest:
        guest.boot()
        bench.sshd.hang_up()
        with pytest.raises(GuestLost) as caught:
            guest.run(["true"], timeout_s=100)
    assert caught.value.reason == "ssh"


def test_ssh_marks_may_come_in_pieces(bench: Bench) -> None:
    whole = INIT + SSH
    bench.qemu.plan([{"console": whole[at : at + 7], "sleep": 0.01} for at in range(0, len(whole), 7)])
    with bench.guest() as guest:
        assert guest.boot().outcome is Outcome.PASS

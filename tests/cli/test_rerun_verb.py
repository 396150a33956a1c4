"""`vmaharness rerun`, from arguments to exit code, on a capsule whose guest only plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli.engine import DebuggedGuest
from harness.errors import InputError
from harness.model import Arch, Case, Outcome
from harness.report.capsule import Capsule
from harness.run.rerun import Again
from tests.cli.conftest import Invoke
from tests.cli.fakes import FakeGuest
from tests.report.test_capsule_file import FINDING, capsule


@dataclass
class Guest(FakeGuest):
    gdb_socket: Path = Path("/short/gdb.sock")

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True


@dataclass
class Bench:
    now: Again
    capsule: Capsule = field(default_factory=capsule)
    live: Guest = field(default_factory=Guest)
    vmlinux: Path | None = Path("/cache/vmlinux")
    console: Path = Path("/out/console-again.log")

    def guest(self) -> Guest:
        return self.live

    def again(self, on_start: Callable[[DebuggedGuest], None]) -> Again:
        on_start(self.live)
        return self.now


@dataclass
class Engine:
    bench: Bench
    error: Exception | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    def open_capsule(self, place: Path, **asked: Any) -> Bench:
        self.asked = {"place": place, **asked}
        if self.error is not None:
            raise self.error
        return self.bench


def again(outcome: Outcome, *, same: bool = True) -> Again:
    case = Case("faults", "anon.1", outcome, message="" if outcome is Outcome.PASS else "kernel: WARNING\x1b[2J")
    there = () if outcome is Outcome.PASS else (FINDING,)
    other = (replace(FINDING, fingerprint="f" * 16, title="WARNING in elsewhere"),)
    gone: tuple[Any, ...] = (FINDING,) if outcome is Outcome.PASS else ()
    return Again(case, outcome is Outcome.FAIL, there, gone, () if same else other)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.PASS, 0), (Outcome.FAIL, 1), (Outcome.CRASH, 1), (Outcome.TIMEOUT, 1), (Outcome.ERROR, 3),
     (Outcome.NOT_RUN, 4)],
)  # fmt: skip
def test_the_exit_code_says_how_it_ended_now(invoke: Invoke, outcome: Outcome, code: int) -> None:
    engine = Engine(Bench(again(outcome)))
    assert invoke("rerun", "somewhere", engine=engine).exit_code == code
    assert engine.asked["place"] == Path("somewhere")
    assert (engine.asked["accel"], engine.asked["gdb"]) == ("", "")


def test_then_and_now_are_told(invoke: Invoke) -> None:
    done = invoke("rerun", "c", engine=Engine(Bench(again(Outcome.FAIL))))
    assert done.stdout.splitlines() == [
        "arm64 lockdep faults.anon.1",
        "then  fail          kernel: WARNING in do_fault",
        "now   fail          kernel: WARNING",
        "the same outcome, the same findings",
        "  = 0123456789abcdef  WARNING in do_fault",
        "console: /out/console-again.log",
    ]


def test_what_is_gone_and_what_is_new(invoke: Invoke) -> None:
    passed = invoke("rerun", "c", engine=Engine(Bench(again(Outcome.PASS)))).stdout
    assert "another outcome, other findings\n  - 0123456789abcdef  WARNING in do_fault, then\n" in passed
    crashed = invoke("rerun", "c", engine=Engine(Bench(again(Outcome.CRASH, same=False)))).stdout
    assert "  + ffffffffffffffff  WARNING in elsewhere, now\n" in crashed


def test_a_bad_capsule_is_the_user_s_error(invoke: Invoke) -> None:
    error = InputError("c/capsule.json", 3, "not JSON", fix="give another")
    done = invoke("rerun", "c", engine=Engine(Bench(again(Outcome.PASS)), error))
    assert done.exit_code == 2
    assert done.stderr.endswith("vmaharness: c/capsule.json:3: not JSON\nfix: give another\n")


def test_the_accelerator_can_be_another_one(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(Bench(again(Outcome.PASS)))
    monkeypatch.setenv("VMAHARNESS_ACCEL", "tcg")
    invoke("rerun", "c", engine=engine)
    assert engine.asked["accel"] == "tcg"
    invoke("rerun", "c", "--accel", "auto", engine=engine)
    assert engine.asked["accel"] == "auto"


def test_gdb_prints_the_command_that_debugs_the_guest(invoke: Invoke) -> None:
    engine = Engine(Bench(again(Outcome.FAIL)))
    done = invoke("rerun", "c", "--gdb", engine=engine)
    assert engine.asked["gdb"] == "halted"
    # An arm64 guest, on a host that may be either.
    first = done.stdout.splitlines()[0].replace("gdb-multiarch", "gdb")
    assert first == "gdb: gdb /cache/vmlinux -ex 'target remote /short/gdb.sock'"
    assert "no lx-symbols" in done.stdout
    assert "the guest is halted" in done.stdout
    assert "now   fail" in done.stdout, "the case is run under the debugger"
    assert "running" in invoke("rerun", "c", "--gdb", "--no-halt", engine=engine).stdout
    assert engine.asked["gdb"] == "running"


def test_gdb_with_the_tree_s_own_helpers_and_a_long_path(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "vmlinux-gdb.py").touch()
    bench = Bench(again(Outcome.FAIL), replace(capsule(), arch=Arch.X86_64), vmlinux=tmp_path / "vmlinux")
    bench.live.gdb_socket = Path("/" + "x" * 120) / "gdb.sock"
    first = invoke("rerun", "c", "--gdb", engine=Engine(bench)).stdout.splitlines()[0]
    assert first.startswith(f"gdb: cd /{'x' * 120} && gdb")
    assert first.endswith(f"{tmp_path}/vmlinux -ex 'target remote gdb.sock' -ex lx-symbols")


def test_a_shell_needs_a_terminal_and_no_halt_a_debugger(invoke: Invoke) -> None:
    engine = Engine(Bench(again(Outcome.PASS)))
    assert invoke("rerun", "c", "--shell", engine=engine).exit_code == 2
    assert invoke("rerun", "c", "--no-halt", engine=engine).exit_code == 2
    assert engine.asked == {}


def test_a_shell_in_that_guest(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.rerun.has_terminal", lambda: True)
    bench = Bench(again(Outcome.PASS))
    done = invoke("rerun", "c", "--shell", engine=Engine(bench))
    assert done.exit_code == 7
    assert "the case is: /vmaharness/bin/faults anon --seed 7" in done.stderr
    assert bench.live.left
    bench.live.outcome = Outcome.CRASH
    done = invoke("rerun", "c", "--shell", engine=Engine(bench))
    assert done.exit_code == 1
    assert "did not come up" in done.stderr


def test_an_exact_run_that_is_not_the_same_is_our_error(invoke: Invoke) -> None:
    for same, code in ((True, 1), (False, 3)):
        now = replace(again(Outcome.FAIL), exact="bit-identical" if same else "NOT the run", same_run=same)
        done = invoke("rerun", "capsule", engine=Engine(Bench(now)))
        assert done.exit_code == code
        assert now.exact in done.stdout

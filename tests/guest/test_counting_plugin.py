"""The plugin, executed by a QEMU of our own that does what a script says: every version of the interface."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.costs import INTERRUPTS, OTHERS, USER, Profile
from harness.guest.counting import read_counts
from harness.host.cache import Cache
from harness.host.symbols import Symbol, Symbols

SOURCES = Path(__file__).parents[2] / "harness" / "guest" / "plugin"
HOST = Path(__file__).with_name("plugin") / "host.c"
MARKS = {"case": 0x01, "warmup": 0x02, "measured": 0x03, "begin": 0x10, "end": 0x20}

KERNEL = 0xFFFFFFFF81000000
FAULT, IRQ, SWITCH, HANDLE, ALLOC = (KERNEL + 0x1000 * number for number in range(1, 6))
NOP, CALL, RET, IRET, STORE = "90", "e800000000", "c3", "48cf", "c60000"
SYMBOLS = Symbols(
    Symbol(address, 0x800, name, True)
    for address, name in (
        (FAULT, "asm_exc_page_fault"), (IRQ, "asm_sysvec_apic_timer_interrupt"), (SWITCH, "__switch_to_asm"),
        (HANDLE, "handle_mm_fault"), (ALLOC, "clear_page_erms.part.0"),
    )
)  # fmt: skip
ENTRIES = f"f {FAULT:x} {FAULT + 1:x}\ni {IRQ:x} {IRQ + 1:x}\ns {SWITCH:x} {SWITCH + 0x800:x}\n"

Run = Callable[..., dict[int, Profile]]


def mark(name: str, lane: int = 0) -> str:
    code = MARKS[name] + lane
    return "0f1f80" + (0x564D4800 + code).to_bytes(4, "little").hex()


@pytest.fixture(scope="module", params=[1, 2, 3, 7])
def program(request: pytest.FixtureRequest, shared_cache: Cache) -> Path:
    def make(into: Path) -> None:
        sources = [path for path in SOURCES.glob("*.c") if path.name != "ask.c"]
        argv: list[str | Path] = [
            "gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined,address", "-fno-sanitize-recover",
            f"-DAPI={request.param}", f"-I{SOURCES}", "-o", into / "host", HOST, *sources,
        ]  # fmt: skip
        subprocess.run(argv, check=True)

    return shared_cache.get("plugin-host", str(request.param), make)[0] / "host"


@pytest.fixture
def run(program: Path, tmp_path: Path) -> Run:
    def run(*lines: str, case: int = 0) -> dict[int, Profile]:
        (tmp_path / "entries").write_text(ENTRIES)
        argv: list[str | Path] = [program, "x86_64", f"out={tmp_path / 'counts'}", f"entries={tmp_path / 'entries'}"]
        script = "".join(f"{line}\n" for line in lines)
        subprocess.run(argv, input=script.encode(), check=True, env={"ASAN_OPTIONS": "detect_leaks=0"})
        return read_counts(tmp_path / "counts", SYMBOLS)[case]

    return run


PROGRAM = (
    f"block 0 400000 {mark('case')}",
    f"block 1 400100 {NOP} {mark('measured')} {mark('begin')} {NOP} {STORE} {NOP}",
    f"block 2 400200 {NOP} {mark('end')} {NOP}",
    f"block 3 {FAULT:x} {NOP} {CALL}",
    f"block 4 {HANDLE:x} {NOP} {NOP} {CALL}",
    f"block 5 {ALLOC:x} {NOP} {NOP} {NOP} {RET}",
    f"block 6 {HANDLE + 7:x} {NOP} {RET}",
    f"block 7 {FAULT + 6:x} {IRET}",
    f"block 8 400111 {STORE} {NOP}",
    f"block 9 {IRQ:x} {NOP} {CALL}",
    f"block 10 {IRQ + 6:x} {IRET}",
    "run 0 0 1",
)
FAULTING = (
    "run 1 0 5", "run 3 0 2", "run 4 0 3", "run 5 0 4", "run 6 0 2", "run 7 0 1", "run 8 0 2 0:1234", "run 2 0 3",
)  # fmt: skip


def instructions(profile: Profile) -> dict[str, int]:
    return {";".join(stack): count for stack, (count, _) in profile.stacks.items()}


def test_a_fault_is_counted_by_its_calls_and_what_faulted_is_not_counted_twice(run: Run) -> None:
    profile = run(*PROGRAM, *FAULTING)[0]
    # From its mark to its mark: begin, nop; store and nop, once; nop, end.
    assert instructions(profile) == {
        USER: 6,
        "asm_exc_page_fault": 3,
        "asm_exc_page_fault;handle_mm_fault": 5,
        "asm_exc_page_fault;handle_mm_fault;clear_page_erms": 4,
    }
    assert (profile.instructions, profile.faults) == (18, 1)
    assert profile.stacks["asm_exc_page_fault", "handle_mm_fault", "clear_page_erms"] == (4, 1)
    assert profile.stacks["asm_exc_page_fault", "handle_mm_fault"] == (5, 1), "entered once, and come back to"


def test_what_lies_outside_of_the_marks_is_not_counted(run: Run) -> None:
    once = run(*PROGRAM, *FAULTING)[0]
    again = run(*PROGRAM, *FAULTING[1:6], *FAULTING, *FAULTING[1:6])[0]
    assert again == once


def test_repetitions_are_told_apart_and_those_that_warm_up_are_left_out(run: Run) -> None:
    warm = (f"block 20 400500 {mark('warmup')} {mark('begin')} {NOP} {mark('end')}", "run 20 0 4")
    profile = run(*PROGRAM, *warm, *FAULTING, *FAULTING)[0]
    assert profile.repetitions == (18, 18)
    assert profile.instructions == 36


def test_a_program_that_tells_of_no_repetitions_has_one(run: Run) -> None:
    block = f"block 1 400100 {mark('begin')} {NOP} {mark('end')}"
    assert run("block 0 400000 " + mark("case"), "run 0 0 1", block, "run 1 0 3")[0].repetitions == (3,)


def test_an_interrupt_belongs_to_nobody_and_returns_to_what_it_came_into(run: Run) -> None:
    interrupted = ("run 9 0 2", "run 5 0 4", "run 10 0 1")
    # Between a call and the first instruction of what is called, and after a return.
    profile = run(*PROGRAM, *FAULTING[:3], *interrupted, *FAULTING[3:4], *interrupted, *FAULTING[4:])[0]
    quiet = instructions(run(*PROGRAM, *FAULTING)[0])
    assert instructions(profile) == {
        **quiet,
        f"{INTERRUPTS};asm_sysvec_apic_timer_interrupt": 6,
        f"{INTERRUPTS};asm_sysvec_apic_timer_interrupt;clear_page_erms": 8,
    }


def test_a_task_goes_on_with_its_own_calls(run: Run) -> None:
    switch = (
        f"block 30 {SWITCH:x} {NOP} 4889a700100000 488ba600100000 {RET}",  # saves %rsp at (%rdi), loads from (%rsi)
        f"block 31 {HANDLE + 0x100:x} {NOP} {CALL}",  # calls the switch
        f"block 32 {HANDLE + 0x106:x} {RET}",
    )
    away, back = "1:ffff000000001000 2:ffff000000002000", "1:ffff000000002000 2:ffff000000001000"
    profile = run(
        *PROGRAM, *switch, *FAULTING[:2],
        "run 31 0 2", f"run 30 0 4 {away}",  # another task, that nobody has seen, goes on behind its call
        f"block 40 {ALLOC + 0x20:x} {NOP} {CALL}", "run 40 0 2",
        "run 4 0 3", "run 5 0 4", "run 6 0 2", f"block 41 {ALLOC + 0x26:x} {CALL}", "run 41 0 1",
        f"run 30 0 4 {back}",
        "run 32 0 1", "run 7 0 1", "run 8 0 2 0:1234", "run 2 0 3",
    )[0]  # fmt: skip
    found = instructions(profile)
    assert found["asm_exc_page_fault;handle_mm_fault;__switch_to_asm"] == 4
    assert found["asm_exc_page_fault;handle_mm_fault"] == 3, "it came back to its own caller"
    assert found[f"{OTHERS};clear_page_erms"] == 3
    assert found[f"{OTHERS};clear_page_erms;handle_mm_fault;clear_page_erms"] == 4
    assert found[f"{OTHERS};clear_page_erms;__switch_to_asm"] == 4


def test_threads_are_timed_from_the_first_that_begins_to_the_last_that_ends(run: Run) -> None:
    begin, end = f"block 50 400600 {mark('begin')} {NOP}", f"block 51 400700 {NOP} {mark('end')} {NOP}"
    profile = run(
        *PROGRAM, begin, end, f"block 52 400800 {NOP} {NOP} {NOP}",
        "run 52 0 3", "run 50 0 2", "run 50 1 2", "run 51 0 3", "run 52 1 3", "run 51 1 3", "run 52 1 3",
    )[0]  # fmt: skip
    assert instructions(profile) == {USER: 2 + 2 + 3 + 3 + 2}


def test_a_fault_that_another_cpu_comes_between_is_taken_back_all_the_same(run: Run) -> None:
    other = f"block 60 400900 {NOP} {NOP} {NOP}"
    profile = run(*PROGRAM, other, FAULTING[0], "run 60 1 3", *FAULTING[1:])[0]
    assert profile.instructions == 18 + 3
    assert profile.faults == 1
    late = run(*PROGRAM, other, *FAULTING[:1], *FAULTING[1:2], "run 60 1 3", *FAULTING[2:])[0]
    assert late.instructions == 18 + 3


def test_a_fault_in_fetching_takes_nothing_back(run: Run) -> None:
    jump = f"block 70 400a00 {NOP} eb00"
    profile = run(*PROGRAM, jump, "run 1 0 6 4:1234", "run 70 0 2", *FAULTING[1:6], "run 2 0 3")[0]
    assert profile.faults == 0
    assert instructions(profile)[USER] == 4 + 2 + 2


def test_a_user_return_that_faults_is_taken_back_where_its_access_failed(run: Run) -> None:
    returns = f"block 71 400b00 {NOP} {RET}"
    failed = run(*PROGRAM, returns, "run 1 0 6 4:1234", "run 71 0 2", *FAULTING[1:6], "run 2 0 3")[0]
    landed = run(*PROGRAM, returns, "run 1 0 6 4:1234", "run 71 0 2 1:7fff0000", *FAULTING[1:6], "run 2 0 3")[0]
    assert (failed.faults, landed.faults) == (1, 0)
    assert landed.instructions == failed.instructions + 1


def test_lanes_are_counted_apart_and_a_case_forgets_what_was_left_open(run: Run) -> None:
    lanes = (
        f"block 80 400c00 {mark('begin', 1)} {NOP} {NOP} {mark('end', 1)} {mark('begin', 2)} {NOP} {mark('end', 2)}",
        "run 80 0 7",
    )
    found = run(*PROGRAM, f"block 81 400d00 {mark('begin')}", "run 81 0 1", "run 0 0 1", *lanes, case=1)
    assert {lane: profile.instructions for lane, profile in found.items()} == {1: 4, 2: 3}


@pytest.mark.parametrize("name", MARKS)
def test_programs_mark_what_the_plugin_knows(name: str, tmp_path: Path) -> None:
    word = f"MARK_{name.upper()}" + ("(5)" if name in ("begin", "end") else "")
    lane = 5 if name in ("begin", "end") else 0
    (tmp_path / "a.c").write_text(f'#include "marks.h"\nvoid one(void) {{ mark({word}); }}\n')
    common = SOURCES.parents[1] / "suites" / "programs" / "common"
    for compiler, code in (
        ("x86_64-linux-gnu-gcc", bytes.fromhex(mark(name, lane))),
        ("aarch64-linux-gnu-gcc", (0xD2E0001F | (0x4D00 + MARKS[name] + lane) << 5).to_bytes(4, "little")),
    ):
        if shutil.which(compiler) is None:
            continue
        subprocess.run([compiler, "-O2", "-c", f"-I{common}", "-o", "a.o", "a.c"], cwd=tmp_path, check=True)
        assert code in (tmp_path / "a.o").read_bytes(), compiler

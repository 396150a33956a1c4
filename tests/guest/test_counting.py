"""What the plugin is told, and what is believed of what it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.costs import INTERRUPTS, OTHERS, USER
from harness.errors import InfraError
from harness.guest.counting import Counting, counting_args, entries_of, read_counts
from harness.host.symbols import Symbol, Symbols
from harness.model import Arch

KERNEL = 0xFFFFFFFF81000000

WHOLE = f"""\
counting 1
node 4 0 {KERNEL + 0x100:x}
node 5 4 {KERNEL + 0x200:x}
node 6 3 {KERNEL + 0x100:x}
node 7 2 {KERNEL + 0x300:x}
case 1
repetition 1 warmup 0 99 1
repetition 2 measured 0 10 1
repetition 3 measured 0 9 2
block 1 {KERNEL + 0x100:x} 124
block 2 {KERNEL + 0x200:x} 7f
block 3 400000 1
count 0 4 1 0 3 2
count 0 5 2 0 2 3
count 0 6 1 1 3 1
count 0 7 2 0 1 2
count 0 1 3 0 1 3
end 1
done
"""


def symbols(*names: str) -> Symbols:
    return Symbols(Symbol(KERNEL + 0x100 * at, 0x100, name, True) for at, name in enumerate(names, 1))


KNOWN = symbols("asm_exc_page_fault", "handle_mm_fault.constprop.0", "other")


def read(tmp_path: Path, text: str) -> object:
    (tmp_path / "counts").write_text(text)
    return read_counts(tmp_path / "counts", KNOWN)


def test_counts_become_a_profile(tmp_path: Path) -> None:
    (tmp_path / "counts").write_text(WHOLE)
    ((profile,),) = (tuple(case.values()) for case in read_counts(tmp_path / "counts", KNOWN))
    assert profile.stacks == {
        ("asm_exc_page_fault",): (6, 2),
        ("asm_exc_page_fault", "handle_mm_fault"): (6, 3),
        (INTERRUPTS, "asm_exc_page_fault"): (2, 0),
        (OTHERS, "other", "handle_mm_fault"): (2, 2),
        (USER,): (3, 0),
    }
    assert (profile.instructions, profile.faults, profile.repetitions) == (19, 3, (10, 9))


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.removesuffix("done\n"),
        WHOLE.replace("counting 1", "counting 2"),
        WHOLE.replace("measured 0 10", "measured 0 11"),
        WHOLE.replace("block 2", "block 9"),
        WHOLE.replace("count 0 4 1 0 3 2", "count 0 4 1 0 4 2"),
        WHOLE.replace("node 4", "node 8"),
        WHOLE.replace("count 0 4", "count 0 x"),
        "",
    ],
    ids=["cut off", "another format", "lost counts", "no such block", "too long", "no such call", "no number", "empty"],
)
def test_what_is_not_whole_is_not_believed(tmp_path: Path, text: str) -> None:
    with pytest.raises(InfraError, match="is not whole"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="is not whole"):
        read_counts(tmp_path / "none", KNOWN)


def test_where_an_x86_kernel_is_entered() -> None:
    found = symbols("asm_exc_page_fault", "asm_sysvec_apic_timer_interrupt", "entry_SYSCALL_64", "asm_exc_int3",
                    "irq_entries_start", "__switch_to_asm", "asm_common_interrupt")  # fmt: skip
    assert sorted(entries_of(Arch.X86_64, found).splitlines()) == sorted([
        f"f {KERNEL + 0x100:x} {KERNEL + 0x101:x}",
        f"i {KERNEL + 0x200:x} {KERNEL + 0x201:x}",
        f"t {KERNEL + 0x300:x} {KERNEL + 0x301:x}",
        f"t {KERNEL + 0x400:x} {KERNEL + 0x401:x}",
        f"i {KERNEL + 0x500:x} {KERNEL + 0x600:x}",
        f"s {KERNEL + 0x600:x} {KERNEL + 0x700:x}",
    ])  # fmt: skip


def test_where_an_arm64_kernel_is_entered(tmp_path: Path) -> None:
    start = 0xFFFF800080010800
    vectors = Symbols([Symbol(start, 0x800, "vectors", True), Symbol(start + 0x1000, 0x40, "cpu_switch_to", True)])
    lines = entries_of(Arch.ARM64, vectors).splitlines()
    assert len(lines) == 17
    assert lines[8] == f"f {start + 0x400:x} {start + 0x401:x}", "synchronous, from user mode"
    assert [line[0] for line in lines[8:12]] == ["f", "i", "i", "i"]
    assert lines[-1] == f"s {start + 0x1000:x} {start + 0x1040:x}"
    (tmp_path / "counts").write_text(
        f"counting 1\nnode 4 0 {start + 0x400:x}\nnode 5 3 {start + 0x280:x}\ncase 1\nrepetition 1 measured 0 2 0\n"
        f"block 1 {start + 0x400:x} 4\nblock 2 {start + 0x280:x} 4\ncount 0 4 1 0 1 1\ncount 0 5 2 0 1 1\nend 1\ndone\n"
    )
    ((profile,),) = (tuple(case.values()) for case in read_counts(tmp_path / "counts", vectors))
    assert set(profile.stacks) == {("el0t_64_sync",), (INTERRUPTS, "el1h_64_irq")}


def test_a_kernel_with_other_names_has_no_entries() -> None:
    assert entries_of(Arch.X86_64, symbols("a")) == ""
    assert entries_of(Arch.ARM64, symbols("a")) == ""


def test_qemu_is_told_where_everything_is() -> None:
    counting = Counting(Path("/a,b/counting.so"), "", Path("/out/counts"))
    assert counting_args(counting, Path("/scratch/entries")) == [
        "-plugin", "file=/a,,b/counting.so,out=/out/counts,entries=/scratch/entries",
    ]  # fmt: skip

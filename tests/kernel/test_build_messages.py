"""Lines of build logs and what is read from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.messages import parse_messages
from harness.model import CompilerMessage

SOURCE, OBJECTS = Path("/scratch/linux"), Path("/scratch/objects")
M = CompilerMessage


def test_objects_that_lie_in_the_source() -> None:
    lines = ["include/generated/asm.h:3:1: warning: odd", "../mm/vma.c:4:1: warning: odd"]
    found = parse_messages(lines, SOURCE, SOURCE / "objects-x")
    assert [message.path for message in found] == ["include/generated/asm.h", "mm/vma.c"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "/scratch/linux/mm/vma.c:12:9: warning: unused variable ‘x’ [-Wunused-variable]",
            M("warning", "mm/vma.c", 12, "unused variable ‘x’", "-Wunused-variable"),
        ),
        (
            "../linux/mm/vma.c:7:2: error: expected ‘;’ before ‘return’",
            M("error", "mm/vma.c", 7, "expected ‘;’ before ‘return’"),
        ),
        (
            "mm/vma.c:7:2: error: comparison of integers [-Werror=sign-compare]",
            M("error", "mm/vma.c", 7, "comparison of integers", "-Werror=sign-compare"),
        ),
        (
            "../linux/mm/vma.c:3:10: fatal error: linux/none.h: No such file or directory",
            M("error", "mm/vma.c", 3, "linux/none.h: No such file or directory"),
        ),
        (
            "/scratch/objects/include/generated/x.h:1:1: warning: odd",
            M("warning", "include/generated/x.h", 1, "odd"),
        ),
        (
            "../linux/arch/x86/entry/entry.S:9: Error: no such instruction: `foo'",
            M("error", "arch/x86/entry/entry.S", 9, "no such instruction: `foo'"),
        ),
        (
            "memory.c:(.text+0x1a): undefined reference to `nowhere'",
            M("error", "memory.c", 0, "undefined reference to `nowhere'"),
        ),
        (
            "aarch64-linux-gnu-ld: /scratch/linux/mm/memory.c:44: undefined reference to `nowhere'",
            M("error", "mm/memory.c", 44, "undefined reference to `nowhere'"),
        ),
        (
            "ld: warning: vmlinux has a LOAD segment with RWX permissions",
            M("warning", "", 0, "ld: warning: vmlinux has a LOAD segment with RWX permissions"),
        ),
        ('ERROR: modpost: "f" [x.ko] undefined!', M("error", "", 0, 'modpost: "f" [x.ko] undefined!')),
        (
            "WARNING: modpost: vmlinux: section mismatch in reference: f (section: .text)",
            M("warning", "", 0, "modpost: vmlinux: section mismatch in reference: f (section: .text)"),
        ),
        (
            "mm/vma.o: warning: objtool: f+0x10: unreachable instruction",
            M("warning", "mm/vma.o", 0, "objtool: f+0x10: unreachable instruction"),
        ),
        ("mm/Kconfig:12: syntax error", M("error", "mm/Kconfig", 12, "syntax error")),
        (
            "../linux/scripts/Makefile.build:10: *** missing separator.  Stop.",
            M("error", "scripts/Makefile.build", 10, "missing separator"),
        ),
        (
            "make[2]: *** [/scratch/linux/scripts/Makefile.build:229: mm/vma.o] Error 1",
            M("error", "scripts/Makefile.build", 229, "mm/vma.o: Error 1"),
        ),
        (
            "make[1]: *** No rule to make target 'x.o', needed by 'y.a'.  Stop.",
            M("error", "", 0, "No rule to make target 'x.o', needed by 'y.a'.  Stop."),
        ),
    ],
)
def test_a_line(line: str, message: CompilerMessage) -> None:
    assert parse_messages([line], SOURCE, OBJECTS) == (message,)


@pytest.mark.parametrize(
    "line",
    [
        "  CC      mm/vma.o",
        "In file included from ../linux/mm/vma.c:9:",
        "../linux/mm/vma.c:12:9: note: declared here",
        "../linux/mm/vma.c: In function ‘f’:",
        "cc1: all warnings being treated as errors",
        "Kernel: arch/x86/boot/bzImage is ready",
        "make[1]: Entering directory '/scratch/objects'",
        "",
    ],
)
def test_a_line_that_is_no_message(line: str) -> None:
    assert parse_messages([line], SOURCE, OBJECTS) == ()


def test_makes_own_errors_give_way_to_the_reason() -> None:
    lines = [
        "../linux/mm/vma.c:7:2: error: expected ‘;’",
        "make[2]: *** [../linux/scripts/Makefile.build:229: mm/vma.o] Error 1",
        "make: *** [Makefile:224: __sub-make] Error 2",
    ]
    assert parse_messages(lines, SOURCE, OBJECTS) == (M("error", "mm/vma.c", 7, "expected ‘;’"),)


def test_a_message_is_said_once() -> None:
    line = "../linux/include/linux/mm.h:3:1: warning: odd [-Wodd]"
    assert parse_messages([line, line], SOURCE, OBJECTS) == (M("warning", "include/linux/mm.h", 3, "odd", "-Wodd"),)


@given(st.lists(st.text(alphabet=st.sampled_from("ab/.:*[](){}- 1Ewarnigo'`+"), max_size=60)))
def test_any_text_is_read(lines: list[str]) -> None:
    for message in parse_messages(lines, SOURCE, OBJECTS):
        assert message.severity in ("warning", "error")

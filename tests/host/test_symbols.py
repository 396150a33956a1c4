"""The functions of a kernel: by address, and read from a real ELF file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.host.elf import NotElf
from harness.host.symbols import Symbol, Symbols, read_symbols, source_name


def test_an_address_belongs_to_the_last_symbol_at_or_before_it() -> None:
    symbols = Symbols([Symbol(0x100, 0x40, "first", True), Symbol(0x180, 0x20, "second", True)])
    assert [symbols.at(address).name for address in (0x100, 0x13F, 0x17F, 0x180)] == [  # type: ignore[union-attr]
        "first", "first", "first", "second",
    ]  # fmt: skip
    assert symbols.at(0xFF) is None


def test_of_several_names_it_is_the_functions_and_labels_inside_are_none() -> None:
    symbols = Symbols([
        Symbol(0x100, 0, "entry_SYSCALL_64", False), Symbol(0x100, 0x40, "do_it", True),
        Symbol(0x110, 0, "inner_label", False), Symbol(0x140, 0, "asm_exc_page_fault", False),
        Symbol(0x150, 0, "asm_after", False),
    ])  # fmt: skip
    assert [one.name for one in symbols] == ["do_it", "asm_exc_page_fault", "asm_after"]
    assert symbols.by_name["inner_label"].address == 0x110
    assert symbols.end_of(symbols.by_name["asm_exc_page_fault"]) == 0x150
    assert symbols.end_of(symbols.by_name["do_it"]) == 0x140


@pytest.mark.parametrize(
    ("name", "source"),
    [("foo", "foo"), ("foo.isra.0", "foo"), ("foo.constprop.0.isra.1", "foo"), ("foo.part.3.cold", "foo"),
     ("foo.cold", "foo"), ("foo.llvm.123", "foo"), ("bar.1", "bar"), ("__UNIQUE_ID.x", "__UNIQUE_ID.x")],
)  # fmt: skip
def test_a_function_has_the_name_of_its_source(name: str, source: str) -> None:
    assert source_name(name) == source


def test_a_real_file_has_its_functions(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("static __attribute__((noinline)) int one(int a) { return a + 1; }\n"
                                  "int data; int two(int a) { return one(a) * 2; }\n")  # fmt: skip
    subprocess.run(["gcc", "-O1", "-fno-inline", "-shared", "-fPIC", "-o", "a.so", "a.c"], cwd=tmp_path, check=True)
    symbols = read_symbols(tmp_path / "a.so")
    two = symbols.by_name["two"]
    assert two.function
    assert two.size > 0
    assert symbols.at(two.address + two.size - 1) == two
    assert "data" not in symbols.by_name
    (tmp_path / "stripped.so").write_bytes((tmp_path / "a.so").read_bytes())
    subprocess.run(["strip", tmp_path / "stripped.so"], check=True)
    with pytest.raises(NotElf, match="no table of symbols"):
        read_symbols(tmp_path / "stripped.so")


@pytest.mark.parametrize("data", [b"", b"\x7fELF\x02\x01" + bytes(10), b"MZ"])
def test_what_is_no_elf_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(NotElf):
        read_symbols(tmp_path / "x")

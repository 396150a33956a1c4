"""The console file as it grows: lines in any pieces, whatever bytes they are of."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.guest.console import LAST_LINES, Console, clean


def grow(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_come_when_they_are_whole(tmp_path: Path) -> None:
    console = Console(tmp_path / "c")
    assert console.read_lines() == []
    grow(console.path, b"one\r\ntw")
    assert console.read_lines() == ["one"]
    grow(console.path, b"o\r\nthree")
    assert console.read_lines() == ["two"]
    assert console.read_rest() == ["three"]
    assert console.last_lines == ("one", "two", "three")
    console.close()


def test_no_byte_is_too_odd(tmp_path: Path) -> None:
    console = Console(tmp_path / "c")
    grow(console.path, b"a\tb\xff\xfe\x00\r\r\n\x1b[31mred\n")
    assert console.read_lines() == ["a\tb\ufffd\ufffd", "\x1b[31mred"]
    assert console.text() == "a\tb\ufffd\ufffd\n\x1b[31mred\n"
    console.close()


def test_only_the_last_lines_are_kept(tmp_path: Path) -> None:
    console = Console(tmp_path / "c")
    grow(console.path, b"".join(b"%d\n" % number for number in range(100)))
    console.read_lines()
    assert console.last_lines == tuple(str(number) for number in range(100 - LAST_LINES, 100))
    console.close()


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    console = Console(tmp_path / "c")
    grow(console.path, b"x" * 200_000)
    (line,) = console.read_lines()
    assert len(line) == 200_000
    assert console.read_rest() == []
    console.close()


def test_silence_is_measured_by_what_is_read(tmp_path: Path) -> None:
    now = [10.0]
    console = Console(tmp_path / "c", clock=lambda: now[0])
    now[0] = 20.0
    console.read_lines()
    assert console.last_change == 10.0
    grow(console.path, b"x")
    console.read_lines()
    assert console.last_change == 20.0
    console.close()


@given(st.lists(st.binary(max_size=30), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_do_not_matter(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "c"
    path.write_bytes(b"")
    console = Console(path)
    lines = []
    for piece in pieces:
        grow(path, piece)
        lines += console.read_lines()
    lines += console.read_rest()
    whole = b"".join(pieces).split(b"\n")
    assert lines == [clean(line) for line in (whole if whole[-1] else whole[:-1])]
    console.close()

"""The kernel's account of itself: read whole, or not at all."""

from __future__ import annotations

import pytest

from harness.model import Counter
from harness.run.probe import PROBE, parse_probe

MARK = "--vmaharness--\n"
LOCKDEP = " lock-classes:                          412 [max: 8192]\n debug_locks:                             1\n"


def test_a_whole_account() -> None:
    state = parse_probe(f"nr_free 12\nvma_lock_success 5\npgfault 9\n{MARK}512\n{MARK}{LOCKDEP}{MARK}")
    assert (state.tainted, state.debug_locks) == (512, True)
    later = parse_probe(f"vma_lock_success 8\npgfault 9\n{MARK}0\n{MARK}{LOCKDEP.replace(' 1', ' 0')}{MARK}")
    assert later.debug_locks is False
    assert later.since(state) == (Counter("vma_lock_success", 5, 8), Counter("pgfault", 9, 9))


def test_tables_and_whether_warnings_come_again() -> None:
    tables = (
        " lock-classes:                          412 [max: 8192]\n"
        " direct dependencies:                 31000 [max: 32768]\n"
        " max locking depth:                      15\n"
        " stack-trace entries:                 49000 [max: 524288]\n"
    )
    state = parse_probe(f"pgfault 9\n{MARK}0\n{MARK}{tables}{MARK}armed\n{MARK}")
    assert [(table.name, table.used, table.size) for table in state.tables] == [
        ("lock-classes", 412, 8192), ("direct dependencies", 31000, 32768), ("stack-trace entries", 49000, 524288),
    ]  # fmt: skip
    assert [table.name for table in state.tables if table.nearly_full] == ["direct dependencies"]
    assert state.armed
    assert not parse_probe(f"pgfault 9\n{MARK}0\n{MARK}{MARK}{MARK}").armed


def test_a_kernel_without_lockdep() -> None:
    assert parse_probe(f"pgfault 9\n{MARK}0\n{MARK}{MARK}").debug_locks is None


@pytest.mark.parametrize("output", ["", MARK, f"pgfault 9\n{MARK}", f"{MARK}0\n{MARK}", "cat: not found"])
def test_half_an_account_is_none(output: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        parse_probe(output)


def test_one_command_reads_all() -> None:
    assert PROBE[-1].count("cat ") == 3

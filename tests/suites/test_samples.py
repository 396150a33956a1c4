"""The lines that give each repetition."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costs import Repetition
from harness.suites.samples import parse

OUTPUT = """\
KTAP version 1
1..1
# repetition 0 (discarded): 900 ns, 2 faults
# metric fault_time 500.000 ns/fault 4
# samples fault_time 1020/2 1020/2
# metric fault_cost 510.000 ns/fault 4
# samples fault_cost 1020/2 1020/2
# metric page_time 51.000 ns/page 40
# samples page_time 1020/20 1020/20
# metric writer_mean 50.000 ns/op 40
# samples writer_mean 1000/20 1000/20
# metric vma_lock_success 4.000 events 4
# samples vma_lock_success 2 2
ok 1 - file-read.1
"""


def test_the_cost_comes_first_and_what_is_the_same_is_left_out() -> None:
    main, writer = parse(OUTPUT)
    assert (main.name, main.operation, main.repetitions) == ("", "fault", (Repetition(1020, 2), Repetition(1020, 2)))
    assert (writer.name, writer.operation) == ("writer_mean", "op")


def test_without_a_cost_the_first_is_what_the_case_is_about() -> None:
    (only,) = parse("# metric fault_time 5.000 ns/fault 2\n# samples fault_time 10/2\n")
    assert (only.name, only.repetitions[0].each) == ("", 5.0)


@pytest.mark.parametrize("line", ["# samples fault_time 10/0", "# samples fault_time 10", "# samples fault_time"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"malformed|operations"):
        parse(f"# metric fault_time 5.000 ns/fault 2\n{line}\n")


def test_samples_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse("# metric fault_time 5.000 ns/fault 2\n" + "# samples fault_time 10/2\n" * 2)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        parse(f"# metric a 1 ns/fault 1\n# samples {text}\n{text}")

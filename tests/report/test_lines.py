"""File and line of a report's frames, where people read it."""

from __future__ import annotations

from harness.model import Case, Finding, Frame, Outcome
from harness.report.lines import first_place, with_lines

HERE = Frame("do_fault.constprop.0", 0x12, 0x34, ("include/linux/mm.h:7", "mm/memory.c:40"))
CALLER = Frame("handle_mm_fault", 1, 0x200, ("mm/memory.c:900",))
UNKNOWN = Frame("asm_exc_page_fault", 0x26, 0x30)
TEXT = """\
WARNING: CPU: 0 PID: 1 at do_fault.constprop.0+0x12/0x34
 do_fault.constprop.0+0x12/0x34
 handle_mm_fault+0x1/0x200
 handle_mm_fault+0x1/0x2000
 asm_exc_page_fault+0x26/0x30
"""


def finding(*frames: Frame, function: str = "do_fault") -> Finding:
    return Finding("warning", f"WARNING in {function}", function, TEXT, 1, "0123", frames=frames)


def case(*findings: Finding) -> Case:
    return Case("faults", "anon.1", Outcome.FAIL, findings=findings)


def test_each_frame_that_has_a_line_shows_it() -> None:
    assert with_lines(TEXT, [finding(HERE, CALLER, UNKNOWN)]) == (
        "WARNING: CPU: 0 PID: 1 at do_fault.constprop.0+0x12/0x34 (include/linux/mm.h:7 mm/memory.c:40)\n"
        " do_fault.constprop.0+0x12/0x34 (include/linux/mm.h:7 mm/memory.c:40)\n"
        " handle_mm_fault+0x1/0x200 (mm/memory.c:900)\n"
        " handle_mm_fault+0x1/0x2000\n"
        " asm_exc_page_fault+0x26/0x30\n"
    )
    assert with_lines(TEXT, []) == with_lines(TEXT, [finding(UNKNOWN)]) == TEXT


def test_where_to_look_first() -> None:
    assert first_place(case(finding(CALLER, HERE))) == "include/linux/mm.h:7", "in the function that it is about"
    assert first_place(case(finding(UNKNOWN, CALLER, function="f"))) == "mm/memory.c:900", "else the innermost"
    assert first_place(case(finding(UNKNOWN), finding(CALLER))) == "", "the first is what the case failed by"
    assert first_place(case()) == ""

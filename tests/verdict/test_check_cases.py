"""Checks as cases: what fails one, and what is new."""

from __future__ import annotations

from dataclasses import replace

from harness.model import CompilerMessage, Outcome, Relation
from harness.verdict.checks import case_of, line_of, new_messages, note_of

WARNING = CompilerMessage("warning", "mm/vma.c", 12, "unused variable 'x'", "-Wunused-variable")
ERROR = CompilerMessage("error", "mm/vma.c", 20, "something is wrong", "side-effect")


def test_style_fails_nothing_unless_everything_does() -> None:
    case = case_of("checkpatch", "1", [WARNING, ERROR], strict=False)
    assert (case.name, case.outcome, case.message) == ("checkpatch.1", Outcome.PASS, "")
    assert case.detail.splitlines() == [line_of(WARNING), line_of(ERROR)]
    assert case_of("checkpatch", "1", [WARNING], strict=True).outcome is Outcome.FAIL


def test_of_our_own_lint_an_error_fails() -> None:
    assert case_of("side-effects", "1", [WARNING], strict=False).outcome is Outcome.PASS
    case = case_of("side-effects", "1", [WARNING, ERROR], strict=False)
    assert (case.outcome, case.relation, case.fails) == (Outcome.FAIL, Relation.NEW, True)
    assert case.message == "mm/vma.c:20: error: something is wrong [side-effect]"
    assert case_of("side-effects", "1", [WARNING, ERROR], strict=True).message.endswith(" and 1 more")


def test_a_compilers_warning_fails_whoever_asked_for_it() -> None:
    assert case_of("w1", "arm64.mm/vma.c", [WARNING], strict=False).outcome is Outcome.FAIL
    assert case_of("w1", "arm64.mm/vma.c", [], strict=True).outcome is Outcome.PASS


def test_what_the_base_says_too_is_not_new_wherever_it_stands() -> None:
    moved = CompilerMessage("warning", "mm/vma.c", 99, WARNING.text, WARNING.option)
    elsewhere = CompilerMessage("warning", "mm/mmap.c", 12, WARNING.text, WARNING.option)
    assert new_messages([moved], [WARNING]) == ()
    assert new_messages([WARNING, moved], [WARNING]) == (moved,)
    assert new_messages([elsewhere], [WARNING]) == (elsewhere,)
    assert new_messages([], [WARNING]) == ()


def test_names_that_the_compiler_numbers_are_the_same_whatever_their_number() -> None:
    def undeclared(number: int, line: int = 166) -> CompilerMessage:
        words = f"'__UNIQUE_ID_x_{number}' undeclared; did you mean '__UNIQUE_ID_y_{number + 1}'?"
        return CompilerMessage("error", "include/linux/compiler.h", line, words)

    assert new_messages([undeclared(781), undeclared(813)], [undeclared(780)]) == ()
    assert new_messages([undeclared(781)], []) == (undeclared(781),)
    assertion = CompilerMessage("error", "mm/vma.c", 3, "call to '__compiletime_assert_781' declared with attribute")
    assert new_messages([assertion], [replace(assertion, text=assertion.text.replace("781", "7"))]) == ()
    assert new_messages([replace(WARNING, text="array of 12")], [replace(WARNING, text="array of 13")]) != ()


def test_what_failed_nothing_is_told() -> None:
    assert note_of("checkpatch", [("patch 1", []), ("patch 2", [])]) == ""
    said = note_of("checkpatch", [("patch 1", []), ("patch 2", [WARNING, ERROR])])
    assert said.startswith(
        "checkpatch: patch 2: mm/vma.c:12: warning: unused variable 'x' [-Wunused-variable] and 1 more"
    )

"""What checks of a series say without booting anything -> cases.

Only what the series makes new counts: what a patch adds is new by itself, what a compiler says of a file is held
against what it says of the same file without the series.  Pure functions; knows no tree and no tool.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from harness.model import Case, CompilerMessage, Outcome, Relation

SUITE = "checks"

STYLE = frozenset({"checkpatch"})
"""Checks that never fail a run unless everything does (`strict`): they tell nothing of how a kernel behaves."""

_SHOWN = 200
# Names with a number of __COUNTER__, which anything in a header moves on (include/linux/compiler.h, compiler_types.h).
_NUMBERED = re.compile(r"\b(__UNIQUE_ID_\w*?|__compiletime_assert)_?\d+\b")


def case_of(check: str, name: str, messages: Sequence[CompilerMessage], *, strict: bool, seconds: float = 0.0) -> Case:
    """The case of a check that can only find what is new, such as one of a patch."""
    failing = [message for message in messages if strict or counts(check, message)]
    detail = "\n".join(line_of(message) for message in messages[:_SHOWN])
    if not failing:
        return Case(SUITE, f"{check}.{name}", Outcome.PASS, seconds, detail=detail)
    more = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
    return Case(
        SUITE, f"{check}.{name}", Outcome.FAIL, seconds, f"{line_of(failing[0])}{more}", detail, relation=Relation.NEW
    )


def counts(check: str, message: CompilerMessage) -> bool:
    """Whether a message fails a case.

    Style does not.  Of our own lint what is an error does: the others are right as they stand.  A compiler is asked
    for warnings by whoever wants them to count.
    """
    return check not in STYLE and (check != "side-effects" or message.severity == "error")


def line_of(message: CompilerMessage) -> str:
    """`mm/vma.c:12: warning: text [option]`."""
    place = f"{message.path}:{message.line}: " if message.path else ""
    option = f" [{message.option}]" if message.option else ""
    return f"{place}{message.severity}: {message.text}{option}"


def new_messages(series: Sequence[CompilerMessage], base: Sequence[CompilerMessage]) -> tuple[CompilerMessage, ...]:
    """Those of the series that the base has not as often, wherever in the file they stand.

    Where a text has names that the compiler numbers, how often says nothing: the base need have it once.
    """
    left = Counter(map(_what, base))
    found = []
    for message in series:
        what = _what(message)
        if not left[what]:
            found.append(message)
        elif not _NUMBERED.search(message.text):
            left[what] -= 1
    return tuple(found)


def _what(message: CompilerMessage) -> tuple[str, str, str, str]:
    return message.severity, message.path, _NUMBERED.sub(r"\1", message.text), message.option


def note_of(check: str, found: Sequence[tuple[str, Sequence[CompilerMessage]]]) -> str:
    """A line on what a check said without failing anything; "" where there is nothing.  `found` has names of cases."""
    said = [(name, message) for name, messages in found for message in messages]
    if not said:
        return ""
    name, message = said[0]
    more = f" and {len(said) - 1} more" if len(said) > 1 else ""
    return f"{check}: {name}: {line_of(message)}{more}; it fails no run that is not strict"

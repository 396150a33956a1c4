"""What the guests of a target have answered so far, on disk: a run that is continued asks for the rest alone.

Written after each command, whole or not at all, and named by all that the answers come from.  A command that was not
answered, for the run was interrupted in it, is run again; exact guests answer all at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from harness.model import Boot, Case, Proof
from harness.report import results
from harness.report.files import write_atomic

T = TypeVar("T")

PATTERN = "answers-*.json"
"""The files, in the directory of a run and those below it."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Answered:
    """How far a target is."""

    left: tuple[str, ...]  # titles of the tasks that are to be run
    booted: int  # guests that have come up, in this round
    boots: tuple[Boot, ...]
    kernel_cases: tuple[Case, ...]
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    broken: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # what the machine may have done, by what was tried
    round: int = 0  # 0: all tasks for the first time; N: what failed, again for the Nth time
    again: tuple[str, ...] = ()  # what has failed the first time
    kernel_before: tuple[Case, ...] = ()  # the round: what was known before it
    cases_before: tuple[Case, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)  # that commands took, by title
    done: bool = False
    races: dict[str, int] = field(default_factory=dict)  # of an exact guest, from here on
    proofs: tuple[Proof, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()  # titles that each guest worked through


def remember(directory: Path, name: str, key: str, value: object) -> None:
    """Keep a value of `harness.model` for a run that continues this one.  Raises InfraError."""
    data = {"format": _FORMAT, "key": key, "answered": results.to_json(value, directory)}
    write_atomic(directory / PATTERN.replace("*", name), f"{json.dumps(data)}\n".encode())


def recall(kind: type[T], directory: Path, name: str, key: str) -> T | None:
    """What was kept under this name and key; None where there is nothing, or it is of anything else."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((directory / PATTERN.replace("*", name)).read_text(encoding="utf-8"))
        if (found["format"], found["key"]) == (_FORMAT, key):
            return results.from_json(kind, found["answered"], directory)
    return None


class Answers:
    """The file of one target (or seed of a target)."""

    def __init__(self, directory: Path, name: str, key: str) -> None:
        """`key` names all that the answers come from; paths in the file are relative to the directory."""
        self._directory, self._name, self._key = directory, name, key
        self._texts: dict[int, tuple[object, str]] = {}  # of values that are part of the next state, too

    def load(self) -> Answered | None:
        """What is there of the same target; None where there is nothing, or it is of anything else."""
        return recall(Answered, self._directory, self._name, self._key)

    def save(self, now: Answered) -> None:
        """Raises InfraError when it cannot be written."""
        fields = ", ".join(f"{json.dumps(name)}: {self._text(getattr(now, name))}" for name in Answered.__slots__)
        head = f'"format": {_FORMAT}, "key": {json.dumps(self._key)}'
        path = self._directory / PATTERN.replace("*", self._name)
        write_atomic(path, f'{{{head}, "answered": {{{fields}}}}}\n'.encode())

    def _text(self, value: Any) -> str:
        """As JSON; of the many cases that a long run has each is written out once."""
        if isinstance(value, tuple) and value and not isinstance(value[0], str):
            return f"[{', '.join(self._known(item) for item in value)}]"
        return json.dumps(results.to_json(value, self._directory))

    def _known(self, item: object) -> str:
        kept, text = self._texts.get(id(item), (None, ""))
        if kept is not item:
            text = json.dumps(results.to_json(item, self._directory))
            self._texts[id(item)] = (item, text)
        return text

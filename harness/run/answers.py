"""What the guests of a target have answered so far, on disk: a run that is continued asks for the rest alone.

Written after each command, whole or not at all, and named by all that the answers come from.  A command that was not
answered, for the run was interrupted in it, is run again; exact guests answer all at once.  Where a store is given,
what has come to its end is kept there, too, and need not be asked for by any later run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from harness.host.cache import Cache
from harness.model import Boot, Case, Outcome, Proof
from harness.report import results
from harness.report.files import write_atomic
from harness.verdict.judge import LEFT_OUT

T = TypeVar("T")

PATTERN = "answers-*.json"
"""The files, in the directory of a run and those below it."""

KIND = "answers"  # of cache entries

_VALUE = "value"
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


def known_before(kind: type[T], store: Cache, key: str) -> T | None:
    """What any run has kept under this key; None where there is nothing."""
    entry = store.find(KIND, key)
    return recall(kind, entry, _VALUE, key) if entry is not None else None


def keep(store: Cache, key: str, value: object) -> None:
    """Keep a value of `harness.model`, without any file that it names, for all runs.  Raises InfraError."""
    store.get(KIND, key, lambda entry: remember(entry, _VALUE, key, value))


class Answers:
    """The file of one target (or seed of a target)."""

    def __init__(self, directory: Path, name: str, key: str, store: Cache | None = None) -> None:
        """`key` names all that the answers come from; paths in the file are relative to the directory.

        `store` keeps them for other runs.
        """
        self._directory, self._name, self._key, self._store = directory, name, key, store
        self._path = directory / PATTERN.replace("*", name)
        self._texts: dict[int, tuple[object, str]] = {}  # of values that are part of the next state, too

    def load(self) -> Answered | None:
        """What is there of the same target; None where there is nothing, or it is of anything else."""
        found = recall(Answered, self._directory, self._name, self._key)
        if found is None and self._store is not None and (entry := self._store.find(KIND, self._key)) is not None:
            with suppress(OSError):  # removed meanwhile
                for file in (*entry.glob("console-*"), entry / self._path.name):
                    shutil.copyfile(file, self._directory / file.name)
                found = recall(Answered, self._directory, self._name, self._key)
        return found

    def save(self, now: Answered) -> None:
        """Raises InfraError when it cannot be written."""
        fields = ", ".join(f"{json.dumps(name)}: {self._text(getattr(now, name))}" for name in Answered.__slots__)
        head = f'"format": {_FORMAT}, "key": {json.dumps(self._key)}'
        write_atomic(self._path, f'{{{head}, "answered": {{{fields}}}}}\n'.encode())
        if now.done and now.boots and is_the_kernel_s((*now.kernel_cases, *now.cases)):
            self._keep(now)

    def _keep(self, now: Answered) -> None:
        def fill(entry: Path) -> None:
            consoles = {*(boot.console for boot in now.boots), *(proof.again for proof in now.proofs)}
            for file in (self._path, *(console for console in consoles if console.is_file())):
                shutil.copyfile(file, entry / file.name)

        if self._store is not None:
            self._store.get(KIND, self._key, fill)

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


def is_the_kernel_s(cases: Iterable[Case]) -> bool:
    """Whether results are all the kernel's doing: the machine got in the way of none, and there was time for all."""
    return not any(case.outcome is Outcome.ERROR or case.message.startswith(LEFT_OUT) for case in cases)

"""What a search has done, a line of JSON for each step, on the disk before the next step begins.

A search that is started again asks the log before it does anything: what is there is not done again, whatever ended
the process.  A last line without its end was being written then, and is taken away.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.errors import InfraError, InputError

NAME = "bisect.jsonl"
FORMAT = 1

Step = dict[str, Any]


class Log:
    """The steps of one search, by name.  Steps may be added from any thread."""

    def __init__(self, path: Path) -> None:
        """Raises InputError for a file that is no log of ours."""
        self.path = path
        self._lock = threading.Lock()
        self._steps: dict[str, Step] = {}
        whole = 0
        for number, (line, end) in enumerate(_lines(path), 1):
            self._read(number, line)
            whole = end
        if path.exists() and path.stat().st_size > whole:
            os.truncate(path, whole)

    def _read(self, number: int, line: bytes) -> None:
        try:
            step = json.loads(line)
            name = step["step"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _bad(self.path, number, "no step of a search") from error
        if not isinstance(name, str):
            raise _bad(self.path, number, "no step of a search")
        if number == 1 and (name != "begin" or step.get("format") != FORMAT):
            raise _bad(self.path, 1, f"not the log of a search of version {FORMAT}")
        self._steps[name] = step

    def find(self, name: str) -> Step | None:
        """What a step gave, if it has been done."""
        with self._lock:
            return self._steps.get(name)

    def add(self, name: str, **values: Any) -> Step:
        """Note a step that is done; on the disk when this returns.  Raises InfraError where it cannot be written."""
        step = {"step": name, **values}
        line = json.dumps(step, ensure_ascii=True) + "\n"
        with self._lock:
            try:
                with self.path.open("ab") as file:
                    file.write(line.encode())
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise InfraError(f"{self.path} cannot be written: {error.strerror}", fix="make room") from error
            self._steps[name] = step
        return step

    def once(self, name: str, work: Callable[[], Step]) -> Step:
        """What a step gave, which is done now if it has not been."""
        return self.find(name) or self.add(name, **work())

    def named(self, prefix: str) -> list[Step]:
        """All steps whose names begin so, in the order in which they were done."""
        with self._lock:
            return [step for name, step in self._steps.items() if name.startswith(prefix)]


def _lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Each whole line, and the place in the file where it ends."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(path, 0, f"cannot be read: {error.strerror}") from error
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        yield data[at:end], end + 1
        at = end + 1


def _bad(path: Path, line: int, what: str) -> InputError:
    return InputError(path, line, what, fix="give --resume the directory of a `vmaharness bisect`, or begin again")


def open_log(directory: Path) -> Log:
    """The log of the search in a directory.  Raises InputError where there is none, or it is damaged."""
    path = directory / NAME
    if not path.is_file() or path.is_symlink():
        raise InputError(path, 0, "no such file", fix="give --resume the directory of a `vmaharness bisect`")
    log = Log(path)
    if log.find("begin") is None:
        raise _bad(path, 0, "the search was stopped before it began")
    return log

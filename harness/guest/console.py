"""The guest's serial console: a file of raw bytes that QEMU writes, read while it grows.

Bytes are kept as they came; lines are for people and rules (invalid UTF-8 replaced, carriage returns dropped).
Knows no rules itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

LAST_LINES = 40
"""How many lines are shown of a guest that died."""

INIT_MARK = "vmaharness: init"
SSH_MARK = "vmaharness: ssh"
NO_SSH_MARK = "vmaharness: no ssh"
"""What the guest's init says when it starts, when SSH takes connections, and when it never will."""

EXACT_END_MARK = "vmaharness: end of the exact part"
"""What an exact guest says last before it uses the network: what follows is not exact."""

_MAX_LINE_BYTES = 64 * 1024  # a console that never ends its line must not fill the memory


def clean(raw: bytes) -> str:
    """Console bytes as text."""
    return raw.decode("utf-8", "replace").replace("\r", "").replace("\0", "")


class Console:
    """Reads a growing console file.  Used by one thread; `last_lines` and `last_change` may be read by any."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._file: IO[bytes] | None = None
        self._partial = b""
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self.last_change = clock()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def read_lines(self) -> list[str]:
        """The lines that were completed since the last call."""
        if self._file is None:
            try:
                self._file = self.path.open("rb")
            except FileNotFoundError:
                return []
        data = self._file.read()
        if not data:
            return []
        self.last_change = self._clock()
        *whole, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _MAX_LINE_BYTES:
            whole.append(self._partial)
            self._partial = b""
        lines = [clean(line) for line in whole]
        self._last.extend(lines)
        return lines

    def read_rest(self) -> list[str]:
        """The same at the end: a last line without an end counts too."""
        lines = self.read_lines()
        if self._partial:
            rest, self._partial = clean(self._partial), b""
            self._last.append(rest)
            lines.append(rest)
        return lines

    @property
    def last_lines(self) -> tuple[str, ...]:
        return tuple(self._last)

    def size(self) -> int:
        """Bytes so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def shows(self, text: str, since: int) -> bool:
        """Whether a text stands in what came after the first `since` bytes."""
        try:
            with self.path.open("rb") as file:
                file.seek(since)
                return text in clean(file.read())
        except FileNotFoundError:
            return False

    def text(self) -> str:
        """Everything so far."""
        try:
            return clean(self.path.read_bytes())
        except FileNotFoundError:
            return ""

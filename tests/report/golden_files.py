"""Golden files: what is expected lies in tests/report/golden/; UPDATE_GOLDEN=1 in the environment writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

_DIRECTORY = Path(__file__).with_name("golden")


def expected(name: str, actual: str) -> str:
    """The golden text called `name`."""
    path = _DIRECTORY / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(actual, encoding="utf-8")
    return path.read_text(encoding="utf-8")

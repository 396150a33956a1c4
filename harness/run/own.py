"""What of this program results come from: a version's number stays while it is worked on."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from harness import __version__

JUDGES = ("guest", "run", "suites", "verdict")
"""The packages that results of guests come from."""


@cache
def own_digest(packages: tuple[str, ...] = JUDGES) -> str:
    """A name for all code of these packages."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(__version__.encode())
    for source in sorted(path for name in packages for path in (root / name).rglob("*.py")):
        digest.update(str(source.relative_to(root)).encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()

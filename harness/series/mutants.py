"""Patches that break the kernel on purpose: a directory of them, with what each says of itself.

A mutant is one patch in `git format-patch` form with two trailers, `Family:` (a family of defects, in words) and
`Expect:` (globs on SUITE.CASE, then words on what should be seen).  Knows no tree and no verdict.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import InputError, UserError
from harness.host.process import Processes
from harness.model import Mutant
from harness.series.read import read_series

_GLOB = re.compile(r"[a-z][a-z0-9-]*\.[\w.*?\[\]-]+")
_TRAILER = re.compile(r"(?m)^(Family|Expect): +(\S.*)$")


def load(directory: Path, wanted: Sequence[str], *, processes: Processes) -> tuple[Mutant, ...]:
    """The mutants of a directory, by name; with `wanted`, those that one of these names or globs matches.

    Raises UserError where there are none of that name, InputError for one that is not whole.
    """
    files = sorted(directory.glob("*.patch"))
    if not files:
        raise UserError(f"there are no mutants in {directory}", fix="patches/mutants/ has a directory for each kernel")
    for name in wanted:
        if not any(fnmatchcase(path.stem, name) for path in files):
            raise UserError(f"no mutant is called {name!r}", fix=f"mutants: {', '.join(path.stem for path in files)}")
    chosen = [path for path in files if not wanted or any(fnmatchcase(path.stem, name) for name in wanted)]
    return tuple(_load(path, processes) for path in chosen)


def _load(path: Path, processes: Processes) -> Mutant:
    series = read_series(str(path), processes=processes, repo=None)
    if len(series.patches) != 1:
        raise InputError(path, 0, f"has {len(series.patches)} patches: a mutant is one")
    message = email.message_from_bytes(series.patches[0].mail, policy=email.policy.default)
    text = message.get_content().partition("\n---\n")[0]
    said: dict[str, list[str]] = {"Family": [], "Expect": []}
    for name, value in _TRAILER.findall(text):
        said[name].append(value.strip())
    for name, values in said.items():
        if not values:
            raise InputError(path, 0, f"has no {name}: trailer", fix="docs/mutants.md says how a mutant is written")
    globs, words = _expectation(" ".join(said["Expect"]))
    return Mutant(path.stem, "; ".join(said["Family"]), globs, words, series)


def _expectation(text: str) -> tuple[tuple[str, ...], str]:
    """`hazards.same.* faults.race.* WARNING, wrong contents`: the globs that come first, and the words after them."""
    words = text.split()
    count = next((at for at, word in enumerate(words) if not _GLOB.fullmatch(word.rstrip(","))), len(words))
    return tuple(word.rstrip(",") for word in words[:count]), " ".join(words[count:])

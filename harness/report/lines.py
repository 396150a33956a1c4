"""Decoded frames where people read them: file and line behind each function of a report, and where to look first."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.model import Case, Finding

_SPOT = re.compile(r"[A-Za-z_][\w.$]*\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}")


def with_lines(text: str, findings: Iterable[Finding]) -> str:
    """`text` as the tree's own decode_stacktrace.sh shows it, with offsets kept: `f+0x12/0x34 (mm/memory.c:123)`.

    What the findings' frames do not say is left as the kernel wrote it.
    """
    shown = {frame.spot: frame.text for finding in findings for frame in finding.frames if frame.sources}
    return _SPOT.sub(lambda match: shown.get(match[0], match[0]), text) if shown else text


def first_place(case: Case) -> str:
    """FILE:LINE in the function that the case's first finding is about, or else in its first frame; "": unknown."""
    frames = [frame for finding in case.findings[:1] for frame in finding.frames if frame.sources]
    about = [frame for frame in frames if frame.function.partition(".")[0] == case.findings[0].function]
    return next((frame.sources[0] for frame in about or frames), "")

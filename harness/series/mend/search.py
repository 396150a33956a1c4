"""The whitespace that gives a file the blob that its patch names, among a bounded number of plausible ones.

Knows post-images and git's name for them; knows no patches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import combinations

from harness.series.mend.infer import Image, Style

MAX_TRIES = 600
_MAX_UNSURE = 60
_STYLES = (
    Style(), Style(continued="tabs"), Style(continued="tab"),
    Style(use_known=False), Style(continued="tabs", use_known=False), Style(continued="tab", use_known=False),
)  # fmt: skip


def blob_id(content: bytes) -> str:
    """git's name for a file's content (in a SHA-1 repository)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def find_blob(wanted: str, make: Callable[[Style], Image], join: Callable[[Image], bytes]) -> Image | None:
    """The image whose blob begins with `wanted`; None if none of those tried does."""
    for tries, image in enumerate(_images(make)):
        if blob_id(join(image)).startswith(wanted):
            return image
        if tries >= MAX_TRIES:
            break
    return None


def _images(make: Callable[[Style], Image]) -> Iterator[Image]:
    """The likeliest first: whole styles, then a line or two that differ from the first style."""
    first = make(_STYLES[0])
    yield first
    for style in _STYLES[1:]:
        yield make(style)
    changes = [
        (line, column) for line, columns in list(first.other_columns.items())[:_MAX_UNSURE] for column in columns
    ]
    for line, column in changes:
        yield make(Style(overrides={line: column}))
    for line in first.added[:_MAX_UNSURE]:
        if len(first.lines[line].split()) > 1 and not first.lines[line].rstrip().endswith((b";", b"{", b"*/")):
            yield make(Style(tabbed=frozenset([line])))
    for (line, column), (other, second) in combinations(changes, 2):
        if line != other:
            yield make(Style(overrides={line: column, other: second}))

"""The -mm tree's fix mails: `mm-do-a-thing-fix` belongs right after `mm: do a thing`, and is squashed into it.

Knows titles alone.  A fix is named after the file of its parent in the -mm stack, which is the parent's title mangled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

_T = TypeVar("_T")

_BRACKETS = re.compile(r"\[[^\[\]]{0,200}\]")
_TO_HYPHEN = re.compile(r"->|[\s/:+,&]")
_DROPPED = re.compile(r"[^A-Za-z0-9_-]")
_HYPHENS = re.compile(r"-{2,}")
_FIX = re.compile(r"[a-z0-9_]{1,100}(?:-[a-z0-9_]{1,100}){1,60}")
_SUFFIX = re.compile(r"-(?:fix(?:-(\d{1,3}))?|v(\d{1,3}))$")


def mangle(title: str) -> str:
    """A title as the -mm tree makes a file name of it."""
    plain = _DROPPED.sub("", _TO_HYPHEN.sub("-", _BRACKETS.sub("", title[:1000])))
    return _HYPHENS.sub("-", plain).strip("-").lower()


def is_fix(title: str) -> bool:
    """Whether a title is a name in the -mm manner that ends in -fix, -fix-2, -v2."""
    name = title.removesuffix(".patch")
    return len(name) <= 250 and _FIX.fullmatch(name) is not None and _SUFFIX.search(name) is not None


def place_of(title: str) -> tuple[int, ...]:
    """What sorts the fixes of one parent: -fix before -fix-2, and a fix before its own fix."""
    order: list[int] = []
    name = title.removesuffix(".patch")
    while found := _SUFFIX.search(name):
        order.insert(0, int(found[1] or found[2] or 1))
        name = name[: found.start()]
    return tuple(order)


def find_parent(title: str, parents: Mapping[str, _T]) -> _T | None:
    """The value under the mangled title of the patch that a fix is for; None if it is not there."""
    return next((parents[name] for name in _names(title) if name in parents), None)


def _names(title: str) -> Iterator[str]:
    """The names that the parent of a fix may have: a fix of a fix belongs to the patch, too."""
    name = title.removesuffix(".patch")
    while found := _SUFFIX.search(name):
        name = name[: found.start()]
        yield name

"""Elements of HTML and SVG as text.  What is not made here is escaped: no text of a guest can become an element."""

from __future__ import annotations

import html
from collections.abc import Iterable

from harness.report.text import clean

_VOID = frozenset({"meta", "link", "br", "img"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = Markup | str | float | None


def element(name: str, *content: Content | Iterable[Content], **attributes: str | float | None) -> Markup:
    """`<name attributes>content</name>`.

    Attributes are named as in Python: `class_`, `stroke_width`, `viewBox`; None leaves one out.  Content that is no
    Markup is escaped; None is nothing.
    """
    words = "".join(
        f' {_attribute(key)}="{html.escape(_text(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = join(*content)
    if name in _VOID:
        return Markup(f"<{name}{words}>")
    return Markup(f"<{name}{words}>{inner}</{name}>")


def join(*content: Content | Iterable[Content]) -> Markup:
    """All of it, one after the other."""
    return Markup("".join(_escaped(item) for item in content))


def _escaped(item: Content | Iterable[Content]) -> str:
    if item is None:
        return ""
    if isinstance(item, Markup):
        return item
    if isinstance(item, str | float | int):
        return html.escape(_text(item), quote=False)
    return "".join(_escaped(one) for one in item)


def _text(value: str | float) -> str:
    """Numbers as short as they can be: coordinates are most of a drawing."""
    if isinstance(value, str):
        return clean(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")

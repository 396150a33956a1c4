"""HTML -> the text that a browser would save, line by line."""

from __future__ import annotations


def is_html(data: bytes) -> bool:
    return False


def read_html(place: str, text: str) -> tuple[list[str], list[int], dict[int, list[str]]]:
    raise NotImplementedError

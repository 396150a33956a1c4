"""A YAML file -> plain values, and the line that each of them stands on.

Stricter than YAML: duplicate keys, tags, merge keys and several documents are refused; besides text there are only
`true`, `false`, `null` and decimal numbers, so `no`, `on`, `0o17` and `1:30` are the text they look like.  Files are
not trusted: size, depth and the number of values (aliases counted each time) are limited.  Knows no plan, no fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.errors import InputError

Key = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists, from the top."""

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_VALUES = 10_000

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{0,18}([eE][-+]?[0-9]{1,3})?|[-+]?[0-9]{1,18}[eE][-+]?[0-9]{1,3}")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_TAG_OF = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says.  `lines` has the line of each key and list item, from 1; `()` is the top."""

    path: Path
    value: dict[str, object]
    lines: Mapping[Key, int]

    def line(self, key: Key) -> int:
        """The line of a key, or of the nearest thing around it that the file has."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 0)


def spell(key: Key) -> str:
    """A key as a person writes it: `guest.smp`, `profiles[0].name` (positions count from 0)."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def read_document(path: Path, *, wanted: str = "a plan file (YAML)", example: str = "arch: [x86_64]") -> Document:
    """Read a YAML file whose top is a mapping; raises InputError for anything else.

    `wanted` says in messages what it is to be, and `example` is a line of such a file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path, 0, f"cannot be read: {error.strerror}", fix=f"name {wanted}") from error
    if len(data) > MAX_BYTES:
        raise InputError(path, 0, f"is longer than {MAX_BYTES >> 10} KiB", fix=f"name {wanted}")
    return parse_document(data, path, example=example)


def parse_document(data: bytes, path: Path, *, example: str = "arch: [x86_64]") -> Document:
    """The same for bytes; `path` is for messages."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(path, line, "is not UTF-8 text", fix="save the file in UTF-8") from error
    try:
        _check_depth(text, path)
        node = yaml.compose(text, yaml.BaseLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"has a control character, U+{ord(text[error.position]):04X}"
        raise InputError(path, line, what, fix="remove it") from error
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, path) from error
    if node is None:
        raise InputError(path, 0, "is empty", fix=f"write at least one key, for example: {example}")
    reader = _Reader(path)
    value = reader.read(node, ())
    if not isinstance(value, dict):
        line = _line(node)
        raise InputError(
            path, line, f"must be a mapping of keys to values, not {describe(value)}", fix="write KEY: VALUE lines"
        )
    return Document(path, value, reader.lines)


def describe(value: object) -> str:
    """A value by kind and content, for messages."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:57]!r}…"
        case dict():
            return "a mapping"
        case _:
            return "a list"


def _not_yaml(error: yaml.MarkedYAMLError, path: Path) -> InputError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    said = " ".join(part for part in (error.context, error.problem) if part)
    if "expected a single document" in said:
        return InputError(path, line, "a second document begins here", fix="keep one document in a file")
    return InputError(
        path, line, "is not valid YAML", detail=said, fix="check indentation, quotes and brackets near this line"
    )


def _check_depth(text: str, path: Path) -> None:
    """Refuse deep nesting before anything recursive sees it."""
    depth = 0
    for event in yaml.parse(text, yaml.BaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError(path, _line(event), "is nested too deeply", fix=f"use at most {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line(thing: yaml.Node | yaml.Event) -> int:
    return thing.start_mark.line + 1 if thing.start_mark else 0


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Key, int] = {}
        self.values = 0

    def error(self, node: yaml.Node, key: Key, what: str, fix: str) -> InputError:
        return InputError(self.path, _line(node), f"{spell(key)}: {what}" if key else what, fix=fix)

    def read(self, node: yaml.Node, key: Key) -> object:
        self.lines.setdefault(key, _line(node))
        self.values += 1
        if self.values > MAX_VALUES or len(key) > MAX_DEPTH:
            raise self.error(node, (), "has too many values (aliases count each time)", f"use at most {MAX_VALUES}")
        if node.tag != _TAG_OF[type(node)]:
            raise self.error(node, key, f"has a tag, {node.tag}", "remove the tag")
        if isinstance(node, yaml.MappingNode):
            return {name: self.read(value, (*key, name)) for name, value in self._entries(node, key)}
        if isinstance(node, yaml.SequenceNode):
            return [self.read(value, (*key, position)) for position, value in enumerate(node.value)]
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _entries(self, node: yaml.MappingNode, key: Key) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for name_node, value in node.value:
            line = _line(name_node)
            if not isinstance(name_node, yaml.ScalarNode):
                raise self.error(name_node, key, "has a key that is no text", "write KEY: VALUE")
            name = str(name_node.value)
            if name in seen:
                raise self.error(
                    name_node, (*key, name), f"is there twice, first in line {seen[name]}", "remove one of the two"
                )
            seen[name] = line
            self.lines[(*key, name)] = line
            yield name, value


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    text = str(node.value)
    if node.style is not None:  # quoted, or a block: text whatever it looks like
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text

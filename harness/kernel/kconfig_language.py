"""A reader for the Kconfig files of a tree: enough of the language to say why a symbol has the value it has.

Not a solver: values come from a .config that the tree's own kconfig made.  The language is described in the kernel's
Documentation/kbuild/kconfig-language.rst.  Lines that are not understood are passed over; a reason that is not found
is better than a configuration refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r"\s*(&&|\|\||!=|<=|>=|[!()=<>]|\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\w./?-]+|\$)")
_TYPES = ("bool", "tristate", "string", "int", "hex")
_ORDER = {"n": 0, "m": 1, "y": 2}


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition.  `operator` is "symbol", "text", "macro", "!", "&&", "||" or a comparison; leaves have `name`."""

    operator: str
    name: str = ""
    parts: tuple[Expression, ...] = ()

    def value(self, values: Mapping[str, str]) -> str:
        """n, m or y; macros (compiler tests) are taken for true, since only definite reasons are of use."""
        match self.operator:
            case "macro":
                return "y"
            case "symbol" | "text":
                found = self.leaf(values)
                return found if found in _ORDER else "n"
            case "!":
                return "nmy"[2 - _ORDER[self.parts[0].value(values)]]
            case "&&" | "||":
                pick = min if self.operator == "&&" else max
                return pick((part.value(values) for part in self.parts), key=_ORDER.__getitem__)
        left, right = (part.leaf(values) for part in self.parts)
        return "y" if _compare(self.operator, left, right) else "n"

    def leaf(self, values: Mapping[str, str]) -> str:
        """A symbol's value as text, without quotes; a constant is itself."""
        if self.operator == "symbol":
            constant = self.name in _ORDER or self.name[0].isdigit()
            return values.get(self.name, self.name if constant else "n").strip('"')
        return self.name

    def text(self, values: Mapping[str, str], outer: str = "") -> str:
        """The condition as it is written, with each symbol's value: `NET [=y] && !ISA [=n]`."""
        match self.operator:
            case "symbol":
                constant = self.name in _ORDER or self.name[0].isdigit()
                return self.name if constant else f"{self.name} [={values.get(self.name, 'n')}]"
            case "text":
                return f'"{self.name}"'
            case "macro":
                return self.name
            case "!":
                return f"!{self.parts[0].text(values, '!')}"
        inside = f" {self.operator} ".join(part.text(values, self.operator) for part in self.parts)
        if outer == "!":
            return f"({inside})"
        binds_weaker = self.operator in ("&&", "||") and outer in ("&&", "||") and outer != self.operator
        return f"({inside})" if binds_weaker else inside

    def conjuncts(self) -> tuple[Expression, ...]:
        """The terms that must all hold."""
        if self.operator == "&&":
            return tuple(term for part in self.parts for term in part.conjuncts())
        return (self,)


def _compare(operator: str, left: str, right: str) -> bool:
    if operator in ("=", "!="):
        return (left == right) == (operator == "=")
    try:
        difference = int(left, 0) - int(right, 0)
    except ValueError:
        difference = (left > right) - (left < right)
    return {"<": difference < 0, ">": difference > 0, "<=": difference <= 0, ">=": difference >= 0}[operator]


class _Parser:
    """Recursive descent over one condition: `||` binds weakest, then `&&`, `!`, comparisons."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> Expression:
        return self._joined("||")

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match[1] if match else ""

    def _take(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[1]

    def _joined(self, operator: str) -> Expression:
        parts = [self._joined("&&") if operator == "||" else self._unary()]
        while self._peek() == operator:
            self._take()
            parts.append(self._joined("&&") if operator == "||" else self._unary())
        return parts[0] if len(parts) == 1 else Expression(operator, parts=tuple(parts))

    def _unary(self) -> Expression:
        if self._peek() == "!":
            self._take()
            return Expression("!", parts=(self._unary(),))
        if self._peek() == "(":
            self._take()
            inner = self._joined("||")
            if self._peek() == ")":
                self._take()
            return inner
        left = self._atom()
        if self._peek() in ("=", "!=", "<", ">", "<=", ">="):
            return Expression(self._take(), parts=(left, self._atom()))
        return left

    def _atom(self) -> Expression:
        token = self._take()
        if token == "$":
            return Expression("macro", f"${self._parenthesised()}")
        if token[:1] in ("'", '"'):
            name = token[1:-1]
            return Expression("macro" if "$(" in name else "text", name)
        return Expression("symbol", token) if token else Expression("macro", "")

    def _parenthesised(self) -> str:
        start, depth = self._at, 0
        for position in range(start, len(self._text)):
            depth += {"(": 1, ")": -1}.get(self._text[position], 0)
            if depth == 0:
                self._at = position + 1
                break
        else:
            self._at = len(self._text)
        return self._text[start : self._at]


def parse_expression(text: str) -> Expression:
    """A condition; what cannot be read of it is left out."""
    return _Parser(text).parse()


@dataclass(slots=True)
class Definition:
    """One `config` block of a symbol, with the conditions of everything around it."""

    symbol: str
    place: str  # FILE:LINE, relative to the tree
    depends: list[Expression] = field(default_factory=list)
    prompts: list[Expression | None] = field(default_factory=list)  # the condition of each prompt
    visible: list[Expression] = field(default_factory=list)  # `visible if` of the menus around
    defaults: list[tuple[str, Expression | None]] = field(default_factory=list)
    selects: list[tuple[str, Expression | None]] = field(default_factory=list)
    choice: str = ""  # FILE:LINE of the choice it is a member of


@dataclass(frozen=True, slots=True)
class KconfigTree:
    """All symbols of a tree for one architecture."""

    definitions: Mapping[str, list[Definition]]

    def selectors(self, symbol: str) -> Iterator[tuple[Definition, Expression | None]]:
        """Who selects a symbol, and on which condition."""
        for definitions in self.definitions.values():
            for definition in definitions:
                for selected, condition in definition.selects:
                    if selected == symbol:
                        yield definition, condition


@dataclass(slots=True)
class _Scope:
    """An open `if`, `menu` or `choice`."""

    kind: str
    depends: list[Expression] = field(default_factory=list)
    visible: list[Expression] = field(default_factory=list)
    place: str = ""


def read_kconfig(source: Path, environment: Mapping[str, str]) -> KconfigTree:
    """Read Kconfig and all that it sources; `environment` has what $(SRCARCH) and the like stand for."""
    reader = _Reader(source, environment)
    reader.read("Kconfig")
    return KconfigTree(reader.definitions)


class _Reader:
    def __init__(self, source: Path, environment: Mapping[str, str]) -> None:
        self.definitions: dict[str, list[Definition]] = {}
        self._source = source
        self._environment = environment
        self._scopes: list[_Scope] = []
        self._block: Definition | _Scope | None = None
        self._open: set[str] = set()

    def read(self, name: str) -> None:
        try:
            text = (self._source / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        if name in self._open:  # sources itself
            return
        self._open.add(name)
        for number, line in _statements(text):
            self._statement(line, f"{name}:{number}")
        self._open.discard(name)

    def _statement(self, line: str, place: str) -> None:
        keyword, _, rest = line.partition(" ")
        rest = rest.strip()
        match keyword:
            case "config" | "menuconfig":
                self._block = self._definition(rest, place)
            case "source":
                self._block = None
                name = re.sub(r"\$\((\w+)\)", lambda match: self._environment.get(match[1], ""), rest.strip("\"'"))
                self.read(name)
            case "if":
                self._block = None
                self._scopes.append(_Scope("if", [parse_expression(rest)]))
            case "menu" | "choice":
                self._block = _Scope(keyword, place=place)
                self._scopes.append(self._block)
            case "endif" | "endmenu" | "endchoice":
                self._block = None
                if self._scopes:
                    self._scopes.pop()
            case "comment" | "mainmenu":
                self._block = None
            case _:
                self._attribute(keyword, rest)

    def _definition(self, symbol: str, place: str) -> Definition:
        definition = Definition(symbol, place)
        for scope in self._scopes:
            definition.depends += scope.depends
            definition.visible += scope.visible
            if scope.kind == "choice":
                definition.choice = scope.place
        self.definitions.setdefault(symbol, []).append(definition)
        return definition

    def _attribute(self, keyword: str, rest: str) -> None:
        block = self._block
        if block is None:
            return
        if keyword == "depends":
            block.depends.append(parse_expression(rest.removeprefix("on").strip()))
        elif isinstance(block, _Scope):
            if keyword == "visible":
                block.visible.append(parse_expression(rest.removeprefix("if").strip()))
        elif keyword in (*_TYPES, "prompt"):
            if prompt := re.match(r"(\"(?:[^\"\\]|\\.)*\"|'[^']*')\s*(?:if\s+(.*))?$", rest):
                block.prompts.append(parse_expression(prompt[2]) if prompt[2] else None)
        elif keyword in ("default", "def_bool", "def_tristate"):
            block.defaults.append(_conditional(rest))
        elif keyword == "select":
            block.selects.append(_conditional(rest))


def _conditional(text: str) -> tuple[str, Expression | None]:
    head, found, condition = text.partition(" if ")
    return head.strip(), parse_expression(condition) if found else None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Statements with their line numbers: continued lines joined, help texts and comments left out."""
    help_indent: int | None = None
    in_help = False
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.expandtabs()
        if in_help:
            indent = len(line) - len(line.lstrip())
            if not line.strip():
                continue
            if help_indent is None and indent > 0:
                help_indent = indent
            if help_indent is not None and indent >= help_indent:
                continue
            in_help = False
        stripped = line.strip()
        if not pending and (not stripped or stripped.startswith("#")):
            continue
        start = start if pending else number
        pending = f"{pending} {stripped}".strip()
        if pending.endswith("\\"):
            pending = pending[:-1].rstrip()
            continue
        if pending in ("help", "---help---"):
            in_help, help_indent = True, None
        else:
            yield start, _uncommented(re.sub(r"\s+", " ", pending))
        pending = ""


def _uncommented(line: str) -> str:
    """The line without a comment at its end; a # in quotes is none."""
    match = re.match(r"(?:[^#\"']|\"(?:[^\"\\]|\\.)*\"|'[^']*')*", line)
    return match[0].rstrip() if match and match[0].strip() else line

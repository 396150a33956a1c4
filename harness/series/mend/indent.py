"""Indentation of C as the kernel writes it: reads lines that are known, and says where the next one would begin.

Counts columns (a tab goes to the next multiple of 8).  Knows brackets, control statements, labels, comments and
macros; knows no patches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TAB = 8
_TOO_FAR = 80  # an argument is not aligned with its bracket where that leaves no room
_LABEL = re.compile(rb"[A-Za-z_]\w*:(?!:)(?:$|\s*/[*/])")
_CASE = re.compile(rb"(?:case\b|default\s*:)")
_HEAD = re.compile(rb"(?:(?:else\s+)?(?:if|for|while|switch)\b|\w{0,40}for_each\w{0,60}\s?\()")
_ELSE = re.compile(rb"else\b")
_BARE_HEAD = re.compile(rb"(?:else|do)\b(?!\s*(?:if\b|\w))")
_MACRO_CALL = re.compile(rb"[A-Z_][A-Z0-9_]+\(.*\)$")
_RETURN = re.compile(rb"return\s+")
_ASSIGNED = re.compile(rb"[^=(]{1,200}?[^=!<>(]=\s+(?=\S)")
_DECLARED = re.compile(rb"[A-Za-z_][\w\s*]{0,200}|[A-Za-z_]\w{0,80}\(.{0,300}\)")  # a type, a macro without semicolon
_LIST = re.compile(rb"(?:typedef\s+)?enum\b")


def columns(line: bytes) -> int:
    """The column at which a line's text begins."""
    return width(line[: len(line) - len(line.lstrip(b" \t"))])


def width(text: bytes, begin: int = 0) -> int:
    """The column after a text that begins in a column."""
    at = begin
    for char in text:
        at = at + TAB - at % TAB if char == 9 else at + 1
    return at


def blanks(column: int) -> bytes:
    """Tabs, then blanks, up to a column."""
    return b"\t" * (column // TAB) + b" " * (column % TAB)


@dataclass(slots=True)
class _Open:
    """An open bracket."""

    char: int
    statement: int  # column of the statement that it is in
    column: int = 0  # after it
    hanging: bool = False  # nothing follows it on its line
    pending: list[tuple[int, bool]] = field(default_factory=list)
    is_list: bool = False  # items of an initialiser or an enum
    is_switch: bool = False
    body: int | None = None  # column of what was seen directly in it


@dataclass(slots=True)
class Indenter:
    """Reads a file line by line: `expect` says where a line's text would begin, `take` reads the line as it is."""

    base: int = 0
    continued: str = "align"  # or "tab", "tabs": how arguments go on in a new line
    _stack: list[_Open] = field(default_factory=list)
    _pending: list[tuple[int, bool]] = field(default_factory=list)  # control statements without a brace; which are ifs
    _closed_ifs: list[int] = field(default_factory=list)
    _statement: int = 0
    _first: bytes = b""  # text of the statement's first line
    _open_statement: bool = False
    _comment: int | None = None  # column of the comment that goes on
    _comment_text: int = 0
    _macro: Indenter | None = None
    _tail: int = 0  # column of the last backslash
    _last: bytes = b""

    # --- what comes next --------------------------------------------------------------------------------------

    def expect(self, text: bytes) -> int:
        """The column of a line with this text, which has no blanks around it."""
        if self._comment is not None:
            return self._comment + 1 if text.startswith(b"*") else self._comment_text
        if self._macro is not None:
            return self._macro.expect(text.removesuffix(b"\\").rstrip())
        return 0 if text.startswith(b"#") else self._code(text)

    def _code(self, text: bytes) -> int:
        top = self._stack[-1] if self._stack else None
        if top is not None and text[:1] in (b"}", b")", b"]"):
            return self._closing(text, top)
        if top is not None and top.char != ord("{"):
            return self._argument(top)
        if self._open_statement:
            return self._statement if text.startswith(b"{") else self._continuation()
        return self._new_statement(text, top)

    def _new_statement(self, text: bytes, top: _Open | None) -> int:
        if top is not None and top.is_switch and _CASE.match(text):
            return top.statement
        if self.base == 0 and _LABEL.match(text) and not text.startswith(b"default"):
            return 0
        if _ELSE.match(text) and self._closed_ifs:
            return self._closed_ifs[-1]
        if self._pending:
            return self._pending[-1][0] + (0 if text.startswith(b"{") else TAB)
        return self._level()

    def tail(self, text: bytes) -> bytes:
        """What stands before the backslash at the end of a macro's line: tabs up to the others' column, or a blank."""
        at = width(text)
        if self._tail and self._tail % TAB == 0 and at < self._tail:
            return b"\t" * ((self._tail - at + TAB - 1) // TAB)
        return b" "

    def others(self) -> list[int]:
        """Other columns at which a line might begin that goes on with what is open; none for a new statement."""
        if self._comment is not None or self._macro is not None:
            return []
        top = self._stack[-1] if self._stack else None
        if top is not None and top.char != ord("{"):
            return [top.column, top.statement + TAB, top.statement + 2 * TAB, top.column - top.column % TAB]
        if self._open_statement:
            aligned = _RETURN.match(self._first) or _ASSIGNED.match(self._first)
            more = [self._statement + len(aligned[0])] if aligned else []
            return [self._statement + TAB, self._statement, self._statement + 2 * TAB, *more]
        return []

    @property
    def in_comment(self) -> bool:
        return self._comment is not None

    def _level(self) -> int:
        """The column of a statement in the innermost block."""
        top = self._stack[-1] if self._stack else None
        if top is None:
            return self.base
        if top.body is not None:
            return top.body
        return top.statement + TAB

    def _closing(self, text: bytes, top: _Open) -> int:
        if text.startswith(b"}"):
            brace = next((item for item in reversed(self._stack) if item.char == ord("{")), top)
            return brace.statement
        return top.statement if top.hanging else max(0, top.column - 1)

    def _argument(self, top: _Open) -> int:
        if top.body is not None:
            return top.body
        if top.hanging:
            return top.statement + TAB
        if self.continued == "tab":
            return top.statement + TAB
        if self.continued == "tabs" or top.column > _TOO_FAR:
            return top.statement + 2 * TAB
        return top.column

    def _continuation(self) -> int:
        """A statement that goes on outside of brackets."""
        if not self._stack and self._statement == self.base and _DECLARED.fullmatch(self._first):
            return self.base  # the name of a function below its type, a macro without a semicolon
        aligned = _RETURN.match(self._first) or _ASSIGNED.match(self._first)
        if self.continued == "align" and aligned and not self._last.endswith(b"="):
            return self._statement + len(aligned[0])
        return self._statement + TAB

    # --- what is there ----------------------------------------------------------------------------------------

    def take(self, line: bytes) -> None:
        """Read a whole line."""
        text = line.strip()
        if not text:
            return
        column = columns(line)
        if self._macro is not None:
            self._take_macro(line, text)
            return
        if self._comment is None and text.startswith(b"#"):
            if text.endswith(b"\\"):
                self._macro = Indenter(base=TAB, continued=self.continued)
                self._tail = width(line.rstrip()[:-1])
            return
        if self._comment is None:
            self._resynchronise(text, column)
            self._begin(text, column)
        elif not text.startswith(b"*"):
            self._comment_text = column
        self._scan(line.rstrip(), column)

    def _take_macro(self, line: bytes, text: bytes) -> None:
        assert self._macro is not None
        if text.endswith(b"\\"):
            self._tail = width(line.rstrip()[:-1])
            self._macro.take(line.rstrip()[:-1])
        else:
            self._macro = None

    def _resynchronise(self, text: bytes, column: int) -> None:
        """Text in the first column is outside of everything, whatever was misread before (#ifdef'd halves)."""
        if column or self.base or text[:1] in b"{)]/*" or _LABEL.match(text):
            return
        if text.startswith(b"}"):
            outermost = next((index for index, item in enumerate(self._stack) if item.char == ord("{")), None)
            if outermost is not None:
                del self._stack[outermost + 1 :]
            self._open_statement = False
        elif self._stack or self._pending:
            self._stack.clear()
            self._pending.clear()
            self._open_statement = False

    def _begin(self, text: bytes, column: int) -> None:
        """Note where a new statement, or a new argument, begins."""
        top = self._stack[-1] if self._stack else None
        if text.startswith((b"/*", b"//")):
            return
        if top is not None and top.char != ord("{"):
            if text[:1] not in (b")", b"}", b"]") and top.body is None and column > top.statement:
                top.body = column
            return
        if self._open_statement or text.startswith(b"}"):
            if text.startswith(b"}"):
                self._statement, self._first = column, text
            return
        self._statement, self._first = column, text
        special = _CASE.match(text) or _LABEL.match(text) or _ELSE.match(text) or text.startswith(b"{")
        if top is not None and not self._pending and not special and column > top.statement:
            top.body = column

    def _scan(self, line: bytes, column: int) -> None:
        """Follow brackets, comments and statement ends through a line."""
        at, end = len(line) - len(line.lstrip()), len(line)
        code = bytearray()
        while at < end:
            if self._comment is not None:
                closed = line.find(b"*/", at)
                if closed < 0:
                    break
                at, self._comment = closed + 2, None
                continue
            if line.startswith(b"//", at):
                break
            if line.startswith(b"/*", at):
                self._comment = width(line[:at])
                self._comment_text = self._comment + len(b"/* ")
                at += 2
                continue
            char = line[at]
            if char in b"\"'":
                after = _string_end(line, at)
                code += line[at:after]
                at = after
                continue
            self._char(char, line, at, code)
            code.append(char)
            at += 1
        text = bytes(code).strip()
        if text:
            self._end_of_line(text)
            self._last = text

    def _char(self, char: int, line: bytes, at: int, code: bytearray) -> None:
        top = self._stack[-1] if self._stack else None
        if char in b"([":
            hanging = not line[at + 1 :].strip() or line[at + 1 :].strip().startswith(b"/*")
            self._stack.append(_Open(char, self._inner_statement(top, line), width(line[: at + 1]), hanging))
        elif char in b")]":
            if top is not None and top.char != ord("{"):
                self._stack.pop()
        elif char == ord("{"):
            self._open_brace(line, code, top)
        elif char == ord("}"):
            self._close_brace()
        elif char == ord(";") and (top is None or top.char == ord("{")):
            self._complete()
        elif char == ord(",") and top is not None and top.is_list and top.char == ord("{"):
            self._open_statement = False

    def _inner_statement(self, top: _Open | None, line: bytes) -> int:
        return columns(line) if top is not None and top.char != ord("{") else self._statement

    def _open_brace(self, line: bytes, code: bytearray, top: _Open | None) -> None:
        before = bytes(code).strip()
        whole = (self._first + b" " + before) if before not in self._first else self._first
        in_bracket = top is not None and top.char != ord("{")
        is_list = (
            before.endswith((b"=", b",", b"(", b"]")) or _LIST.match(self._first) is not None
            or (not before and top is not None and top.is_list) or (in_bracket and not before.endswith(b"({"))
        )  # fmt: skip
        statement = columns(line) if in_bracket or (top is not None and top.is_list) else self._statement
        opened = _Open(ord("{"), statement, pending=self._pending, is_list=is_list and not before.endswith(b")"))
        opened.is_switch = re.search(rb"\bswitch\b", whole) is not None and not is_list
        self._stack.append(opened)
        self._pending = []
        self._open_statement = False

    def _close_brace(self) -> None:
        while self._stack:
            opened = self._stack.pop()
            if opened.char == ord("{"):
                self._pending = opened.pending
                self._statement = opened.statement
                if opened.is_list:
                    self._open_statement = True
                else:
                    self._complete()
                return

    def _complete(self) -> None:
        """A statement is over, and with it all control statements that it was the body of."""
        self._closed_ifs = [column for column, is_if in self._pending if is_if]
        self._pending = []
        self._open_statement = False

    def _end_of_line(self, text: bytes) -> None:
        """What the code on a line leaves: a control statement without its body, half a statement, or nothing."""
        top = self._stack[-1] if self._stack else None
        if top is not None and top.char != ord("{"):
            return
        if text.endswith((b";", b"{")):
            return
        if (_CASE.match(text) and text.endswith(b":")) or _LABEL.match(text):
            self._open_statement = False
            if top is not None and top.is_switch and _CASE.match(text):
                top.body = top.statement + TAB
            return
        if text.endswith(b"}") and not (top is not None and top.is_list) and not self._open_statement:
            return
        first = self._first.removeprefix(b"}").lstrip() if self._first.startswith(b"}") else self._first
        head = _HEAD.match(first)
        if text.endswith(b")") and head:
            self._pending.append((self._statement, b"if" in head[0]))
            self._open_statement = False
        elif _BARE_HEAD.match(text.removeprefix(b"}").lstrip()):
            self._pending.append((self._statement, False))
            self._open_statement = False
        elif top is not None and top.is_list and text.endswith(b","):
            self._open_statement = False
        else:
            self._open_statement = not (_MACRO_CALL.match(text) and self._first.startswith(text[:20]))


def _string_end(line: bytes, at: int) -> int:
    """The place after a string or character that begins at `at`."""
    quote, end = line[at], at + 1
    while end < len(line):
        if line[end] == 0x5C:
            end += 1
        elif line[end] == quote:
            return end + 1
        end += 1
    return len(line)

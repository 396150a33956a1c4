"""Warnings and errors in the log of a kernel build: gcc, as, ld, modpost, objtool, kconfig and make.

Pure: lines in, messages out, with paths relative to the tree.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.model import CompilerMessage

_COMPILER = re.compile(
    r"(?P<path>[^\s:()]+):(?P<line>\d+):(?:\d+:)? (?P<kind>warning|error|fatal error): (?P<text>.*?)"
    r"(?: \[(?P<option>-W[\w=+-]+)\])?$"
)
_ASSEMBLER = re.compile(r"(?P<path>[^\s:()]+):(?P<line>\d+): (?P<kind>Warning|Error): (?P<text>.*)$")
_UNDEFINED = re.compile(
    r"(?P<path>[^\s:]+\.[cSho]):(?:(?P<line>\d+):|\(\.[\w.+-]*\):)+ "
    r"(?P<text>(?:undefined reference|multiple definition).*)$"
)
_LINKER = re.compile(
    r"(?:\S*ld(?:\.bfd|\.gold|\.lld)?): "
    r"(?P<text>.*(?:undefined reference|multiple definition|warning|error|cannot|discarded).*)$"
)
_MODPOST = re.compile(r"(?P<kind>WARNING|ERROR): modpost: (?P<text>.*)$")
_OBJTOOL = re.compile(r"(?P<path>\S+\.o): (?P<kind>warning|error): objtool: (?P<text>.*)$")
_KCONFIG = re.compile(
    r"(?P<path>\S*Kconfig\S*):(?P<line>\d+): ?(?P<kind>warning|error|syntax error|.*)(?:: )?(?P<text>.*)$"
)
_RECURSIVE = re.compile(r"error: (?P<text>recursive dependency detected!?)$")
_MAKE = re.compile(r"make(?:\[\d+\])?: \*\*\* (?:\[(?P<where>[^\]]*)\] )?(?P<text>.*)$")
_MAKEFILE = re.compile(r"(?P<path>\S*(?:Makefile|Kbuild)\S*):(?P<line>\d+): \*\*\* (?P<text>.*?)\.?(?:  Stop\.)?$")


def parse_messages(lines: Iterable[str], source: Path, objects: Path) -> tuple[CompilerMessage, ...]:
    """The messages in a build log, each once, in order.

    make's own "Error 1" lines are kept only where no tool said more: they name the file, but not the reason.
    """
    found: dict[CompilerMessage, None] = {}
    from_make: dict[CompilerMessage, None] = {}
    for line in lines:
        for message in _parse(line.rstrip()):
            path = _relative(message.path, source, objects)
            placed = CompilerMessage(message.severity, path, message.line, message.text, message.option)
            (from_make if message.option == "make" else found)[placed] = None
    if not any(message.severity == "error" for message in found):
        for message in from_make:
            found[CompilerMessage("error", message.path, message.line, message.text)] = None
    return tuple(found)


def _parse(line: str) -> Iterator[CompilerMessage]:
    if match := _OBJTOOL.match(line):
        yield CompilerMessage(match["kind"], match["path"], 0, f"objtool: {match['text']}")
    elif (match := _COMPILER.match(line)) or (match := _ASSEMBLER.match(line)):
        severity = "warning" if match["kind"].lower() == "warning" else "error"
        option = match.groupdict().get("option") or ""
        yield CompilerMessage(severity, match["path"], int(match["line"]), match["text"], option)
    elif match := _MAKEFILE.match(line):
        yield CompilerMessage("error", match["path"], int(match["line"]), match["text"])
    elif match := _MODPOST.match(line):
        yield CompilerMessage(match["kind"].lower(), "", 0, f"modpost: {match['text']}")
    elif match := _UNDEFINED.search(line):
        yield CompilerMessage("error", match["path"], int(match["line"] or 0), match["text"])
    elif match := _LINKER.match(line):
        severity = "warning" if "warning:" in match["text"] else "error"
        yield CompilerMessage(severity, "", 0, f"ld: {match['text']}")
    elif match := _RECURSIVE.match(line):
        yield CompilerMessage("error", "", 0, match["text"])
    elif match := _KCONFIG.match(line):
        severity = "warning" if match["kind"] == "warning" else "error"
        text = match["text"] if match["kind"] in ("warning", "error") else line.split(": ", 1)[-1].strip()
        yield CompilerMessage(severity, match["path"], int(match["line"]), text or line)
    elif match := _MAKE.match(line):
        where = re.search(r"([^\s:]+):(\d+): (\S+)", match["where"] or "")
        text = f"{where[3]}: {match['text']}" if where else match["text"]
        yield CompilerMessage("error", where[1] if where else "", int(where[2]) if where else 0, text, "make")


def _relative(path: str, source: Path, objects: Path) -> str:
    """A path of the log relative to the tree; generated files relative to the build directory."""
    if not path or path.startswith("<"):
        return ""
    absolute = posixpath.normpath(posixpath.join(objects, path))
    for root in (objects, source):  # the first may lie in the second
        if absolute.startswith(f"{root}/"):
            return absolute[len(str(root)) + 1 :]
    return path

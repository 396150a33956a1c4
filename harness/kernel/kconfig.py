"""Configuration fragments: what is asked for, where, and whether it came true.

kconfig silently changes what it cannot keep (a dependency is off, a symbol has no prompt, it was renamed), so every
requested symbol is compared with the final .config.  Knows neither make nor compilers; reasons are `explain`'s.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES
from harness.data import fragments_dir
from harness.errors import InputError, UserError
from harness.kernel.explain import explain
from harness.kernel.kconfig_language import KconfigTree, read_kconfig
from harness.model import Arch, Profile

_SET = re.compile(r'CONFIG_(\w+)=(y|m|n|0[xX][0-9a-fA-F]+|-?\d+|"(?:[^"\\]|\\.)*")')
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_TRAILER = re.compile(r"\s+#\s*(.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Request:
    """A symbol, the value it must have in the end ("n" also where it is not set), and where that is asked for."""

    symbol: str
    value: str
    path: Path
    line: int
    optional: bool = False  # trees that do not know the symbol are fine too

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def text(self) -> str:
        """The line of a .config."""
        return f"# CONFIG_{self.symbol} is not set" if self.value == "n" else f"CONFIG_{self.symbol}={self.value}"


def fragments_of(profile: Profile, arch: Arch, directory: Path | None = None) -> tuple[Path, ...]:
    """The profile's fragments with the architecture's own after the first."""
    own = (directory or fragments_dir()) / f"{arch.value}.config"
    if own in profile.fragments or not own.is_file():
        return profile.fragments
    return (*profile.fragments[:1], own, *profile.fragments[1:])


def read_fragments(paths: Sequence[Path]) -> tuple[Request, ...]:
    """All requests of some fragments, in order.

    A line is `CONFIG_X=value`, `# CONFIG_X is not set`, a comment or empty; `# optional` after a value asks for the
    symbol only where the tree has it.  Raises InputError for any other line, and for a symbol that is asked for twice.
    """
    known: dict[str, Request] = {}
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(path, 0, f"cannot be read: {error}") from error
        for number, line in enumerate(lines, 1):
            request = _parse(line, path, number)
            if request is None:
                continue
            if (first := known.get(request.symbol)) is not None:
                raise InputError(
                    path, number, f"CONFIG_{request.symbol} is asked for twice: {first.place} wants {first.value}",
                    fix="keep one of them: a symbol belongs to one fragment",
                )  # fmt: skip
            known[request.symbol] = request
    return tuple(known.values())


def asks_for(symbol: str, value: str, profile: Profile, arch: Arch) -> bool:
    """Whether kernels of the profile are proven to have `symbol` at `value`; raises what `read_fragments` raises.

    What is optional is proven to be n, and nothing else.
    """
    requests = read_fragments(fragments_of(profile, arch))
    return any(one.symbol == symbol and one.value == value and (value == "n" or not one.optional) for one in requests)


def _parse(line: str, path: Path, number: int) -> Request | None:
    text = line.strip()
    if match := _UNSET.match(text):
        rest, value = text[match.end() :], "n"
    elif text.startswith("#") or not text:
        if re.match(r"#\s*CONFIG_\w+\s+is\b", text):
            raise InputError(path, number, f"{text!r} looks like a request but is a comment", fix="CONFIG_X=n says no")
        return None
    elif match := _SET.match(text):
        rest, value = text[match.end() :], match[2]
    else:
        raise InputError(path, number, f"{text!r} is no line of a kernel configuration", fix="CONFIG_NAME=value")
    trailer = _TRAILER.fullmatch(rest)
    if rest and trailer is None:
        raise InputError(path, number, f"{rest!r} follows the value", fix="CONFIG_NAME=value  # comment")
    optional = trailer is not None and re.match(r"optional\b", trailer[1]) is not None
    return Request(match[1], value, path, number, optional)


def merged(requests: Iterable[Request]) -> str:
    """The requests as one file, sorted: what kconfig is given, and what a build is named by."""
    return "".join(f"{request.text}\n" for request in sorted(requests, key=lambda request: request.symbol))


def requests_digest(requests: Iterable[Request]) -> str:
    return hashlib.sha256(merged(requests).encode()).hexdigest()


def read_config(text: str) -> dict[str, str]:
    """The symbols of a .config; those that are not set have the value "n"."""
    values = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"CONFIG_(\w+)=(.*)", line):
            values[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line):
            values[match[1]] = "n"
    return values


def has_types(config: Path) -> bool:
    """Whether a kernel so configured has debug information of its own: types and variables, not only lines."""
    return read_config(config.read_text()).get("DEBUG_INFO") == "y"


def verify(requests: Sequence[Request], config: str, source: Path, arch: Arch) -> None:
    """Compare every request with the final .config.

    Raises UserError that lists those that did not stick: symbol, wanted, got, the reason from the Kconfig files in
    `source`, and the place of the request.
    """
    values = read_config(config)
    wrong = [request for request in requests if not _same(request.value, values.get(request.symbol, "n"))]
    if not wrong:
        return
    tree: KconfigTree = read_kconfig(source, {"SRCARCH": ARCHES[arch].srcarch, "ARCH": ARCHES[arch].kbuild})
    wrong = [request for request in wrong if not (request.optional and request.symbol not in tree.definitions)]
    if not wrong:
        return
    reports = []
    for request in wrong:
        got = values.get(request.symbol, "n")
        reasons = explain(request.symbol, request.value, got, tree, values)
        lines = [f"CONFIG_{request.symbol}: wanted {request.value}, got {got} ({request.place})"]
        reports.append("\n".join([*lines, *(f"    {reason}" for reason in reasons)]))
    first = reports[0].splitlines()[0]
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    raise UserError(
        f"the configuration for {arch} is not what was asked for: {first}{more}",
        fix="ask for what it depends on as well, or drop it from the fragment",
        detail="\n".join(reports),
    )


def _same(wanted: str, got: str) -> bool:
    if wanted.lower().startswith("0x") and got.lower().startswith("0x"):
        return int(wanted, 16) == int(got, 16)
    return wanted == got

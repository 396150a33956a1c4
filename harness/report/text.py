"""Text from guests and tools made fit to be shown or stored.  Knows no format that it is stored in."""

from __future__ import annotations

import re

from harness.model import Case, Relation

# ECMA-48: OSC strings (titles, links) up to BEL or ST, control sequences, charset selections, two-byte escapes.
_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]+[0-~]|\x1b[0-Z\\^-~]", re.DOTALL
)

# Everything outside XML 1.0's Char production, and what that production discourages: C1 controls, noncharacters.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean(text: str | bytes) -> str:
    """`text` without terminal escapes, every character of it allowed in XML 1.0.

    Bytes are UTF-8, and those that are not become ``\\xNN``; so do control characters, lone surrogates and
    noncharacters, which would make the document ill-formed.  CR and CR LF become LF.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNFIT.sub(_escaped, text)


def one_line(text: str | bytes, limit: int = 300) -> str:
    """`clean` text on one line of at most `limit` characters: white space is squeezed, a cut ends in "…"."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clamp(text: str, limit_bytes: int, see: str) -> str:
    """`text` with its middle left out where it is longer than `limit_bytes` in UTF-8; `see` says where the whole is.

    Head and tail are kept: a splat starts with its cause, a program's output ends with it.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit_bytes:
        return text
    note = f"\n… cut, see {see}\n" if see else "\n… cut\n"
    room = max(0, limit_bytes - len(note.encode()))
    tail = room // 3
    head = data[: room - tail].decode("utf-8", "ignore")
    return head + note + data[len(data) - tail :].decode("utf-8", "ignore")


def seconds(value: float) -> str:
    """A duration for people: 1.7 s, 84 s, 5 min 12 s, 1 h 05 min."""
    if value < 59.5:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 case``, ``2 cases``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def standing(case: Case) -> str:
    """What comes before the message of a failed case: `new, flaky (1 of 3): `; "" where there is nothing to say."""
    if not case.outcome.blames_kernel:
        return ""
    words = []
    if case.excused:
        words.append(f"{case.excused} ({case.outcome.value})")
    else:
        words += [f"known: {case.known}"] if case.known else []
        words += ["the same without the series"] if case.relation is Relation.SAME else []
    words += ["new"] if case.relation is Relation.NEW else []
    if case.tries is not None:
        stands = f"; {case.against.text}" if case.against is not None else ""
        words.append(f"flaky ({case.tries.text}{stands})" if case.flaky else f"{case.tries.text} tries{stands}")
    told = ", ".join(word for word in words if word)
    return f"{told}: " if told else ""


def tried(case: Case) -> str:
    """What tries with the series and without it say together, in a sentence; "" where they were not held together."""
    if case.against is None or case.tries is None:
        return ""
    series, base, chance = case.tries.text, case.against.tries.text, f"{case.against.chance:.2g}"
    return (
        f"It failed {series} tries with the series, {base} without it. Of kernels that fail alike, so many of these "
        f"failures or more would be the series' with a probability of {chance}."
    )

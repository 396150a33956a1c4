"""What is fuzzed: for each reader of documents a function of bytes, which raises nothing but an error of the harness.

Used by the fuzzer (fuzz_intake.py) and by the test that replays what it found (test_fuzz_corpus.py).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.series.diff import parse_diff
from harness.series.mail import Mail, Text, decode_words, parse_mail
from harness.series.mend.damaged import read_damaged
from harness.series.mend.repair import repair
from harness.series.pages import is_bot_wall, read_page
from harness.series.patch import Kind, Piece, read_piece
from harness.series.paths import path_objection, unquote
from harness.series.read import choose
from harness.series.sources.directory import listed_names
from harness.series.sources.mailbox import RawMail
from harness.series.sources.quilt import as_mail
from harness.series.sources.source import Opened, is_mailbox, read_stream
from harness.series.subject import parse_subject
from harness.series.survey.export import as_mailbox
from harness.series.survey.listing import as_data
from harness.series.survey.survey import survey

OLD = b"""\
int f(int a)
{
\tif (a)
\t\treturn g(a,
\t\t\t 1);

\treturn 0;
}
"""
"""What the tree has where a patch is repaired."""

CORPUS = Path(__file__).parents[1] / "data" / "fuzz"

Target = Callable[[bytes], None]


def _lines(data: bytes) -> RawMail:
    return RawMail("m", 1, b"", data.replace(b"\0", b"").split(b"\n"))


def _judge(piece: Piece) -> None:
    """What must hold of every patch that is let through."""
    for file in piece.files:
        for name in (file.old_path, file.new_path):
            assert name is None or not path_objection(name.encode()), name
    if piece.kind is Kind.PATCH and piece.error is None:
        # What git am is given, as one mail, is what was looked at: there is nothing else in it to find.
        again = parse_mail(RawMail("m", 1, b"", piece.mail.split(b"\n")))
        assert again is not None
        assert parse_diff("m", again.text).files == piece.files


def source(data: bytes) -> None:
    """Any file: mailbox, gzip'd, page."""
    is_mailbox(data)
    for mail in read_stream("m", io.BytesIO(data)):
        _judge(read_piece(mail))


def mail(data: bytes) -> None:
    """One message: headers, encodings, parts."""
    found = parse_mail(_lines(data))
    if found is not None:
        assert len(found.text.lines) == len(found.text.numbers)
        for name in found.headers:
            found.header(name)
        found.render(0)
        _judge(read_piece(found))


def diff(data: bytes) -> None:
    """The text of a message."""
    lines = _lines(data).lines
    headers = {"from": b"A <a@b.c>", "subject": b"x"}
    found = parse_diff("m", Text(lines, list(range(1, len(lines) + 1))))
    assert 0 <= found.start <= found.end <= len(lines)
    _judge(read_piece(Mail("m", 1, b"", headers, Text(lines, list(range(1, len(lines) + 1))), "UTF-8")))


def page(data: bytes) -> None:
    """An archive page, text or HTML."""
    is_bot_wall(data)
    for found in read_page("m", data) or ():
        assert len(found.text.lines) == len(found.text.numbers)
        _judge(read_piece(found))


def document(data: bytes) -> None:
    """A whole document: what is shown of it, chosen and exported."""
    found = survey("m", [Opened("m", read_stream("m", io.BytesIO(data)), strict=False, ordered=False)])
    json.dumps(as_data(found))
    chosen = choose(found)
    assert chosen.patches
    again = survey("m", [Opened("m", read_stream("m", io.BytesIO(as_mailbox(chosen))), strict=False, ordered=False)])
    assert sum(len(each.patches) for each in again.series) <= len(chosen.patches)


def mend(data: bytes) -> None:
    """A patch that lost its whitespace, and a tree of one file."""
    lines = _lines(data).lines
    headers = {"from": b"A <a@b.c>", "subject": b"x"}
    text = Text(lines, list(range(1, len(lines) + 1)))
    damaged = read_damaged(Mail("m", 1, b"", headers, text, "UTF-8", damage="whitespace lost"))
    if damaged is not None:
        _judge(read_piece(RawMail("m", 1, b"", repair(damaged, lambda path, blob: OLD).mail.split(b"\n"))))


def quilt(data: bytes) -> None:
    """A patch of a quilt stack."""
    _judge(read_piece(as_mail(_lines(data), "a.patch")))


def stack(data: bytes) -> None:
    """The `series` file of a quilt stack."""
    for _, name in listed_names(Path("series"), data):
        assert not name.is_absolute()
        assert ".." not in name.parts


def words(data: bytes) -> None:
    """Headers and names."""
    text = decode_words(data)
    assert text.isprintable()
    subject = parse_subject(text)
    assert subject.title == subject.title.strip()
    plain = unquote(data)
    if plain is not None:
        path_objection(plain)


TARGETS: dict[str, Target] = {
    function.__name__: function for function in (source, mail, diff, page, document, mend, quilt, stack, words)
}


def run(target: str, data: bytes) -> bool:
    """Whether a target takes the bytes; an error of the harness is an answer too, anything else comes out."""
    try:
        TARGETS[target](data)
    except HarnessError as error:
        assert error.what
        return False
    return True

"""What is fuzzed: for each reader of documents a function of bytes, which raises nothing but an error of the harness.

Used by the fuzzer (fuzz_intake.py) and by the test that replays what it found (test_fuzz_corpus.py).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.series.diff import parse_diff
from harness.series.directory import listed_names
from harness.series.mail import Mail, Text, decode_words, parse_mail
from harness.series.mailbox import RawMail, split_blocks
from harness.series.pages import is_bot_wall, read_page
from harness.series.patch import Kind, Piece, read_piece
from harness.series.paths import path_objection, unquote
from harness.series.quilt import as_mail
from harness.series.sources import is_mailbox, read_stream
from harness.series.subject import parse_subject

CORPUS = Path(__file__).parents[1] / "data" / "fuzz"

Target = Callable[[bytes], None]


def _lines(data: bytes) -> RawMail:
    return RawMail("m", 1, b"", data.replace(b"\0", b"").split(b"\n"))


def _judge(piece: Piece) -> None:
    """What must hold of every patch that is let through."""
    for file in piece.files:
        for name in (file.old_path, file.new_path):
            assert name is None or not path_objection(name.encode()), name
    if piece.kind is Kind.PATCH:
        again = read_piece(next(iter(split_blocks("m", [b"From a@b Thu Jan  1 00:00:00 1970\n", piece.mail]))))
        # What is handed on is what was looked at: no second mail, no other diff, for git to find in it.
        assert (again.kind, again.files, again.diff_digest) == (piece.kind, piece.files, piece.diff_digest)
        assert sum(1 for _ in split_blocks("m", [b"From a@b Thu Jan  1 00:00:00 1970\n", piece.mail])) == 1


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
    function.__name__: function for function in (source, mail, diff, page, quilt, stack, words)
}


def run(target: str, data: bytes) -> bool:
    """Whether a target takes the bytes; an error of the harness is an answer too, anything else comes out."""
    try:
        TARGETS[target](data)
    except HarnessError as error:
        assert error.what
        return False
    return True

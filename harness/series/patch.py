"""Mail -> patch, cover letter, reply or something else.  Knows one mail at a time, not the series."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from harness.errors import InputError
from harness.model import FileChange, Patch
from harness.series.diff import Diff, parse_diff
from harness.series.mail import Mail, Text, decode_words, parse_mail
from harness.series.mailbox import RawMail
from harness.series.subject import Subject, parse_subject

_IN_BODY = re.compile(rb"(From|Subject|Date):[ \t]*(.{1,1000})")
_ADDRESS = re.compile(r"[^\s<>@]{1,200}@[^\s<>@]{1,200}")


class Kind(Enum):
    PATCH = auto()
    COVER = auto()
    REPLY = auto()  # of which nothing is ever taken
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """What one mail is to a series."""

    kind: Kind
    subject: Subject
    place: str  # FILE:LINE
    author: str
    date: str
    message_id: str
    files: tuple[FileChange, ...]
    diff_digest: str  # of the diff alone: tells a second copy from a conflicting one
    mail: bytes  # of a patch: for `git am`
    text: str  # of a cover letter

    def patch(self, number: int) -> Patch:
        """This piece as number `number` in the order of application."""
        return Patch(
            number=number, subject=self.subject.title, author=self.author, date=self.date,
            message_id=self.message_id, files=self.files, mail=self.mail, source=self.place,
        )  # fmt: skip


def read_piece(raw: RawMail | Mail) -> Piece:
    """Find out what a message is.  Raises InputError if it is a damaged or a dangerous patch."""
    mail = raw if isinstance(raw, Mail) else parse_mail(raw)
    if mail is None:
        assert isinstance(raw, RawMail)
        return _no_mail(raw)
    subject = parse_subject(mail.header("subject"))
    place = f"{mail.place}:{mail.line}" if mail.line > 2 else mail.place
    piece = Piece(Kind.OTHER, subject, place, "", "", "", (), "", b"", "")
    if subject.reply:
        return replace(piece, kind=Kind.REPLY)
    if subject.number == 0:
        return replace(piece, kind=Kind.COVER, text=_plain(mail))
    diff = parse_diff(mail.place, mail.text)
    if not diff.files:
        if subject.number is not None:
            raise InputError(
                mail.place, mail.line, f"patch {subject.number}/{subject.total} has no diff in it",
                fix=_indented_hint(mail.text) or "get the patch again: it was damaged on its way",
            )  # fmt: skip
        return replace(piece, text=_indented_hint(mail.text))
    return _patch(piece, mail, diff)


def _patch(piece: Piece, mail: Mail, diff: Diff) -> Piece:
    inner = _in_body_headers(mail.text)
    author = inner.get("from", mail.header("from"))
    if not author:
        raise InputError(mail.place, mail.line, "a patch without an author (no From: line)", fix=_MAKE)
    if not _ADDRESS.search(author):
        raise InputError(
            mail.place, mail.line, f"the author has no e-mail address: {author[:100]}",
            fix="git am needs Name <address>: put the real one in the From: line",
        )  # fmt: skip
    subject = piece.subject
    if "subject" in inner:
        subject = replace(subject, title=parse_subject(inner["subject"]).title)
    if not subject.title:
        raise InputError(mail.place, mail.line, "a patch without a subject", fix=_MAKE)
    lines = mail.text.lines[diff.start : diff.end]
    # Blob names are abbreviated to differing lengths; they are no part of what a patch does.
    content = b"\n".join(line.rstrip(b"\r") for line in lines if not line.startswith(b"index "))
    return replace(
        piece, kind=Kind.PATCH, subject=subject, author=author, date=inner.get("date", mail.header("date")),
        message_id=mail.header("message-id"), files=diff.files, mail=mail.render(diff.end),
        diff_digest=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


_MAKE = "make the patch with git format-patch"


def _no_mail(raw: RawMail) -> Piece:
    """A text without mail headers: an error if it has a diff that somebody meant to be applied."""
    if raw.lines[0].lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise InputError(raw.place, raw.line, "an HTML page, not a mailbox", fix="download the page's mbox or raw mail")
    numbers = list(range(raw.line, raw.line + len(raw.lines)))
    if parse_diff(raw.place, Text(raw.lines, numbers)).files:
        raise InputError(
            raw.place, raw.line, "a diff without mail headers: no author and no message to commit it with", fix=_MAKE
        )
    return Piece(Kind.OTHER, Subject(""), raw.place, "", "", "", (), "", b"", "")


def _in_body_headers(text: Text) -> dict[str, str]:
    """From:, Subject: and Date: at the top of the text: they are the author's, the mail's are the sender's."""
    found: dict[str, str] = {}
    for line in text.lines:
        if match := _IN_BODY.match(line):
            found.setdefault(match[1].decode().lower(), decode_words(match[2]))
        elif line.strip() or found:
            break
    return found


def _indented_hint(text: Text) -> str:
    """Why a mail that seems to have a patch has none that counts."""
    for line in text.lines:
        stripped = line.lstrip(b" \t>")
        if stripped is not line and len(stripped) < len(line) and stripped.startswith((b"diff --git ", b"@@ -")):
            quoted = b">" in line[: len(line) - len(stripped)]
            return (
                "its diff is quoted: take the original mail" if quoted else "its diff is indented: whitespace was lost"
            )
    return ""


def _plain(mail: Mail) -> str:
    return b"\n".join(mail.text.lines).decode(mail.charset, "replace").strip() + "\n"

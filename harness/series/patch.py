"""Mail -> patch, cover letter, reply or something else.  Knows one mail at a time, not the series."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from harness.errors import InputError
from harness.model import BaseHints, FileChange, Patch
from harness.series.diff import Diff, parse_diff
from harness.series.diffstat import Stated, stated_in, wrong_files, wrong_lines
from harness.series.hints import hints_in
from harness.series.mail import Mail, Text, decode_words, parse_mail
from harness.series.pages import unwrap
from harness.series.sources.mailbox import RawMail
from harness.series.subject import Subject, parse_subject
from harness.series.survey.trailers import has_patch, is_masked, person, trailers_of

_IN_BODY = re.compile(rb"(From|Subject|Date):[ \t]*(.{1,1000})")
_ADDRESS = re.compile(r"[^\s<>@]{1,200}@[^\s<>@]{1,200}")
_ID = re.compile(r"<([^<>\s]{1,250})>|(?<!\S)(#\d{1,9})(?!\S)")  # or, on a page without ids, a line of it
_DOMAIN = re.compile(rb"@[A-Za-z0-9.-]{1,253}")
_MASK = re.compile(rb"@x{3,63}(?![A-Za-z0-9])")
_LISTED = re.compile(rb"  (\S.{0,200})")
_AUTHOR_OF = re.compile(rb"\S.{0,100} \((\d{1,4})\):")
_MAX_REFERENCES = 50
_MAX_STACK = 2000  # patches of one author in -mm

MAKE = "make the patch with git format-patch"
_NO_HINTS = BaseHints()


class Kind(Enum):
    PATCH = auto()
    COVER = auto()
    REPLY = auto()  # of which nothing is ever taken but tags
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of a reply; its text is not."""

    trailers: tuple[str, ...]
    files: tuple[str, ...]  # of a diff that stands in it unquoted: somebody's proposal, never applied


@dataclass(frozen=True, slots=True)
class Piece:
    """What one mail is to a series."""

    kind: Kind
    subject: Subject
    place: str  # FILE:LINE
    author: str = ""
    date: str = ""
    message_id: str = ""
    files: tuple[FileChange, ...] = ()
    diff_digest: str = ""  # of the diff alone: tells a second copy from a conflicting one
    mail: bytes = b""  # of a patch: for `git am`
    text: str = ""  # of a cover letter; of something else: why it is no patch
    sender: str = ""  # who sent it, to compare by: the author may be another
    references: tuple[str, ...] = ()  # the messages it answers, by `own`, the nearest first
    own: str = ""  # what answers name it by: its message id, or its place on a page that shows none
    form: str = "mail"
    error: InputError | None = None  # why this cannot be applied as it stands
    damaged: Mail | None = None  # the mail whose text the archive has damaged: what a repair starts from
    stated: Stated | None = None
    hints: BaseHints = _NO_HINTS
    titles: tuple[str, ...] = ()  # of a cover letter: what it says are the patches
    series_title: str = ""  # that a patch says it is part of
    name: str = ""  # of an -mm notice: the patch's name in the stack
    stack: tuple[str, ...] = ()  # and all of its author's there, in the stack's order
    answer: Answer | None = None
    digest: bytes = b""  # of a reply's text, blind to masks and blanks
    masked: bool = False  # the diff has a masked address in it
    masked_digest: str = ""  # of the diff with all addresses masked
    warnings: tuple[str, ...] = ()

    def patch(self, number: int, fixups: tuple[Patch, ...] = ()) -> Patch:
        """This piece as number `number` in the order of application."""
        return Patch(
            number=number, subject=self.subject.title, author=self.author, date=self.date, fixups=fixups,
            message_id=self.message_id, files=self.files, mail=self.mail, source=self.place,
        )  # fmt: skip


def read_piece(raw: RawMail | Mail) -> Piece:
    """Find out what a message is.  Raises InputError if it is a damaged or a dangerous patch."""
    piece = examine(raw)
    if piece.error is not None:
        raise piece.error
    return piece


def examine(raw: RawMail | Mail) -> Piece:
    """Find out what a message is; what is wrong with it becomes the piece's `error`."""
    try:
        mail = raw if isinstance(raw, Mail) else parse_mail(raw)
    except InputError as error:
        assert isinstance(raw, RawMail)
        return _unreadable(raw, error)
    if mail is None:
        assert isinstance(raw, RawMail)
        return _no_mail(raw)
    subject = parse_subject(mail.header("subject"))
    place = f"{mail.place}:{mail.line}" if mail.line > 2 else mail.place
    if isinstance(raw, RawMail) and not subject.reply and (notice := unwrap(mail)) is not None:
        mail, subject = notice, parse_subject(notice.header("subject"))
    author, message_id = mail.header("from"), mail.header("message-id")
    named = message_id.strip("<> ")
    name, stack = _stack_of(mail)
    piece = Piece(
        Kind.OTHER, subject, place, author=author, date=mail.header("date"), message_id=message_id if named else "",
        sender=person(author), references=_references(mail), form=mail.form,
        own=named or (f"{mail.place}#{mail.line}" if mail.form != "mail" else ""),
        series_title=mail.header("x-series"), name=name, stack=stack,
    )  # fmt: skip
    if subject.reply:
        return _reply(piece, mail)
    if subject.number == 0:
        return _cover(piece, mail)
    return _damaged(piece, mail) if mail.damage else _whole(piece, mail)


def _whole(piece: Piece, mail: Mail) -> Piece:
    """A mail that is a patch if it has a diff."""
    try:
        diff = parse_diff(mail.place, mail.text)
        return _patch(piece, mail, diff) if diff.files else _without_diff(piece, mail)
    except InputError as error:
        return replace(_named(piece, mail), kind=Kind.PATCH, error=error)


def _reply(piece: Piece, mail: Mail) -> Piece:
    text = b"\n".join(mail.text.lines)
    answer = Answer(trailers_of(text, mail.charset), _proposed(mail) if has_patch(text) else ())
    return replace(piece, kind=Kind.REPLY, answer=answer, digest=_text_digest(text))


def _proposed(mail: Mail) -> tuple[str, ...]:
    """The files of the diff in a reply, as far as it is one."""
    try:
        return tuple(file.path for file in parse_diff(mail.place, mail.text).files)
    except InputError:
        return ()


def _cover(piece: Piece, mail: Mail) -> Piece:
    lines = mail.text.lines
    return replace(
        piece, kind=Kind.COVER, text=_plain(mail), stated=stated_in(lines), hints=hints_in(lines, mail.charset),
        titles=_listed_titles(lines, mail.charset),
    )  # fmt: skip


def _damaged(piece: Piece, mail: Mail) -> Piece:
    """A patch that can be told of, but not applied."""
    from harness.series.mend.damaged import read_damaged  # noqa: PLC0415 - start-up time

    fix = "--repair rebuilds it from the tree it is for; the author's own mail needs no repair"
    error = InputError(mail.place, mail.line if mail.line > 2 else 0, mail.damage, fix=fix)
    files: tuple[FileChange, ...] = ()
    stated = stated_in(mail.text.lines)
    try:
        if (left := read_damaged(mail)) is not None:
            files = left.changes
    except InputError as worse:
        error = worse
    warnings = (wrong_lines(stated, files), wrong_files(stated, files)) if files else ()
    return replace(
        _named(piece, mail), kind=Kind.PATCH, error=error, damaged=mail, files=files, stated=stated,
        hints=_hints(mail, mail.text.lines), warnings=tuple(words for words in warnings if words),
    )  # fmt: skip


def _without_diff(piece: Piece, mail: Mail) -> Piece:
    subject = piece.subject
    if subject.number is None:
        return replace(piece, text=_indented_hint(mail.text))
    if piece.references and any(line.startswith(b">") for line in mail.text.lines):
        return _reply(piece, mail)  # a mailer that does not write Re:
    raise InputError(
        mail.place, mail.line, f"patch {subject.number}/{subject.total} has no diff in it",
        fix=_indented_hint(mail.text) or "get the patch again: it was damaged on its way",
    )  # fmt: skip


def _patch(piece: Piece, mail: Mail, diff: Diff) -> Piece:
    piece = _named(piece, mail)
    if not piece.author:
        raise InputError(mail.place, mail.line, "a patch without an author (no From: line)", fix=MAKE)
    if not _ADDRESS.search(piece.author):
        raise InputError(
            mail.place, mail.line, f"the author has no e-mail address: {piece.author[:100]}",
            fix="git am needs Name <address>: put the real one in the From: line",
        )  # fmt: skip
    if not piece.subject.title:
        raise InputError(mail.place, mail.line, "a patch without a subject", fix=MAKE)
    head, tail = mail.text.lines[: diff.start], mail.text.lines[diff.end :]
    stated = stated_in(head[_last_rule(head) :])
    error = None
    if wrong := wrong_lines(stated, diff.files):
        at = mail.text.numbers[diff.start]
        error = InputError(mail.place, at, wrong, fix="get the patch again: it was changed after it was made")
    warnings = [wrong_files(stated, diff.files)]
    if is_masked(piece.author):
        warnings.append(f"an archive has hidden the author's address: {piece.author}")
    content = _content(mail.text.lines[diff.start : diff.end])
    return replace(
        piece, kind=Kind.PATCH, files=diff.files, mail=mail.render(diff.end), stated=stated, error=error,
        hints=_hints(mail, head + tail), warnings=tuple(words for words in warnings if words),
        diff_digest=hashlib.sha256(content).hexdigest(), masked=_MASK.search(content) is not None,
        masked_digest=hashlib.sha256(_DOMAIN.sub(b"@", content)).hexdigest(),
    )  # fmt: skip


def _named(piece: Piece, mail: Mail) -> Piece:
    """With author, title and date from the text where it has them: the mail's own are the sender's."""
    inner = _in_body_headers(mail.text)
    subject = piece.subject
    if "subject" in inner:
        subject = replace(subject, title=parse_subject(inner["subject"]).title)
    return replace(piece, subject=subject, author=inner.get("from", piece.author), date=inner.get("date", piece.date))


def _hints(mail: Mail, lines: list[bytes]) -> BaseHints:
    """What is said of the base outside the diff; an -mm notice also tells what is below its patch in the stack."""
    hints = hints_in(lines, mail.charset)
    name, stack = _stack_of(mail)
    before = ", ".join(f"{each}.patch" for each in stack[: stack.index(name)]) if name in stack else ""
    return replace(hints, said=(*hints.said, f"in -mm after {before}")) if before else hints


def _stack_of(mail: Mail) -> tuple[str, tuple[str, ...]]:
    """The name of a patch in the -mm stack, and its author's patches there in the stack's order."""
    stack = mail.header("x-quilt-stack").split()[:_MAX_STACK]
    return mail.header("x-quilt-name"), tuple(name.removesuffix(".patch") for name in stack)


def _last_rule(head: list[bytes]) -> int:
    """Where the diffstat begins: after the last `---` before the diff, or at the start of the text."""
    return next((index for index in range(len(head) - 1, -1, -1) if head[index].rstrip() == b"---"), 0)


def _content(lines: list[bytes]) -> bytes:
    """What a diff does, apart from what differs between copies of the same patch.

    Blob names are abbreviated to differing lengths, archives drop the blank of an empty context line, and what
    follows the numbers of a hunk is there for people.
    """
    text = b"\n".join([b"", *lines])
    if b"\r" in text:
        text = b"\n".join([b"", *(line.rstrip(b"\r") for line in lines)])
    first, *others = text.split(b"\nindex ")
    text = b"".join([first, *(b"\n" + other.partition(b"\n")[2] for other in others)])
    first, *others = text.split(b"\n@@ -")
    hunks = (other.partition(b"\n") for other in others)
    text = b"".join([first, *(b"\n@@ -" + at[: at.find(b" @@") + 3] + b"\n" + rest for at, _, rest in hunks)])
    # Twice, for of three line ends in a row the middle one belongs to both blank lines.
    return text.replace(b"\n\n", b"\n \n").replace(b"\n\n", b"\n \n")


def _unreadable(raw: RawMail, error: InputError) -> Piece:
    """A message that cannot be taken apart; a reply is counted all the same, for nothing would be taken from it."""
    place = f"{raw.place}:{raw.line}" if raw.line > 2 else raw.place
    for line in raw.lines[:1000]:
        if line[:8].lower() == b"subject:":
            subject = parse_subject(decode_words(line[8:].strip()))
            if subject.reply:
                return Piece(Kind.REPLY, subject, place, answer=Answer((), ()))
            kind = Kind.PATCH if subject.tagged and subject.number != 0 else Kind.OTHER
            return Piece(kind, subject, place, error=error)
    return Piece(Kind.OTHER, Subject(""), place, error=error)


def _no_mail(raw: RawMail) -> Piece:
    """A text without mail headers: an error if it has a diff that somebody meant to be applied."""
    piece = Piece(Kind.OTHER, Subject(""), raw.place)
    if raw.lines[0].lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        what, fix = "an HTML page, not a mailbox", "download the page's mbox or raw mail"
        return replace(piece, error=InputError(raw.place, raw.line, what, fix=fix))
    numbers = list(range(raw.line, raw.line + len(raw.lines)))
    try:
        files = parse_diff(raw.place, Text(raw.lines, numbers)).files
    except InputError as error:
        return replace(piece, error=error)
    if not files:
        return piece
    what = "a diff without mail headers: no author and no message to commit it with"
    return replace(piece, kind=Kind.PATCH, files=files, error=InputError(raw.place, raw.line, what, fix=MAKE))


def _references(mail: Mail) -> tuple[str, ...]:
    """The ids of the messages that this one answers, the nearest first."""
    nearest = _ID.findall(mail.header("in-reply-to"))[:1]
    rest = _ID.findall(mail.header("references"))
    rest = rest[:1] + rest[1:][-_MAX_REFERENCES:]
    return tuple(dict.fromkeys(name or f"{mail.place}{line}" for name, line in [*nearest, *reversed(rest)]))


def _text_digest(text: bytes) -> bytes:
    """Names a text: the same for the copy of an archive that masks addresses and sets blanks its own way."""
    plain = text.replace(b"\xe2\x80\xaf", b" ").replace(b"\xc2\xa0", b" ")
    words = b" ".join(_DOMAIN.sub(b"@", plain).split())
    return hashlib.blake2b(words, digest_size=16).digest() if words else b""


def _in_body_headers(text: Text) -> dict[str, str]:
    """From:, Subject: and Date: at the top of the text: they are the author's, the mail's are the sender's."""
    found: dict[str, str] = {}
    for line in text.lines:
        if match := _IN_BODY.match(line):
            found.setdefault(match[1].decode().lower(), decode_words(match[2]))
        elif line.strip() or found:
            break
    return found


def _listed_titles(lines: list[bytes], charset: str) -> tuple[str, ...]:
    """The titles of a cover letter's shortlog: `Ada Example (2):` and the indented lines below."""
    found: list[str] = []
    left = 0
    for line in lines:
        if match := _AUTHOR_OF.fullmatch(line.rstrip()):
            left = int(match[1])
        elif left and (listed := _LISTED.match(line)):
            found.append(" ".join(listed[1].decode(charset, "replace").split()))
            left -= 1
        elif line.strip():
            left = 0
    return tuple(found)


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

"""A patch of a quilt stack -> a mail: plain ones have a description with From: and Subject: in it, and no mail headers.

Knows how people write such patches (-mm's stacks above all), not where in a stack one stands.  Nothing is made up: a
patch that names no author is refused.
"""

from __future__ import annotations

import re

from harness.errors import InputError
from harness.series.mail import Mail, Text, charset_of, header_names, parse_mail
from harness.series.pages.plain import plain_patch
from harness.series.sources.mailbox import RawMail

_HEADER = re.compile(rb"(from|author|subject|date|message-id):[ \t]{0,99}(\S.{0,1000})", re.IGNORECASE)
_DIFF = (b"diff --git ", b"Index: ", b"--- ")
_MAX_DESCRIPTION_LINES = 20_000


def as_mail(raw: RawMail, name: str) -> Mail:
    """The patch `name` as the mail that it stands for.  Raises InputError: no author, nothing but a diff."""
    mail = parse_mail(raw) if header_names(raw.lines) & {"from", "subject"} else None
    if mail is None:
        mail = _described(raw, name)
    mail.text.lines[:], _ = plain_patch(mail.text.lines)  # -mm's labels on file names
    return mail


def _described(raw: RawMail, name: str) -> Mail:
    """A description, in which the author stands somewhere, and a diff."""
    end = next((at for at, line in enumerate(raw.lines) if line.startswith(_DIFF)), len(raw.lines))
    if end > _MAX_DESCRIPTION_LINES:
        raise InputError(raw.place, raw.line, f"{_MAX_DESCRIPTION_LINES} lines and no diff: this is no patch")
    headers: dict[str, bytes] = {}
    taken: set[int] = set()
    for at, line in enumerate(raw.lines[:end]):
        if found := _HEADER.fullmatch(line.rstrip()):
            key = found[1].decode().lower().replace("author", "from")
            if key not in headers:
                headers[key] = found[2].strip()
                taken.add(at)
    if "from" not in headers:
        raise InputError(
            raw.place, raw.line, f"{name}: a patch of a stack without an author",
            fix="add a line `From: NAME <ADDRESS>` above its diff: a commit needs one, and none is made up",
        )  # fmt: skip
    if "subject" not in headers:
        title = next((at for at in range(end) if at not in taken and raw.lines[at].strip()), None)
        if title is None or re.match(rb"[A-Za-z-]{1,40}: .{0,200}@", raw.lines[title]):
            raise InputError(
                raw.place, raw.line, f"{name}: a patch of a stack without a title",
                fix="add a line `Subject: TITLE` above its diff",
            )  # fmt: skip
        headers["subject"] = raw.lines[title].strip()
        taken.add(title)
    kept = [at for at in range(len(raw.lines)) if at not in taken]
    text = Text([raw.lines[at] for at in kept], [raw.line + at for at in kept])
    return Mail(raw.place, raw.line, raw.separator, headers, text, charset_of(headers, text), form="quilt")

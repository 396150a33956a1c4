"""A series -> a mailbox that `git am` takes as it is: the mails in the order of application.  Knows no document."""

from __future__ import annotations

from harness.model import Patch, Series

_SEPARATOR = b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
_FIXUP = b"X-Vmaharness-Fixup-For"


def as_mailbox(series: Series) -> bytes:
    """One mail a patch; a fix follows its patch as a mail of its own, for a mailbox has no way to squash it."""
    out: list[bytes] = []
    for patch in series.patches:
        out += [_SEPARATOR, patch.mail, b"\n"]
        for fixup in patch.fixups:
            out += [_SEPARATOR, _marked(fixup, patch), b"\n"]
    return b"".join(out)


def _marked(fixup: Patch, parent: Patch) -> bytes:
    """A fix's mail, with a header that names its patch."""
    title = " ".join(parent.subject.split()).encode("ascii", "replace")
    return _FIXUP + b": " + title[:900] + b"\n" + fixup.mail

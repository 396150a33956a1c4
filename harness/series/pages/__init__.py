"""Archive pages as saved from a browser, text or HTML -> the messages on them.  Knows page forms, not what a series is.

Each message is a `Mail` with its `form`.  Beside the headers that the page has there are, where the page says so:

* `references` and `in-reply-to`: Message-IDs, or `#LINE` for a message on a page that shows none; LINE is `Mail.line`
  of the other message.  No Message-ID is ever made up.
* `x-series`: the title of the series that a patch belongs to.
* `x-quilt-name`, `x-quilt-stack`: of a patch in -mm its name there, and those of its author's patches in their order.

`unwrap` gives the patch in a notice of the -mm tree that came as a mail of its own.

`damage` tells what the page did to a text that makes it no patch as it stands.
"""

from __future__ import annotations

from harness.errors import InputError
from harness.series.mail import Mail
from harness.series.pages import hypermail, inbox, mm_commits, patchwork, spinics
from harness.series.pages.botwall import is_bot_wall
from harness.series.pages.mm_commits import unwrap
from harness.series.pages.page import MAX_PAGE_BYTES, open_page

__all__ = ["is_bot_wall", "read_page", "unwrap"]

_READERS = (patchwork.read, inbox.read, mm_commits.read, spinics.read, hypermail.read)


def read_page(place: str, data: bytes) -> list[Mail] | None:
    """The messages on a page, or None if it has none of the known forms.  Raises InputError on a damaged page."""
    if is_bot_wall(data):
        raise InputError(
            place, 0, "the page of a bot wall, not the document: the site wanted to see a browser first",
            fix="open the page in a browser and save it, or take the thread's mbox.gz",
        )  # fmt: skip
    page = open_page(place, data)
    if page is None:
        return None
    for read in _READERS:
        if mails := read(page):
            if page.cut:
                raise InputError(
                    place, 0, f"a page of more than {MAX_PAGE_BYTES >> 20} MiB or too many lines", fix="give a mailbox"
                )
            return mails
    return None

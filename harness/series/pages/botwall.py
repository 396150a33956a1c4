"""Whether a site answered with a page that wants to see a browser.  Knows the walls' titles and scripts only."""

from __future__ import annotations

import html
import re

_HEAD_BYTES = 256 << 10
_TEXT_BYTES = 8 << 10  # a wall that was saved as text is short
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,300})</title", re.IGNORECASE)
_TITLES = re.compile(
    r"making sure you(?:'|’)re not a bot|just a moment|attention required! \| cloudflare|checking your browser"
    r"|verifying (?:that )?you are (?:a )?human|ddos-guard|access denied \| |one moment, please"
    r"|bot verification|security check$|are you (?:a )?(?:human|robot)",
    re.IGNORECASE,
)
_SCRIPTS = (b"/.within.website/x/cmd/anubis", b"_cf_chl_opt", b"/cdn-cgi/challenge-platform/", b'id="anubis_challenge"')


def is_bot_wall(data: bytes) -> bool:
    """Whether this is the page of a bot wall (Anubis, Cloudflare and their like), as HTML or as saved text."""
    head = data[:_HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<"):
        text = head.decode("utf-8", "replace")
        title = _TITLE.search(text)
        if title and _TITLES.match(html.unescape(title[1]).strip()):
            return True
        # A page about bot walls has a body; a wall has hardly more than its script.
        return any(mark in head for mark in _SCRIPTS) and b"<pre" not in head
    if len(data) > _TEXT_BYTES:
        return False
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return len(first) < 100 and _TITLES.match(first) is not None

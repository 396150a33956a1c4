"""Bot walls are told from pages that are about them."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.series.pages import is_bot_wall, read_page

WALLS = [
    b"<!doctype html><html><head><title>Making sure you&#39;re not a bot!</title></head><body>wait</body></html>",
    b"\xef\xbb\xbf\n<!DOCTYPE html><html lang=en><head><title>Just a moment...</title></head></html>",
    b"<html><head><title>Attention Required! | Cloudflare</title></head></html>",
    b"<html><head><title>lore</title><script src='/.within.website/x/cmd/anubis/static/js/main.mjs'></script></head>",
    b"<html><body><script>window._cf_chl_opt={}</script></body></html>",
    "Making sure you’re not a bot!\n\nLoading...\n".encode(),
    b"Just a moment...\nEnable JavaScript and cookies to continue\n",
]


@pytest.mark.parametrize("wall", WALLS)
def test_walls_are_known_and_get_their_own_message(wall: bytes) -> None:
    assert is_bot_wall(wall)
    with pytest.raises(InputError, match="bot wall") as caught:
        read_page("page", wall)
    assert "browser" in caught.value.fix


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"<html><head><title>[PATCH] www: Making sure you're not a bot</title></head><body></body></html>",
        b"<html><head><title>mail</title></head><body><pre>_cf_chl_opt is what walls set</pre></body></html>",
        b"From: a@example.org\nSubject: x\n\nJust a moment...\n",
        b"Just a moment... " + b"x" * 100 + b"\n",
        b"Just a moment...\n" + b"text\n" * 5000,
        b"\x1f\x8b\x08\x00" + bytes(100),
    ],
)
def test_what_only_speaks_of_walls_is_none(other: bytes) -> None:
    assert not is_bot_wall(other)

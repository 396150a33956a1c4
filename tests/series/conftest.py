"""Builders for the mails that the tests of series read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DIFF = """\
diff --git a/mm/a.c b/mm/a.c
index 1111111..2222222 100644
--- a/mm/a.c
+++ b/mm/a.c
@@ -1,3 +1,4 @@ int f(void)
 one
-two
+TWO
+more
 three
"""

MakeMail = Callable[..., bytes]


@pytest.fixture
def make_mail() -> MakeMail:
    """A mail as git format-patch writes it, with its `From ` line."""

    def make(subject: str = "[PATCH] mm: change a", diff: str = DIFF, *, extra: str = "", body: str = "Why.") -> bytes:
        text = (
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
            "From: Ada Example <ada@example.org>\n"
            "Date: Thu, 1 Jan 2026 10:00:00 +0000\n"
            f"Subject: {subject}\n{extra}\n"
            f"{body}\n\nSigned-off-by: Ada Example <ada@example.org>\n---\n mm/a.c | 3 ++-\n\n{diff}-- \n2.39.5\n\n"
        )
        return text.encode()

    return make


@pytest.fixture
def diff() -> str:
    return DIFF


@pytest.fixture(scope="session")
def seeds() -> Path:
    """Real documents that are no part of the project, beside it where there are any."""
    directory = Path(os.environ.get("VMAHARNESS_SEEDS") or Path(__file__).parents[3] / "shared" / "seeds")
    if not directory.is_dir():
        pytest.skip("the real documents are not here")
    return directory

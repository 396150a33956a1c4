"""`series show` and `series export`: what they print, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from tests.kernel.conftest import git

DIFF = """\
diff --git a/mm/{name}.c b/mm/{name}.c
index 1111111..2222222 100644
--- a/mm/{name}.c
+++ b/mm/{name}.c
@@ -1,3 +1,4 @@ int f(void)
 one
-two
+TWO
+more
 three
"""


def mail(subject: str, *, name: str = "a", body: str = "Why.", message_id: str = "") -> str:
    extra = f"Message-ID: <{message_id}>\n" if message_id else ""
    diff = DIFF.format(name=name) if name else ""
    return (
        "From x@example.org Thu Jan  1 10:00:00 2026\nFrom: Ada Example <ada@example.org>\n"
        f"Date: Thu, 1 Jan 2026 10:00:00 +0000\nSubject: {subject}\n{extra}\n{body}\n---\n{diff}-- \n2.39.5\n\n"
    )


def reply(subject: str, body: str) -> str:
    return f"From x Thu Jan  1 10:00:00 2026\nFrom: Bo <bo@example.org>\nSubject: Re: {subject}\n\n{body}\n\n"


@pytest.fixture
def box(place: Path) -> Path:
    path = place / "t.mbox"
    path.write_text(
        mail("[PATCH v2 0/2] mm: the whole", name="", message_id="0@example.org")
        + mail("[PATCH v2 2/2] mm: b", name="b")
        + mail("[PATCH v2 1/2] mm: a", message_id="1@example.org")
        + mail("mm-a-fix", name="c")
        + mail("[PATCH v2 1/2] mm: a", message_id="1@example.org")
        + reply("[PATCH v2 2/2] mm: b", "Reviewed-by: Bo <bo@example.org>")
    )
    return path


def shown(invoke: Invoke, *words: str) -> dict[str, Any]:
    done = invoke("series", "show", "--json", *words)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_promised_keys(box: Path, invoke: Invoke) -> None:
    found = shown(invoke, str(box))
    assert {"source", "series", "replies", "notes"} <= set(found)
    (series,) = found["series"]
    assert {
        "title", "version", "expected", "present", "missing", "author", "applicable", "reason", "patches",
    } <= set(series)  # fmt: skip
    for patch in series["patches"]:
        assert {
            "n", "subject", "author", "date", "additions", "deletions", "files", "trailers", "base",
        } <= set(patch)  # fmt: skip


def test_what_the_data_say(box: Path, invoke: Invoke) -> None:
    found = shown(invoke, str(box))
    (series,) = found["series"]
    assert (found["replies"], found["notes"], found["chosen"], found["refused"]) == (1, [], 0, "")
    assert (series["title"], series["version"], series["expected"]) == ("mm: the whole", 2, 2)
    assert (series["present"], series["missing"], series["applicable"], series["reason"]) == ([1, 2], [], True, "")
    assert series["author"] == "Ada Example <ada@example.org>"
    assert series["order"] == [
        {"n": 1, "subject": "mm: a", "fixups": ["mm-a-fix"]}, {"n": 2, "subject": "mm: b", "fixups": []},
    ]  # fmt: skip
    assert series["cover"]["message_id"] == "<0@example.org>"
    assert [(each["n"], each["same"]) for each in series["duplicates"]] == [(1, True)]
    first, second = series["patches"]
    assert (first["n"], first["additions"], first["deletions"]) == (1, 2, 1)
    assert first["files"] == [{"path": "mm/a.c", "additions": 2, "deletions": 1}]
    assert first["base"] == [{"path": "mm/a.c", "wanted": "1111111", "state": "unknown"}]
    assert (first["message_id"], second["message_id"]) == ("<1@example.org>", "")
    assert [fix["subject"] for fix in first["fixups"]] == ["mm-a-fix"]
    assert (first["trailers"], second["trailers"]) == ([], ["Reviewed-by: Bo <bo@example.org>"])
    assert (first["stated"], first["damage"], first["reason"]) == (None, "", "")


def test_people_see_it_at_a_glance(box: Path, invoke: Invoke) -> None:
    text = invoke("series", "show", str(box)).stdout
    assert "mm: the whole: v2, 2 of 2\n" in text
    assert "   1  mm: a  +2 -1\n" in text
    assert "+ mm-a-fix  +2 -1  (squashed into it)" in text
    assert "Reviewed-by: Bo" in text
    assert "twice: 1 (" in text
    assert "1 reply," in text


def test_a_gap_is_no_failure_of_show(place: Path, invoke: Invoke) -> None:
    (place / "m").write_text(mail("[PATCH v6 10/16] mm: a"))
    (series,) = shown(invoke, "m")["series"]
    assert (series["applicable"], series["missing"]) == (False, [*range(1, 10), *range(11, 17)])
    text = invoke("series", "show", "m").stdout
    assert "v6, 10 of 16 only; 1–9, 11–16 missing" in text
    assert "nothing to apply" in text


def test_several_sources_are_one_document(place: Path, invoke: Invoke) -> None:
    (place / "1").write_text(mail("[PATCH 1/2] mm: a") + reply("[PATCH 1/2] mm: a", "I see."))
    (place / "2").write_text(mail("[PATCH 2/2] mm: b", name="b") + reply("[PATCH 1/2] mm: a", "I see."))
    found = shown(invoke, "1", "2")
    assert (found["series"][0]["present"], found["series"][0]["applicable"], found["replies"]) == ([1, 2], True, 1)
    assert found["source"] == "1, 2"


def test_replies_alone_are_a_document_too(place: Path, invoke: Invoke) -> None:
    (place / "m").write_text(reply("[PATCH 1/2] mm: a", "> diff --git a/f b/f\n\nWhy?"))
    found = shown(invoke, "m")
    assert (found["series"], found["replies"], found["chosen"]) == ([], 1, None)
    assert invoke("series", "export", "m", "-o", "out").exit_code == 2
    assert not (place / "out").exists()


@pytest.mark.parametrize("text", ["", "words\n", "<html>\n"])
def test_what_cannot_be_read_fails(place: Path, invoke: Invoke, text: str) -> None:
    (place / "m").write_text(text)
    done = invoke("series", "show", "m")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "m" in done.stderr
    assert invoke("series", "show", "nowhere").exit_code == 2


def test_a_tree_is_held_against_the_patches(place: Path, invoke: Invoke) -> None:
    tree = place / "linux"
    (tree / "mm").mkdir(parents=True)
    (tree / "Kconfig").write_text("# none\n")
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n")
    for name in ("a", "b"):
        (tree / f"mm/{name}.c").write_text("one\ntwo\nthree\n")
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "base")
    blob = git(tree, "rev-parse", "HEAD:mm/a.c").strip()
    good = mail("[PATCH 1/2] mm: a").replace("index 1111111", f"index {blob[:12]}")
    (place / "m").write_text(good + mail("[PATCH 2/2] mm: b", name="b"))
    (series,) = shown(invoke, "m", "--tree", "linux")["series"]
    assert [patch["base"] for patch in series["patches"]] == [
        [{"path": "mm/a.c", "wanted": blob[:12], "state": "exact", "found": blob}],
        [{"path": "mm/b.c", "wanted": "1111111", "state": "applies, other base", "found": blob}],
    ]
    text = invoke("series", "show", "m", "--tree", "linux").stdout
    assert "on this tree: applies, other base in 1 file\n" in text
    assert "mm/b.c: applies, other base: want blob 1111111" in text
    assert not any((place.parent / "cache" / "scratch").iterdir()), "nothing is left behind"


def test_a_document_moves_no_cursor(place: Path, invoke: Invoke) -> None:
    escape = "\x1b[2J"
    (place / "m").write_text(
        mail(f"[PATCH] mm: a{escape}", body=f"This applies over v6.12{escape} and\x07 so on.")
        + reply("[PATCH] mm: a", f"Reviewed-by: Bo{escape} <bo@example.org>")
    )
    done = invoke("series", "show", "m")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_export_writes_what_would_be_applied(place: Path, box: Path, invoke: Invoke) -> None:
    done = invoke("series", "export", str(box), "-o", "out.mbox")
    assert (done.exit_code, "3 mails of “mm: the whole” v2" in done.stderr) == (0, True)
    text = (place / "out.mbox").read_text()
    assert [line for line in text.splitlines() if line.startswith(("Subject:", "X-"))] == [
        "Subject: [PATCH v2 1/2] mm: a", "X-Vmaharness-Fixup-For: mm: a", "Subject: mm-a-fix",
        "Subject: [PATCH v2 2/2] mm: b",
    ]  # fmt: skip
    assert invoke("series", "export", str(box), "-o", "-").stdout == text
    assert shown(invoke, "out.mbox")["series"][0]["applicable"]


def test_export_refuses_a_gap(place: Path, invoke: Invoke) -> None:
    (place / "m").write_text(mail("[PATCH 1/2] mm: a"))
    done = invoke("series", "export", "m", "-o", "out")
    assert (done.exit_code, "1 of 2 only; 2 missing" in done.stderr) == (2, True)
    assert not (place / "out").exists()

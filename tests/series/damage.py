"""Patches made of two texts, and what archives do to them: for the tests of repair."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from difflib import unified_diff
from itertools import pairwise

from harness.series.mail import Mail, Text
from harness.series.mend.damaged import read_damaged
from harness.series.mend.repair import Repaired, repair

HEADERS = {
    "from": b"Ada Example <ada@xxxxxxxxxxx>",
    "date": b"Thu, 1 Jan 2026 10:00:00 +0000",
    "subject": b"mm: change an example",
}
MESSAGE = [
    "The example does too much under its lock, which is what everybody who reads it says. Do less.",
    "",
    "Link: https://example.org/r/1",
    "Signed-off-by: Ada Example <ada@xxxxxxxxxxx>",
    "---",
]
Files = Mapping[str, tuple[str, str]]
"""Path -> the text before and after."""


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def file_diff(path: str, before: str, after: str, *, blobs: bool = False, context: int = 3) -> list[str]:
    """A file's part of a diff as git writes it, with the function that each hunk is in."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    lines = [f"diff --git a/{path} b/{path}"]
    if blobs:
        lines.append(f"index {blob(before)[:12]}..{blob(after)[:12]} 100644")
    for raw in unified_diff(old, new, f"a/{path}", f"b/{path}", n=context):
        line = raw.removesuffix("\n")
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0][1:])
            heads = [text for text in before.split("\n")[: max(0, start - 1)] if text[:1].isalpha()]
            line = f"{line} {heads[-1][:80].rstrip()}" if heads else line
        lines.append(line)
        if not raw.endswith("\n") and not raw.startswith(("---", "+++", "@@")):
            lines.append("\\ No newline at end of file")
    return lines


def diff_of(files: Files, *, blobs: bool = False, context: int = 3) -> list[str]:
    return [
        line
        for path, (before, after) in files.items()
        for line in file_diff(path, before, after, blobs=blobs, context=context)
    ]


def stat_of(diff: list[str]) -> list[str]:
    """The diffstat of a diff."""
    out, added, removed = [], 0, 0
    starts = [index for index, line in enumerate(diff) if line.startswith("diff --git ")]
    for begin, end in pairwise([*starts, len(diff)]):
        body = [line for line in diff[begin:end] if not line.startswith(("+++ b/", "--- a/"))]
        plus, minus = (sum(line.startswith(sign) for line in body) for sign in "+-")
        out.append(f" {diff[begin].split(' b/')[1]} | {plus + minus} {'+' * plus}{'-' * minus}")
        added, removed = added + plus, removed + minus
    files = f"{len(starts)} file{'s' if len(starts) > 1 else ''} changed"
    ending = {1: "", 0: "s"}
    plus_words = f", {added} insertion{ending.get(added, 's')}(+)" if added else ""
    minus_words = f", {removed} deletion{ending.get(removed, 's')}(-)" if removed else ""
    return [*out, f" {files}{plus_words}{minus_words}"]


def mail_of(lines: list[str]) -> Mail:
    encoded = [line.encode() for line in lines]
    return Mail("page.txt", 1, b"", HEADERS, Text(encoded, list(range(1, len(encoded) + 1))), "UTF-8", damage="x")


def whole(diff: list[str], *, stat: bool = True) -> list[str]:
    return [*MESSAGE, *(stat_of(diff) if stat else []), "", *diff]


def flattened(diff: list[str], after: str = "", *, stat: bool = True) -> Mail:
    """Every line end gone: one physical line with single blanks."""
    return mail_of([" ".join(" ".join([*whole(diff, stat=stat), after]).split())])


def collapsed(diff: list[str], *, stat: bool = True) -> Mail:
    """Lines kept, runs of blanks collapsed, those before context lines gone."""
    return mail_of([" ".join(line.split()) for line in whole(diff, stat=stat)])


REPLY = """\
Re: [PATCH] mm: move the example

From: Rev Reviewer
Date: Tue Mar 03 2026 - 12:07:09 EST

On Tue, Mar 3, 2026 at 6:11 AM Ada Example
<ada@xxxxxxxxxxx> wrote:
{quoted}
"""


def reply(files: Files, *, collapse: bool = True) -> str:
    """A saved archive page of a reply that quotes a patch, blanks collapsed, with a remark in the middle of it."""
    lines = [
        "", "It belongs elsewhere.", "", "Signed-off-by: Ada Example <ada@xxxxxxxxxxx>", "---",
        *stat_of(diff_of(files)), "", *diff_of(files, blobs=True), "--", "2.50.1",
    ]  # fmt: skip
    quoted = [f"> {' '.join(line.split()) if collapse else line}".rstrip() for line in lines]
    middle = next(index for index, line in enumerate(quoted) if line.startswith("> +")) + 2
    quoted[middle:middle] = ["", "Why here?", "+ if (x)", ""]
    return REPLY.format(quoted="\n".join(quoted))


NOTICE = (
    "The patch titled Subject: {title} has been added to the -mm mm-unstable branch. Its filename is {name}.patch "
    "This patch will later appear in the branch ------------------------------------------------------ "
    "From: Ada Example <ada@xxxxxxxxxxx> Subject: {title} Date: Thu, 1 Jan 2026 10:00:00 +0000 Why. "
    "Signed-off-by: Ada Example <ada@xxxxxxxxxxx> --- {diff} _ Patches currently in -mm which might be from "
    "ada@xxxxxxxxxxx are mm-example-one.patch mm-example-two.patch "
)


def notice(number: str, lines: list[str]) -> str:
    """A notice of the -mm tree in one physical line, with a diffstat and a diff as quilt makes it."""
    words = " ".join(" ".join(lines).split())
    labelled = words.replace("--- a/mm/example.c ", f"--- a/mm/example.c~mm-{number} ").replace("+++ b/", "+++ a/")
    return NOTICE.format(title=f"mm: example {number}", name=f"mm-example-{number}", diff=labelled)


def repaired(mail: Mail, files: Files) -> Repaired:
    damaged = read_damaged(mail)
    assert damaged is not None
    tree = {path: before.encode() for path, (before, _) in files.items()}
    return repair(damaged, lambda path, _: tree.get(path))


def bare(text: str) -> str:
    return "".join(text.split())

"""A patch that changes nothing but where code and data lie, and when everything happens.

It adds a function that nobody calls and data that nobody reads to the file that is linked first, so that all that
comes after it lies elsewhere, and not on the same place of a cache line or of a page.  And it spends some hundred
thousand instructions once while the kernel starts: any other patch does that to all that comes later, too, and so
interrupts and deferred work fall elsewhere.
"""

from __future__ import annotations

from harness.errors import InfraError
from harness.kernel.git import Git, contents_at
from harness.model import FileChange, Patch, Series

PATH = "init/main.c"
"""Of every tree and architecture; after the start-up code nothing is linked before it."""

_ADDED = (
    "",
    "/* Moves what is linked after it; nothing calls or reads it. */",
    "void vmaharness_moved(void);",
    'void __attribute__((used)) vmaharness_moved(void) { asm volatile(".rept 1361\\n\\tnop\\n\\t.endr"); }',
    "char vmaharness_moved_data[1352] __attribute__((used)) = { 1 };",
    "char vmaharness_moved_bss[2728] __attribute__((used));",
    "",
    "/* Some time, once: all that follows happens later. */",
    "static int __init vmaharness_later(void)",
    "{",
    "\tint i;",
    "",
    "\tfor (i = 0; i < 1237; i++)",
    '\t\tasm volatile(".rept 331\\n\\tnop\\n\\t.endr");',
    "\treturn 0;",
    "}",
    "core_initcall(vmaharness_later);",
)
_SUBJECT = "move code and data"
_CONTEXT = 3


def moving(git: Git, commit: str) -> Series:
    """The patch, for the tree of a commit.  Raises InfraError where there is no such file in it."""
    text = contents_at(git, commit, (PATH,)).get(PATH, b"").decode("utf-8", "surrogateescape")
    lines = text.split("\n")[:-1]
    if len(lines) < _CONTEXT or not text.endswith("\n"):
        raise InfraError(f"there is no {PATH} in {commit[:12]}: no kernel with moved code can be made")
    kept = lines[-_CONTEXT:]
    start, count = len(lines) - _CONTEXT + 1, _CONTEXT + len(_ADDED)
    hunk = [f"@@ -{start},{_CONTEXT} +{start},{count} @@", *(f" {line}" for line in kept)]
    diff = [f"diff --git a/{PATH} b/{PATH}", f"--- a/{PATH}", f"+++ b/{PATH}", *hunk]
    diff += [f"+{line}" for line in _ADDED]
    author, date = "vmaharness <vmaharness@localhost>", "Sat, 1 Jan 2000 00:00:00 +0000"
    head = [f"From: {author}", f"Date: {date}", f"Subject: [PATCH] {_SUBJECT}", "", "---", f" {PATH} | {len(_ADDED)} +"]
    mail = "\n".join([*head, "", *diff, "-- ", "2.0", ""]).encode("utf-8", "surrogateescape")
    change = FileChange(PATH, PATH, len(_ADDED), 0)
    patch = Patch(1, _SUBJECT, author, date, "", (change,), mail, "moved code")
    return Series("moved code", _SUBJECT, 1, (patch,))

"""Whether a C expression changes something, as far as operators and names of functions tell.

A heuristic by the kernel's naming: `refcount_dec_and_test` does, `list_empty` and `vma_is_attached` do not.  It has to
be right about names that occur in conditions; functions that return nothing cannot stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STEP = re.compile(r"\+\+|--")
_ASSIGNMENT = re.compile(r"(?:[-+*/%&|^]|<<|>>)=(?!=)|(?<![=!<>+\-*/%&|^])=(?!=)")
_CALL = re.compile(r"\b([A-Za-z_]\w*)[ \t\n]*\(")
_NO_CALL = frozenset(
    {"sizeof", "typeof", "__typeof__", "if", "while", "for", "switch", "return", "defined", "offsetof"}
)

# A word anywhere in the name.
_DOES = frozenset(
    {
        "inc", "dec", "add", "sub", "set", "clear", "xchg", "cmpxchg", "trylock", "put", "free", "alloc",
        "prealloc", "preallocate", "realloc", "insert", "remove", "delete", "del", "erase", "store", "copy",
        "move", "unmap", "munmap", "split", "merge", "expand", "shrink", "wait", "wake", "schedule", "resched",
        "complete", "queue", "cancel", "flush", "mark", "attach", "detach", "link", "unlink", "register",
        "unregister", "charge", "uncharge", "reserve", "release", "acquire", "kill", "send", "update", "reset",
        "replace", "exchange", "push", "pop", "enqueue", "dequeue", "enable", "disable", "zap", "sync",
        "commit", "init", "destroy", "fetch", "tryget", "freeze", "unfreeze", "migrate", "putback",
        "truncate", "upgrade", "downgrade", "unlock",
    }
)  # fmt: skip
# A word that makes a question of any name: what is asked may be in the past (attached) or a noun (free).
_ASKS = frozenset(
    {
        "is", "are", "has", "have", "can", "was", "may", "should", "need", "needs", "want", "wants", "nr",
        "num", "count", "held", "empty", "valid", "flags", "allow",
    }
)  # fmt: skip
# Verbs at the beginning only: round_up() looks, up_read() does something.
_DOES_FIRST = frozenset({"up", "down"})
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:^|_)(?:start|begin|end)_(?:read|write|exclu)",  # vma_start_read()
        r"(?:^|_)(?:try_get|get_unless|get_not_zero|mmget|kref_get)",
        r"(?:^|_)lock(?:$|_(?:killable|interruptible|nested|irq|irqsave|bh|vma|vma_under_rcu|mm)(?:$|_))",
        r"^(?:mas|xas)_(?:find|next|prev|walk|empty_area)",  # they move what they are given
        r"^vma_(?:next|prev|find)$|^vma_iter_(?:next|prev|load|bulk)",
        r"^WRITE_ONCE$",
        r"(?:^|_)(?:get|put)_user(?:$|_)|^kernel_(?:read|write)$",
    )
)


def effects_in(expression: str) -> Iterator[tuple[str, int]]:
    """What in an expression (without comments and literals) changes something, and where; in its order."""
    found = [
        (match.start(), f"`{match[0]}`") for match in (*_STEP.finditer(expression), *_ASSIGNMENT.finditer(expression))
    ]
    found += [(match.start(), f"{match[1]}()") for match in _CALL.finditer(expression) if has_effect(match[1])]
    for at, what in sorted(found):
        yield what, at


def has_effect(function: str) -> bool:
    """Whether a function of this name changes something."""
    if function in _NO_CALL:
        return False
    words = [word for word in function.split("_") if word]
    name = "_".join(words)
    if any(pattern.search(name) for pattern in _PATTERNS):
        return True
    if "and" in words and _DOES & set(words[: words.index("and")]):  # refcount_dec_and_test()
        return True
    if "test" in words and "and" in words:  # test_and_set_bit()
        return True
    if words and words[0] in _DOES_FIRST:
        return True
    return bool(_DOES & set(words)) and not _ASKS & set(words)

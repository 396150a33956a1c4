"""Console rules as data: what the kernel says when it is unhappy, and where each report ends.

A rule's `start` is matched against a message as printk got it, without time stamp and caller, from its first
character on: a mention in the middle of a line is no report.  The first rule that matches counts.  Texts are those of
6.12 and 7.2 (kernel/panic.c, kernel/locking/lockdep.c, lib/bug.c, kernel/rcu/tree_stall.h, kernel/watchdog.c,
mm/{memory,page_alloc,oom_kill}.c, mm/kasan/report.c, arch/*/kernel/traps.c, arch/*/mm/fault.c).
Knows no file, no guest and no case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto


class End(Enum):
    """How the last line of a report is told."""

    MARKER = auto()  # `---[ end trace`
    BRACKET = auto()  # a line of equals signs
    TRACE = auto()  # the end of its call trace
    LOCKS = auto()  # the end of a list of held locks
    LINE = auto()  # it is one line


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of report.

    `title` is filled with the groups of `start` and with {function}; without a function " in {function}" goes.
    `absorbs` are types whose start lines may follow inside the same report.
    """

    type: str
    start: re.Pattern[str]
    title: str
    end: End = End.TRACE
    timing: bool = False  # under emulation it may be slowness
    fatal: bool = False  # the guest will not come back
    free: bool = False  # {what} is free text: numbers and addresses in it are taken out
    bare: bool = False  # it may have no call trace
    held: bool = False  # it is about who took the locks that it lists
    absorbs: frozenset[str] = frozenset()


# What may follow inside one exception: BUG: …, #PF: …, Oops: … / Unable to handle …, Internal error: …
_OOPS = frozenset({"oops", "bug", "warning"})
# An exception of arm64 that has no other end: its panic is of the same report, and has the only trace.
_DEATH = _OOPS | {"panic"}
_LOCKDEP_OFF = frozenset({"lockdep-off"})
_STALL = frozenset({"rcu-stall", "lockdep-off"})


def _rule(
    type_: str,
    start: str,
    title: str,
    end: End = End.TRACE,
    *,
    timing: bool = False,
    fatal: bool = False,
    free: bool = False,
    bare: bool = False,
    held: bool = False,
    absorbs: frozenset[str] = _LOCKDEP_OFF,
) -> Rule:
    return Rule(type_, re.compile(start), title, end, timing, fatal, free, bare, held, absorbs)


_FUNCTION = r"(?P<function>[A-Za-z_][\w.$]*)"
_AT = rf"(?:{_FUNCTION}\+0x|(?:0x)?[0-9a-f]{{8,16}}\b)"

_PLACE = r"[^\s:]{1,200}:\d+"

_PANIC = (
    _rule("panic", r"Kernel panic - not syncing: (?P<what>.{1,200})", "kernel panic: {what}", End.MARKER, fatal=True,
          free=True, absorbs=frozenset()),
    _rule("panic", r"PANIC: (?P<what>early exception)", "{what}", fatal=True),
    _rule("oops", r"(?:traps: )?PANIC: (?P<what>double fault)", "{what} in {function}", End.MARKER, fatal=True,
          absorbs=_OOPS),
)  # fmt: skip

# The words of lockdep's own reports; `still has locks held` begins with the task's name.
_LOCKDEP = (
    _rule("lockdep", r"WARNING: (?P<what>possible (?:circular locking dependency|recursive locking|"
          r"irq lock inversion dependency) detected)", "{what} in {function}"),
    _rule("lockdep", r"WARNING: (?P<what>inconsistent lock state|Nested lock was not taken|bad unlock balance detected|"
          r"bad contention detected|held lock freed|chain_key collision|"
          r"suspicious RCU usage|[\w-]{1,40}-safe -> [\w-]{1,40}-unsafe lock order detected)", "{what} in {function}"),
    _rule("lockdep", r"WARNING: (?P<what>lock held when returning to user space)", "{what} in {function}", End.LOCKS,
          held=True),
    _rule("lockdep", r"WARNING: .{1,40}/\d+ (?P<what>still has locks held)", "{what} in {function}", held=True),
    _rule("lockdep", r"\[ BUG: (?P<what>Invalid wait context) \]", "{what} in {function}"),
    _rule("lockdep", r"INFO: (?P<what>trying to register non-static key)", "{what} in {function}"),
    _rule("lockdep", r"BUG: (?P<what>looking up invalid subclass)", "{what} in {function}"),
    _rule("lockdep", r"BUG: key \S{1,40} (?P<what>has not been registered)", "key {what}", End.LINE),
    _rule("lockdep", r"(?P<what>DEBUG_LOCKS_WARN_ON\(.{1,160}\))", "{what} in {function}", End.MARKER,
          free=True, absorbs=frozenset({"warning", "lockdep-off"})),
    _rule("lockdep-off", r"BUG: (?P<what>MAX_\w{1,40}) too low", "lockdep is off: {what} too low"),
    _rule("lockdep-off", r"INFO: lockdep is turned off", "lockdep is off", End.LINE),
    _rule("lockdep-off", r"turning off the locking correctness validator", "lockdep is off", End.LINE),
    _rule("lockdep-off", r"Disabling lock debugging due to kernel taint", "lockdep is off: kernel taint", End.LINE),
)  # fmt: skip

_MEMORY = (
    _rule("kasan", rf"BUG: KASAN: (?P<what>[\w-]{{1,60}})(?: in {_AT})?", "KASAN: {what} in {function}", End.BRACKET),
    _rule("kcsan", rf"BUG: KCSAN: (?P<what>[\w-]{{1,60}}(?:: race)?) in {_FUNCTION}(?:\+0x\S*)?"
          r"(?: / (?P<other>[\w.]+))?", "KCSAN: {what} in {function}", End.BRACKET),
    _rule("kfence", rf"BUG: KFENCE: (?P<what>[\w -]{{1,60}}?) in {_AT}", "KFENCE: {what} in {function}", End.BRACKET),
    _rule("kmsan", rf"BUG: KMSAN: (?P<what>[\w -]{{1,60}}?) in {_AT}", "KMSAN: {what} in {function}", End.BRACKET),
    _rule("ubsan", r"UBSAN: (?P<what>[\w -]{1,60}) in (?P<file>[^\s:]{1,200}):\d+:\d+", "UBSAN: {what} in {function}",
          End.MARKER),
    _rule("refcount", r"refcount_t: (?P<what>[\w ;!?-]{1,80})", "refcount_t: {what} in {function}", End.MARKER,
          absorbs=frozenset({"warning"})),
    _rule("list-corruption", r"(?P<what>list_(?:add|del)) (?:corruption|double add)", "{what} corruption in {function}",
          End.MARKER, absorbs=_OOPS),
    # patches/checkers of this project: a rule of VMA locking, and what broke it.
    _rule("vma-check", r"vma_check: (?P<what>[\w' -]{1,120})", "vma_check: {what} in {function}", End.MARKER,
          absorbs=frozenset({"warning"})),
    # SLUB's checks: poison, red zones, free lists (mm/slub.c, slab_bug); the WARNING after it is of the same report.
    _rule("slab", r"BUG (?P<cache>[\w.:<>-]{1,64}) \([^()]{1,200}\): (?P<what>.{1,120})", "{what} in slab {cache}",
          free=True, absorbs=frozenset({"warning", "lockdep-off"})),
    _rule("bad-page", r"BUG: (?P<what>Bad page (?:state|map|cache)) in process", "{what} in {function}"),
    _rule("bad-page", r"BUG: (?P<what>Bad page (?:state|map)): \d+ messages suppressed", "{what}", End.LINE),
    _rule("bad-page", r"[\w./-]{1,200}:\d+: (?P<what>bad p[gmu4t]?[de])\b", "{what}", End.LINE),
    _rule("bad-counter", r"BUG: (?P<what>Bad rss-counter state) mm:\S+ (?:type:)?(?P<kind>\w+)", "{what} {kind}",
          End.LINE),
    _rule("bad-counter", r"BUG: (?P<what>non-zero pgtables_bytes on freeing mm)", "{what}", End.LINE),
    _rule("memleak", r"kmemleak: \d+ new suspected memory leaks", "memory leak", End.LINE),
    _rule("oom", r"(?P<what>Out of memory|Memory cgroup out of memory)\b", "{what}", End.LINE),
)  # fmt: skip

_TIMING = (
    _rule("rcu-stall", r"(?:rcu: )?INFO: (?P<what>\w{1,40}) (?:self-detected stall|detected stalls?)\b",
          "RCU stall: {what} in {function}", timing=True, absorbs=_STALL),
    _rule("rcu-stall", r"(?:rcu: )?INFO: (?P<what>\w{1,40}) detected expedited stalls?\b",
          "RCU stall: {what} in {function}", timing=True, bare=True, absorbs=_STALL),
    _rule("rcu-stall", r"rcu: (?P<what>\w{1,40}) kthread (?:starved|timer wakeup)", "RCU stall: {what} kthread starved",
          timing=True, absorbs=_STALL),
    _rule("soft-lockup", r"(?:watchdog: )?BUG: soft lockup - CPU#\d+ stuck", "soft lockup in {function}", timing=True),
    _rule("hard-lockup", r"(?:NMI )?(?:watchdog: )?(?:CPU\d+: )?Watchdog detected hard LOCKUP on cpu",
          "hard lockup in {function}", timing=True),
    _rule("workqueue-lockup", r"BUG: workqueue lockup", "workqueue lockup in {function}", timing=True, bare=True),
    # Minutes in one place are no slowness: the task waits for something that nobody does.
    _rule("hung-task", r"INFO: task .{1,40}:\d+ blocked .{0,20}?for more than \d+ seconds", "hung task in {function}"),
)  # fmt: skip

_CONTEXT = (
    _rule("atomic", r"BUG: (?P<what>scheduling while atomic|scheduling in a non-blocking section|"
          r"sleeping function called from invalid context|assuming atomic context|assuming non migratable context)",
          "{what} in {function}"),
    _rule("atomic", r"BUG: (?P<what>using \w{1,40}\(?\)? in preemptible)", "{what} in {function}"),
    _rule("atomic", r"BUG: (?P<what>workqueue leaked atomic, lock or RCU)", "{what} in {function}"),
    _rule("spinlock", r"BUG: (?P<what>(?:spin|rw)lock [\w ]{1,40}?) on CPU", "{what} in {function}"),
)  # fmt: skip

_EXCEPTION = (
    _rule("bug", r"kernel BUG at ", "kernel BUG in {function}", End.MARKER, absorbs=_OOPS),
    _rule("oops", r"BUG: (?P<what>kernel NULL pointer dereference)", "{what} in {function}", End.MARKER,
          absorbs=_OOPS),
    _rule("oops", r"BUG: unable to handle (?:kernel )?(?P<what>page fault|paging request|NULL pointer dereference)",
          "{what} in {function}", End.MARKER, absorbs=_OOPS),
    _rule("oops", r"BUG: (?P<what>\w{1,20} stack guard page) was hit", "{what} hit in {function}", End.MARKER,
          absorbs=_OOPS),
    _rule("oops", r"Oops: (?P<what>[A-Za-z][\w #-]{0,60}?)(?:[,:]|$)", "{what} in {function}", End.MARKER,
          absorbs=_OOPS),
    _rule("oops", r"Oops\b", "oops in {function}", End.MARKER, absorbs=_OOPS),
    _rule("oops", r"(?P<what>general protection fault|divide error|invalid opcode|stack segment|int3|double fault)\b"
          r"[^\[]{0,120}\[#\d+\]", "{what} in {function}", End.MARKER, absorbs=_OOPS),
    _rule("oops", r"Unable to handle kernel (?P<what>.{1,60}?) at virtual address", "{what} in {function}", End.MARKER,
          absorbs=_OOPS),
    _rule("oops", r"Internal error: (?P<what>[A-Za-z][\w ():/-]{0,90}?): [0-9a-f]{1,16} \[#\d+\]",
          "{what} in {function}", End.MARKER, absorbs=_OOPS),
    _rule("oops", r"(?P<what>SError Interrupt|Insufficient stack space to handle exception|"
          r"Unhandled [\w -]{1,40} exception)\b", "{what} in {function}", End.MARKER, fatal=True, absorbs=_DEATH),
)  # fmt: skip

_GENERAL = (
    _rule("warning", rf"WARNING: CPU: \d+ PID: \d+ at (?:{_PLACE} )?{_AT}", "WARNING in {function}", End.MARKER),
    _rule("warning", rf"WARNING: (?:{_PLACE} )?at {_AT}", "WARNING in {function}", End.MARKER),
    _rule("warning", r"WARNING: (?P<what>.{1,120})", "WARNING: {what}", free=True, bare=True),
    _rule("bug", r"BUG: (?P<what>.{1,120})", "BUG: {what}", free=True, bare=True),
)  # fmt: skip

REBOOT = _rule("reboot", r"Linux version \d", "the guest rebooted", End.LINE, fatal=True)
"""The kernel's first words, after an earlier kernel of the same log had come as far as init."""

RULES: tuple[Rule, ...] = (*_PANIC, *_LOCKDEP, *_MEMORY, *_TIMING, *_CONTEXT, *_EXCEPTION, *_GENERAL)

CUT_HERE = "------------[ cut here ]------------"
"""Opens a report whose kind the lines after it tell."""

CUT_SHORT = _rule("warning", r"-{8,}\[ cut here \]", "a report that was cut short", End.MARKER, absorbs=_OOPS)
"""For a `cut here` that nothing follows: the guest died while it wrote."""

# Every start above begins with one of these; a message that begins with none is passed over at memory speed.
FIRST_WORDS = (
    r"WARNING: |BUG: |BUG \S{1,64} \(|kernel BUG at |Oops|Internal error: |"
    r"Unable to handle kernel |Kernel panic|(?:traps: )?PANIC: |"
    r"UBSAN: |refcount_t: |vma_check: |list_add |list_del |INFO: |rcu: (?:INFO|\w+ kthread)|"
    r"(?:NMI )?watchdog: (?:BUG|Wat|CPU)|"
    r"CPU\d+: Wat|-{12}\[ cut|\[ BUG: |Out of memory|Memory cgroup out of|kmemleak: |SError Int|Insufficient stack |"
    r"Unhandled \d\d-bit |general protection fault|divide error|invalid opcode|stack segment|int3|double fault|"
    r"DEBUG_LOCKS_|Disabling lock deb|turning off the lock|(?:mm|include|arch|\./|kernel)[\w./-]{1,200}:\d+: bad p"
)


BANNER = r"Linux version \d"

_FIRST = re.compile(FIRST_WORDS)


def find_rule(message: str) -> tuple[Rule, re.Match[str]] | None:
    """The first rule whose report begins with this message."""
    if not _FIRST.match(message):
        return None
    for rule in RULES:
        if match := rule.start.match(message):
            return rule, match
    return None

"""Console text -> findings.  Pure: the same text gives the same findings.

Ordinary text is passed over at memory speed by one search for the first words of reports; only around a hit are lines
taken apart.  With PRINTK_CALLER (`[    1.234567][   T12] …`) each task's and CPU's lines are followed by themselves,
so two reports that were written at once come out as two.  Text that did not come through printk is never a report.
What the rules are is in `rules`; this module knows nothing of guests, suites and cases.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model import Finding
from harness.verdict import rules
from harness.verdict.frames import TRACE_START, frames, in_trace, instruction, significant, takers, trace, works
from harness.verdict.rules import CUT_HERE, CUT_SHORT, End, Rule

MAX_FINDINGS = 1000
_MAX_REPORT_LINES = 500
_MAX_LOOK_BACK_LINES = 96  # dump_vmg() writes some sixty
_MAX_LINES_BETWEEN = 2000  # of others, between two of one caller's report
_MAX_LINE_CHARS = 4096  # printk's own lines are shorter; what user space writes may not be
_MAX_PREFIX_CHARS = 64
_MAX_GAP_S = 60.0  # of guest time: a starved guest of TCG pauses for tens of seconds within one report
_MAX_BARE_GAP_S = 5.0  # in one that may be without a trace, which nothing but a pause ends

_PREFIX = re.compile(r"(?:<\d{1,3}>)?\[ {0,5}(\d{1,9}\.\d{6})\](?:\[ {0,9}([TC]\d{1,9})\])? ?")
_STAMPED = re.compile(rf"\] (?:{rules.FIRST_WORDS}|{rules.BANNER})")
_BARE = re.compile(rf"^(?:<\d{{1,3}}>)?(?:{rules.FIRST_WORDS}|{rules.BANNER})", re.MULTILINE)
_BOOTED = " as init process"
_BANNER = re.compile(rules.BANNER)
_EARLY = "PANIC: early exception"  # before there is printk
_FATAL_WORDS = ("Kernel panic", "PANIC: ")
# What kernels with panic_on_oops say next (arch/x86/kernel/dumpstack.c, arch/arm64/kernel/traps.c).
_OOPS_ENDED = re.compile(r"Kernel panic - not syncing: (?:.{1,100}: )?Fatal exception")
_DROPPED = "printk messages dropped **"
_DROPS = re.compile(r"\*\* (\d{1,9}) printk messages dropped \*\*")
_ASKED, _ANSWERED = "Sending NMI from CPU ", "NMI backtrace for cpu "
# What stands after the trace of RCU's thread, and what only a CPU says that itself stalls (kernel/rcu/tree_stall.h).
_LAST_RAN, _OWN_STALL = "rcu: Stack dump where RCU GP kthread last ran", " self-detected stall"
_LOCK = re.compile(r"\s*#\d+: ")
_BRACKET = re.compile(r"={8,}\s*$")
# What is written just before a report, and belongs to it.
_PREAMBLE = re.compile(
    r"={8,}|page: |page dumped because|page_type: |(?:anon|ksm) flags: |aops:|memcg:|head: |raw: |usercopy: "
    r"|-{12}\[ cut here|\[[A-Z][\w ]{1,30} overwritten\] "
    # dump_vma(), dump_vmg(), dump_mm() of mm/debug.c
    r"|vma [0-9a-f]{4,16} |prot [0-9a-f]+ |pgoff [0-9a-f]+ |refcnt [0-9a-f]+$|flags: |mm [0-9a-f]{4,16} "
    r"|vmg [0-9a-f]{4,16} |vmi [0-9a-f]{4,16} \[|prev [0-9a-f]{4,16} middle|start [0-9a-f]+ end |file [0-9a-f]{4,16} "
    r"|uffd_ctx |anon_name |state [0-9a-f]+$|just_expand |__adjust_|__remove_|mmap_base \d|pgd [0-9a-f]{4,16} "
    r"|hiwater_rss |pinned_vm |start_(?:code|brk) |arg_start |binfmt |ioctx_table |owner [0-9a-f]{4,16} |exe_file "
    r"|notifier_subscriptions |numa_next_scan |tlb_flush_pending |def_flags: "
)
_VARIABLE = (
    (re.compile(r"0x[0-9a-f]+", re.IGNORECASE), "0x…"),
    (re.compile(r"\b[0-9a-f]*\d[0-9a-f]*\b", re.IGNORECASE), "N"),
    (re.compile(r"\S+/N\b"), "…"),  # a task: name/pid
)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int  # offset in the text
    caller: str
    time_s: float
    message: str


def is_fatal(line: str) -> bool:
    """Whether a console line says that the guest will not come back.  Cheap enough for every line."""
    if not any(words in line for words in _FATAL_WORDS):
        return False
    found = _PREFIX.search(line)
    message = line[found.end() :] if found else line.lstrip()
    rule = rules.find_rule(message)
    return rule is not None and rule[0].fatal


def is_complaint(line: str) -> bool:
    """Whether a report begins on a console line that fails a case however slow the machine is.

    Cheap enough for every line.
    """
    found = _PREFIX.search(line)
    rule = rules.find_rule(line[found.end() :]) if found else None
    return rule is not None and not rule[0].timing


def dropped(text: str) -> int:
    """How many messages printk says that it has dropped before they came to this console: nobody knows which."""
    return sum(int(found[1]) for found in _DROPS.finditer(text)) if _DROPPED in text else 0


def scan(text: str, *, first_line: int = 1) -> tuple[Finding, ...]:
    """All reports in a console text, in the order in which they begin; at most MAX_FINDINGS.

    `first_line` is the number of the text's first line, for a part of a longer log.
    """
    return tuple(_Scanner(text, first_line).findings())


class _Scanner:
    def __init__(self, text: str, first_line: int) -> None:
        self._text = text
        self._stamped = _PREFIX.search(text) is not None
        self._first_line = first_line
        self._kernel = -1  # offset of the present kernel's first words
        self._counted = (0, first_line)  # an offset and its line number
        self._taken: dict[str, int] = {}  # by caller: the offset up to which its lines belong to reports
        self._oopsed: set[str] = set()  # callers whose last report was an oops

    def findings(self) -> Iterator[Finding]:
        found = end = 0
        for offset in self._candidates():
            if offset < end:  # on the line that was just looked at
                continue
            line = self._begun(offset)
            if line is None:
                continue
            end = self._text.find("\n", offset)
            end = end if end >= 0 else len(self._text)
            if line.start < self._taken.get(line.caller, 0):
                continue
            finding = self._reboot(line) if _BANNER.match(line.message) else self._report(line)
            if finding is not None:
                yield finding
                found += 1
                if found >= MAX_FINDINGS:
                    return

    def _reboot(self, line: _Line) -> Finding | None:
        """What a kernel's first words say of the one before: it is gone, if it had booted at all.

        A console that is registered late may repeat what an early one has shown: no init lies between those.
        """
        before, self._kernel = self._kernel, line.start
        began = 0 if self._first_line > 1 else before
        if began < 0 or (self._first_line == 1 and self._text.find(_BOOTED, began, line.start) < 0):
            return None
        return _finding(_Report(line, rules.REBOOT), [], self._number(line.start), dropped=False)

    def _candidates(self) -> Iterator[int]:
        """Offsets of messages that may begin a report."""
        early = self._text.find(_EARLY)
        for match in (_STAMPED if self._stamped else _BARE).finditer(self._text):
            if 0 <= early < match.start():
                yield early
                early = -1
            yield match.start() + (len("] ") if self._stamped else 0)
        if early >= 0:
            yield early

    def _begun(self, offset: int) -> _Line | None:
        """The kernel's line whose message is at an offset; None for a mention.

        A console goes on where it is: what somebody else has left on the line, without an end, is no part of it.
        """
        head = self._text[max(0, offset - _MAX_PREFIX_CHARS) : offset]
        own = next((found for found in _PREFIX.finditer(head) if found.end() == len(head)), None)
        if self._stamped and own is None and not self._text.startswith(_EARLY, offset):
            return None
        start = self._text.rfind("\n", 0, offset) + 1
        if own is None:
            return self._line(start)
        end = self._text.find("\n", offset, offset + _MAX_LINE_CHARS)
        message = self._text[offset : end if end >= 0 else offset + _MAX_LINE_CHARS].rstrip("\r")
        return _Line(start, own[2] or "", float(own[1]), message)

    def _line(self, start: int) -> _Line | None:
        """The kernel's line that begins at an offset; None for what is not the kernel's."""
        end = self._text.find("\n", start)
        raw = self._text[start : min(end if end >= 0 else len(self._text), start + _MAX_LINE_CHARS)].rstrip("\r")
        if not self._stamped:
            return _Line(start, "", 0.0, re.sub(r"^<\d{1,3}>", "", raw))
        if found := _PREFIX.search(raw):
            return _Line(start, found[2] or "", float(found[1]), raw[found.end() :])
        return _Line(start, "", 0.0, raw) if raw.startswith(_EARLY) else None

    def _after(self, line: _Line) -> Iterator[_Line]:
        """The following lines of the same caller, until others have had the word for long."""
        position, between = line.start, 0
        while (position := self._text.find("\n", position) + 1) > 0 and position < len(self._text):
            following = self._line(position)
            if following is not None and following.caller == line.caller:
                yield following
                between = 0
            elif (between := between + 1) > _MAX_LINES_BETWEEN:
                return

    def _before(self, line: _Line) -> list[_Line]:
        """The lines just before, of the same caller, that belong to its report."""
        found: list[_Line] = []
        position = line.start
        for _ in range(_MAX_LOOK_BACK_LINES):
            if position == 0:
                break
            position = self._text.rfind("\n", 0, position - 1) + 1
            previous = self._line(position)
            if previous is None or previous.caller != line.caller:
                continue
            if not _PREAMBLE.match(previous.message) or previous.start < self._taken.get(line.caller, 0):
                break
            found.insert(0, previous)
        return found

    def _report(self, first: _Line) -> Finding | None:
        """The report that begins with a line; None if it begins none."""
        lines = _Report(first)
        for line in self._after(first) if lines.open else ():
            if not lines.take(line):
                break
        if lines.rule is None:
            return None
        last = lines.lines[-1]
        before = self._before(first)
        if first.caller in self._oopsed and _OOPS_ENDED.match(first.message):
            return None  # the oops has told it
        if lines.rule.type in ("oops", "bug", "list-corruption"):
            self._oopsed.add(first.caller)
        else:
            self._oopsed.discard(first.caller)
        self._taken[first.caller] = last.start + 1
        number = self._number(before[0].start if before else first.start)
        dropped = self._text.find(_DROPPED, first.start, last.start) >= 0
        return _finding(lines, before, number, dropped=dropped, answered=self._answered(lines))

    def _answered(self, report: _Report) -> list[str]:
        """What the CPU that makes no progress says of itself, where the one that reports it has asked."""
        asked = next((line for line in report.lines if line.message.startswith(_ASKED)), None)
        if asked is None:
            return []
        found: list[str] = []
        caller, position, traced = "", asked.start, False
        for _ in range(_MAX_REPORT_LINES):
            position = self._text.find("\n", position) + 1
            if not 0 < position < len(self._text):
                break
            line = self._line(position)
            if line is None:
                continue
            if not found and line.message.startswith(_ANSWERED):
                caller = line.caller
            if not caller or line.caller != caller:
                continue
            if traced and not in_trace(line.message):
                break
            traced = traced or TRACE_START.match(line.message) is not None
            found.append(line.message)
        return found

    def _number(self, offset: int) -> int:
        """The line number of an offset; offsets mostly grow, so the text is counted once."""
        at, number = self._counted
        if offset >= at:
            number += self._text.count("\n", at, offset)
            self._counted = (offset, number)
            return number
        return number - self._text.count("\n", offset, at)


class _Report:
    """A report while its lines come in."""

    def __init__(self, first: _Line, rule: Rule | None = None) -> None:
        self.lines = [first]
        self.rule = rule
        self.groups: dict[str, str] = {}
        self.functions: list[str] = []
        self._traced = False  # the call trace that ends the report has begun
        self._framed = False
        self._ended = False  # by its own end, and not because something else began or the log was over
        self._died = False  # its own caller panicked next
        self._cut = first.message.startswith(CUT_HERE)
        if self._cut:
            self.rule = CUT_SHORT
        elif rule is None:
            self._begin(first.message)
        self.open = self.rule is not None and self.rule.end is not End.LINE

    def _begin(self, message: str) -> bool:
        found = rules.find_rule(message)
        if found is None:
            return False
        self.rule, match = found
        self.groups = {name: value for name, value in match.groupdict().items() if value}
        self._note(self.groups)
        return True

    def _note(self, groups: dict[str, str]) -> None:
        self.functions += [groups[name] for name in ("function", "other") if name in groups]

    def take(self, line: _Line) -> bool:
        """Add a line; False if the report is over, with or without it."""
        message, rule = line.message, self.rule
        if rule is None or len(self.lines) >= _MAX_REPORT_LINES:
            return False
        if line.time_s - self.lines[-1].time_s > (_MAX_BARE_GAP_S if rule.bare else _MAX_GAP_S):
            return False
        if message.startswith(CUT_HERE):  # another report, but for what is found corrupt and then BUG()
            goes_on = rule.type in ("list-corruption", "slab") and not self._framed
            self._cut = self._cut or goes_on
            return goes_on and self._add(line)
        started = rules.find_rule(message)
        if started is not None and not self._absorbs(started[0]):
            self._died = started[0].fatal
            return False
        if started is not None:
            if rule is CUT_SHORT:
                self._begin(message)
                # The cut-here line made it one block up to its end marker, whatever the kind.
            else:
                self._note({name: value for name, value in started[1].groupdict().items() if value})
        elif self._past_trace(message):
            self._ended = True
            return False
        self._ended = self._is_last(message)
        return self._add(line) and not self._ended

    def is_whole(self, framed: bool) -> bool:
        """Whether all of the report is there; `framed`: frames of its own trace are.

        A trace has no end of its own everywhere, a panic none at all, and an oops that becomes one only that.
        """
        rule = self.rule
        if rule is None or rule is CUT_SHORT:
            return False
        if self._ended or rule.fatal or self._end() is End.LINE or rule.bare:
            return True
        if self._end() is End.LOCKS:
            return self._traced
        return framed and (self._end() is End.TRACE or self._died)

    def _add(self, line: _Line) -> bool:
        self.lines.append(line)
        return True

    def _absorbs(self, started: Rule) -> bool:
        rule = self.rule
        if rule is None:
            return False
        return started.type in rule.absorbs or (rule is CUT_SHORT and started.type != "panic")

    def _end(self) -> End:
        rule = self.rule
        return End.MARKER if self._cut or rule is None else rule.end

    def _past_trace(self, message: str) -> bool:
        """Whether a report that ends with its trace, or with a list of locks, has ended before this line."""
        if self._end() is End.LOCKS:
            self._traced = self._traced or _LOCK.match(message) is not None
            return self._traced and not _LOCK.match(message)
        if self._end() is not End.TRACE:
            return False
        if TRACE_START.match(message):
            self._traced = self._traced or self._own_trace(message)
            return False
        if not self._traced:
            return False
        if in_trace(message):
            self._framed = True
            return False
        return self._framed and not message.startswith((_LAST_RAN, _ASKED))

    def _own_trace(self, message: str) -> bool:
        """lockdep quotes other traces before the one that it announces."""
        return self.rule is None or self.rule.type != "lockdep" or message.lstrip().startswith(("stack", "Call"))

    def _is_last(self, message: str) -> bool:
        end = self._end()
        if message.startswith(("---[ end trace", "---[ end Kernel panic")):
            return True
        if end is End.BRACKET:
            return _BRACKET.match(message) is not None
        return end is End.TRACE and self._traced and message.strip() == "</TASK>"


def _finding(
    report: _Report, before: list[_Line], number: int, *, dropped: bool, answered: Sequence[str] = ()
) -> Finding:  # fmt: skip
    rule = report.rule or CUT_SHORT
    messages = [line.message for line in report.lines]
    traced = next((i for i, message in enumerate(messages) if TRACE_START.match(message)), len(messages))
    named = report.functions
    if "other" in report.groups:  # a race has no first and second
        named = sorted(named)
    named = [name.partition(".")[0] for name in named] or works(messages)
    if rule.held:
        named = takers(messages)
    # Who reports a stall of another CPU has at most the trace of RCU's thread.
    by_another = rule.type == "rcu-stall" and _OWN_STALL not in messages[0]
    if frames(messages):
        own: Sequence[str] = answered if by_another and frames(answered) else messages
    else:
        own = answered or messages
    every = [*named, instruction(messages[:traced] if own is messages else own), *frames(own)]
    about = significant(every, stall=rule.timing) or [name for name in every if name and not rule.timing][:1]
    function = about[0] if about else ""
    title = _title(rule, report.groups, " / ".join(named) if "other" in report.groups else function)
    entries = trace(own)
    return Finding(
        type=rule.type,
        title=title,
        function=function,
        text="\n".join([*(line.message for line in before), *messages, *answered]),
        line=number,
        fingerprint=hashlib.sha256("\0".join([rule.type, title, *about[:3]]).encode()).hexdigest()[:16],
        timing=rule.timing,
        frames=entries,
        corrupted=dropped or not report.is_whole(bool(entries)),
    )


def _title(rule: Rule, groups: dict[str, str], function: str) -> str:
    """The rule's title, without anything that differs from build to build or from boot to boot."""
    template = rule.title if function else rule.title.replace(" in {function}", "")
    values = {name: value.strip(" .!:,") for name, value in groups.items()}
    if function and "{function}" in template:
        values["function"] = function
    what = values.get("what", "")
    for pattern, instead in _VARIABLE if rule.free else ():
        what = pattern.sub(instead, what)
    return template.format_map({**values, "what": what})

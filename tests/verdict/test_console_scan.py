"""scan, is_fatal and is_complaint: properties that hold for every text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.verdict import console, rules
from harness.verdict.console import is_complaint, is_fatal, scan
from harness.verdict.frames import MAX_FRAMES

DATA = Path(__file__).parent.parent / "data" / "console"
WARNING = (DATA / "warn-in-mm-x86_64.log").read_text()

STARTS = [
    "WARNING: possible recursive locking detected", "WARNING: CPU: 0 PID: 1 at mm/a.c:1 f+0x1/0x2",
    "WARNING: mm/a.c:1 at f+0x1/0x2, CPU#0: a/1", "WARNING: x/1 still has locks held!", "[ BUG: Invalid wait context ]",
    "BUG: KASAN: x in f+0x1/0x2", "BUG: KCSAN: data-race in f / g", "BUG: Bad rss-counter state mm:1 type:A val:1",
    "kernel BUG at mm/a.c:1!", "Oops: Oops: 0000 [#1]", "Unable to handle kernel paging request at virtual address 0",
    "Internal error: Oops: 0 [#1]", "Kernel panic - not syncing: x", "UBSAN: x in a.c:1:1", "refcount_t: underflow",
    "list_del corruption. x", "rcu: INFO: rcu_preempt self-detected stall on CPU", "INFO: lockdep is turned off.",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]", "INFO: task a:1 blocked for more than 120 seconds.",
    "------------[ cut here ]------------", "BUG: something new", "WARNING: something new",
    "turning off the locking correctness validator.", "Out of memory: Killed process 1 (a)",
    "BUG: MAX_LOCK_DEPTH too low!", "DEBUG_LOCKS_WARN_ON(1)",
    "BUG: sleeping function called from invalid context at a:1", "BUG vm_area_struct (Not tainted): Object corrupt",
    "BUG: KCSAN: assert: race in f", "vma_check: linking a VMA", "BUG: workqueue lockup - pool cpus=0",
    "Internal error: SP/PC alignment exception: 8a000000 [#1]", "SError Interrupt on CPU0, code 0x0 -- SError",
    "Insufficient stack space to handle exception!", "Unhandled 64-bit el1h sync exception on CPU0, ESR 0x0 -- x",
    "mm/memory.c:12: bad pmd 0", "general protection fault: 0000 [#1]", "kmemleak: 3 new suspected memory leaks",
]  # fmt: skip
INSIDE = [
    "Call Trace:", "Call trace:", "stack backtrace:", " <TASK>", " </TASK>", " f+0x1/0x2", " ? g+0x1/0x2", "",
    "RIP: 0010:f+0x1/0x2", "pc : f+0x1/0x2", "---[ end trace 0 ]---", "=" * 40, " #0: 0 (l), at: f+0x1/0x2", "word",
]  # fmt: skip
PREFIXES = [
    "[    1.000000][    T1] ",
    "[    1.000000][    C0] ",
    "[   99.000000] ",
    "",
    "<4>[    1.000000] ",
    "[ 1.0] ",
]

TEXTS = st.lists(
    st.tuples(st.sampled_from(PREFIXES), st.one_of(st.sampled_from(STARTS + INSIDE), st.text(max_size=30))).map(
        "".join
    ),
    max_size=30,
).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(TEXTS, st.text(max_size=500)))
def test_any_text_is_scanned(text: str) -> None:
    count = text.count("\n") + 1
    for finding in scan(text):
        assert finding.type
        assert finding.title
        assert 1 <= finding.line <= count
        assert all(line in text for line in finding.text.split("\n"))
    for line in text.split("\n"):
        is_fatal(line)
        is_complaint(line)


@pytest.mark.parametrize("start", STARTS)
def test_every_kind_is_found_with_and_without_the_prefixes(start: str) -> None:
    for prefix in PREFIXES[:5]:
        noise = f"{prefix}Linux version 6.12\n"
        assert len(scan(f"{noise}{prefix}{start}\n")) == 1, prefix


@pytest.mark.parametrize("start", STARTS)
def test_a_mention_is_no_report(start: str) -> None:
    assert scan(f"[    1.000000][    T1] test says: {start}\n[    1.000000][    T1] and: {start}\n") == ()
    assert scan(f"[    1.000000][    T1] booted\n{start}\n") == ()


@pytest.mark.parametrize("start", STARTS)
def test_what_a_program_leaves_on_the_line_hides_no_report(start: str) -> None:
    booted = "[    1.000000][    T1] booted\n"
    for left in ("word", "\x1b[0m\ufffd", "x" * 100_000, "[    1.000000][    T1] without an end"):
        (found,) = scan(f"{booted}{left}[    2.000000][    T2] {start}\n")
        assert found.line == 2


def test_titles_do_not_change_from_build_to_build() -> None:
    other = re.sub(r"\+0x6f/0x80", "+0x123/0x456", WARNING)
    other = re.sub(r"mm\.h:812", "mm.h:999", other)
    other = re.sub(r"\b(CPU: )1( UID: 0)?( PID: )212", r"\g<1>7\2\g<3>4711", other)
    other = re.sub(r"T212\]", "T4711]", other)
    other = re.sub(r"ffff[0-9a-f]{12}", "ffffdeadbeef0000", other)
    assert other != WARNING
    (first,), (second,) = scan(WARNING), scan(other)
    assert (first.title, first.fingerprint, first.function) == (second.title, second.fingerprint, second.function)


def test_task_of_a_free_title_is_left_out() -> None:
    (first,), (second,) = (scan(f"[    1.000000][    T1] BUG: odd thing in {name}\n") for name in ("a/1", "bc/23"))
    assert first.title == second.title


def test_line_numbers_of_a_part_of_a_log() -> None:
    lines = WARNING.splitlines(keepends=True)
    (whole,) = scan(WARNING)
    (part,) = scan("".join(lines[whole.line - 1 :]), first_line=whole.line)
    assert part == whole


def test_number_of_findings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "MAX_FINDINGS", 5)
    assert len(scan("[    1.000000][    T1] BUG: x\n[   20.000000][    T1] y\n" * 20)) == 5


def test_report_does_not_swallow_what_comes_much_later() -> None:
    text = "[    1.000000][    T1] BUG: odd\n[    1.100000][    T1] more\n[   60.000000][    T1] unrelated\n"
    assert scan(text)[0].text == "BUG: odd\nmore"


def test_pauses_of_a_starved_guest_cut_no_report() -> None:
    (whole,) = scan(WARNING)
    stamps = iter(range(1, 1000))
    (slow,) = scan(re.sub(r"\[ +\d+\.\d+\]", lambda _: f"[{next(stamps) * 30:5}.000000]", WARNING))
    assert (slow.text, slow.corrupted) == (whole.text, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[    1.000000] " + "] INFO: " * 300_000,
        "[    1.000000] BUG: x\n" * 100_000,
        "[    1.000000] INFO: x\n" * 200_000,
        "[    1.000000] BUG: " + "x" * 2_000_000,
        "[    1.000000] BUG: x\n[    1.000000] <#" + "a" * 2_000_000,
        "[    1.000000] BUG: x\n" + "".join(f"[    1.000000][{number:6}] y\n" for number in range(100_000)),
        "[" * 2_000_000,
        "[    1.000000][    T1] INFO: x" * 100_000,
        "".join(
            f"[    1.000000][{'T' + str(n):>6}] INFO: task a:1 blocked for more than 120 seconds.\n" for n in range(999)
        )
        + "[    1.000000][    C1] y\n" * 500_000,
    ],
    ids=range(9),
)
def test_hostile_text_takes_no_more_than_linear_time(text: str) -> None:
    """With a quadratic step one of these takes hours: the test then hangs instead of passing."""
    assert len(scan(text)) <= console.MAX_FINDINGS


@pytest.mark.parametrize(
    ("line", "fatal"),
    [
        ("[    1.0] x", False),
        ("[    1.234567][    T1] Kernel panic - not syncing: Attempted to kill init!", True),
        ("<0>[    1.234567] Kernel panic - not syncing: x", True),
        ("Kernel panic - not syncing: x", True),
        ("PANIC: early exception 0x0e IP 10:ffffffff82f3a01c error 2", True),
        ("[    1.234567][    T1] traps: PANIC: double fault, error_code: 0x0", True),
        ("[    1.234567][    T1] test: Kernel panic - not syncing: x", False),
        ("[    1.234567][    T1] Kernel command line: panic=-1", False),
        ("[    1.234567][    T1] Oops: Oops: 0000 [#1] PREEMPT SMP", False),
        ("[    1.234567][    T1] BUG: soft lockup", False),
        ("", False),
    ],
)
def test_fatal_lines(line: str, fatal: bool) -> None:
    assert is_fatal(line) is fatal
    assert is_fatal(line + "\r\n") is fatal


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[    1.234567][    T1] WARNING: possible circular locking dependency detected", True),
        ("[    1.234567][    T1] Oops: Oops: 0000 [#1] PREEMPT SMP", True),
        ("[    1.234567][    T1] Kernel panic - not syncing: x", True),
        ("[    1.234567][    T1] INFO: task a:1 blocked for more than 120 seconds.", True),
        ("[    1.234567][    T1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]", False),
        ("[    1.234567][    T1] rcu: INFO: rcu_preempt self-detected stall on CPU", False),
        ("[    1.234567][    T1] ------------[ cut here ]------------", False),
        ("[    1.234567][    T1] vmaharness: WARNING: x", False),
        ("WARNING: what a program says", False),
        ("", False),
    ],
)
def test_complaints(line: str, complaint: bool) -> None:
    assert is_complaint(line) is complaint
    assert is_complaint(line + "\r\n") is complaint


OOPS = "[    1.000000][   T7] Internal error: Oops - BUG: 1 [#1]\n[    1.000000][   T7] ---[ end trace 0 ]---\n"


@pytest.mark.parametrize(
    "words",
    [
        "Fatal exception", "Oops - BUG: Fatal exception", "Fatal exception in interrupt",
        "UBSAN: array index out of bounds: Fatal exception",
    ],
)  # fmt: skip
def test_the_panic_that_an_oops_becomes_is_told_by_the_oops(words: str) -> None:
    panic = f"[    1.000001][   T7] Kernel panic - not syncing: {words}\n"
    assert [one.type for one in scan(OOPS + panic)] == ["oops"]
    assert [one.type for one in scan(OOPS + panic.replace("T7", "T8"))] == ["oops", "panic"]
    assert [one.type for one in scan(panic)] == ["panic"]
    assert [one.type for one in scan(OOPS + panic.replace(words, "Attempted to kill init!"))] == ["oops", "panic"]


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP", "Oops - BUG in f"),
        ("Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP", "Oops in f"),
        ("Internal error: SP/PC alignment exception: 000000008a000000 [#2]  SMP", "SP/PC alignment exception in f"),
        ("Internal error: level 1 (translation table walk): 0000000096000215 [#1]",
         "level 1 (translation table walk) in f"),
        ("Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] SMP",
         "UBSAN: array index out of bounds in f"),
    ],
)  # fmt: skip
def test_internal_errors_of_arm64_have_their_whole_name(first: str, title: str) -> None:
    (finding,) = scan(f"[    1.000000][   T7] {first}\n[    1.000000][   T7] pc : f+0x10/0x20\n" + OOPS.split("\n")[1])
    assert (finding.type, finding.title, finding.corrupted) == ("oops", title, False)


@pytest.mark.parametrize(
    ("first", "panic"),
    [
        ("Unhandled 64-bit el1t sync exception on CPU1, ESR 0x0000000002000000 -- Unknown/Uncategorized",
         "Unhandled exception"),
        ("Insufficient stack space to handle exception!", "kernel stack overflow"),
        ("SError Interrupt on CPU0, code 0x00000000be000000 -- SError", "Asynchronous SError Interrupt"),
    ],
)  # fmt: skip
def test_the_panic_that_ends_an_exception_of_arm64_gives_it_its_trace(first: str, panic: str) -> None:
    lines = [first, "pc : f+0x10/0x20", "lr : g+0x8/0x10", f"Kernel panic - not syncing: {panic}", "Call trace:"]
    lines += [" show_stack+0x18/0x24", " panic+0x1/0x2", " f+0x10/0x20", " g+0x8/0x10", "SMP: stopping secondary CPUs"]
    (finding,) = scan("".join(f"[    1.000000][   T7] {line}\n" for line in lines))
    assert (finding.type, finding.function, finding.corrupted) == ("oops", "f", False)
    assert [frame.function for frame in finding.frames] == ["f", "show_stack", "panic", "f", "g"]
    assert first.split(" on CPU", maxsplit=1)[0].rstrip("!") in finding.title


INIT = "[    1.000000][    T1] Run /init as init process\n"
BANNER = "[    0.000000][    T0] Linux version 6.12\n"


def test_a_kernel_that_comes_up_again_is_a_reboot() -> None:
    (finding,) = scan(BANNER + INIT + BANNER + INIT)
    assert (finding.type, finding.line) == ("reboot", 3)
    assert len(scan(BANNER + INIT + BANNER + INIT + BANNER)) == 2
    assert [one.type for one in scan(BANNER, first_line=100)] == ["reboot"], "a later part of a log"


def test_what_a_late_console_repeats_is_no_reboot() -> None:
    assert scan(BANNER + BANNER + INIT) == ()
    assert scan(INIT + BANNER) == ()


def test_a_report_is_cut_when_its_end_is_missing() -> None:
    lines = WARNING.splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if "end trace" in line)
    begin = next(number for number, line in enumerate(lines) if "cut here" in line)
    assert [finding.corrupted for finding in scan(WARNING)] == [False]
    for number in range(begin + 1, last + 1):
        assert [finding.corrupted for finding in scan("".join(lines[:number]))] == [True]
    dropped = [*lines[: begin + 3], "** 7 printk messages dropped **\n", *lines[begin + 3 :]]
    assert [finding.corrupted for finding in scan("".join(dropped))] == [True]


def test_dropped_messages_are_counted() -> None:
    text = "[    1.000000][    T1] a\n** 7 printk messages dropped **\n[    2.000000][    T1] b\n"
    assert (console.dropped(text), console.dropped(text * 2), console.dropped(WARNING)) == (7, 14, 0)


def test_frames_are_those_of_the_report_and_bounded() -> None:
    (finding,) = scan(WARNING)
    assert finding.frames
    assert finding.frames[0].sources
    assert all(not frame.sources for frame in finding.frames[1:])
    deep = "Call Trace:\n" + " f+0x1/0x2\n" * 500
    (finding,) = scan("BUG: KASAN: x in f+0x1/0x2\n" + deep)
    assert len(finding.frames) == MAX_FRAMES


def test_a_call_that_never_returns_is_not_in_the_function_that_follows() -> None:
    trace = "Call trace:\n panic+0x1/0x2\n neighbour+0x0/0x8\n caller+0x4/0x8\n"
    (finding,) = scan("Kernel panic - not syncing: x\n" + trace)
    assert finding.function == "caller"
    assert [frame.function for frame in finding.frames] == ["panic", "neighbour", "caller"]


def test_a_workqueue_lockup_is_about_a_work_of_the_stuck_pool() -> None:
    stuck = "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!\n"
    other = "  pwq 2: cpus=0 node=0 flags=0x0 nice=0 active=1 refcnt=2\n    in-flight: 7:innocent\n"
    own = "  pwq 6: cpus=1 node=0 flags=0x0 nice=0 active=2 refcnt=3\n    in-flight: 23(RESCUER):busy_work for 31s\n"
    titles = [finding.title for text in (stuck + other + own, stuck + other) for finding in scan(text)]
    assert titles == ["workqueue lockup in busy_work", "workqueue lockup"]


@pytest.mark.parametrize(
    ("first", "function"),
    [
        ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "busy"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "own"),
    ],
)
def test_a_stall_of_another_cpu_is_about_what_that_one_answers(first: str, function: str) -> None:
    asks = [first, "Call trace:", " own+0x1/0x2", "rcu: Stack dump where RCU GP kthread last ran:"]
    asks.append("Sending NMI from CPU 0 to CPUs 1:")
    answers = ["NMI backtrace for cpu 1", "Call trace:", " busy+0x1/0x2"]
    text = [f"[    1.000000][    C0] {line}\n" for line in asks]
    text += [f"[    1.100000][    C1] {line}\n" for line in answers]
    (finding,) = scan("".join(text))
    assert (finding.function, finding.text.endswith(" busy+0x1/0x2"), finding.corrupted) == (function, True, False)


def test_first_words_cover_every_rule() -> None:
    """A rule whose start is not among the first words would never be tried."""
    tried = {rule.type for start in STARTS if (rule := (rules.find_rule(start) or [None])[0])}
    logged = {finding.type for log in DATA.glob("*.log") for finding in scan(log.read_text(errors="replace"))}
    assert {rule.type for rule in rules.RULES} - tried - logged <= {"kmsan", "spinlock"}

"""Call traces -> the function that a report is about.  Knows the text of traces, not the kinds of report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.model import Frame

MAX_FRAMES = 64
"""Of one report: longer traces are recursion."""

FRAME = re.compile(r"(?:^|[\s:])(\? )?([A-Za-z_][\w.$]*)\+0x([0-9a-f]{1,8})/0x([0-9a-f]{1,8})")
TRACE_START = re.compile(
    r"\s*(?:Call [Tt]race:|stack backtrace:|Backtrace:"
    # mm/kfence/report.c and kernel/kcsan/report.c: the stack follows the sentence.
    r"|(?:Use-after-free|Out-of-bounds|Invalid|Corrupted memory)\b.{0,80} (?:at|of) 0x[0-9a-f]{4,16} .{0,200}:$"
    r"|[a-z].{0,80} to 0x[0-9a-f]{4,16} of \d{1,10} bytes by (?:task|interrupt)\b.{0,80}:$)"
)
# What may stand between the frames of one trace: markers of stacks, and the registers of a nested exception.
_INSIDE = re.compile(
    r"\s*(?:</?(?:TASK|IRQ|NMI|EOI|SOFTIRQ|ENTRY_TRAMPOLINE|#\w{1,8})>|RIP: |RSP: |[RE][A-Z0-9]{2}: |Code: |ORIG_RAX: |"
    r"Call [Tt]race:|(?:DR|CR)\d|CPU: |Tainted: |Hardware name: |Workqueue: )"
)
_INSTRUCTION = re.compile(r"(?:RIP: \w+:|pc : )([A-Za-z_][\w.$]*)\+0x")
_PLACE = re.compile(r"(?:WARNING: (?:CPU: \d{1,6} PID: \d{1,10} at )?|kernel BUG at )([^\s:]{1,200}:\d{1,7})\b")
_HELD = re.compile(r"\s*#\d+: .* at: ([A-Za-z_][\w.$]*)\+0x")
# kernel/workqueue.c: the pool that got stuck, the pool whose works the next lines list, and those that run in it.
_STUCK_POOL = re.compile(r"BUG: workqueue lockup - pool (.{1,200}) stuck for ")
_POOL = re.compile(r"\s*pwq \d+: (.{1,200}?) active=")
_IN_FLIGHT = re.compile(r"\s*in-flight: \d+(?:\(RESCUER\))?:([A-Za-z_][\w.$]*)")
_SUFFIX = re.compile(r"\.(?:constprop|isra|part|cold|llvm|lto_priv)\b.*$")
# The machinery of reporting, locking and entry: named in every report, and never what it is about.
_MACHINERY = re.compile(
    r"(?:_*dump_stack\w*|show_(?:stack|regs|trace)\w*|dump_backtrace\w*|print_\w+|_?printk\w*|__?die\w*|die\w*|v?panic"
    r"|_*warn_\w+|__warn|report_bug|__report_bug|handle_bug|is_valid_bugaddr|fixup_bug|oops_\w+|page_fault_oops|no_context"
    r"|__do_kernel_fault|bug_brk_handler|bug_handler|brk_handler|call_break_hook|do_debug_exception|do_el1_\w+|el[01]t?h?_\w+"
    r"|el0t?_\w+|(?:asm_)?(?:exc|sysvec)_\w+|do_trap|do_error_trap|entry_\w+|do_syscall_\w+|x64_sys_call|ret_from_fork\w*"
    r"|(?:__)?invoke_syscall\w*|do_el0_svc\w*|el0_svc\w*|do_mem_abort|do_translation_fault|do_page_fault"
    r"|nmi_panic|panic_bad_stack|handle_bad_stack|__bad_stack|arm64_serror_panic|do_serror|__panic_unhandled"
    r"|(?:enter_from|exit_to)_(?:kernel|user)_mode\w*"
    # lockdep and RCU's checks
    r"|check_(?:noncircular|prevs?_add|deadlock|irq_usage|wait_context|chain_key|usage\w*|flags)\w*|validate_chain"
    r"|mark_(?:lock\w*|usage|held_locks)|valid_state|__?lock_acquire\w*|lock_acquire\w*|__?lock_release\w*|lock_release\w*"
    r"|lock_is_held\w*|lock_contended|lock_acquired|lockdep_\w+|debug_check_no_\w+|debug_lockdep_\w+|register_lock_class"
    r"|look_up_lock_class|debug_show_\w+|reacquire_held_locks|find_held_lock|add_lock_to_list"
    # locks, sleeping, scheduling
    r"|_*might_(?:resched|sleep|fault)\w*|__schedule_bug|_*schedule\w*|preempt_schedule\w*|io_schedule\w*|rwsem_\w+"
    r"|_*(?:down|up)_(?:read|write)\w*|_*mutex_\w+|_?_raw_\w+|do_raw_\w+|(?:native_)?queued_\w+|spin_bug|spin_dump"
    r"|_*rt_(?:mutex|spin|write|read)\w*|mmap_(?:read|write)_(?:try|un|down)?(?:lock|grade)\w*"
    r"|check_preemption_disabled|debug_smp_processor_id|__this_cpu_preempt_check|_*(?:do_)?wait_for_com(?:mon|pletion)\w*"
    r"|_*switch_to\w*|context_switch"
    # memory from the slab: the callers matter
    r"|_*kmem_cache_\w+|_*k[vmz]*alloc\w*|_*kv?free\w*|_*slab_\w+"
    r"|object_err|__slab_err|check_(?:object|slab|bytes_and_report|pad_bytes)|(?:free|alloc)_(?:debug_processing|"
    r"consistency_checks)|validate_slab\w*|do_slab_free|_*free_slab|discard_slab|free_to_partial_list|cache_from_obj|might_alloc"
    # sanitizers and checked data
    r"|_*kasan_\w+|__asan_\w+|_*kcsan_\w+|__tsan_\w+|_*ubsan_\w+|handle_overflow|_*refcount_\w+"
    r"|_*list_(?:add|del)(?:_valid|_entry|_init|_rcu)?\w*|check_data_corruption|_*kfence_\w+|bad_page\w*|free_page_is_bad\w*"
    r"|_*fortify_\w+|usercopy_abort|_*check_(?:heap_)?object(?:_size)?|debug_(?:print_object|object_\w+)|__stack_chk_fail"
    r"|check_panic_on_warn"
    r")$"
)
# What a stalled CPU's trace goes through before it comes to what was interrupted; elsewhere code like any other.
_INTERRUPTION = re.compile(
    r"(?:nmi_\w+|trigger_\w+|rcu_(?:dump\w*|sched_clock_irq|check_\w+|pending|gp_\w+)|check_cpu_stall|update_process_times"
    r"|tick_\w+|(?:sched|local)_clock\w*|watchdog_\w+|is_softlockup|hrtimer_\w+|__hrtimer_\w+|__sysvec_\w+|arch_(?:timer|counter)_\w+"
    r"|handle_percpu_\w+|generic_handle_\w+|handle_irq_\w+|gic_handle_irq\w*|do_interrupt_handler|call_on_irq_stack"
    r"|__flush_smp_call_\w+|smp_call_function\w*|native_\w+|csd_lock_\w+|(?:raw_)?irqentry_\w+|_*irq_exit\w*"
    r"|handle_softirqs|_*do_softirq\w*|run_timer_\w+|__run_timer\w*|sched_show_task|finish_task_switch|kthread"
    r"|process_(?:scheduled_works|one_work)|worker_thread)$"
)


def plain(name: str) -> str:
    """A function's name as in the source: without what the compiler appends to its clones."""
    return _SUFFIX.sub("", name)


def frames(messages: Sequence[str]) -> list[str]:
    """The functions of a report, innermost first: of its own back trace, not of the histories it quotes.

    What is to return to a function's first instruction was a call that never returns, at the end of whatever function
    the linker put before that one.
    """
    return [plain(match[2]) for match in _own_trace(messages) if match[3] != "0"]


def trace(messages: Sequence[str]) -> tuple[Frame, ...]:
    """The same as frames to decode, after the instruction at which the CPU was.

    A WARNING and a BUG say themselves where in the source they are: that is the place of their first frame.
    A report without any trace names the locks that are held: there it is where these were taken.
    """
    found = [_frame(match) for match in _own_trace(messages)]
    at = next((match for message in messages if _INSTRUCTION.match(message) and (match := FRAME.search(message))), None)
    place = next((match[1] for message in messages if (match := _PLACE.match(message))), "")
    if at is not None and (not found or _frame(at) != found[0]):
        found.insert(0, _frame(at))
    if at is not None and place:
        found[0] = replace(found[0], sources=(place.removeprefix("./"),))
    if not found:
        held = (FRAME.search(message) for message in messages if _HELD.match(message))
        found = [_frame(match) for match in held if match is not None]
    return tuple(found[:MAX_FRAMES])


def _frame(match: re.Match[str]) -> Frame:
    return Frame(match[2], int(match[3], 16), int(match[4], 16))


def _own_trace(messages: Sequence[str]) -> Iterator[re.Match[str]]:
    """The entries of a report's own back trace; those marked as doubtful (`? `) are left out."""
    starts = [index for index, message in enumerate(messages) if TRACE_START.match(message)]
    if not starts:
        return
    # lockdep quotes the traces of earlier lockings and names its own; elsewhere the first is the one.
    own = next((index for index in starts if messages[index].lstrip().startswith("stack")), starts[0])
    found = False
    for message in messages[own + 1 :]:
        match = FRAME.search(message)
        if match and not match[1] and not message.startswith(("RIP: ", "pc : ", "lr : ")):
            found = True
            yield match
        elif found and not match and not _INSIDE.match(message):
            return


def instruction(messages: Sequence[str]) -> str:
    """The function at which the CPU was, by `RIP:` or `pc :`; "" if the report has none."""
    for message in messages:
        if match := _INSTRUCTION.match(message):
            return plain(match[1])
    return ""


def takers(messages: Sequence[str]) -> list[str]:
    """The functions that took the locks which a report lists as held."""
    return [plain(match[1]) for message in messages if (match := _HELD.match(message))]


def works(messages: Sequence[str]) -> list[str]:
    """The first works that run in the pool whose lockup a report tells, by workqueue."""
    stuck = _STUCK_POOL.match(messages[0])
    pool = ""
    found = []
    for message in messages if stuck else ():
        if match := _POOL.match(message):
            pool = match[1]
        elif stuck and pool == stuck[1] and (match := _IN_FLIGHT.match(message)):
            found.append(plain(match[1]))
    return found


def in_trace(message: str) -> bool:
    """Whether a line can stand inside a call trace."""
    return FRAME.search(message) is not None or _INSIDE.match(message) is not None


def significant(names: Sequence[str], *, stall: bool = False) -> list[str]:
    """The functions that a report can be about, in order, each once; `stall`: of a CPU that made no progress."""
    machinery = [_MACHINERY, _INTERRUPTION] if stall else [_MACHINERY]
    return list(dict.fromkeys(name for name in names if name and not any(one.match(name) for one in machinery)))

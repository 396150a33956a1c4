"""Single start lines: the kind and title that each gets."""

from __future__ import annotations

import pytest

from harness.verdict.console import scan


@pytest.mark.parametrize(
    ("message", "type_", "title"),
    [
        ("BUG: KMSAN: uninit-value in f+0x1/0x2", "kmsan", "KMSAN: uninit-value in f"),
        ("BUG: KASAN: invalid-access", "kasan", "KASAN: invalid-access"),
        ("BUG: spinlock bad magic on CPU#1, faults/212", "spinlock", "spinlock bad magic"),
        ("BUG: spinlock lockup suspected on CPU#1, faults/212", "spinlock", "spinlock lockup suspected"),
        ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!", "workqueue-lockup",
         "workqueue lockup"),
        ("BUG: using smp_processor_id() in preemptible [00000000] code: faults/212", "atomic",
         "using smp_processor_id() in preemptible"),
        ("BUG: workqueue leaked atomic, lock or RCU: kworker/0:2[20]", "atomic",
         "workqueue leaked atomic, lock or RCU"),
        ("vma_check: changing the next VMA's range without the VMA write lock", "vma-check",
         "vma_check: changing the next VMA's range without the VMA write lock"),
        ("BUG: Bad page state: 12 messages suppressed", "bad-page", "Bad page state"),
        ("BUG: TASK stack guard page was hit at 00000000c0ffee (stack is 00..00)", "oops",
         "TASK stack guard page hit"),
        ("BUG: looking up invalid subclass: 9", "lockdep", "looking up invalid subclass"),
        ("INFO: trying to register non-static key.", "lockdep", "trying to register non-static key"),
        ("WARNING: possible irq lock inversion dependency detected", "lockdep",
         "possible irq lock inversion dependency detected"),
        ("WARNING: Nested lock was not taken", "lockdep", "Nested lock was not taken"),
        ("WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", "lockdep",
         "SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected"),
        ("BUG: MAX_LOCKDEP_KEYS too low!", "lockdep-off", "lockdep is off: MAX_LOCKDEP_KEYS too low"),
        ("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 21002 jiffies s: 97 root: 0x2/.",
         "rcu-stall", "RCU stall: rcu_preempt"),
        ("NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "hard-lockup", "hard lockup"),
        ("watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1", "hard-lockup", "hard lockup"),
        ("INFO: task a:b:12 blocked in I/O wait for more than 120 seconds.", "hung-task", "hung task"),
        ("Memory cgroup out of memory: Killed process 1 (a)", "oom", "Memory cgroup out of memory"),
        ("divide error: 0000 [#1] PREEMPT SMP", "oops", "divide error"),
        ("Oops: stack segment: 0000 [#1] SMP", "oops", "stack segment"),
        ("Oops: Oops: 0003 [#2] SMP", "oops", "Oops"),
        ("Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP", "oops",
         "Oops - Undefined instruction"),
        ("SError Interrupt on CPU0, code 0x00000000be000411 -- SError", "oops", "SError Interrupt"),
        ("Insufficient stack space to handle exception!", "oops", "Insufficient stack space to handle exception"),
        ("Kernel panic - not syncing: hung_task: blocked tasks", "panic", "kernel panic: hung_task: blocked tasks"),
        ("WARNING: stack recursion on stack type 12", "warning", "WARNING: stack recursion on stack type N"),
        ("WARNING: at f+0x1/0x2, CPU#0: a/1", "warning", "WARNING in f"),
        ("WARNING: CPU: 0 PID: 1 at f.constprop.0+0x1/0x2", "warning", "WARNING in f"),
    ],
)  # fmt: skip
def test_kind_and_title(message: str, type_: str, title: str) -> None:
    (finding,) = scan(f"[    1.000000][    T1] {message}\n")
    assert (finding.type, finding.title) == (type_, title)


def test_stalls_and_lockups_are_timing_and_a_hung_task_is_not() -> None:
    for message, timing in (
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", True),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]", True),
        ("INFO: task a:1 blocked for more than 120 seconds.", False),
        ("BUG: scheduling while atomic: a/1/0x2", False),
    ):
        (finding,) = scan(f"[    1.000000][    T1] {message}\n")
        assert finding.timing is timing


def test_a_broken_rule_of_vma_locking_is_one_finding_with_its_warning() -> None:
    (finding,) = scan(
        "[    9.000000][  T212] ------------[ cut here ]------------\n"
        "[    9.000001][  T212] vma_check: a fault ends in a VMA whose flags have changed\n"
        "[    9.000002][  T212] WARNING: CPU: 1 PID: 212 at mm/memory.c:6200 handle_mm_fault+0x1a2/0x2c0\n"
        "[    9.000003][  T212] Call Trace:\n"
        "[    9.000004][  T212]  do_user_addr_fault+0x1/0x2\n"
        "[    9.000005][  T212] ---[ end trace 0000000000000000 ]---\n"
    )
    assert (finding.type, finding.corrupted) == ("vma-check", False)
    assert finding.title == "vma_check: a fault ends in a VMA whose flags have changed in handle_mm_fault"

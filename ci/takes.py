"""What `ci/provoke` boots: which forms of complaint share a guest, and what is set before each."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Arch

PLAIN, CHECKS, KASAN, KCSAN = "provoke", "provoke-checks", "provoke-kasan", "provoke-kcsan"
PREFIXES = {PLAIN: "", CHECKS: "", KASAN: "kasan-", KCSAN: ""}
"""What a log's name begins with: the same form is told by another check in another kernel."""


@dataclass(frozen=True, slots=True)
class Form:
    """One complaint: the log's name, and what the guest's shell does."""

    name: str
    script: str
    wait_s: float = 0.3  # afterwards, for what is said later


@dataclass(frozen=True, slots=True)
class Take:
    """One guest: its forms, one after the other.  With `at_boot` the kernel complains before there is a shell."""

    profile: str
    forms: tuple[Form, ...]
    cmdline: str = ""
    at_boot: bool = False
    arches: tuple[Arch, ...] = (Arch.X86_64, Arch.ARM64)
    deadline_s: float = 100.0


def _form(name: str, *, before: str = "", after: str = "", wait_s: float = 0.3) -> Form:
    """The driver's form of that name; its shell ends with it, as the task of a command does."""
    words = [before, f"echo {name} >/sys/kernel/debug/provoke", after]
    return Form(name, "; ".join(word for word in words if word), wait_s)


def _alone(profile: str, *names: str) -> list[Take]:
    return [Take(profile, (_form(name),)) for name in names]


def _together(profile: str, *names: str, cmdline: str = "") -> list[Take]:
    return [Take(profile, tuple(_form(name) for name in names), cmdline)]


def _at_boot(name: str, cmdline: str, *arches: Arch) -> Take:
    return Take(PLAIN, (Form(name, ""),), cmdline, at_boot=True, arches=arches or (Arch.X86_64, Arch.ARM64))


_SET = "echo {} >/sys/module/{}/parameters/{}".format
_SYSCTL = "echo {1} >/proc/sys/kernel/{0}".format
_SCAN = "echo scan >/sys/kernel/debug/kmemleak"
_STALL = _SET(4, "rcupdate", "rcu_cpu_stall_timeout")

TAKES: tuple[Take, ...] = (
    # lockdep says something once in a boot.
    *_alone(
        PLAIN,
        "lockdep-circular", "lockdep-circular-three", "lockdep-circular-rwsem", "lockdep-recursive",
        "lockdep-inconsistent", "lockdep-inconsistent-softirq", "lockdep-irq-order", "lockdep-irq-inversion",
        "lockdep-rcu-usage", "lockdep-rcu-protected", "lockdep-rcu-sync", "lockdep-depth",
        "lockdep-entries", "lockdep-keys", "lockdep-unlock-balance", "lockdep-unlock-balance-nested",
        "lockdep-return-to-user", "lockdep-vma-lock-leaked", "lockdep-still-held", "lockdep-freed",
        "lockdep-nested-not-taken", "lockdep-non-static-key", "lockdep-unregistered-key",
        "lockdep-subclass", "lockdep-debug-locks", "rwsem-owner", "spinlock-magic", "spinlock-recursion",
    ),
    Take(PLAIN, (
        Form("lockdep-is-off", "echo lockdep-circular >/sys/kernel/debug/provoke; "
             "echo atomic-sleep >/sys/kernel/debug/provoke"),
    )),
    # What leaves the kernel as it was.
    *_together(
        PLAIN,
        "warn", "warn-message", "warn-once", "warn-taint", "warn-irq", "warn-bh-irqs-off", "interleaved",
        "refcount-saturated", "refcount-from-0", "refcount-hit-0", "refcount-underflow", "refcount-not-zero",
        "list-double-add", "list-add", "list-double-del", "list-del",
        "vm-warn-on", "vm-warn-on-once", "vm-warn-on-page", "vm-warn-on-folio", "vm-warn-on-mm", "vm-warn-on-vma",
        "vm-warn-on-vmg", "vma-not-attached", "mmap-not-locked", "lockdep-assert",
    ),
    # The kernel says once a second that somebody may not sleep.
    Take(PLAIN, tuple(_form(name, wait_s=1.2) for name in (
        "atomic-sleep", "atomic-sleep-rcu", "atomic-sleep-irqs-off", "atomic-work-leaks", "atomic-schedule",
    ))),
    *_alone(CHECKS, "lockdep-contention", "lockdep-wait-context"),
    *_together(CHECKS, "odebug-timer", "field-spanned", "ubsan-shift", "ubsan-shift-negative", "ubsan-bounds",
               "ubsan-bool", "atomic-preemptible", "atomic-preemptible-this-cpu"),
    # What taints it: lockdep is off from the first of these on.
    *_together(PLAIN, "bad-rss", "bad-pgtables", "bad-page-state", "bad-page-refcount", "bad-page-map", "bad-pmd"),
    *_together(CHECKS, "slab-poison", "slab-redzone", "slab-double-free", "slab-objects-remain", "slab-wrong-cache"),
    *_together(CHECKS, "kfence-use-after-free", "kfence-out-of-bounds", "kfence-underrun", "kfence-double-free",
               "kfence-corruption"),
    Take(CHECKS, (_form("leak", after=f"sleep 6; {_SCAN}; sleep 1; {_SCAN}"),)),
    # What kills the task.
    *_together(PLAIN, "bug", "vm-bug-on", "vm-bug-on-page", "vm-bug-on-folio", "vm-bug-on-vma", "vm-bug-on-mm"),
    *_together(PLAIN, "vma-not-locked", "oops-undefined", "oops-breakpoint"),
    *_together(CHECKS, "fortify", "usercopy"),
    *_together(PLAIN, "oops-null-read", "oops-null-write", "oops-null-execute", "oops-wild-read", "oops-wild-write",
               "oops-unmapped"),
    *_together(PLAIN, "oops-user-execute", "oops-write-constant", "oops-execute-data"),
    Take(CHECKS, (_form("oops-user-read"),)),
    Take(PLAIN, (_form("oops-divide"),), arches=(Arch.X86_64,)),
    Take(PLAIN, (_form("oops-unaligned"), _form("oops-execute-unaligned"), _form("oops-external-abort")),
         arches=(Arch.ARM64,)),
    # What ends the kernel.
    *_alone(PLAIN, "oops-irq", "panic", "reboot"),
    Take(PLAIN, (_form("oops-unhandled"),), arches=(Arch.ARM64,)),
    *_alone(CHECKS, "stack-overflow", "stack-smashed", "stack-end"),
    Take(PLAIN, (Form("panic-on-warn", f"{_SYSCTL('panic_on_warn', 1)}; echo warn >/sys/kernel/debug/provoke"),)),
    Take(PLAIN, (Form("oom", "x=0123456789; while :; do x=$x$x; done", 1.0),)),
    Take(PLAIN, (Form("panic-sysrq", "echo c >/proc/sysrq-trigger"),)),
    _at_boot("oops-init", "provoke=oops-null-read"),
    _at_boot("warn-at-boot", "provoke=warn"),
    _at_boot("panic-early", "provoke_early", Arch.X86_64),
    _at_boot("oops-early", "provoke_early", Arch.ARM64),
    _at_boot("panic-no-init", "rdinit=/nothing init=/nothing"),
    _at_boot("panic-init-ends", "rdinit=/bin/true"),
    # What takes its time.
    Take(PLAIN, (_form("rcu-stall", before=_STALL),)),
    Take(PLAIN, (_form("rcu-stall-sleeper", before=_STALL),)),
    Take(PLAIN, (_form("rcu-stall-expedited", before=_SET(4000, "rcupdate", "rcu_exp_cpu_stall_timeout")),)),
    Take(PLAIN, (_form("soft-lockup", before=_SYSCTL("watchdog_thresh", 2)),)),
    Take(CHECKS, (Form("hard-lockup", f"{_SYSCTL('watchdog_thresh', 2)}; echo irqs-off >/sys/kernel/debug/provoke"),)),
    Take(PLAIN, (Form("rcu-stall-irqs-off", f"{_STALL}; echo irqs-off >/sys/kernel/debug/provoke"),)),
    Take(PLAIN, (_form("hung-task", before=_SYSCTL("hung_task_timeout_secs", 3)),
                 _form("hung-completion", before=_SYSCTL("hung_task_timeout_secs", 3)))),
    Take(PLAIN, (_form("workqueue-lockup", before=_SET(3, "workqueue", "watchdog_thresh")),)),
    # The kernel with KASAN, which has no lockdep.
    *_together(
        KASAN,
        "use-after-free", "write-after-free", "out-of-bounds", "double-free", "invalid-free", "stack-out-of-bounds",
        "global-out-of-bounds", "vmalloc-out-of-bounds", "typesafe-use-after-free", "vma-use-after-free",
        cmdline="kasan_multi_shot",
    ),
    *_together(KASAN, "oops-null-read", "oops-wild-read", "list-del", "vm-bug-on-vma", "warn"),
    *_alone(KASAN, "stack-overflow"),
    # The kernel with KCSAN, where UBSAN traps.
    *_together(
        KCSAN,
        "kcsan-read-write", "kcsan-write-write", "kcsan-unknown", "kcsan-exclusive-writer", "kcsan-exclusive-access",
        "kcsan-exclusive-bits",
    ),
    Take(KCSAN, (Form("ubsan-trap", "echo ubsan-bounds >/sys/kernel/debug/provoke"),)),
)  # fmt: skip

"""What a suite said, and what the kernel showed around it -> the outcomes that count.

Only positive evidence makes a PASS: the suite's own result, a silent console, no new taint, lockdep alive, and the
per-VMA path taken where that is what the case is for.  Pure functions; nothing here talks to a guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.model import Accel, Boot, Case, Command, Counter, Finding, Outcome, Relation, SuiteResult
from harness.verdict.taint import COMPLAINTS, SOFT_LOCKUP, describe, new_bits

PATH_COUNTER = "vma_lock_success"
"""The counter of /proc/vmstat that grows when a fault takes the per-VMA path (CONFIG_PER_VMA_LOCK_STATS)."""

LOST_OUTCOMES = {"silence": Outcome.TIMEOUT, "deadline": Outcome.TIMEOUT, "complaint": Outcome.FAIL}
"""Outcomes for GuestLost.reason; all others (panic, exit, ssh) are CRASH: a broken mm takes sshd with it."""

LEFT_OUT = "left out"
"""Begins the message of what a run had no time for (`--budget`)."""

KERNEL_SAID = "kernel: "
"""Begins the message of a case that passed, but for what the kernel said."""

_LISTED_CASES = 5
_HOST = "host"
_STAGES = ("kernel", "series", "checks")  # suites of cases that every run has
_WORN = frozenset(
    {
        "lockdep", "lockdep-off", "oops", "bug", "panic", "list-corruption", "bad-page", "kasan", "slab", "reboot",
        "hung-task",
    }
)  # fmt: skip


def judge_cases(
    cases: Sequence[Case],
    findings: Sequence[Finding],
    *,
    command: Command,
    accel: Accel,
    taint_before: int,
    taint_after: int | None,
    exact: bool = False,
    counters: Sequence[Counter] = (),
    lockdep_before: bool | None = None,
    lockdep_after: bool | None = None,
    has_lockdep: bool = False,
    dropped: int = 0,
    lost: str | None = None,
    lost_message: str = "",
) -> tuple[Case, ...]:
    """The cases of one command, judged.

    `cases` is what the suite's `parse` made of the output (CRASH where the output had no result); `findings` are those
    of the console while the command ran.  `taint_after` is None where it could not be read.  `exact`: the guest's time
    is its instructions, and no stall is slowness; so none of its findings is `timing`.  `lockdep_before/after` is
    `debug_locks` of /proc/lockdep_stats, None where that is not there: on a kernel without lockdep, and not on one that
    `has_lockdep`.  `dropped` is how many messages the console is without.  `lost` is GuestLost.reason.

    One program may report many cases, and nothing tells in which of them the kernel complained: then none of its
    passes can be believed.  The report itself is kept with the first case.  Raises ValueError without cases.
    """
    if not cases:
        raise ValueError(f"the command {command.name} has no cases: nowhere to put what the kernel said")
    judged = list(cases)
    if lost is not None:
        judged = _lost(judged, lost, lost_message, findings, further=command.further_cases)
    ignored = SOFT_LOCKUP if accel is Accel.TCG and not exact else 0  # as the report that set it: it may be slowness
    tainted = new_bits(taint_before, taint_after) & ~ignored if taint_after is not None else 0
    against = _objections(findings, accel, tainted, lockdep_off=bool(lockdep_before) and lockdep_after is False)
    if lost is None and taint_after is None:
        judged = _demote(judged, Outcome.ERROR, "the guest's taint could not be read")
    if lost is None and lockdep_before is False:
        judged = _demote(judged, Outcome.NOT_RUN, "not covered: lockdep was off already")
    unread = lockdep_after is None and (has_lockdep or lockdep_before is not None)
    if lost is None and unread and taint_after is not None:
        judged = _demote(judged, Outcome.ERROR, "not covered: lockdep's state could not be read")
    if dropped and not against:
        judged = _demote(judged, Outcome.ERROR, _unheard(dropped))
    if against:
        judged = _demote(judged, Outcome.FAIL, "; ".join(against))
        if not any(case.outcome.blames_kernel for case in judged):  # all skipped: a report must not be lost with them
            judged[0] = replace(judged[0], outcome=Outcome.FAIL, message="; ".join(against))
    if lost is None and command.exercises_vma_locks and (why := _not_exercised(counters)):
        judged = _demote(judged, Outcome.NOT_EXERCISED, why)
    judged = [replace(case, counters=tuple(counters)) for case in judged]
    judged[0] = _with_findings(judged[0], findings)
    return tuple(judged)


def _unheard(dropped: int) -> str:
    return f"not covered: printk dropped {dropped} messages before the console had them"


def _demote(cases: Sequence[Case], outcome: Outcome, message: str) -> list[Case]:
    """Passes become `outcome`; what is bad already stays, and is told what else there was."""
    return [
        replace(case, outcome=outcome, message=message, said=Outcome.PASS) if case.outcome is Outcome.PASS
        else replace(case, message=f"{case.message}; {message}") if case.outcome.blames_kernel and message
        else case
        for case in cases
    ]  # fmt: skip


def _objections(findings: Sequence[Finding], accel: Accel, tainted: int = 0, *, lockdep_off: bool = False) -> list[str]:
    """What speaks against every pass of the command, shortest useful words first."""
    told = blaming(findings, accel)
    against = []
    if told:
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        against.append(f"{KERNEL_SAID}{told[0].title}{more}")
    if tainted:
        against.append(f"new taint: {describe(tainted)}")
    if lockdep_off:
        against.append("lockdep switched itself off")
    return against


def blaming(findings: Sequence[Finding], accel: Accel) -> list[Finding]:
    """The findings that fail a case, the telling ones first.

    Stalls and lockups under emulation may be slowness (`timing`): they are kept with the case, but do not fail it.
    That lockdep is off follows from something else mostly, so it comes last.
    """
    counted = [finding for finding in findings if not (finding.timing and accel is Accel.TCG)]
    return sorted(counted, key=lambda finding: finding.type == "lockdep-off")


def _with_findings(case: Case, findings: Sequence[Finding]) -> Case:
    if not findings:
        return case
    text = "\n\n".join(f"console line {finding.line}: {finding.title}\n{finding.text}" for finding in findings)
    return replace(case, findings=(*case.findings, *findings), detail=f"{case.detail}\n\n{text}".strip())


def _lost(
    cases: Sequence[Case], reason: str, message: str, findings: Sequence[Finding], *, further: bool
) -> list[Case]:
    """The guest went away: the first case without a result was running, those after it never ran.

    Where a command has `further` cases, the first is that of the whole program.
    """
    outcome = LOST_OUTCOMES.get(reason, Outcome.CRASH)
    words = message or f"the guest was lost ({reason})"
    if fatal := next((finding for finding in findings if finding.type == "panic"), None):
        words = f"{words}: {fatal.title}"
    running = next((at for at, case in enumerate(cases) if case.outcome is Outcome.CRASH), None)
    if running is None:  # it died after its last result
        running = 0 if further else len(cases) - 1
    judged = list(cases)
    judged[running] = replace(cases[running], outcome=outcome, message=words)
    for at in range(running + 1, len(cases)):
        if cases[at].outcome is Outcome.CRASH:
            why = f"the guest was lost in {cases[running].name}"
            judged[at] = replace(cases[at], outcome=Outcome.NOT_RUN, message=why)
    return judged


def _not_exercised(counters: Sequence[Counter]) -> str:
    """Why it cannot be said that the per-VMA path was taken; "" if it was."""
    counter = next((counter for counter in counters if counter.name == PATH_COUNTER), None)
    if counter is None:
        return f"not exercised: /proc/vmstat has no {PATH_COUNTER} (CONFIG_PER_VMA_LOCK_STATS, fragment stats)"
    if counter.delta <= 0:
        return f"not exercised: {PATH_COUNTER} stayed at {counter.before}"
    return ""


def guest_is_spent(findings: Sequence[Finding], lockdep_after: bool | None, lockdep_before: bool | None = None) -> str:
    """Why nothing more should be run in this guest; "" if it is as good as new.

    After one lockdep report every later lockdep check passes silently, and after an oops anything may be broken.  A
    task that hangs is reported again and again, in whatever case is next.
    Where lockdep was off before the command, a fresh guest is no better: what is left is run, and not covered.
    """
    if lockdep_after is False and lockdep_before is not False:
        return "lockdep is off"
    return next((finding.title for finding in findings if finding.type in _WORN), "")


def judge_boot(name: str, boot: Boot, findings: Sequence[Finding], *, dropped: int = 0) -> Case:
    """A boot as a case of the suite `kernel`: did the guest come up, and did the kernel keep silent until then?

    A taint that is there after the boot is of the report that set it; where there is none, `judge_taint` tells.
    """
    case = Case("kernel", name, boot.outcome, seconds=boot.total_s, message=boot.message)
    if boot.outcome is Outcome.PASS:
        case = replace(case, message="")
    if dropped:
        case = _demote([case], Outcome.ERROR, _unheard(dropped))[0]
    if against := _objections(findings, boot.accel):
        case = _demote([case], Outcome.FAIL, "; ".join(against))[0]
    return _with_findings(case, findings)


def judge_taint(boot: Case, taint: int) -> Case | None:
    """What the first reading of the taint says of a boot in which the kernel was silent; None: nothing."""
    told = taint & COMPLAINTS if not boot.findings else 0
    words = f"tainted by its boot, without a word on the console: {describe(told)}"
    return Case("kernel", "boot-taint", Outcome.FAIL, message=words, log=boot.log) if told else None


def judge_late(name: str, boot: Boot, findings: Sequence[Finding], *, dropped: int = 0) -> Case:
    """What the kernel said while no command ran, and what of it was dropped, as a case of the suite `kernel`."""
    return replace(judge_boot(name, boot, findings, dropped=dropped), seconds=0.0)


# --- the run as a whole ---------------------------------------------------------------------------------------


def overall(
    suites: Sequence[SuiteResult], *, strict: bool = False, left_out: Sequence[str] = (), vanished: Sequence[str] = ()
) -> tuple[Outcome, str]:
    """The outcome of a run and one line that says why.

    FAIL if the kernel failed anywhere and nothing excuses it (`strict`: or coverage was lost, by a case or with one
    that has `vanished`); ERROR if the harness
    could not find something out; NOT_RUN if nothing passed, no suite had anything to say in a guest (also where that is
    excused), or something was `left_out` for want of time; else PASS.
    """
    named = [(f"{suite.classname}.{case.name}", case) for suite in suites for case in suite.cases]
    if failed := [(name, case) for name, case in named if case.fails or (strict and case.relation is Relation.GONE)]:
        shown = ", ".join(f"{name} ({case.outcome.value})" for name, case in failed[:_LISTED_CASES])
        more = f" and {len(failed) - _LISTED_CASES} more" if len(failed) > _LISTED_CASES else ""
        told = tally(case for _, case in named)
        return Outcome.FAIL, f"{f'{told}; ' if told else ''}{len(failed)} of {len(named)} cases failed: {shown}{more}"
    # Something that did not run although nothing failed: nobody knows what it would have said.
    passed = sum(case.outcome is Outcome.PASS for _, case in named)
    unknown = [
        (name, case) for name, case in named
        if case.outcome in (Outcome.ERROR, Outcome.NOT_RUN) and not case.excused
        and not (case.outcome is Outcome.NOT_RUN and case.message.startswith(LEFT_OUT))
    ]  # fmt: skip
    if unknown and (passed or any(case.outcome is Outcome.ERROR for _, case in unknown)):
        name, case = unknown[0]
        return Outcome.ERROR, f"{len(unknown)} of {len(named)} cases have no result: {name}: {case.message}"
    if strict and vanished:
        more = f" and {len(vanished) - 1} more" if len(vanished) > 1 else ""
        return Outcome.FAIL, f"gone with coverage: {vanished[0]}{more}, which the tree without the series has"
    if left_out:
        shown = ", ".join(left_out[:_LISTED_CASES])
        more = f" and {len(left_out) - _LISTED_CASES} more" if len(left_out) > _LISTED_CASES else ""
        return Outcome.NOT_RUN, f"incomplete: {passed} of {len(named)} cases passed, left out: {shown}{more}"
    if untested := _untested(suites):
        return Outcome.NOT_RUN, untested
    excused = sum(bool(case.excused) for _, case in named)
    skipped = len(named) - passed - excused
    uncovered = sum(case.outcome is Outcome.NOT_RUN and bool(case.excused) for _, case in named)
    told = tally(case for _, case in named)
    parts = [
        f"{passed} cases passed", told, f"{skipped} skipped" if skipped else "",
        f"{uncovered} not run without the series either" if uncovered else "",
    ]  # fmt: skip
    return Outcome.PASS, ", ".join(part for part in parts if part)


def _untested(suites: Sequence[SuiteResult]) -> str:
    """Where suites were to test a kernel and none of their cases has an answer, or nothing passed at all; else "".

    A target on which all is skipped, as what its kernel has not, is no loss beside one on which something was tested.
    """
    every = [case for suite in suites for case in suite.cases]
    if not any(case.outcome is Outcome.PASS for case in every):
        return f"nothing ran: none of {len(every)} cases has a result"
    targets: dict[tuple[str, str], list[Case]] = {}
    for suite in suites:
        if suite.arch != _HOST and suite.suite not in _STAGES:
            targets.setdefault((suite.arch, suite.profile), []).extend(suite.cases)
    silent = {
        target: cases
        for target, cases in targets.items()
        if cases and not any(case.outcome is Outcome.PASS or case.outcome.blames_kernel for case in cases)
    }
    for (arch, profile), cases in silent.items():
        first = next((case for case in cases if case.outcome is Outcome.NOT_RUN), None)
        if first is None and len(silent) == len(targets):
            first = cases[0]
        if first is not None:
            what = f"{first.suite}.{first.name}: {first.message}"
            return f"nothing was tested on {arch} {profile}: none of {len(cases)} cases has a result: {what}"
    return ""


def tally(cases: Iterable[Case]) -> str:
    """`2 new, 1 same as the base, 1 known`: how cases that failed stand to what was there before; "" if nobody asked.

    What counts for nothing else: a known failure is known, be it the base's too or not.
    """
    words = ("new", "same as the base", "known", "flaky", "fixed", "gone with coverage")
    count = dict.fromkeys(words, 0)
    for case in cases:
        for word in _standing(case):
            count[word] += 1
    return ", ".join(f"{number} {word}" for word, number in count.items() if number)


def _standing(case: Case) -> list[str]:
    if not case.outcome.blames_kernel:
        return [case.relation.value] if case.relation in (Relation.FIXED, Relation.GONE) else []
    flaky = ["flaky"] if case.flaky else []
    if case.known:
        return ["known", *flaky]
    named = {Relation.NEW: "new", Relation.SAME: "same as the base"}
    return [*([named[case.relation]] if case.relation in named else []), *flaky]

"""`vmaharness rerun`: a failure again, from the capsule that it left."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.arch import is_native
from harness.cli import say
from harness.cli.engine import Bench, DebuggedGuest, Session, session
from harness.errors import ExitCode, GuestLost, UserError
from harness.model import Finding, Outcome

if TYPE_CHECKING:
    from harness.report.capsule import Capsule
    from harness.run.rerun import Again

LONGEST_SOCKET_PATH = 107  # unix(7), sun_path


@click.command()
@click.argument("capsule", type=click.Path(path_type=Path))
@click.option("--shell", is_flag=True, help="Open a shell in that guest instead of running the case.")
@click.option("--gdb", is_flag=True, help="Start QEMU with a stub for gdb, the guest halted; deadlines are off.")
@click.option("--no-halt", is_flag=True, help="With --gdb: let the guest run at once.")
@click.option(
    "--accel", type=click.Choice(["auto", "tcg", "kvm"]), envvar="VMAHARNESS_ACCEL", show_envvar=True,
    help="What runs the guest, instead of what ran it then.",
)  # fmt: skip
@click.pass_context
def rerun(context: click.Context, capsule: Path, shell: bool, gdb: bool, no_halt: bool, accel: str | None) -> None:
    """Run a failed case again: same kernel, same initramfs, same guest, same command.

    CAPSULE is a directory that a run has left (capsule-ARCH-PROFILE-SUITE-CASE). Exit codes: 0 it passes now, 1 it
    fails again, 2 the capsule cannot be used, 3 this machine cannot do it, 4 it was not reached. With --shell the exit
    code is the shell's.
    """
    if no_halt and not gdb:
        raise UserError("--no-halt says how --gdb starts the guest", fix="give --gdb too")
    if shell and not has_terminal():
        raise UserError("a shell needs a terminal", fix="leave --shell out to run the case")
    with session(context) as now:
        stub = ("running" if no_halt else "halted") if gdb else ""
        bench = now.engine.open_capsule(
            capsule, processes=now.processes, cache=now.cache, emit=now.progress.emit,
            accel=accel or "", gdb=stub,
        )  # fmt: skip
        code = _shell(now, bench, stub) if shell else _again(now, bench, stub)
    context.exit(code)


def has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _again(now: Session, bench: Bench, stub: str) -> int:
    def on_start(guest: DebuggedGuest) -> None:
        if stub:
            say.out(gdb_words(bench, guest, stub))

    if stub:  # a live table would cover what is printed
        again = bench.again(on_start)
    else:
        with now.progress:
            again = bench.again(on_start)
    for line in account(bench.capsule, again):
        say.out(line)
    say.out(f"console: {bench.console}")
    return exit_code(again.case.outcome) if again.same_run else ExitCode.INFRA_ERROR


def exit_code(outcome: Outcome) -> ExitCode:
    """What the process says of how the case ended now."""
    if outcome is Outcome.PASS:
        return ExitCode.PASS
    if outcome.blames_kernel:
        return ExitCode.KERNEL_FAILED
    return ExitCode.INFRA_ERROR if outcome is Outcome.ERROR else ExitCode.NOTHING_RAN


def account(capsule: Capsule, again: Again) -> list[str]:
    """Then and now, for people."""
    from harness.report.text import one_line  # noqa: PLC0415 - start-up time

    def told(mark: str, findings: tuple[Finding, ...], word: str) -> list[str]:
        return [f"  {mark} {one.fingerprint[:16]}  {one_line(one.title, 100)}{word}" for one in findings]

    case = again.case
    elsewhere = "" if (case.suite, case.name) == (capsule.suite, capsule.case) else f" ({case.suite}.{case.name})"
    same = "the same outcome" if again.same_outcome else "another outcome"
    findings = "the same findings" if again.same_findings else "other findings"
    lines = [
        one_line(capsule.title),
        f"then  {capsule.outcome.value:<13} {one_line(capsule.message, 160)}".rstrip(),
        f"now   {case.outcome.value:<13} {one_line(case.message, 160)}{elsewhere}".rstrip(),
        f"{same}, {findings if capsule.findings or case.findings else 'no findings'}",
    ]
    lines += [again.exact] if again.exact else []
    lines += told("=", again.same, "") + told("-", again.gone, ", then") + told("+", again.new, ", now")
    return lines


def gdb_words(bench: Bench, guest: DebuggedGuest, stub: str) -> str:
    """The command line that debugs a guest, and what must be known about it."""
    arch, vmlinux, socket = bench.capsule.arch, bench.vmlinux, guest.gdb_socket
    program = "gdb" if is_native(arch) else "gdb-multiarch"
    where, place = str(socket), ""
    if len(where) > LONGEST_SOCKET_PATH:
        where, place = socket.name, f"cd {shlex.quote(str(socket.parent))} && "
    words = [program, *([str(vmlinux)] if vmlinux is not None else []), "-ex", f"target remote {where}"]
    symbols = vmlinux is not None and vmlinux.with_name("vmlinux-gdb.py").is_file()
    words += ["-ex", "lx-symbols"] if symbols else []
    lines = [f"gdb: {place}{shlex.join(words)}"]
    lines += [] if symbols else ["     (no lx-symbols: the build has no vmlinux-gdb.py)"]
    if shutil.which(program) is None:
        lines.append(f"     ({program} is not installed here: apt-get install {program})")
    state = "halted: continue in gdb starts the guest" if stub == "halted" else "running"
    return "\n".join([*lines, f"     the guest is {state}; deadlines are off; Ctrl-C here ends it"])


def _shell(now: Session, bench: Bench, stub: str) -> int:
    with ExitStack() as stack:
        if stub:
            guest = stack.enter_context(bench.guest())
            say.out(gdb_words(bench, guest, stub))
            started = guest.boot()
        else:
            with now.progress:
                guest = stack.enter_context(bench.guest())
                started = guest.boot()
        if started.outcome is not Outcome.PASS:
            say.note(f"vmaharness: the guest did not come up: {started.message}")
            return ExitCode.KERNEL_FAILED
        if bench.capsule.command is not None:
            say.note(f"vmaharness: the case is: {shlex.join(bench.capsule.command.argv)}")
        try:
            return guest.interactive()
        except GuestLost as error:
            say.error(error)
            return ExitCode.KERNEL_FAILED

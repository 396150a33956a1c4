"""`vmaharness boot`: a shell in a guest, or one command."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from harness.arch import host_arch
from harness.cli import say
from harness.cli.engine import LiveGuest, Session, session
from harness.cli.options import load_plan_of, plan_options, said_by_flag
from harness.errors import ExitCode, GuestLost, UserError
from harness.model import Outcome

if TYPE_CHECKING:
    from harness.plan.model import Plan


class _PlanAndCommand(click.Command):
    """Words after `--` are the command, whether or not a PLAN stands before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["guest command"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@click.command(cls=_PlanAndCommand)
@plan_options
@click.pass_context
def boot(context: click.Context, /, **_: object) -> None:
    """Open a shell in a guest, or run one command.

    With a COMMAND the exit code is the command's. The guest is of the host's architecture unless --arch says otherwise,
    and of the plan's first profile. A guest that does not come up, or dies under the command, gives exit code 1.
    """
    plan = one_target(context, load_plan_of(context))
    command = context.meta.get("guest command", ())
    if not command and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("a shell needs a terminal", fix="run one command: vmaharness boot -- COMMAND…")
    with session(context) as now:
        code = _boot(now, plan, command)
    context.exit(code)


def one_target(context: click.Context, plan: Plan) -> Plan:
    """The plan narrowed to one architecture and one profile.  Raises UserError when flags ask for more."""
    for key, flag, values in (("arch", "--arch", plan.arch), ("profiles", "--profile", plan.profiles)):
        if len(values) > 1 and said_by_flag(context, (key,)):
            raise UserError(f"boot starts one guest, and {flag} names {len(values)}", fix=f"give {flag} once")
    native = host_arch()
    arch = native if native is not None and native in plan.arch else plan.arch[0]
    return plan.model_copy(update={"arch": (arch,), "profiles": plan.profiles[:1]})


def _boot(now: Session, plan: Plan, command: tuple[str, ...]) -> int:
    directory = now.cache.scratch("boot")
    with ExitStack() as stack:
        with now.progress:
            opened = now.engine.open_guest(
                plan, directory=directory, processes=now.processes, cache=now.cache, emit=now.progress.emit
            )
            guest = stack.enter_context(opened)
            started = guest.boot()
        if started.outcome is not Outcome.PASS:
            say.note(f"vmaharness: the guest did not come up: {started.message}")
            return ExitCode.KERNEL_FAILED
        try:
            return _run(guest, command, plan.guest.command_s) if command else guest.interactive()
        except GuestLost as error:
            say.error(error)
            return ExitCode.KERNEL_FAILED


def _run(guest: LiveGuest, command: tuple[str, ...], timeout_s: float) -> int:
    done = guest.run(command, timeout_s=timeout_s)
    say.out(done.stdout, newline=False)
    say.note(done.stderr, newline=False)
    return done.exit_code

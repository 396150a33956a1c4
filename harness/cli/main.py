"""The command `vmaharness`: its verbs, and the border where errors become messages and exit codes.

Verbs import what is heavy inside their functions, so that `--help` and completion answer at once.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from typing import Any, NoReturn

import click

from harness import __version__
from harness.cli import (
    apply,
    bench,
    bisect,
    boot,
    build,
    cache,
    compare,
    completion,
    config,
    doctor,
    git_bisect_run,
    man,
    mutants,
    plan,
    report,
    rerun,
    run,
    runs,
    say,
    series,
    suites,
)  # fmt: skip
from harness.errors import Cancelled, ExitCode, HarnessError, machine_problem

HELP = """Take a kernel patch series, apply, build, boot and test it, and say what it did.

The main job is `run`; a bare `vmaharness run` tests the project's demo series on both architectures. Each stage of
it can be asked for alone: `apply`, `config`, `build`, `boot`.

Exit codes: 0 passed, 1 the kernel failed, 2 what was asked for cannot be done, 3 this machine cannot do it,
4 nothing was tested, or not everything, 130 interrupted.
"""


class Verbs(click.Group):
    """The group of verbs, in the order in which they were added; the border for exceptions."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["words"] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HarnessError as error:
            if not (isinstance(error, Cancelled) and not error.what):
                say.error(error)
            ctx.exit(_exit_code(ctx, error.exit_code))
        except KeyboardInterrupt:
            ctx.exit(ExitCode.CANCELLED)
        except click.ClickException as error:
            if (code := _exit_code(ctx, error.exit_code)) == error.exit_code:
                raise
            error.show()
            ctx.exit(code)
        except (click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            problem = machine_problem(error)
            if problem is None:
                _report_bug(error)
            else:
                say.error(problem)
            ctx.exit(_exit_code(ctx, ExitCode.INFRA_ERROR))
        except Exception as error:  # noqa: BLE001 - the border: a bug ends in a message, not in a stack on the terminal
            _report_bug(error)
            ctx.exit(_exit_code(ctx, ExitCode.INFRA_ERROR))


def _exit_code(context: click.Context, code: int) -> int:
    """The exit code of an error; git bisect run would take one below 128 for what is said of the commit."""
    aborts = context.invoked_subcommand == git_bisect_run.git_bisect_run.name and code < git_bisect_run.ABORTS
    return git_bisect_run.ABORTS + code if aborts else code


def _report_bug(error: Exception) -> None:
    trace = "".join(traceback.format_exception(error))
    say.note(f"vmaharness: this is a bug in vmaharness: {type(error).__name__}: {error}")
    try:
        handle, name = tempfile.mkstemp(prefix="vmaharness-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"vmaharness {__version__}, {' '.join(sys.argv)}\n\n{trace}")
        say.note(f"fix: report it with {name}")
    except OSError:
        say.note(trace)


@click.group(cls=Verbs, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="vmaharness", message="%(prog)s %(version)s")
def cli() -> None:
    """Documented by HELP."""


for verb in (
    run.run, apply.apply, config.config, build.build, boot.boot, rerun.rerun, bisect.bisect,
    git_bisect_run.git_bisect_run, bench.bench, mutants.mutants, doctor.doctor, report.report, compare.compare,
    runs.runs, runs.ps, runs.gc, series.series, suites.suites, plan.plan, cache.cache,
    man.man, completion.completion,
):  # fmt: skip
    cli.add_command(verb)


def entry() -> NoReturn:
    """The entry point of the program; VMAHARNESS_PROGRAM is what a wrapper wants it to be called in messages."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale that cannot write a character is no reason to fail
    try:
        cli.main(prog_name=os.environ.get("VMAHARNESS_PROGRAM") or "vmaharness", complete_var="_VMAHARNESS_COMPLETE")
    except KeyboardInterrupt:
        sys.exit(ExitCode.CANCELLED)
    sys.exit(ExitCode.PASS)


if __name__ == "__main__":
    entry()

"""`vmaharness bench`: what operations cost with a series and without, and how that has changed over time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import say
from harness.cli.engine import command_line, exit_code, publish, session, show
from harness.cli.options import json_option, load_plan_of, some_plan_options
from harness.cli.results import result_directory
from harness.errors import ExitCode, HarnessError, UserError
from harness.host.cache import default_history

if TYPE_CHECKING:
    from harness.model import RunResult
    from harness.plan.model import Plan

KEYS = (
    "tree", "series", "base", "base_candidates", "per_patch", "base_fix", "arch", "profiles", "suites", "cases",
    "seeds", "bench", "strict", "guest", "repair", "jobs", "sandbox", "out", "keep",
)  # fmt: skip
"""The parts of a plan that mean something here."""

_DEFAULT = "run"


class _Bench(click.Group):
    """A group whose first verb need not be named: `bench PLAN.yaml` is `bench run PLAN.yaml`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Bench)
def bench() -> None:
    """Price a series: what each operation costs with it and without it.

    In exact guests (docs/exact.md) instructions are counted, so that a price needs neither KVM nor a quiet machine, and
    is the same on each. `run`, which need not be said, prices; `history` shows what was kept of earlier prices.
    """


history_option = click.option(
    "--history", "place", metavar="DIR", envvar="VMAHARNESS_HISTORY", type=click.Path(path_type=Path, file_okay=False),
    help="Where prices are kept; VMAHARNESS_HISTORY, else a directory of the user's data.",
)  # fmt: skip


@bench.command()
@click.argument("plan", required=False, metavar="[PLAN.yaml]", type=click.Path())
@some_plan_options(KEYS)
@click.option("--save", metavar="NAME", help="Keep the prices under this name, for vmaharness bench history.")
@history_option
@json_option
@click.pass_context
def run(context: click.Context, /, save: str | None, place: Path | None, as_json: bool, **_: object) -> None:
    """Count what operations cost on base and series, and say what has changed.

    Without PLAN.yaml the demo series is priced on the release kernel (configs/bench.yaml). Base and series are compared
    at the same seed, repetition by repetition. Two controls are priced with them: the base booted again, which must not
    differ in anything or the run is void, and a patch that only moves code. docs/bench.md says what verdicts mean.
    With --per-patch each patch is priced, too, against the one before it.
    Results are those of a run: results.json (cost), junit.xml, summary.txt. Exit codes: 0 priced, 1 a limit is exceeded
    or the kernel failed, 3 the run is void, or something has no price that a limit asks for.
    """
    keep = None
    if save is not None:
        from harness.run.bench.history import check_name  # noqa: PLC0415 - start-up time

        keep = place or default_history()
        check_name(keep, save)  # now rather than after minutes
    result, code = _price(context, load_plan_of(context, default="bench"), as_json=as_json)
    if keep is not None and save is not None:
        from harness.run.bench.history import save as save_prices  # noqa: PLC0415 - start-up time

        say.note(f"vmaharness: kept as {save}: {save_prices(result, keep, save)}")
    context.exit(code)


@bench.command()
@click.argument("metric")
@history_option
def history(metric: str, place: Path | None) -> None:
    """Show what METRIC has cost from kernel to kernel, with its change points.

    METRIC is a metric such as faults.anon.1, or a glob on metrics. Kernels are those of runs that were kept with
    --save, in the order of time. Costs are held against each other where the same programs counted them, built by the
    same compiler, in the same guests; a change is marked where it is more than either run would call none.
    """
    from harness.report.cost import history_lines  # noqa: PLC0415 - start-up time
    from harness.run.bench import history as kept  # noqa: PLC0415

    directory = place or default_history()
    found = kept.history(kept.load(directory), metric)
    if not found:
        raise UserError(f"nothing is kept of {metric} in {directory}", fix="vmaharness bench --save NAME keeps prices")
    rows = {
        name: [(step.saved.name, step.saved.kernel_version, step.point, step.change, step.marked) for step in steps]
        for name, steps in found.items()
    }
    say.out("\n".join(history_lines(rows)))


def _price(context: click.Context, plan: Plan, *, as_json: bool) -> tuple[RunResult, ExitCode]:
    with (
        session(context) as now,
        result_directory(plan.out, cwd=Path.cwd(), now=datetime.now()) as directory,
    ):
        now.cache.tell(command=command_line(context), directory=str(directory.absolute()))
        tools: dict[str, Any] = {"processes": now.processes, "cache": now.cache, "emit": now.progress.emit}
        try:
            with now.progress:
                result = now.engine.run_bench(
                    plan, directory=directory, command=command_line(context),
                    publish=lambda found: publish(found, directory), **tools,
                )  # fmt: skip
        except HarnessError:
            if (directory / "results.json").exists():
                say.note(f"vmaharness: what was found out until then is in {directory}")
            raise
        show(result, directory, as_json=as_json)
        return result, exit_code(result)

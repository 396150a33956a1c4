"""`vmaharness cache`: what is kept between runs, and how it is kept small and sound."""

from __future__ import annotations

import os
import time
from collections import defaultdict

import click

from harness.cli import say, units
from harness.errors import ExitCode
from harness.host.cache import Cache, default_root


@click.group()
def cache() -> None:
    """What is kept between runs: kernels, trees, results, work copies.

    It lies in ~/.cache/vmaharness or VMAHARNESS_CACHE. Once a day a run does by itself what gc does. Runs that are at
    work lose nothing by any of this. What a killed run has left is another matter: see vmaharness ps and gc.
    """


@cache.command()
def ls() -> None:
    """Show what is there: how many of each kind, how large, when last used."""
    from harness.host.upkeep import Item, items  # noqa: PLC0415 - start-up time

    with Cache(default_root()) as opened:
        kinds: dict[str, list[Item]] = defaultdict(list)
        for item in items(opened):
            kinds[item.kind].append(item)
    now = time.time()
    say.out(f"{'kind':<12} {'entries':>7} {'size':>10}   last used")
    for kind, found in sorted(kinds.items(), key=lambda pair: -sum(item.bytes for item in pair[1])):
        newest = max(item.used for item in found)
        size = units.size(sum(item.bytes for item in found))
        say.out(f"{kind:<12} {len(found):>7} {size:>10}   {units.ago(now - newest)}")
    total = sum(item.bytes for found in kinds.values() for item in found)
    say.out(f"{'':<12} {sum(map(len, kinds.values())):>7} {units.size(total):>10}   in {default_root()}")


@cache.command()
@click.option("--size", metavar="GIB", type=click.FloatRange(min=0), help="What all may take; "
              "VMAHARNESS_CACHE_SIZE, else 20.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Remove nothing, and say what would go.")
def gc(size: float | None, dry_run: bool) -> None:
    """Remove what was unused longest until the rest is small enough.

    Nothing goes that was used in the last hour, or that a run which is at work has used since it began.
    """
    from harness.host.upkeep import collect, default_limit  # noqa: PLC0415 - start-up time

    limit = int(size * 2**30) if size is not None else default_limit(os.environ.get("VMAHARNESS_CACHE_SIZE"))
    with Cache(default_root()) as opened:
        found = collect(opened, limit, now=time.time(), dry_run=dry_run)
    for item in found.removed:
        say.out(f"{'would go' if dry_run else 'removed'}  {item.kind} {item.name}  {units.size(item.bytes)}")
    left = f"{units.size(found.left_bytes)} left of {units.size(limit)} allowed"
    kept = f"; {found.in_use} are in use or were lately" if found.in_use and found.left_bytes > limit else ""
    say.out(f"{len(found.removed)} {'would be ' if dry_run else ''}removed, {left}{kept}")


@cache.command()
@click.pass_context
def verify(context: click.Context) -> None:
    """Read every entry and compare it with what was put there.

    What is damaged is removed, and made again when it is next needed. Exit code 3 if anything was.
    """
    from harness.host.upkeep import verify as verify_all  # noqa: PLC0415 - start-up time

    with Cache(default_root()) as opened:
        damaged = [f"{item.kind} {item.name}: {trouble}" for item, trouble in verify_all(opened)]
    for line in damaged:
        say.out(f"damaged, removed  {line}")
    say.out(f"{len(damaged)} damaged")
    context.exit(ExitCode.INFRA_ERROR if damaged else ExitCode.PASS)

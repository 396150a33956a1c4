"""`vmaharness runs`, `ps` and `gc`: which runs there are, what is at work now, and what a killed one has left."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import say, units
from harness.cli.progress import duration, printable
from harness.host.cache import default_root

if TYPE_CHECKING:
    from harness.host.sessions import Process
    from harness.run.leftovers import Left
    from harness.run.registry import Run


@click.command()
@click.argument("directories", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON on standard output.")
def runs(directories: tuple[Path, ...], as_json: bool) -> None:
    """List the runs, the newest last: state, verdict, when, how long, size, directory.

    Those that were made with this cache, as long as their directories are there, and those in DIR. A run is running,
    interrupted, passed, failed, error, incomplete (its budget left something out), or nothing ran. What was interrupted
    or incomplete, or ended with an error, goes on with vmaharness run --resume.
    """
    from harness.run import registry  # noqa: PLC0415 - start-up time

    found = registry.runs(default_root(), directories)
    if as_json:
        said = [asdict(run) | {"directory": str(run.directory)} for run in found]
        say.out(json.dumps(said, indent=1, ensure_ascii=False))
        return
    for run in found:
        say.out("\n".join(_lines(run)))
    if not found:
        say.out("no runs")


def _lines(run: Run) -> list[str]:
    when = time.time() - datetime.fromisoformat(run.started).timestamp()
    goal = "" if run.goal == "run" else f" ({run.goal})"
    head = f"{run.state:<11} {units.ago(when):<14} {duration(run.seconds):>12} {units.size(run.bytes):>10}"
    lines = [f"{head}  {printable(str(run.directory))}{goal}"]
    words = run.verdict or (f"{run.steps} steps are done" if run.steps else "")
    if words:
        lines.append(f"            {printable(words)}")
    return lines


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on standard output.")
def ps(as_json: bool) -> None:
    """Show what is at work now, and what a killed run has left.

    Each vmaharness that works with this cache, with the programs that it has started; then processes, scratch
    directories and half-made work copies whose vmaharness is gone. vmaharness gc removes those.
    """
    from harness.run import leftovers  # noqa: PLC0415 - start-up time

    working, left = leftovers.live(default_root()), leftovers.left(default_root())
    if as_json:
        said = {
            "running": [
                {"session": one.name, "pid": one.pid, "command": one.command, "directory": one.directory,
                 "processes": [_plain(process) for process in one.processes]}
                for one in working
            ],
            "left": [
                {"kind": item.kind, "name": item.name, "bytes": item.bytes, "path": str(item.path or ""),
                 "process": _plain(item.process) if item.process else None}
                for item in left
            ],
        }  # fmt: skip
        say.out(json.dumps(said, indent=1, ensure_ascii=False))
        return
    for one in working:
        where = f"  in {one.directory}" if one.directory else ""
        say.out(printable(f"{one.name}  {' '.join(one.command) or 'vmaharness'}{where}"))
        for process in one.processes:
            say.out(printable(f"    {process.pid:>8}  {duration(process.age_s):>12}  {_words(process)}"))
    if not working:
        say.out("nothing is running")
    for item in left:
        say.out(_left_line("left", item))


@click.command()
@click.option("--dry-run", is_flag=True, help="Remove nothing, and say what would go.")
def gc(dry_run: bool) -> None:
    """Remove what killed runs have left, and nothing else.

    Their processes, each only while its number, start time and mark are those of a vmaharness that is gone; scratch
    directories with their sockets; half-made parts of work copies that nobody holds; locks of a git that was killed;
    and entries of runs whose directories are gone. No results, and nothing that is whole in the cache: for that there
    is vmaharness cache gc.
    """
    from harness.run import leftovers  # noqa: PLC0415 - start-up time

    found = leftovers.left(default_root())
    gone = found if dry_run else leftovers.clean(default_root(), found)
    for item in gone:
        say.out(_left_line("would go" if dry_run else "removed", item))
    for item in (item for item in found if item not in gone):
        say.out(_left_line("still there", item))
    say.out(f"{len(gone)} {'would be ' if dry_run else ''}removed, {units.size(sum(item.bytes for item in gone))}")


def _left_line(word: str, item: Left) -> str:
    taken = f"  {units.size(item.bytes)}" if item.bytes else ""
    words = f"  {_words(item.process)}" if item.process is not None else ""
    return printable(f"{word}  {item.kind} {item.name}{taken}{words}")


def _words(process: Process) -> str:
    """The kind of a process and the beginning of its command line."""
    line = " ".join(process.argv)
    return f"{process.kind}: {line[:100]}{'…' if len(line) > 100 else ''}"


def _plain(process: Process) -> dict[str, object]:
    return {
        "pid": process.pid, "parent": process.parent, "kind": process.kind, "argv": process.argv,
        "age_s": round(process.age_s, 1),
    }  # fmt: skip

"""A result and the files a person and a CI server read, made from it: at the end of a run, or again later."""

from __future__ import annotations

from pathlib import Path

from harness.model import RunResult
from harness.report import exports, html, junit, results, terminal
from harness.report.files import Layout, write_atomic


def publish(result: RunResult, directory: Path, *, attachment_root: Path | None = None) -> None:
    """Write results.json, junit.xml, summary.txt, metrics.txt, metrics.csv and report.html, in this order.

    What fails later leaves the earlier ones.

    Raises InfraError when one cannot be written.
    """
    layout = Layout(directory)
    results.write(result, layout.results)
    _write_readable(result, layout, attachment_root)


def render(directory: Path, *, colour: bool = False, width: int = 100, attachment_root: Path | None = None) -> str:
    """Make all files of a run's directory again that follow from its results.json; the summary is returned.

    Raises InputError when there is no result of ours in `directory`, InfraError when a file cannot be written.
    """
    layout = Layout(directory)
    result = results.load(layout.results)
    _write_readable(result, layout, attachment_root)
    return terminal.summary(result, directory=directory.absolute(), colour=colour, width=width)


def _write_readable(result: RunResult, layout: Layout, attachment_root: Path | None) -> None:
    junit.write(result, layout.junit, attachment_root=attachment_root)
    text = terminal.summary(result, directory=layout.directory.absolute())
    write_atomic(layout.summary, text.encode("utf-8", "backslashreplace"))
    write_atomic(layout.metrics, exports.openmetrics(result).encode())
    write_atomic(layout.table, exports.table(result).encode())
    write_atomic(layout.style_sheet, html.style_sheet())
    write_atomic(layout.page, html.page(result, layout.directory.absolute()).encode("utf-8", "backslashreplace"))

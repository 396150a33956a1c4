"""The files of a run, written at its end and made again from results.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfraError, InputError
from harness.model import Metric, RunResult
from harness.report import junit, results
from harness.report.files import Layout
from harness.report.render import publish, render
from tests.report import costs, samples


@pytest.mark.parametrize("result", [samples.failed(), costs.priced()])
def test_what_is_made_again_is_the_same(result: RunResult, tmp_path: Path) -> None:
    publish(result, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == [
        "junit.xml", "metrics.csv", "metrics.txt", "report.css", "report.html", "results.json", "summary.txt",
    ]  # fmt: skip
    for name in set(before) - {"results.json"}:
        (tmp_path / name).unlink()
    text = render(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert text.encode() == before["summary.txt"]
    assert str(tmp_path) in text


def test_colour_is_for_terminals_not_for_the_file(tmp_path: Path) -> None:
    publish(samples.failed(), tmp_path)
    assert "\x1b[" in render(tmp_path, colour=True)
    assert b"\x1b" not in Layout(tmp_path).summary.read_bytes()


def test_a_directory_without_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json: no such file"):
        render(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_order_keeps_what_could_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "_FILE_BYTES", 100)
    with pytest.raises(InfraError):
        publish(samples.passed(), tmp_path)
    assert results.load(tmp_path / "results.json") == samples.passed()


def test_a_bad_number_leaves_nothing_half_written(tmp_path: Path) -> None:
    bad = replace(samples.fault_case("anon.1"), metrics=(Metric("fault", float("inf"), "ns", 1),))
    with pytest.raises(InfraError):
        publish(samples.with_fault_cases(bad), tmp_path)
    assert not list(tmp_path.iterdir())

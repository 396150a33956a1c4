"""metrics.txt and metrics.csv: what GitLab's and Jenkins' readers find in them."""

from __future__ import annotations

import csv
import io
import re
import shlex
from dataclasses import replace

import pytest

from harness.costs import Mode
from harness.model import Outcome
from harness.report.exports import openmetrics, table
from tests.report.costs import cost_report, priced
from tests.report.samples import fault_case, passed, with_fault_cases

ANON = 'vmaharness_cost_instructions{arch="x86_64",profile="release",metric="faults.anon.1"}'


def as_gitlab_reads(text: str) -> dict[str, str]:
    """Its parser: cut at `#`, split like a shell, the first word is the name and the second the value."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = shlex.split(line.partition("#")[0])
        if words:
            assert len(words) == 2 and words[0] not in found
            found[words[0]] = words[1]
    return found


def test_gitlab_reads_each_number_once_and_whole() -> None:
    found = as_gitlab_reads(openmetrics(priced()))
    assert found["vmaharness_cost_instructions{arch=x86_64,profile=release,metric=faults.anon.1}"] == "6019.3"
    assert (
        found["vmaharness_change_instructions{arch=x86_64,profile=release,metric=bench.mmap1.processes.1}"] == "-212.5"
    )
    assert (found["vmaharness_failures"], found["vmaharness_beyond_limit"], found["vmaharness_void"]) == ("0", "1", "0")


def test_it_is_openmetrics() -> None:
    """Each family once, with its type before its samples, names and values by the grammar, and an end."""
    text = openmetrics(priced())
    assert text.endswith("\n# EOF\n") and "\n\n" not in text
    families: list[str] = []
    for line in text.splitlines()[:-1]:
        if match := re.fullmatch(r"# (TYPE|UNIT|HELP) ([a-z_]+) (.+)", line):
            if match[1] == "TYPE":
                assert match[2] not in families and match[3] == "gauge"
                families.append(match[2])
            assert match[2] == families[-1]
            assert match[1] != "UNIT" or match[2].endswith(f"_{match[3]}")
        else:
            sample = re.fullmatch(r'([a-z_]+)(?:\{(?:[a-z]+="[^"\\\n]*",?)+\})? (-?\d+(?:\.\d+)?)', line)
            assert sample is not None and sample[1] == families[-1], line


def test_the_same_kernel_gives_the_same_text() -> None:
    again = replace(priced(), started="2026-03-05T00:00:00+00:00", command=("vmaharness", "bench"))
    assert openmetrics(again) == openmetrics(priced())


def test_the_base_s_own_cost_where_there_is_no_series() -> None:
    report = cost_report()
    bare = replace(report, prices=tuple(replace(one, series=None) for one in report.prices))
    text = openmetrics(priced(bare))
    assert f"{ANON} 5971.1" in text and "change_" not in text


def test_a_clock_has_three_digits() -> None:
    report = cost_report()
    timed = replace(report, prices=tuple(replace(one, mode=Mode.CLOCK) for one in report.prices))
    text = openmetrics(priced(timed))
    assert ANON.replace("instructions", "ns") + " 6020\n" in text
    assert "malloc" in text and "} 81200\n" in text


def test_a_void_run_has_no_costs() -> None:
    text = openmetrics(priced(replace(cost_report(), void="two boots of the base differ")))
    assert "vmaharness_void 1\n" in text and "vmaharness_cost" not in text and "change_" not in text


def test_a_run_without_prices_has_its_failures() -> None:
    failed = with_fault_cases(replace(fault_case("anon.1"), outcome=Outcome.FAIL, message="page 3 is wrong"))
    found = as_gitlab_reads(openmetrics(failed))
    assert found["vmaharness_failures"] == "1"
    assert found["vmaharness_cases{outcome=fail}"] == "1"
    assert "vmaharness_void" not in found


@pytest.mark.parametrize("name", ["a b", "a#b", 'a"b', "a\\b", "a\nb", "a,b}"])
def test_no_name_breaks_a_line(name: str) -> None:
    report = cost_report()
    prices = (replace(report.prices[0], metric=name),)
    text = openmetrics(priced(replace(report, prices=prices)))
    assert "metric=a_b" in "".join(as_gitlab_reads(text))


def test_the_table_is_a_row_of_names_and_one_of_numbers() -> None:
    names, values = list(csv.reader(io.StringIO(table(priced()))))
    assert len(names) == len(values) == len(set(names))
    row = dict(zip(names, map(float, values), strict=True))
    assert row["cost_instructions x86_64.release.faults.anon.1"] == 6019.3
    assert row["failures"] == 0 and row["cases pass"] == 22
    assert len(list(csv.reader(io.StringIO(table(passed()))))) == 2

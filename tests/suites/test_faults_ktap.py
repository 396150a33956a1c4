"""The reader of our programs' KTAP: every line of the grammar, every way to be cut off or interleaved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Metric
from harness.suites.ktap import Report, Result, parse

GOOD = """KTAP version 1
1..3
# anon.1: 1 threads, 4096 ops
# metric fault_time 1421.963 ns/fault 16384
# samples fault_time 11648720/8192 11648721/8192
# metric fault_rate 703576 faults/s 16384
# metric vma_lock_abort 7 events 16384
# samples vma_lock_abort 7 0
ok 1 - anon.1
ok 2 - uffd.1 # SKIP userfaultfd is not available: Operation not permitted
not ok 3 - cow.1 # child saw contents that it should not
"""


def test_a_sound_report() -> None:
    assert parse(GOOD) == Report(
        started=True,
        results=(
            Result(
                "anon.1",
                True,
                False,
                "",
                (
                    Metric("fault_time", 1421.963, "ns/fault", 16384, (11648720 / 8192, 11648721 / 8192)),
                    Metric("fault_rate", 703576, "faults/s", 16384),
                    Metric("vma_lock_abort", 7, "events", 16384, (7.0, 0.0)),
                ),
            ),
            Result("uffd.1", True, True, "userfaultfd is not available: Operation not permitted"),
            Result("cow.1", False, False, "child saw contents that it should not"),
        ),
        defects=(),
        bail_out=None,
    )


def test_carriage_returns_do_not_matter() -> None:
    assert parse(GOOD.replace("\n", "\r\n")) == parse(GOOD)


def test_bail_out() -> None:
    assert parse("KTAP version 1\n1..1\nBail out! out of memory\n").bail_out == "out of memory"
    assert parse("Bail out!").bail_out == "no reason given"


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        (GOOD.replace("1..3\n", ""), "no plan"),
        (GOOD.replace("1..3\n", "1..3\n1..3\n"), "two plans"),
        (GOOD.replace("1..3\n", "") + "1..3\n", "the plan comes after a result"),
        (GOOD.replace("1..3", "1..2"), "3 results for a plan of 2"),
        (GOOD.replace("1..3", "1..x"), "malformed line '1..x'"),
        (GOOD.replace("KTAP version 1\n", ""), "no 'KTAP version 1' line"),
        (GOOD.replace("KTAP version 1", "KTAP version 2"), "malformed line 'KTAP version 2'"),
        (f"{GOOD}KTAP version 1\n", "two headers"),
        (GOOD.replace("ok 2", "ok 3"), "result 3 (uffd.1) comes as number 2"),
        (GOOD.replace("ok 1 - anon.1", "ok 1 anon.1"), "malformed line 'ok 1 anon.1'"),
        (GOOD.replace("anon.1\nok 2", "anon.1 # TODO later\nok 2"), "unknown directive TODO"),
        (GOOD.replace("fault_rate", "fault_time"), "metric fault_time comes twice"),
        (GOOD.replace("faults/s 16384", "faults/s 0"), "metric fault_rate is 703576.0 over 0 operations"),
        (GOOD.replace("703576", "9" * 400), "metric fault_rate is inf"),
        (GOOD.replace("703576", "nan"), "malformed line '# metric fault_rate nan"),
        (GOOD.replace("703576", "-1"), "malformed line '# metric fault_rate -1"),
        (GOOD.replace("abort 7 0", "abort 6 0"), "metric vma_lock_abort is 7.0, and its samples make 6.000"),
        (
            GOOD.replace("11648720/8192", "11640000/8192"),
            "fault_time is 1421.963, and its samples make 1421.431",
        ),
        (GOOD.replace("11648721/8192", "11648721/0"), "a sample of fault_time is over 0 operations"),
        (GOOD.replace("11648721/8192", "11648721"), "malformed line '# samples fault_time 11648720/8192 11648721'"),
        (GOOD.replace("abort 7 0", "abort 7 -0"), "malformed line '# samples vma_lock_abort 7 -0'"),
        (GOOD.replace("abort 7 0", "abort"), "malformed line '# samples vma_lock_abort'"),
        (GOOD.replace("samples vma_lock_abort", "samples vma_lock"), "samples of vma_lock, which is no metric before"),
        (GOOD.replace("abort 7 0", "abort 7 0\n# samples vma_lock_abort 7 0"), "samples of vma_lock_abort come twice"),
    ],
)
def test_what_is_not_sound_is_a_defect(text: str, defect: str) -> None:
    assert any(defect in found for found in parse(text).defects)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    report = parse(text)
    assert report.results == () or report.started or report.defects


@given(st.text(alphabet="KTAP version1.#metricoknt -\n0SI"))
def test_any_text_of_our_letters_can_be_read(text: str) -> None:
    parse(text)


_names = st.from_regex(r"[a-z][a-z.-]{0,10}\.[0-9]{1,3}", fullmatch=True)
_reasons = st.from_regex(r"[a-z:(][ -~]{0,40}[a-z)]", fullmatch=True)
_metrics = st.builds(
    Metric,
    _names,
    st.integers(0, 10**15).map(lambda thousandths: thousandths / 1000),
    st.sampled_from(["ns/fault", "faults/s", "events"]),
    st.integers(1, 2**63),
)


@st.composite
def results(draw: st.DrawFn) -> Result:
    kind = draw(st.sampled_from(["good", "skipped", "bad"]))
    metrics = draw(st.lists(_metrics, max_size=3, unique_by=lambda metric: metric.name))
    reason = "" if kind == "good" else draw(_reasons)
    return Result(draw(_names), kind != "bad", kind == "skipped", reason, tuple(metrics))


def render(results: list[Result]) -> list[str]:
    lines = ["KTAP version 1", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        lines += [f"# metric {one.name} {one.value:.3f} {one.unit} {one.count}" for one in result.metrics]
        directive = f" # {'SKIP ' if result.skipped else ''}{result.reason}" if result.reason else ""
        lines.append(f"{'ok' if result.good else 'not ok'} {number} - {result.name}{directive}")
    return lines


_foreign = st.from_regex(r"([ \[<#a-jp-z][ -~]{0,30})?", fullmatch=True).filter(lambda line: "# metric" not in line)


@pytest.mark.slow
@given(st.lists(results(), max_size=5), st.data())
def test_what_is_printed_is_read_whatever_stands_between(wanted: list[Result], data: st.DataObject) -> None:
    lines: list[str] = []
    for line in render(wanted):
        lines += [*data.draw(st.lists(_foreign, max_size=2)), line]
    assert parse("\n".join(lines) + "\n") == Report(True, tuple(wanted), (), None)


@pytest.mark.slow
@given(st.lists(results(), min_size=1, max_size=4), st.data())
def test_what_is_cut_off_never_adds_a_result(wanted: list[Result], data: st.DataObject) -> None:
    lines = render(wanted)
    kept = data.draw(st.integers(0, len(lines)))
    report = parse("".join(f"{line}\n" for line in lines[:kept]))
    assert report.results == tuple(wanted[: len(report.results)])
    assert len(report.results) == sum(line.startswith(("ok ", "not ok ")) for line in lines[:kept])

"""The part of the page that says what was tested, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.model import Case, Outcome, RunResult, SuiteResult
from harness.report.files import log_of
from harness.report.html.markup import Markup, element, join
from harness.report.lines import with_lines
from harness.report.rerun import rerun_command
from harness.report.text import clamp, clean, one_line, standing, tried
from harness.report.words import WORDS

MOST_FAILURES = 100
_MOST_BYTES = 16_384  # of one failure's words


def section(result: RunResult, directory: Path) -> Markup:
    """Outcomes by target and suite, then each failure with its words."""
    return element("section", element("h2", "Tests"), _table(result), _failures(result, directory), id="tests")


def bad(result: RunResult) -> list[tuple[SuiteResult, Case]]:
    """The cases that fail the run, or could not be judged."""
    return [
        (suite, case)
        for suite in result.suites
        for case in suite.cases
        if case.fails or case.outcome is Outcome.ERROR
    ]  # fmt: skip


def _table(result: RunResult) -> Markup:
    suites = [suite for suite in result.suites if suite.cases]
    names = list(dict.fromkeys(suite.suite for suite in suites))
    targets = list(dict.fromkeys((suite.arch, suite.profile) for suite in suites))
    head = element("tr", element("th", "", scope="col"), [element("th", name, scope="col") for name in names])
    rows = []
    for target in targets:
        here = [one for one in suites if (one.arch, one.profile) == target]
        cells = [_cell([one for one in here if one.suite == name]) for name in names]
        rows.append(element("tr", element("th", " ".join(target).strip(), scope="row"), cells))
    return element("div", element("table", element("thead", head), element("tbody", rows)), class_="wide")


def _cell(suites: Sequence[SuiteResult]) -> Markup:
    cases = [case for suite in suites for case in suite.cases]
    if not cases:
        return element("td", "–")
    found = Counter(WORDS[case.outcome] for case in cases)
    failed = any(case.fails or case.outcome is Outcome.ERROR for case in cases)
    words = ", ".join(f"{found[word]} {word}" for word in WORDS.values() if found[word])
    return element("td", words, class_="fail" if failed else "pass" if found[WORDS[Outcome.PASS]] else None)


def _failures(result: RunResult, directory: Path) -> Markup | None:
    found = bad(result)
    if not found:
        return None
    more = len(found) - MOST_FAILURES
    return join(
        element("h3", "Failures"),
        [_failure(result, suite, case, directory) for suite, case in found[:MOST_FAILURES]],
        element("p", f"… and {more} more: see junit.xml or results.json") if more > 0 else None,
    )


def _failure(result: RunResult, suite: SuiteResult, case: Case, directory: Path) -> Markup:
    said = [finding.text or finding.title for finding in case.findings] or [case.detail]
    whole = with_lines("\n\n".join(one for one in said if one.strip()), case.findings)
    text = clamp(clean(whole), _MOST_BYTES, "results.json")
    again = rerun_command(result, suite, case)
    return element(
        "details",
        element(
            "summary", element("strong", WORDS[case.outcome], class_="fail"),
            element("code", f" {one_line(suite.classname)} {one_line(case.name)}"),
            f" {standing(case)}{one_line(case.message) or 'no reason given'}",
        ),
        element("p", words) if (words := tried(case)) else None,
        element("pre", text) if text else None,
        element("p", "Again: ", element("code", again)) if again else None,
        _link(log_of(result, suite, case, directory), directory),
    )  # fmt: skip


def _link(log: Path | None, directory: Path) -> Markup | None:
    """A link to a log that lies beside the page; others are of this machine alone."""
    if log is None or not log.is_relative_to(directory):
        return None
    name = str(log.relative_to(directory))
    return element("p", "Log: ", element("a", name, href=_address(name)))


def _address(name: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - only where something failed

    return quote(name)

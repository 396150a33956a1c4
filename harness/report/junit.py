"""RunResult -> junit.xml, as GitLab's and Jenkins' parsers read it.

The only module that knows junit-xml, which nobody maintains: what it would get wrong (texts that are no XML, times
left out, failures that vanish) is put right before or after it, and what was written is parsed and counted again.

What the readers do, and what follows:

* GitLab keeps one case for each suite name, classname and name, and drops the others: names are made unique.
* GitLab shows the text of a failure and ignores its message when there is a text: the text starts with the message.
* GitLab drops system-out of passed cases and takes the first ``[[ATTACHMENT|path]]`` of failed ones; Jenkins'
  junit-attachments wants it on a line of its own and keeps head and tail of long outputs: it comes first.
* GitLab refuses files of 30 MB, and its XML library texts of some 8 MB: texts are cut, and the log is named.
* GitLab and Jenkins show the text of a skipped case and have no other mark for a failure that does not count: one that
  the base has too, or that is known, is skipped and says how it failed.
* Jenkins groups by the last dot of classname; its xUnit plugin refuses ``disabled``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from harness.errors import InfraError
from harness.model import Case, Finding, Metric, Outcome, RunResult, SuiteResult
from harness.report.files import last_boot, log_of, write_atomic
from harness.report.lines import with_lines
from harness.report.rerun import rerun_command
from harness.report.text import clamp, clean, one_line, standing, tried

_TEXT_BYTES = (64 << 10, 16 << 10, 4 << 10, 1 << 10)  # of one text; the next when the file gets too large
_FILE_BYTES = 28 << 20  # GitLab takes less than 30 MB
_NAME_CHARACTERS = 200

_ELEMENT = {
    Outcome.PASS: "",
    Outcome.FAIL: "failure",
    Outcome.NOT_EXERCISED: "failure",
    Outcome.CRASH: "error",
    Outcome.TIMEOUT: "error",
    Outcome.ERROR: "error",
    Outcome.SKIP: "skipped",
    Outcome.NOT_RUN: "skipped",
}


def write(result: RunResult, path: Path, *, attachment_root: Path | None = None) -> None:
    """Write the cases of `result` to `path`, whole or not at all.

    `attachment_root` is the CI job's project directory: logs below it are linked as attachments.
    Raises InfraError when the file cannot be written, or when what is read back is not what `result` says.
    """
    for limit in _TEXT_BYTES:
        data = _Document(result, path.parent.absolute(), attachment_root, limit).build()
        if len(data) <= _FILE_BYTES:
            break
    else:
        raise InfraError(f"{path}: {len(data) >> 20} MB would not be read by GitLab, however much is cut")
    _check(data, result, path)
    write_atomic(path, data)


def shown_suites(result: RunResult) -> tuple[SuiteResult, ...]:
    """The suites of `result`, and one that says why where the run is not good and none of its cases tells.

    Without it a run that was cancelled, or ran nothing, would look good to somebody who sees the cases only.
    """
    bad = any(_element(case) in ("failure", "error") for suite in result.suites for case in suite.cases)
    if bad or result.outcome is Outcome.PASS:
        return result.suites
    outcome = result.outcome if _ELEMENT[result.outcome] in ("failure", "error") else Outcome.ERROR
    verdict = Case("run", "verdict", outcome, 0.0, result.message or f"the run ended as {result.outcome}")
    return (*result.suites, SuiteResult("run", "host", "", (verdict,)))


def _element(case: Case) -> str:
    """What stands for a case; both readers show a skipped case with its reason, and a passed one without."""
    return "skipped" if case.excused else _ELEMENT[case.outcome]


class _Document:
    """One rendering: every text of it at most `limit` bytes long."""

    def __init__(self, result: RunResult, directory: Path, attachment_root: Path | None, limit: int) -> None:
        self._result = result
        self._directory = directory
        self._root = attachment_root.absolute() if attachment_root else None
        self._limit = limit
        self._taken: set[tuple[str, str]] = set()

    def build(self) -> bytes:
        root = ElementTree.Element("testsuites", {"name": "vmaharness"})
        for suite in shown_suites(self._result):
            root.append(self._suite(suite))
        for count in ("tests", "failures", "errors", "skipped"):
            root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
        root.set("time", _time(self._result.seconds))
        text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return text + b"\n"

    def _suite(self, suite: SuiteResult) -> ElementTree.Element:
        from junit_xml import TestSuite  # noqa: PLC0415 - the command line imports this module at start-up

        name = one_line(suite.classname, _NAME_CHARACTERS)
        log = last_boot(self._result, suite)
        element: ElementTree.Element = TestSuite(
            name,
            [self._case(suite, name, case) for case in suite.cases],
            timestamp=one_line(self._result.started),
            properties=self._properties(suite),
            stdout=self._text(suite.output, log.console if log else None),
        ).build_xml_doc()
        element.attrib.pop("disabled")
        element.set("time", _time(suite.seconds or sum(case.seconds for case in suite.cases)))
        for child, case in zip(element.iter("testcase"), suite.cases, strict=True):
            child.set("time", _time(case.seconds))
        return element

    def _case(self, suite: SuiteResult, classname: str, case: Case) -> Any:
        from junit_xml import TestCase  # noqa: PLC0415 - see above

        kind = _element(case)
        bad = kind in ("failure", "error")
        log = log_of(self._result, suite, case, self._directory)
        made = TestCase(self._unique(classname, case.name), classname, stdout=self._output(case, log, bad=bad))
        message = one_line(standing(case) + case.message) or f"no reason given ({case.outcome})"
        if kind == "skipped":
            text = self._text(self._explanation(suite, case, message, log), log) if case.excused else message
            made.add_skipped_info(message, text)
        elif bad:
            text = self._text(self._explanation(suite, case, message, log), log)
            add = made.add_error_info if kind == "error" else made.add_failure_info
            add(message, text, str(case.outcome))
        return made

    def _unique(self, classname: str, name: str) -> str:
        wanted = one_line(name, _NAME_CHARACTERS) or "(no name)"
        name, number = wanted, 1
        while (classname, name) in self._taken:
            number += 1
            name = f"{wanted} ({number})"
        self._taken.add((classname, name))
        return name

    def _text(self, text: str, log: Path | None) -> str:
        return clamp(clean(text), self._limit, log.name if log else "results.json")

    def _explanation(self, suite: SuiteResult, case: Case, message: str, log: Path | None) -> str:
        again = rerun_command(self._result, suite, case)
        said = [*(_finding(finding, case) for finding in case.findings), case.detail]
        parts = [message, tried(case), *(with_lines(one, case.findings) for one in said)]
        parts += [f"Log: {log.name}" if log else "", f"Run again: {again}" if again else ""]
        parts += [f"Capsule: {case.capsule.name}"] if case.capsule is not None else []
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    def _output(self, case: Case, log: Path | None, *, bad: bool) -> str:
        lines = []
        if bad and log is not None and self._root is not None and log.is_relative_to(self._root):
            attachment = str(log.relative_to(self._root))
            if not set("[]|\n") & set(attachment):
                lines.append(f"[[ATTACHMENT|{attachment}]]")
        lines += [metric_line(metric) for metric in case.metrics]
        lines += [
            f"{counter.name}: {counter.before} -> {counter.after} ({counter.delta:+})" for counter in case.counters
        ]
        return self._text("\n".join(lines), log)

    def _properties(self, suite: SuiteResult) -> dict[str, str]:
        """What was run; Jenkins shows them with keepProperties."""
        properties = {
            "vmaharness": self._result.version,
        }
        if tree := self._result.tree:
            properties |= {"kernel": tree.kernel_version, "tree": tree.tree_id}
        properties["series"] = self._result.series
        if boot := last_boot(self._result, suite):
            properties |= {"accel": str(boot.accel), "machine": boot.machine, "smp": str(boot.smp)}
        for case in suite.cases:
            properties |= {f"{case.name}.{metric.name}": f"{metric.value:g} {metric.unit}" for metric in case.metrics}
        return {one_line(key): one_line(value) for key, value in properties.items() if value}


def metric_line(metric: Metric) -> str:
    return f"{metric.name}: {metric.value:,.6g} {metric.unit} (n={metric.count:,})"


def _finding(finding: Finding, case: Case) -> str:
    """A splat, unless the case's own words have it."""
    return "" if finding.text and finding.text in case.detail else finding.text or finding.title


def _time(value: float) -> str:
    return f"{max(0.0, value):.3f}"


def _check(data: bytes, result: RunResult, path: Path) -> None:
    """Read `data` as a CI server does, and compare what it sees with `result`."""
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise InfraError(f"{path}: what would be written is no XML: {error}") from error
    cases = list(root.iter("testcase"))
    found = Counter(child.tag for case in cases for child in case if child.tag in _ELEMENT.values())
    wanted = Counter(_element(case) for suite in shown_suites(result) for case in suite.cases)
    wanted_cases = wanted.total()
    del wanted[""]
    names = {(case.get("classname"), case.get("name")) for case in cases}
    if found != wanted or len(cases) != wanted_cases or len(names) != wanted_cases:
        raise InfraError(
            f"{path}: what would be written says {len(names)} cases, {dict(found)};"
            f" the result has {wanted_cases}, {dict(wanted)}"
        )

"""junit.xml, read the way GitLab and Jenkins read it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InfraError
from harness.model import Case, Metric, Outcome, RunResult, SuiteResult
from harness.report import junit
from tests.conftest import Golden
from tests.report import samples

GOLDEN = Path(__file__).with_name("golden")
BAD = {Outcome.FAIL, Outcome.NOT_EXERCISED, Outcome.CRASH, Outcome.TIMEOUT, Outcome.ERROR}
LEFT_OUT = {Outcome.SKIP, Outcome.NOT_RUN}


@dataclass
class Seen:
    """A case as a CI server shows it."""

    classname: str
    name: str
    status: str
    output: str
    attachment: str = ""
    time: float = 0.0
    details: str = ""


def gitlab(xml: bytes) -> list[Seen]:
    """GitLab's reading: identity of suite, class and name; the first wins; the text, not the message, is shown."""
    seen: dict[tuple[str, str, str], Seen] = {}
    for suite in ElementTree.fromstring(xml).iter("testsuite"):
        for case in suite.findall("testcase"):
            found = [child for child in case if child.tag in ("failure", "error", "skipped")]
            assert len(found) <= 1, "more than one makes an array of it"
            stdout = case.findtext("system-out") or ""
            status, output, attachment = "success", "", ""
            if found and found[0].tag == "skipped":
                status, output = "skipped", found[0].text or ""
            elif found:
                status = "failed" if found[0].tag == "failure" else "error"
                text = found[0].text if (found[0].text or "").strip() else found[0].get("message")
                output = f"{text}\n\nSystem Out:\n\n{stdout}" if stdout else str(text)
                match = re.search(r"\[\[ATTACHMENT\|(?P<path>.+?)\]\]", stdout)
                attachment = match["path"] if match else ""
            classname, name = case.attrib["classname"], case.attrib["name"]
            one = Seen(classname, name, status, output, attachment, float(case.get("time", "0")))
            seen.setdefault((suite.attrib["name"], classname, name), one)
    return list(seen.values())


def jenkins(xml: bytes) -> list[Seen]:
    """Jenkins' reading: suites without cases are dropped, error wins over failure, the last dot makes the package."""
    seen = []
    root = ElementTree.fromstring(xml)
    assert root.tag in ("testsuites", "testsuite")
    for suite in root.iter("testsuite"):
        for case in suite.findall("testcase"):
            package, _, last = case.get("classname", suite.get("name", "")).rpartition(".")
            error, failure = case.find("error"), case.find("failure")
            bad = error if error is not None else failure
            skipped = case.find("skipped")
            status = "failed" if bad is not None else "skipped" if skipped is not None else "passed"
            told = bad if bad is not None else skipped
            details = (told.get("message") or "") if told is not None else ""
            seen.append(
                Seen(
                    f"{package or '(root)'}/{last}",
                    case.attrib["name"],
                    status,
                    (bad.text or "") if bad is not None else "",
                    time=float(case.get("time", "0").replace(",", "")),
                    details=details,
                )
            )
    return seen


def written(result: RunResult, directory: Path, root: Path | None = None) -> bytes:
    path = directory / "junit.xml"
    junit.write(result, path, attachment_root=root)
    return path.read_bytes()


@pytest.mark.parametrize("name", samples.ALL)
def test_golden(name: str, tmp_path: Path, golden: Golden) -> None:
    root = ElementTree.fromstring(written(samples.ALL[name](), tmp_path, samples.DIRECTORY.parent))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode") + "\n"
    assert text == golden(GOLDEN / f"junit-{name}.xml", text)


@pytest.mark.parametrize("name", samples.ALL)
def test_both_servers_see_every_case_as_it_ended(name: str, tmp_path: Path) -> None:
    result = samples.ALL[name]()
    xml = written(result, tmp_path)
    cases = [case for suite in result.suites for case in suite.cases]
    bad = sum(case.outcome in BAD for case in cases)
    if not bad and result.outcome is not Outcome.PASS:
        cases.append(Case("run", "verdict", Outcome.ERROR))
        bad = 1
    left_out = sum(case.outcome in LEFT_OUT for case in cases)
    counts = Counter(one.status for one in gitlab(xml))
    assert (counts["failed"] + counts["error"], counts["skipped"], counts.total()) == (bad, left_out, len(cases))
    counts = Counter(one.status for one in jenkins(xml))
    assert (counts["failed"], counts["skipped"], counts.total()) == (bad, left_out, len(cases))


def test_names_that_servers_group_by(tmp_path: Path) -> None:
    xml = written(samples.passed(), tmp_path)
    assert {one.classname for one in gitlab(xml)} == {
        "host.series", "host.vma", "x86_64.lockdep.kernel", "x86_64.lockdep.vma", "x86_64.lockdep.faults",
        "arm64.lockdep.kernel", "arm64.lockdep.vma", "arm64.lockdep.faults",
    }  # fmt: skip
    assert "x86_64.lockdep/faults" in {one.classname for one in jenkins(xml)}
    kernel = [one.name for one in gitlab(xml) if one.classname == "x86_64.lockdep.kernel"]
    assert kernel == ["config", "build", "boot"]


@pytest.mark.parametrize(
    ("outcome", "tag"),
    [(Outcome.FAIL, "failure"), (Outcome.NOT_EXERCISED, "failure"), (Outcome.CRASH, "error"),
     (Outcome.TIMEOUT, "error"), (Outcome.ERROR, "error")],
)  # fmt: skip
def test_element_and_type_of_an_outcome(outcome: Outcome, tag: str, tmp_path: Path) -> None:
    root = ElementTree.fromstring(
        written(samples.with_fault_cases(Case("faults", "x", outcome, message="why")), tmp_path)
    )
    found = root.findall(f".//testcase/{tag}")
    assert [(one.get("type"), one.get("message")) for one in found] == [(outcome.value, "why")]
    assert (found[0].text or "").startswith("why\n")


def test_a_failure_explains_itself_to_who_sees_only_its_text(tmp_path: Path) -> None:
    result = samples.failed()
    (splat, data) = [one for one in gitlab(written(result, tmp_path)) if one.status == "failed"]
    assert splat.output.startswith("the kernel said: possible circular locking dependency in vma_start_write\n\n")
    assert samples.SPLAT in splat.output
    assert "Log: console-x86_64-lockdep.log" in splat.output
    assert "Run again: ci/vmaharness run 'my plan.yaml'" in splat.output
    assert "wrote 0x55, read 0xaa" in data.output


def test_a_failure_without_words_stays_a_failure(tmp_path: Path) -> None:
    result = samples.with_fault_cases(Case("faults", "anon.2", Outcome.FAIL))
    (seen,) = [one for one in jenkins(written(result, tmp_path)) if one.status == "failed"]
    assert seen.details


def test_attachments_are_relative_to_the_project(tmp_path: Path) -> None:
    def attached(root: Path | None) -> set[str]:
        return {one.attachment for one in gitlab(written(samples.crashed(), tmp_path, root)) if one.status == "error"}

    consoles = {"console-x86_64-lockdep.log", "console-x86_64-lockdep.2.log"}
    assert attached(samples.DIRECTORY.parent) == {f"results/{name}" for name in consoles}
    assert attached(samples.DIRECTORY) == consoles
    assert attached(Path("/elsewhere")) == {""}
    assert attached(None) == {""}
    root = ElementTree.fromstring(written(samples.crashed(), tmp_path, samples.DIRECTORY))
    out = [case.findtext("system-out") for case in root.iter("testcase") if case.find("error") is not None]
    assert out[0] == "[[ATTACHMENT|console-x86_64-lockdep.log]]"


def test_an_attachment_that_would_not_parse_is_left_out(tmp_path: Path) -> None:
    result = samples.timed_out()
    console = samples.DIRECTORY / "odd]name" / "console.log"
    target = replace(result.targets[0], boots=(replace(result.targets[0].boots[0], console=console),))
    result = replace(result, targets=(target, result.targets[1]))
    assert b"ATTACHMENT" not in written(result, tmp_path, samples.DIRECTORY)


def test_a_run_that_ended_badly_without_a_bad_case_does_not_look_good(tmp_path: Path) -> None:
    for result in (samples.cancelled(), samples.nothing_ran()):
        (seen,) = [one for one in gitlab(written(result, tmp_path)) if one.status in ("failed", "error")]
        assert seen.classname == "host.run"
        assert seen.output.startswith(result.message)


def test_the_same_name_twice_is_two_cases(tmp_path: Path) -> None:
    twice = tuple(Case("vma", name, Outcome.PASS) for name in ("a", "a", "a (2)", "a\x1b[m", ""))
    suite = SuiteResult("vma", "host", "", twice)
    seen = gitlab(written(replace(samples.passed(), host_suites=(suite, suite), targets=()), tmp_path))
    assert len(seen) == 10
    assert [one.name for one in seen[:5]] == ["a", "a (2)", "a (2) (2)", "a (3)", "(no name)"]


def test_times_are_milliseconds_and_always_there(tmp_path: Path) -> None:
    suite = SuiteResult("s", "host", "", (Case("s", "zero", Outcome.PASS), Case("s", "x", Outcome.PASS, 1.23456)), 1e-9)
    root = ElementTree.fromstring(written(replace(samples.passed(), host_suites=(suite,), targets=()), tmp_path))
    assert [element.get("time") for element in root.iter() if element.tag.startswith("test")] == [
        "312.000", "0.000", "0.000", "1.235",
    ]  # fmt: skip


def test_document_form(tmp_path: Path) -> None:
    xml = written(samples.failed(), tmp_path)
    assert xml.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n")
    assert b"disabled" not in xml
    root = ElementTree.fromstring(xml)
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "22", "failures": "2", "errors": "0", "skipped": "0",
    }  # fmt: skip
    assert [suite.get("tests") for suite in root] == [str(len(suite.findall("testcase"))) for suite in root]


def test_long_texts_are_cut_and_say_so(tmp_path: Path) -> None:
    huge = Case("faults", "anon.2", Outcome.FAIL, message="m" * 5000, detail="<&>\x00" * 200_000)
    xml = written(samples.with_fault_cases(huge), tmp_path)
    (seen,) = [one for one in jenkins(xml) if one.status == "failed"]
    assert len(seen.output.encode()) <= 64 << 10
    assert "… cut, see console-x86_64-lockdep.log" in seen.output
    assert len(seen.details) <= 300


def test_a_file_too_large_is_cut_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [Case("faults", f"case{n}", Outcome.FAIL, message="m", detail="x" * 100_000) for n in range(20)]
    result = samples.with_fault_cases(*cases)
    assert len(written(result, tmp_path)) > 1 << 20
    monkeypatch.setattr(junit, "_FILE_BYTES", 1 << 20)
    xml = written(result, tmp_path)
    assert len(xml) < 1 << 20
    assert Counter(one.status for one in gitlab(xml))["failed"] == 20
    monkeypatch.setattr(junit, "_FILE_BYTES", 1000)
    with pytest.raises(InfraError, match="would not be read by GitLab"):
        written(result, tmp_path)


def test_what_reads_back_differently_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from junit_xml import TestCase

    monkeypatch.setattr(TestCase, "add_failure_info", lambda *_: None)  # the library's own way to lose a failure
    with pytest.raises(InfraError, match="the result has"):
        written(samples.failed(), tmp_path)
    assert not list(tmp_path.iterdir())


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            Case,
            suite=st.just("s"),
            name=ANY_TEXT,
            outcome=st.sampled_from(Outcome),
            seconds=st.floats(0, 1e6),
            message=ANY_TEXT,
            detail=ANY_TEXT,
            metrics=st.builds(
                tuple, st.lists(st.builds(Metric, ANY_TEXT, st.floats(), ANY_TEXT, st.integers()), max_size=2)
            ),
        ),
        max_size=6,
    ),
    ANY_TEXT,
    ANY_TEXT,
)
def test_no_text_breaks_the_document(
    tmp_path_factory: pytest.TempPathFactory, cases: list[Case], text: str, profile: str
) -> None:
    suites = (SuiteResult(text, "arm64", profile, tuple(cases), 1.0, text), SuiteResult("s", "host", "", tuple(cases)))
    result = replace(samples.passed(), host_suites=suites, targets=(), series=text, message=text)
    xml = written(result, tmp_path_factory.getbasetemp())
    assert len(gitlab(xml)) == len(jenkins(xml)) == 2 * len(cases)

"""results.json: what is written is read back, valid, movable, and defects are named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfraError, InputError
from harness.model import Case, Metric, Outcome, Patch, RunResult, SuiteResult, TargetResult
from harness.report import results, schema
from tests.report import samples

SURROGATE_FREE = st.text(st.characters(codec="utf-8"))


def moved(result: RunResult, directory: Path) -> RunResult:
    """`result` as if its directory had been `directory`."""

    def moved_case(case: Case) -> Case:
        return replace(case, log=directory / case.log.name) if case.log else case

    def moved_suite(suite: SuiteResult) -> SuiteResult:
        return replace(suite, cases=tuple(map(moved_case, suite.cases)))

    def moved_target(target: TargetResult) -> TargetResult:
        boots = tuple(replace(boot, console=directory / boot.console.name) for boot in target.boots)
        return replace(target, boots=boots, suites=tuple(map(moved_suite, target.suites)))

    return replace(result, targets=tuple(map(moved_target, result.targets)))


@pytest.mark.parametrize("name", samples.ALL)
def test_written_results_are_valid_and_read_back(name: str, tmp_path: Path) -> None:
    result = moved(samples.ALL[name](), tmp_path)
    path = tmp_path / "results.json"
    results.write(result, path)
    jsonschema.Draft202012Validator(results.json_schema()).validate(json.loads(path.read_text()))
    assert results.load(path) == result
    assert list(tmp_path.iterdir()) == [path], "nothing but the file is left"


def test_a_result_directory_can_be_moved(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    results.write(moved(samples.passed(), old), old / "results.json")
    written = json.loads((old / "results.json").read_text())
    assert written["targets"][0]["boots"][0]["console"] == "console-x86_64-lockdep.log"
    assert Path(written["targets"][0]["build"]["log"]).is_absolute(), "the cache is no part of the directory"
    shutil.move(old, new)
    assert results.load(new / "results.json") == moved(samples.passed(), new)


def test_load_takes_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results.write(moved(samples.passed(), tmp_path), tmp_path / "results.json")
    monkeypatch.chdir(tmp_path)
    assert results.load(Path("results.json")).targets[0].boots[0].console == tmp_path / "console-x86_64-lockdep.log"


@given(
    text=SURROGATE_FREE,
    number=st.floats(allow_nan=False, allow_infinity=False),
    size=st.integers(0, 1 << 64),
    outcome=st.sampled_from(Outcome),
    plan=st.dictionaries(SURROGATE_FREE, st.one_of(SURROGATE_FREE, st.booleans(), st.none(), st.lists(st.integers()))),
)
def test_every_value_survives(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    number: float,
    size: int,
    outcome: Outcome,
    plan: dict[str, object],
) -> None:
    directory = tmp_path_factory.mktemp("results", numbered=True)
    case = Case(text, text, outcome, abs(number), text, text, (Metric(text, number, text, size),))
    result = replace(
        samples.nothing_ran(), message=text, plan=plan, host_suites=(SuiteResult(text, "host", "", (case,), 0.0, text),)
    )
    results.write(result, directory / "results.json")
    assert results.load(directory / "results.json") == result
    shutil.rmtree(directory)


def test_bytes_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    results.write(replace(samples.nothing_ran(), message="file \udcff"), tmp_path / "results.json")
    assert results.load(tmp_path / "results.json").message == "file \\udcff"


def test_what_json_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    bad = replace(samples.fault_case("anon.1"), metrics=(Metric("fault", float("nan"), "ns", 1),))
    with pytest.raises(InfraError, match=r"result\.targets\.0\.suites\.2\.cases\.0\.metrics\.0\.value is nan"):
        results.write(samples.with_fault_cases(bad), tmp_path / "results.json")
    with pytest.raises(InfraError, match=r"plan\.tree is a bytes"):
        results.write(replace(samples.passed(), plan={"tree": b"x"}), tmp_path / "results.json")
    assert not list(tmp_path.iterdir())


def test_values_of_a_wrong_type_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="seconds"):
        results.write(replace(samples.passed(), seconds="soon"), tmp_path / "results.json")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_old_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.mkdir()  # cannot be replaced by a file
    (path / "kept").touch()
    with pytest.raises(InfraError, match="cannot write"):
        results.write(samples.nothing_ran(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def document(**changes: Any) -> bytes:
    data = {"schema": 1, "version": "0.1.0", "outcome": "pass", **changes}
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"", r"results\.json:1: not JSON"),
        (b'{\n "schema": 1,\n oops', r"results\.json:3: not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "not a result of vmaharness"),
        (b'{"schema": 1}', "not a result of vmaharness"),
        (b"NaN", "NaN is not JSON"),
        (b"[" * 100_000, "not JSON"),
        (document(), "not a result of vmaharness: command: Field required"),
        (document(schema=2), "has schema version 2, and this vmaharness reads version 1"),
        (document(schema="1"), 'has schema version "1"'),
    ],
)  # fmt: skip
def test_load_says_what_is_wrong(content: bytes | None, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        results.load(path)
    assert caught.value.path == path


def test_load_names_the_field_of_a_wrong_value(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write(samples.passed(), path)
    data = json.loads(path.read_text())
    data["targets"][1]["suites"][0]["cases"][0]["outcome"] = "splendid"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"targets\.1\.suites\.0\.cases\.0\.outcome: .*'pass', 'fail'"):
        results.load(path)


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write(samples.passed(), path)
    data = json.loads(path.read_text()) | {"added_later": 1}
    path.write_text(json.dumps(data))
    assert results.load(path) == samples.passed()


def test_the_published_schema_is_current() -> None:
    assert schema.PUBLISHED.read_text() == schema.text(), "run python -m harness.report.schema"


def test_the_schema_is_one_and_refuses_what_is_no_result() -> None:
    made = results.json_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(made)
    bad: tuple[object, ...] = ({}, {"schema": 2}, [])
    for wrong in bad:
        assert not validator.is_valid(wrong)
    assert samples.passed().schema == schema.SCHEMA_VERSION
    assert Patch.__name__ not in made["$defs"], "mails of patches do not belong into results"


def test_every_definition_and_field_is_explained() -> None:
    made = results.json_schema()
    words = (schema.PUBLISHED.parent / "results.md").read_text()
    missing = [name for name in made["properties"] if f"`{name}`" not in words]
    missing += [name for name in ("Outcome", "Finding", "Metric", "Counter", "Build", "Boot") if name not in words]
    assert not missing

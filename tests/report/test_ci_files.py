"""The files for CI servers: well-formed, and in step with the command line and the files it leaves."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.options import PLAN_FLAGS
from harness.host.upkeep import default_limit
from harness.report.files import Layout

CI = Path(__file__).parents[2] / "ci"
GITLAB = CI / "gitlab-ci.yml"
JENKINS = CI / "Jenkinsfile"
JUNIT = Layout(Path("results")).junit


def commented(text: str) -> str:
    """The example that stands in comments at the end of gitlab-ci.yml."""
    return "\n".join(line[2:] for line in text[text.index("# vmaharness:") :].splitlines())


@pytest.fixture(params=["job", "matrix"])
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A job of gitlab-ci.yml with what it extends."""
    text = GITLAB.read_text()
    document = yaml.safe_load(text)
    example = yaml.safe_load(commented(text)) if request.param == "matrix" else document
    return {**document[".vmaharness"], **example["vmaharness"]}


def test_gitlab_job_publishes_whatever_happens(job: dict[str, Any]) -> None:
    artifacts = job["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["reports"]["junit"] == str(JUNIT)
    assert artifacts["paths"] == [f"{JUNIT.parent}/"], "attachments must be among the artifacts"
    assert job["image"] == "debian:12"
    assert job["retry"]["exit_codes"] == 3, "the machine's fault alone is tried again"


def test_gitlab_cache_is_inside_the_project(job: dict[str, Any]) -> None:
    cache = job["variables"]["VMAHARNESS_CACHE"]
    assert cache.removeprefix("$CI_PROJECT_DIR/") in job["cache"]["paths"]
    assert default_limit(job["variables"]["VMAHARNESS_CACHE_SIZE"]) < default_limit(None), "it is packed with each job"


def test_gitlab_script_runs_the_bootstrap_into_the_published_directory(job: dict[str, Any]) -> None:
    (line,) = job["script"]
    program, verb, *words = shlex.split(line)
    assert (CI.parent / program).is_file()
    assert os.access(CI.parent / program, os.X_OK)
    assert verb == "run"
    assert words[words.index("--out") + 1] == str(JUNIT.parent)
    known = {*job["variables"], *(name for row in job.get("parallel", {}).get("matrix", []) for name in row)}
    assert set(re.findall(r"\$(\w+)", line)) <= known


def test_every_flag_is_one_of_the_command_line() -> None:

    known = {name for flag in PLAN_FLAGS for name in flag.names}
    code = [line for line in (GITLAB.read_text() + JENKINS.read_text()).splitlines() if "ci/vmaharness run" in line]
    code += [line for line in JENKINS.read_text().splitlines() if "set --" in line]
    said = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(code)))
    assert {"--out", "--series", "--tree", "--accel", "--arch"} <= said
    assert said <= known


def groovy_without_words(text: str) -> str:
    """Groovy code without its comments and strings."""
    return re.sub(r"'''.*?'''|//[^\n]*|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", "", text, flags=re.DOTALL)


def test_jenkinsfile_is_balanced_and_declarative() -> None:
    code = groovy_without_words(JENKINS.read_text())
    closing, open_now = {")": "(", "]": "[", "}": "{"}, []
    for letter in code:
        if letter in "([{":
            open_now.append(letter)
        elif letter in closing:
            assert open_now.pop() == closing[letter]
    assert not open_now
    assert "'" not in code
    assert code.lstrip().startswith("pipeline {")
    for section in ("agent", "options", "parameters", "environment", "stages", "post"):
        assert re.search(rf"^    {section} \{{", code, re.MULTILINE), section


def test_jenkinsfile_publishes_whatever_happens() -> None:
    text = JENKINS.read_text()
    always = text[text.index("always {") :]
    assert f"junit testResults: '{JUNIT}', allowEmptyResults: false" in always
    assert f"archiveArtifacts artifacts: '{JUNIT.parent}/**'" in always
    assert always.index("archiveArtifacts") < always.index("junit testResults"), (
        "logs, too, where there is no junit.xml"
    )
    assert "timeout(" in text


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"ACCEL": "tcg"}, ["run", "--out", "results", "--accel", "tcg"]),
        (
            {"ACCEL": "auto", "SERIES": "$(touch owned) x.mbox", "TREE": "/src/linux", "PLAN": "mine.yaml"},
            ["run", "--out", "results", "--accel", "auto", "--series", "$(touch owned) x.mbox", "--tree", "/src/linux",
             "mine.yaml"],
        ),
    ],
)  # fmt: skip
def test_jenkins_parameters_become_arguments_and_never_code(
    parameters: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    found = re.search(r"'''(.*?)'''", JENKINS.read_text(), re.DOTALL)
    assert found
    program = tmp_path / "ci" / "vmaharness"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    (tmp_path / JUNIT).parent.mkdir()
    (tmp_path / JUNIT).write_text("of the last build")
    environment = {"PATH": os.environ["PATH"], "PLAN": "", "SERIES": "", "TREE": "", **parameters}
    ended = subprocess.run(
        ["/bin/sh", "-xe", "-c", found[1]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ci"]

"""README and docs name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.cli.main import cli
from harness.cli.results import OURS
from harness.errors import ExitCode
from harness.report.files import Layout

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "docs/results.md"])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text())
    assert links
    assert not [link for link in links if not (path.parent / link).exists()]


def test_readme_says_the_exit_codes() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", README.read_text(), re.MULTILINE)] == list(ExitCode)


def test_readme_says_verbs_that_exist() -> None:
    verbs = set(re.findall(r"^ +(?:ci/)?vmaharness ([a-z]+)", README.read_text(), re.MULTILINE))
    assert {"run", "boot", "doctor", "report", "series"} <= verbs
    assert verbs <= set(cli.commands)


def test_readme_names_the_files_of_a_run() -> None:
    layout = Layout(Path())
    files = [layout.results, layout.junit, layout.summary, layout.console("ARCH", "PROFILE")]
    files += [layout.build_log("ARCH", "PROFILE"), layout.config("ARCH", "PROFILE")]
    for page in (README, ROOT / "docs" / "results.md"):
        assert not [file.name for file in files if f"`{file.name}`" not in page.read_text()], page


def test_architecture_names_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")}
    assert not [name for name in packages if f"| `{name}/` |" not in text]
    modules = {path.stem for path in (ROOT / "harness").glob("*.py")} - {"__init__"}
    assert not [name for name in modules if f"`{name}`" not in text]


@pytest.mark.parametrize("pattern", OURS)
def test_a_page_names_each_file_that_a_run_may_leave(pattern: str) -> None:
    pages = ("bisect", "mutants") if pattern.startswith(("bisect", "mutant", "unmutated", "culprit")) else ("results",)
    text = "".join((ROOT / "docs" / f"{page}.md").read_text() for page in pages)
    assert f"`{pattern.partition('*')[0]}" in text

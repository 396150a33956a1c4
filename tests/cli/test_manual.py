"""The manual page: current, complete, and good roff."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli.generate import documents
from harness.cli.main import cli
from harness.cli.manpage import man_page
from harness.errors import ExitCode
from tests.cli.conftest import Invoke

PAGE = Path(__file__).parents[2] / "docs" / "vmaharness.1"


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _commands(child, f"{path} {name}")
    else:
        yield path, command


def test_the_page_in_docs_is_current(invoke: Invoke) -> None:
    assert PAGE.read_text() == man_page(cli), "run python -m harness.cli.generate"
    assert invoke("man").stdout == PAGE.read_text()
    assert documents()[PAGE.name] == PAGE.read_text()


def test_every_verb_and_option_is_on_it() -> None:
    page = man_page(cli).replace("\\-", "-")
    for path, command in _commands(cli, "vmaharness"):
        assert f".SS {path} [OPTION]..." in page
        assert command.help
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{path} {option.name}"
                assert all(name in page for name in option.opts)
    assert all(f"\\fB{int(code)}\\fR" in page for code in ExitCode)


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_has_nothing_to_complain_about() -> None:
    done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-z", PAGE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

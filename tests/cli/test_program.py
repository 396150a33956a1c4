"""The program as a process: what it loads, signals, closed pipes, completion."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import __version__
from harness.cli.completion import SHELLS
from harness.report import results

PROJECT = Path(__file__).parents[2]
HEAVY = {"pydantic", "yaml", "rich", "paramiko", "qemu", "junit_xml", "filelock", "platformdirs", "asyncio", "email"}

ENGINE = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from harness.cli.main import cli
from harness.errors import Cancelled
from harness.events import Event, EventKind
from tests.cli.fakes import FakeEngine
from tests.report import samples

class Working(FakeEngine):
    def run_plan(self, plan, *, directory, processes, publish, **rest):
        script = "echo $$ >pid.new; mv pid.new pid; exec sleep 1000"
        try:
            if DEAF:
                processes.spawn(["sh", "-c", script])
                while True:
                    time.sleep(0.1)
            processes.run(["sh", "-c", script])
        except Cancelled:
            publish(samples.cancelled())
            raise

cli.main(sys.argv[1:], prog_name="vmaharness", obj=Working())
"""


def _program(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *words], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(PROJECT)} | settings,
    )  # fmt: skip


def _until(path: Path, program: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert program.poll() is None, program.communicate()
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@contextmanager
def _working(place: Path, *, deaf: bool) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A run in the middle of its work, and the process id of the program that it started."""
    program = subprocess.Popen(
        [sys.executable, "-c", ENGINE.replace("DEAF", str(deaf)), "run", "--out", "here"], cwd=place, text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _until(place / "pid", program)
        yield program, int((place / "pid").read_text())
    finally:
        program.kill()
        program.communicate()


def _wait_for_end(pid: int) -> None:
    """The keeper of a killed harness ends the program right after; a test run that hangs here has found a leak."""
    while _is_alive(pid):
        time.sleep(0.02)


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom harness.cli.main import cli\n"
        "for words in (['--help'], ['run', '--help'], ['--version'], ['doctor', '--help']):\n"
        "    cli.main(words, standalone_mode=False)\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert f"vmaharness {__version__}\n" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_keeps_what_was_found(place: Path, number: signal.Signals) -> None:
    with _working(place, deaf=False) as (program, child):
        program.send_signal(number)
        stdout, stderr = program.communicate()
        assert (program.returncode, stdout) == (130, "")
        assert f"{number.name}: stopping and cleaning up; once more stops at once\n" in stderr
        assert stderr.endswith(f"vmaharness: interrupted ({number.name})\n")
        assert not _is_alive(child)
    assert results.load(place / "here/results.json").message
    assert not list((place.parent / "cache/scratch").iterdir())


def test_the_second_signal_does_not_wait_for_anybody(place: Path) -> None:
    with _working(place, deaf=True) as (program, child):
        program.send_signal(signal.SIGINT)
        assert program.stderr is not None
        assert "SIGINT: stopping" in program.stderr.readline()
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        program.communicate()
        assert program.returncode == 130
        _wait_for_end(child)


def test_sigkill_leaves_no_program_and_no_lock(place: Path) -> None:
    with _working(place, deaf=False) as (program, child):
        program.kill()
        program.communicate()
        _wait_for_end(child)
    (place / "pid").unlink()
    with _working(place, deaf=False) as (program, _):  # the same --out, the same cache
        program.send_signal(signal.SIGINT)
        program.communicate()
        assert program.returncode == 130


def test_a_wrapper_names_the_program() -> None:
    assert "Usage: vmaharness [OPTIONS]" in _program("--help").stdout
    assert "Usage: ci/vmaharness [OPTIONS]" in _program("--help", VMAHARNESS_PROGRAM="ci/vmaharness").stdout


def test_a_reader_that_goes_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli.main", "plan", "--reference"], cwd=PROJECT, stdout=write,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_locale_without_the_characters_is_no_error() -> None:
    done = _program("plan", "--reference", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_call_the_program_back(shell: str) -> None:
    done = _program("completion", shell)
    assert done.returncode == 0
    assert f"_VMAHARNESS_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vmaharness r", {"report", "rerun", "run", "runs"}),
        ("vmaharness run --ar", {"--arch"}),
        ("vmaharness run --arch ", {"x86_64", "arm64"}),
        ("vmaharness run --suite ", {"vma", "faults", "hazards", "bench", "sizes", "kselftest"}),
        ("vmaharness run --profile lock", {"lockdep"}),
    ],
)
def test_what_a_shell_is_offered(words: str, offered: set[str]) -> None:
    parts = words.split(" ")
    done = _program(
        _VMAHARNESS_COMPLETE="bash_complete", COMP_WORDS=words.rstrip(), COMP_CWORD=str(len(parts) - 1)
    )  # fmt: skip
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "offered"),
    [("vmaharness r", {"report", "rerun", "run", "runs"}), ("vmaharness run --arch ", {"x86_64", "arm64"})],
)
def test_what_other_shells_are_answered(shell: str, words: str, offered: set[str]) -> None:
    """As their scripts ask: zsh for the number of the word and three lines an item, fish for the word and one line."""
    asked = words.split(" ")
    done = _program(
        _VMAHARNESS_COMPLETE=f"{shell}_complete", COMP_WORDS=words,
        COMP_CWORD=str(len(asked) - 1) if shell == "zsh" else asked[-1],
    )  # fmt: skip
    lines = done.stdout.splitlines()
    if shell == "fish":
        lines = [part for line in lines for part in re.split("[,\t]", line + "\t_" * ("\t" not in line), maxsplit=2)]
    kinds, values, helps = lines[::3], lines[1::3], lines[2::3]
    assert (done.returncode, set(kinds), set(values)) == (0, {"plain"}, offered)
    assert len(helps) == len(offered)
    assert all(text != "_" for text in helps) == ("r" in asked), "verbs say what they do, names do not"


def test_doctor_as_json_is_about_this_machine() -> None:
    done = _program("doctor", "--json", "--accel", "tcg")
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["able"] else 3)
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["python"]["ok"]
    assert checks["KVM for arm64"]["found"] == "will not be used, TCG will: asked for"

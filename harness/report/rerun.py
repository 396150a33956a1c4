"""The command line that runs one case again.

Made from the command of the run, so that what was not said there keeps its default here too.  Knows the names of the
options, not the command line that has them.
"""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.model import Case, RunResult, SuiteResult
from harness.report.files import KERNEL_SUITE, target_of

_NARROWING = frozenset(
    {"--arch", "--profile", "--suite", "--check", "--case", "--out", "--budget"}
)  # each takes a value
_FLAGS = frozenset({"--json"})
SERIES_SUITE = "series"  # tree and patches, on the host
CHECKS_SUITE = "checks"  # the series without a guest, on the host


def rerun_command(result: RunResult, suite: SuiteResult, case: Case) -> str:
    """A command line, quoted for a shell, that does what `result`'s did for `case` alone, as far as that goes.

    Of a kernel the configuration and the build are done again by the verbs `config` and `build`, tree and series by
    `apply`; what no suite of the plan reports (the verdict) by the whole command.
    """
    program, verb, rest = _split(result.command)
    narrow: list[str] = []
    if target_of(result, suite) is not None:
        narrow += ["--arch", suite.arch, "--profile", _profile(result, suite.profile)]
    if suite.suite == KERNEL_SUITE and case.name in ("config", "build"):
        verb = case.name
    elif suite.suite == SERIES_SUITE and not narrow:
        verb = "apply"
    elif suite.suite == CHECKS_SUITE and not narrow:
        verb, narrow = "apply", ["--check", case.name.partition(".")[0]]
    elif verb == "run" and suite.suite in _planned_suites(result):
        narrow += ["--suite", suite.suite, "--case", _pattern(suite.suite, case.name)]
    elif not narrow:
        return shlex.join(result.command or (program, verb))
    accel = _accel(result)
    if accel != "auto" and verb == "run" and not any(word.partition("=")[0] == "--accel" for word in rest):
        narrow += ["--accel", accel]
    return shlex.join([program, verb, *_without_narrowing(rest), *narrow])


def capsule_command(result: RunResult, capsule: Path) -> str:
    """A command line that runs a failure again as it was, from its capsule: nothing is applied or built."""
    return shlex.join([_split(result.command)[0], "rerun", str(capsule)])


def _pattern(suite: str, case: str) -> str:
    """A glob for this case alone, with "?" for what cannot be typed or would drive a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in glob.escape(f"{suite}.{case}"))


def _split(command: Sequence[str]) -> tuple[str, str, list[str]]:
    """Program, verb and the rest of a command line."""
    words = [*command]
    program = words.pop(0) if words else "vmaharness"
    verb = words.pop(0) if words else "run"
    return program, verb, words


def _without_narrowing(words: list[str]) -> Iterator[str]:
    """The words of a command line but for the options that choose what is run and where results go."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _NARROWING:
            skip = True
        elif word.partition("=")[0] not in _NARROWING and word not in _FLAGS:
            yield word


def _profile(result: RunResult, name: str) -> str:
    """A registered profile by its name, one made in the plan as NAME=FRAGMENT,…, with its checkers if it names some."""
    planned = result.plan.get("profiles")
    for profile in planned if isinstance(planned, list | tuple) else ():
        if isinstance(profile, dict) and profile.get("name") == name:
            parts = [*map(str, profile.get("fragments") or ())]
            parts += [f"checkers={profile['checkers']}"] if profile.get("checkers") else []
            return f"{name}={','.join(parts)}" if parts else name
    return name


def _planned_suites(result: RunResult) -> list[str]:
    planned = result.plan.get("suites")
    return [str(name) for name in planned] if isinstance(planned, list | tuple) else []


def _accel(result: RunResult) -> str:
    """The accelerator that was asked for, be it by a plan, a flag or the environment."""
    guest = result.plan.get("guest")
    return str(guest.get("accel", "auto")) if isinstance(guest, dict) else "auto"

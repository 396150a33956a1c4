"""Capsules: all that it takes to see one failure again, in a directory.

`capsule.json` says what failed, on which kernel and initramfs (by content), in what kind of guest, by which command;
the other files are for people.  A capsule is somebody's attachment when it is read: nothing in it is believed before
it was checked, and no path in it leads anywhere but into the cache's store or the capsule itself.
Knows no cache, no guest and no suite: only names, hashes and values.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.model import Arch, Command, Finding, GuestConfig, Outcome

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
RECORD = "capsule.json"
MAX_RECORD_BYTES = 16 << 20

COPIES = ("kernel", "vmlinux", "initramfs")
"""What may lie in the capsule itself, where a plan says `keep`; the same names are those of its parts."""

_NOT_OURS = "give the directory of a capsule that `vmaharness run` has left"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_STORED = re.compile(r"(?:build|rootfs)/[A-Za-z0-9][A-Za-z0-9._~+-]{0,127}/[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_WORDS = 4096
_MAX_WORD_CHARS = 128 << 10  # the longest that execve(2) takes
_DAY_S = 86_400.0
_LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """A file that the guest was started from, or that belongs to it."""

    name: str  # one of COPIES
    sha256: str
    stored: str  # KIND/KEY/FILE below the cache's store; "" where it was not there
    copied: bool  # it lies in the capsule, under its name


@dataclass(frozen=True, slots=True)
class Program:
    """A file that a suite had put into the initramfs."""

    guest_path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ExactRun:
    """What an exact guest worked through, of which the failure was a part; `suites` are those of its `commands`."""

    seed: int
    suites: tuple[str, ...]
    commands: tuple[Command, ...]
    sha256: str  # of its console, as far as it is exact
    list_sha256: str  # of the job list that it was given


@dataclass(frozen=True, slots=True)
class Capsule:
    """One failure.  `command` is None where no command was to blame: a boot, a build."""

    version: str  # of vmaharness
    made: str  # ISO 8601, UTC
    arch: Arch
    profile: str
    suite: str
    case: str
    outcome: Outcome
    message: str
    findings: tuple[Finding, ...]
    command: Command | None
    runs: str  # the suite that the command is of; "" without one
    seed: str  # of the command, where it has one
    before: tuple[str, ...]  # SUITE.CASE of what had run in the same guest
    parts: tuple[Part, ...]
    programs: tuple[Program, ...]
    build_key: str
    build_id: str
    config_digest: str
    guest: GuestConfig
    accel: str  # what ran the guest; "" where there was none
    machine: str
    qemu: tuple[str, ...]  # the command line that started it, exactly
    cmdline: str
    tree: str  # commit
    series: str
    again: str  # the `vmaharness` command line that makes kernel, initramfs and case again
    exact: ExactRun | None = None  # None: it was no exact guest
    schema: int = SCHEMA_VERSION

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)

    @property
    def title(self) -> str:
        """`x86_64 lockdep faults.anon.1`, fit for a terminal whatever the case is called."""
        text = f"{self.arch} {self.profile} {self.suite}.{self.case}"
        return "".join(letter if letter.isprintable() else "?" for letter in text[:300])


def directory_name(arch: str, profile: str, suite: str, case: str) -> str:
    """`capsule-ARCH-PROFILE-SUITE-CASE`, as a file name whatever the case is called."""
    words = "-".join(("capsule", arch, profile, suite, case))
    return re.sub(r"[^A-Za-z0-9._+-]", "_", words)[:200]


@cache
def adapter() -> TypeAdapter[Capsule]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - heavy; `vmaharness --help` must not pay for it

    return TypeAdapter(Capsule)


def dump(capsule: Capsule) -> bytes:
    """The text of capsule.json."""
    return (json.dumps(asdict(capsule), indent=1, ensure_ascii=True) + "\n").encode()


def load(place: Path) -> tuple[Capsule, Path]:
    """A capsule and its directory, from that directory or its capsule.json.

    Raises InputError for anything that is none, is damaged, of another version, or asks for what no capsule may.
    """
    from pydantic import ValidationError  # noqa: PLC0415

    path = place if place.name == RECORD and not place.is_dir() else place / RECORD
    raw = _read(path)
    try:
        data = json.loads(raw)
    except json.JSONDecodeError as error:
        raise InputError(path, error.lineno, f"not JSON: {error.msg}", fix=_NOT_OURS) from error
    except (ValueError, RecursionError) as error:
        raise InputError(path, 0, f"not JSON: {error}", fix=_NOT_OURS) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA_VERSION:
        what = "no capsule" if schema is None else f"a capsule of version {str(schema)[:20]!r}, not {SCHEMA_VERSION}"
        raise InputError(path, 0, what, fix=_NOT_OURS)
    try:
        capsule = adapter().validate_json(raw)
    except (ValidationError, RecursionError) as error:
        what = _first(error) if isinstance(error, ValidationError) else "nested too deeply"
        raise InputError(path, 0, what, fix="the capsule is damaged: run again") from error
    if problem := _problem(capsule, path.parent):
        raise InputError(path, 0, problem, fix="the capsule is damaged, or was made to do harm: do not use it")
    return capsule, path.parent


def _read(path: Path) -> bytes:
    try:
        if not path.is_file() or path.is_symlink():
            raise InputError(path, 0, "is no file", fix=_NOT_OURS)
        with path.open("rb") as file:
            raw = file.read(MAX_RECORD_BYTES + 1)
        raw.decode()
    except OSError as error:
        raise InputError(path, 0, f"cannot be read: {error.strerror}", fix=_NOT_OURS) from error
    except UnicodeDecodeError as error:
        raise InputError(path, 0, "not UTF-8 text", fix=_NOT_OURS) from error
    if len(raw) > MAX_RECORD_BYTES:
        raise InputError(path, 0, f"more than {MAX_RECORD_BYTES >> 20} MiB", fix=_NOT_OURS)
    return raw


def _first(error: object) -> str:
    first = error.errors(include_url=False, include_input=False)[0]  # type: ignore[attr-defined]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _problem(capsule: Capsule, directory: Path) -> str:
    """What a capsule says that none of ours does; "" where there is nothing."""
    names = {"profile": capsule.profile, "suite": capsule.suite}
    names |= {"runs": capsule.runs} if capsule.command is not None else {}
    if bad := next((key for key, name in names.items() if not _NAME.fullmatch(name)), ""):
        return f"{bad}: not a name"
    if len(capsule.again) > _MAX_WORD_CHARS or not capsule.again.isprintable():
        return "again: not one line"
    bad = _bad_part(capsule, directory) or _bad_guest(capsule.guest) or _bad_command(capsule.command)
    return bad or (_bad_exact(capsule.exact, capsule.guest) if capsule.exact is not None else "")


def _bad_exact(exact: ExactRun, guest: GuestConfig) -> str:
    if guest.seed != exact.seed or not 0 < exact.seed <= _LARGEST_SEED:
        return "exact.seed: not the seed of its guest"
    if not all(_DIGEST.fullmatch(digest) for digest in (exact.sha256, exact.list_sha256)):
        return "exact: not a hash"
    if len(exact.suites) != len(exact.commands) or len(exact.commands) > _MAX_WORDS:
        return "exact.suites: not one for each command"
    if not all(_NAME.fullmatch(suite) for suite in exact.suites):
        return "exact.suites: not a name"
    if not all(command.name.isprintable() for command in exact.commands):
        return "exact.commands: a name that is not one line"
    return next(filter(None, map(_bad_command, exact.commands)), "")


def _bad_part(capsule: Capsule, directory: Path) -> str:
    for number, part in enumerate(capsule.parts):
        if part.name not in COPIES or capsule.part(part.name) is not part:
            return f"parts.{number}.name: not one of {', '.join(COPIES)}, each once"
        if not _DIGEST.fullmatch(part.sha256):
            return f"parts.{number}.sha256: not a hash"
        if part.stored and not _STORED.fullmatch(part.stored):
            return f"parts.{number}.stored: not a place in the cache"
        copy = directory / part.name
        if part.copied and copy.exists() and (copy.is_symlink() or not copy.is_file()):
            return f"parts.{number}: {part.name} is no plain file"
    return ""


def _bad_guest(guest: GuestConfig) -> str:
    times = (guest.boot_s, guest.command_s, guest.silence_s)
    if not all(0 < seconds <= _DAY_S for seconds in times):  # also of no number at all
        return "guest: a deadline that is not between nothing and a day"
    if not (1 <= guest.smp <= 512 and 128 <= guest.memory_mib <= 1 << 20 and 1 <= guest.nodes <= 8):
        return "guest: a size that no guest has"
    if len(guest.cmdline) > 4096 or not guest.cmdline.isprintable():
        return "guest.cmdline: not one line"
    return "" if _NAME.fullmatch(guest.machine) else "guest.machine: not a name"


def _bad_command(command: Command | None) -> str:
    if command is None:
        return ""
    words = (command.name, *command.argv, *command.cases)
    if not command.argv or not command.cases or len(words) > _MAX_WORDS:
        return "command: not a command line with cases"
    if any(len(word) > _MAX_WORD_CHARS or "\0" in word for word in words):
        return "command: a word that no program can be given"
    return "" if 0 < command.timeout_s <= _DAY_S else "command.timeout_s: not between nothing and a day"

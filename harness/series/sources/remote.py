"""A Message-ID or an archive's URL -> the thread's messages, got by the program `b4`.

b4 knows the archives: how to ask them for a thread, which later versions there are, how a partial reroll goes together,
whose signature is good.  What it brings is a mailbox like any other, and judged like any other.  This module knows how
b4 is called and what it says, nothing of patches.

b4 runs in a scratch directory that is its home too, without terminal, questions, credentials or caches, with limits on
time, memory and output.  Of the user's git configuration it gets what says which archive to ask and whom to believe
(HONOURED), for a person behind a mirror has set that for a reason; and proxies come from the environment as ever.
"""

from __future__ import annotations

import mmap
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import HarnessError, InfraError, UserError
from harness.host.process import Completed, Processes
from harness.series.mail import parse_mail
from harness.series.sources.mailbox import BLOCK_BYTES, RawMail, split_blocks
from harness.series.subject import Subject, parse_subject

HONOURED = re.compile(
    r"b4\.(?:midmask|searchmask|linkmask|listid-preference|attestation-[a-z-]{1,40})|(?:lore|liblore)\..{1,200}",
    re.IGNORECASE | re.DOTALL,
)
OFFLINE = (
    "without the network give a mailbox file of the thread, the archive page as saved from a browser,"
    " or a git range that has the patches"
)
_FETCH_S = 180.0
_ASK_S = 60.0
_MAX_MEMORY_BYTES = 4 << 30
_MAX_THREAD_BYTES = 256 << 20
_MAX_NOTES = 100

_ID = re.compile(r"[^\s<>@{}/]{1,300}@[^\s<>@{}/]{1,200}")
_MARKED_ID = re.compile(
    r"(?:(?:\w{0,10}id|mid):\s?)?<([^\s<>@]{1,300}@[^\s<>@]{1,200})>|\w{0,10}id:([^\s<>@]{1,300}@[^\s<>@]{1,200})"
)
_URL = re.compile(r"https?://[^\s<>\"]{1,1000}", re.IGNORECASE)
_TOLD = re.compile(r"\s{0,20}(?:Partial reroll|WARNING: |[vx] (?:Signed|BADSIG|No key): )")
_HARD_FAILURE = "Exiting due to attestation-policy: hardfail"
_STATUS = re.compile(r"Server returned an error: (\d{3})")
_UNREACHABLE = re.compile(r"All hosts failed|Failed to establish|Name or service not known|Max retries|timed out")
_NO_MAILBOX = re.compile(r"BadGzipFile|Not a gzipped file")


@dataclass(frozen=True, slots=True)
class Thread:
    """What b4 brought: the messages, and what it said of them."""

    mails: Iterator[RawMail]
    notes: tuple[str, ...]


def is_remote(source: str) -> bool:
    """Whether a source that is no file can only be meant as a Message-ID or an address in an archive."""
    if _URL.fullmatch(source) or _MARKED_ID.fullmatch(source):
        return True
    return ".." not in source and _ID.fullmatch(source) is not None


def fetch_thread(source: str, processes: Processes) -> Thread:
    """The whole thread of a message.  Raises UserError: no such message; InfraError: offline, a bot wall, no b4."""
    wanted = _wanted(source)
    b4 = find_b4()
    with tempfile.TemporaryDirectory(prefix="vmaharness-b4-") as name:
        scratch = Path(name)
        caller = _Caller(b4, scratch, _settings(scratch, processes), processes)
        box = scratch / "thread.mbx"
        done = caller.run("mbox", "-o", str(scratch), "-n", box.name, wanted, deadline_s=_FETCH_S)
        if not done.ok or not box.is_file() or not box.stat().st_size:
            raise _failure(source, done, caller.archive)
        thread = _Mailbox(source, box)
        told, rerolled = _opinion(source, caller, thread)
        notes = (*_newer(caller, wanted, thread), *told)
        return Thread(_both(thread, rerolled), tuple(dict.fromkeys(notes))[:_MAX_NOTES])


def _both(thread: _Mailbox, rerolled: list[RawMail]) -> Iterator[RawMail]:
    yield from thread.mails()
    yield from rerolled


def _wanted(source: str) -> str:
    """The source as b4 takes it.  Raises UserError for an address that names no message."""
    if not _URL.fullmatch(source):
        found = _MARKED_ID.fullmatch(source)
        return (
            f"<{(found[1] or found[2]) if found else source}>"  # in brackets, it is no option whatever it begins with
        )
    url = re.split(r"[?#]", source, maxsplit=1)[0].replace("%40", "@")
    if not any("@" in part for part in urlsplit(url).path.split("/")):
        raise UserError(
            f"{source}: no Message-ID in this address, so there is no telling which thread is meant",
            fix="give the address of one of its mails or patches, or the Message-ID that the page shows; or download"
            " the page's mbox and give that file",
        )
    return url


def find_b4() -> Path:
    """b4 beside the interpreter, where a virtual environment has it, else in PATH."""
    beside = Path(sys.executable).with_name("b4")
    if beside.is_file():
        return beside
    if found := shutil.which("b4"):
        return Path(found)
    raise InfraError(
        "b4 is not installed: it is what gets threads by Message-ID or URL",
        fix=f"{Path(sys.executable).name} -m pip install b4, or apt-get install b4; {OFFLINE}",
    )


def _settings(scratch: Path, processes: Processes) -> list[tuple[str, str]]:
    """What of the user's git configuration b4 gets to see; a repository's own is not asked."""
    done = processes.run(
        ["env", "-u", "GIT_DIR", f"GIT_CEILING_DIRECTORIES={scratch.parent}", "git", "config", "--null", "--list"],
        cwd=scratch, deadline_s=_ASK_S,
    )  # fmt: skip
    pairs = (entry.partition("\n") for entry in done.text.split("\0")) if done.ok else ()
    wanted = [(key, value) for key, found, value in pairs if found and HONOURED.fullmatch(key)][:_MAX_NOTES]
    return [*wanted, ("b4.attestation-checkmarks", "simple")]  # letters, not colours


@dataclass(frozen=True, slots=True)
class _Caller:
    """How b4 is run."""

    b4: Path
    scratch: Path
    settings: list[tuple[str, str]]
    processes: Processes

    @property
    def archive(self) -> str:
        """Whom b4 asks when a bare Message-ID is given."""
        mask = next((value for key, value in reversed(self.settings) if key.lower() == "b4.midmask"), "")
        return urlsplit(mask).netloc or "lore.kernel.org"

    def run(self, verb: str, *words: str, deadline_s: float) -> Completed:
        """Run one of b4's verbs to its end."""
        home = {name: str(self.scratch) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        clean = {
            **home, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
            "GIT_CEILING_DIRECTORIES": str(self.scratch.parent), "GIT_CONFIG_COUNT": str(len(self.settings)),
            "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "PAGER": "cat", "EDITOR": "false",
        }  # fmt: skip
        for number, (key, value) in enumerate(self.settings):
            clean |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        unset = (
            "GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG", "PYTHONPATH", "PYTHONHOME",
            "PYTHONPYCACHEPREFIX", "DISPLAY",
        )  # fmt: skip
        argv = [*self._limits(), "env", *(word for name in unset for word in ("-u", name))]
        argv += [f"{name}={value}" for name, value in clean.items()]
        argv += [str(self.b4), "--no-interactive", "--no-stdin", verb, *words]
        return self.processes.run(argv, cwd=self.scratch, deadline_s=deadline_s)

    @staticmethod
    def _limits() -> list[str]:
        """b4 unpacks what it is sent in memory: a bomb must end b4, not the machine."""
        if shutil.which("prlimit") is None:
            return []
        return ["prlimit", f"--as={_MAX_MEMORY_BYTES}", f"--fsize={_MAX_THREAD_BYTES}", "--core=0", "--"]


class _Mailbox:
    """A mailbox that outlives its file, without being in memory."""

    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.subjects = {name: subject for name, subject, _ in self.entries()}

    def entries(self) -> Iterator[tuple[str, Subject, RawMail]]:
        """Message-ID, subject and mail of each message that has headers."""
        size = len(self._data)
        blocks = (self._data[at : at + BLOCK_BYTES] for at in range(0, size, BLOCK_BYTES))
        for raw in split_blocks(self._source, blocks):
            head = RawMail(raw.place, raw.line, raw.separator, raw.lines[: _end_of_headers(raw.lines)])
            mail = parse_mail(head)
            if mail is not None:
                name = mail.header("message-id")
                # A line in the thread's mailbox means nothing to anybody; one in a message of a known name does.
                raw.place, raw.line = f"{self._source} {name}".strip(), 1
                yield name, parse_subject(mail.header("subject")), raw

    def mails(self) -> Iterator[RawMail]:
        return (raw for _, _, raw in self.entries())


def _end_of_headers(lines: list[bytes]) -> int:
    return next((at for at, line in enumerate(lines) if at and not line.strip()), len(lines))


def _opinion(source: str, caller: _Caller, thread: _Mailbox) -> tuple[list[str], list[RawMail]]:
    """What `b4 am` says of the thread, and the patches that it carries from one version into a partial reroll."""
    made = caller.scratch / "am.mbx"
    words = ("-T", "--no-cover", "-m", str(caller.scratch / "thread.mbx"), "-o", str(caller.scratch), "-n", made.name)
    done = caller.run("am", *words, deadline_s=_ASK_S)
    lines = done.stderr[-(64 << 10) :].decode("utf-8", "replace").splitlines()
    told = [f"b4: {_printable(line)}" for line in lines if _TOLD.match(line)]
    if any(line.startswith(_HARD_FAILURE) for line in lines):
        raise UserError(
            f"{source}: b4 does not accept who signed it, and b4.attestation-policy is hardfail",
            detail="\n".join(told), fix="take it from whom you trust, or change the policy",
        )  # fmt: skip
    if not done.ok or not made.is_file() or not made.stat().st_size:
        return told, []
    carried = []
    for name, subject, raw in _Mailbox("", made).entries():
        origin = thread.subjects.get(name)
        if origin is not None and origin.version != subject.version:
            raw.place = f"{name}, which b4 carried from v{origin.version} into v{subject.version}"
            carried.append(raw)
            told.append(
                f"b4: v{subject.version} is a partial reroll: patch {subject.number} is that of v{origin.version}"
            )
    return told, carried


def _newer(caller: _Caller, wanted: str, thread: _Mailbox) -> list[str]:
    """Versions that the archive has outside the thread.  They are told of, not taken: a Message-ID names one thread."""
    made, box = caller.scratch / "newer.mbx", caller.scratch / "thread.mbx"
    done = caller.run(
        "mbox", "--check-newer-revisions", "-m", str(box), "-o", str(caller.scratch), "-n", made.name, wanted,
        deadline_s=_ASK_S,
    )  # fmt: skip
    if not done.ok or not made.is_file() or not made.stat().st_size:
        return ["b4: could not ask the archive for newer versions"]
    found: dict[int, tuple[int, str]] = {}
    for name, subject, _ in _Mailbox("", made).entries():
        if name not in thread.subjects and not subject.reply and subject.number is not None:
            first = found.get(subject.version)
            if first is None or subject.number < first[0]:
                found[subject.version] = (subject.number, name)
    return [f"the archive has v{version} of this series: {name}" for version, (_, name) in sorted(found.items())]


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line[:300]).strip()


def _failure(source: str, done: Completed, archive: str) -> HarnessError:
    """What went wrong, from what b4 said."""
    host = urlsplit(source).netloc if _URL.fullmatch(source) else archive
    words = done.words[-4000:]
    if found := _STATUS.search(words):
        return _refusal(source, host, found[1])
    fix = OFFLINE
    if "unrecognized arguments" in words or "invalid choice" in words:
        what, fix = "this b4 is too old", "pip install 'b4>=0.16'"
    elif done.timed_out:
        what = f"b4 did not get it within {_FETCH_S:.0f} s"
    elif _NO_MAILBOX.search(words):
        what = f"{host} answered with something other than a mailbox, most likely a page that keeps robots out"
        fix = f"open it in a browser, save the thread's mbox or the page, and give that file; {OFFLINE}"
        words = ""
    elif _UNREACHABLE.search(words):
        what = f"cannot reach {host}: no network, or the archive is down"
    else:
        what = f"b4 failed (exit code {done.exit_code})"
    return InfraError(f"{source}: {what}", fix=fix, detail=words)


def _refusal(source: str, host: str, status: str) -> HarnessError:
    """An answer of the archive other than the thread."""
    if status in ("300", "404"):
        return UserError(
            f"{source}: {host} has no such message",
            fix="check the Message-ID; another archive's address may have it (git config b4.midmask names yours)",
        )
    return InfraError(f"{source}: {host} answered with HTTP status {status}", fix=f"try again later; {OFFLINE}")

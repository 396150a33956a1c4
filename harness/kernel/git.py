"""git as this project runs it: repositories of our own, none of the user's configuration, hooks or identity.

Knows nothing of kernels or patches.  Commits made here depend on their input alone: fixed identity, UTC, C locale.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfraError, MissingTool
from harness.host.process import SYSTEM_PATH, Completed, Processes

_IDENTITY = "vmaharness"
_ENVIRONMENT = {
    "PATH": SYSTEM_PATH,
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",  # reading commands must not refresh the user's index
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_COMMITTER_NAME": _IDENTITY,
    "GIT_COMMITTER_EMAIL": f"{_IDENTITY}@localhost",
    "GIT_AUTHOR_NAME": _IDENTITY,
    "GIT_AUTHOR_EMAIL": f"{_IDENTITY}@localhost",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    # We only read the repository that the user named: another owner's (a bind mount in CI) will do as well.
    "safe.directory=*",
)
# What another git around us (a hook, an alias) would make ours work on.
_LEAKS = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_CONFIG_PARAMETERS",
)  # fmt: skip


_OBJECT = re.compile(rb"([a-z]+) ([0-9a-f]+) ([0-9]+)")


class Git:
    """git in one place: `where` is a repository of ours (`--git-dir`), or any directory of a user's clone (`-C`)."""

    def __init__(self, processes: Processes, where: Path, *, ours: bool = True) -> None:
        self.where = where
        self._processes = processes
        self._place = [f"--git-dir={where}"] if ours else ["-C", str(where)]

    def run(
        self,
        *arguments: str | Path,
        settings: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: bytes | None = None,
        deadline_s: float | None = None,
    ) -> Completed:
        """Run a git command.  Its exit code is data; raises MissingTool where there is no git."""
        done = self._processes.run(
            self.argv(*arguments, settings=settings),
            env={**_ENVIRONMENT, **(env or {})}, cwd=cwd, input=input, deadline_s=deadline_s,
        )  # fmt: skip
        if done.exit_code == 127:
            raise MissingTool("git", "git")
        return done

    def argv(self, *arguments: str | Path, settings: Sequence[str] = ()) -> list[str]:
        """The command line that `run` would start."""
        options = [word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)]
        return ["git", *self._place, *options, *(str(argument) for argument in arguments)]

    def ask(self, *arguments: str | Path, **options: Mapping[str, str] | None) -> str:
        """The command's output; raises InfraError with git's own words when it fails."""
        done = self.run(*arguments, env=options.get("env"))
        if not done.ok:
            raise InfraError(f"git {arguments[0]} failed in {self.where}", detail=done.words)
        return done.text.rstrip("\n")

    def pipe(self, first: Sequence[str], second: Sequence[str], into: Path, *, deadline_s: float) -> bool:
        """`git FIRST | git SECOND > into`, nothing of it kept in memory.

        False if FIRST did not end well within `deadline_s`; what SECOND made of it until then is in `into` even so.
        """
        read, write = os.pipe()
        processes = self._processes
        try:
            with into.open("wb") as sink:
                consumer = processes.spawn(self.argv(*second), env=_ENVIRONMENT, stdin=read, stdout=sink)
                producer = processes.spawn(self.argv(*first), env=_ENVIRONMENT, stdout=write)
        finally:
            os.close(read)
            os.close(write)
        try:
            ended_well = producer.wait(deadline_s, processes.stop) == 0
            processes.stop.check()
            producer.close()
            consumer.wait(deadline_s, processes.stop)
            processes.stop.check()
        finally:
            processes.forget(producer)
            processes.forget(consumer)
        return ended_well

    def run_as_user(self, *arguments: str | Path, deadline_s: float | None = None) -> Completed:
        """Run a command that talks to a remote: with the user's proxies and credentials, without hooks."""
        cleared = [word for name in _LEAKS for word in ("-u", name)]
        options = ["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]
        argv = ["env", *cleared, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C.UTF-8", "git", *self._place, *options]
        done = self._processes.run([*argv, *(str(word) for word in arguments)], deadline_s=deadline_s)
        if done.exit_code == 127:
            raise MissingTool("git", "git")
        return done


def left_by_git(repository: Path) -> list[Path]:
    """What a git that was killed has left in a repository: locks, which would stop the next one, and half a pack.

    The caller has made sure that no git is at work there.
    """
    packs = (repository / "objects" / "pack").glob("tmp_*")
    locks = (path for path in repository.rglob("*.lock") if "objects" not in path.relative_to(repository).parts)
    return sorted([*locks, *packs])


def blobs_at(git: Git, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """The blob of each path in a commit, asked in one go; "" where there is no file.  Raises InfraError."""
    # git reads a line for each, and takes a path that begins with a dot and a slash for one relative to somewhere.
    asked = [path for path in dict.fromkeys(paths) if "\n" not in path and not path.startswith(("./", "../"))]
    if not asked:
        return {}
    names = "".join(f"{commit}:{path}\n" for path in asked)
    done = git.run("cat-file", "--batch-check=%(objecttype) %(objectname)", input=names.encode("utf-8", "replace"))
    lines = done.stdout.split(b"\n")[:-1]
    if not done.ok or len(lines) != len(asked):
        raise InfraError(f"git cat-file failed in {git.where}", detail=done.words)
    kinds = [line.decode("utf-8", "replace").split(" ") for line in lines]
    return {path: words[1] if words[0] == "blob" else "" for path, words in zip(asked, kinds, strict=True)}


def content_of(git: Git, commit: str, paths: Sequence[str]) -> str:
    """A name for all that a commit has at these paths, files and directories.  Raises InfraError."""
    names = "".join(f"{commit}:{path}\n" for path in paths)
    done = git.run("cat-file", "--batch-check=%(objectname)", input=names.encode())
    lines = done.stdout.split(b"\n")[:-1]
    if not done.ok or len(lines) != len(paths):
        raise InfraError(f"git cat-file failed in {git.where}", detail=done.words)
    # git answers "NAME missing" where there is nothing, and NAME has the commit.
    found = [b"" if line.endswith(b" missing") else line for line in lines]
    return hashlib.sha256(repr([*zip(paths, found, strict=True)]).encode()).hexdigest()[:40]


def contents_at(git: Git, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
    """The content of each path in a commit, asked in one go, without those that are no file.  Raises InfraError."""
    # git reads a line for each, and takes a path that begins with a dot and a slash for one relative to somewhere.
    asked = [path for path in dict.fromkeys(paths) if "\n" not in path and not path.startswith(("./", "../"))]
    found = objects_of(git, [f"{commit}:{path}" for path in asked])
    return {path: one.content for path, one in zip(asked, found, strict=True) if one.kind == "blob"}


@dataclass(frozen=True, slots=True)
class Object:
    """One of git's: its kind (blob, tree, commit, tag), "" where there is none."""

    kind: str = ""
    name: str = ""
    content: bytes = b""


def objects_of(git: Git, names: Sequence[str]) -> list[Object]:
    """What each name, of a line, leads to, asked in one go.  Raises InfraError."""
    if not names:
        return []
    asked = "".join(f"{name}\n" for name in names).encode("utf-8", "replace")
    done = git.run("cat-file", "--batch=%(objecttype) %(objectname) %(objectsize)", input=asked)
    found: list[Object] = []
    at = 0
    for _ in names:
        end = done.stdout.find(b"\n", at)
        if not done.ok or end < 0:
            raise InfraError(f"git cat-file failed in {git.where}", detail=done.words)
        if head := _OBJECT.fullmatch(done.stdout, at, end):
            size = int(head[3])
            found.append(Object(head[1].decode(), head[2].decode(), done.stdout[end + 1 : end + 1 + size]))
            end += 1 + size
        else:  # "NAME missing", or what else is the matter with it
            found.append(Object())
        at = end + 1
    return found


def make_repository(path: Path, *, borrow: Path | None = None, commit: str = "") -> Path:
    """Write an empty bare repository, without starting git (a fifth of a second saved where one is made per run).

    With `borrow`, the objects of that git directory can be read (and are never written); `commit` becomes a detached
    HEAD.  The lender's object format and its shallow border are taken over.
    """
    for name in ("objects/info", "objects/pack", "refs/heads"):
        (path / name).mkdir(parents=True)
    config = ["[core]", "\tbare = true", "\tlogAllRefUpdates = false", "[gc]", "\tauto = 0"]
    if borrow is not None:
        (path / "objects/info/alternates").write_text(f"{borrow / 'objects'}\n")
        if (borrow / "shallow").is_file():
            (path / "shallow").write_bytes((borrow / "shallow").read_bytes())
    sha256 = len(commit) == 64
    config.insert(1, f"\trepositoryFormatVersion = {1 if sha256 else 0}")
    if sha256:
        config += ["[extensions]", "\tobjectFormat = sha256"]
    (path / "config").write_text("\n".join(config) + "\n")
    (path / "HEAD").write_text(f"{commit}\n" if commit else "ref: refs/heads/base\n")
    return path


def disk_is_full(done: Completed) -> bool:
    """Whether git could not do it for want of space."""
    return any(words in done.words for words in ("No space left on device", "Disk quota exceeded"))


def write_error(done: Completed, where: Path) -> InfraError:
    """What to raise when git could not write files."""
    if disk_is_full(done):
        return InfraError(f"the disk of {where} is full", fix="make room, or set VMAHARNESS_CACHE to another disk")
    return InfraError(f"git {done.argv[-1]} failed for {where}", detail=done.words)

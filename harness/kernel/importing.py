"""A tarball or a plain directory becomes one commit, in one pass and without unpacking to disk.

The stream goes through `git fast-import` uncompressed: a kernel is 86,000 files, and writing them out first would
take longer than everything else.  The same files make the same commit.  Nothing is ever written to a path that the
tarball chose.  Knows nothing of Debian or of what is done with the tree.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import InfraError, MissingTool, UserError
from harness.host.process import Child, Processes
from harness.kernel.git import Git, environment, make_repository

_MAGICS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xfd7zXZ\x00", "xz", "xz-utils"),
    (b"\x1f\x8b", "gzip", "gzip"),
    (b"BZh", "bzip2", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd"),
)
_BUFFER = 1 << 20
_DATE = "946684800 +0000"  # 2000-01-01: any fixed instant does
_MESSAGE = "Imported tree\n"
FORMAT = 1
"""Part of cache keys: raised when the same input would give another commit."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as git keeps it; `link_to` is the tree path of the earlier file that a hard link repeats."""

    path: str
    mode: str
    data: bytes = b""
    link_to: str = ""


def import_tarball(tarball: Path, repo: Path, *, processes: Processes) -> str:
    """Make `repo` and the commit of a tarball's files in it; its name is returned.

    A single directory at the top is stripped.  Raises UserError for a file that is no tarball, is damaged, or names
    files outside itself.
    """
    tool = _decompressor(tarball)
    with ExitStack() as stack:
        source: IO[bytes] = stack.enter_context(tarball.open("rb"))
        unpacker: Child | None = None
        if tool is not None:
            read, write = os.pipe()
            source = stack.enter_context(os.fdopen(read, "rb", _BUFFER))
            unpacker = processes.spawn([tool[0], "-dc", tarball], stdout=write)
            stack.callback(processes.forget, unpacker)
            os.close(write)
        try:
            archive = stack.enter_context(tarfile.open(fileobj=source, mode="r|", bufsize=_BUFFER))
            root = _fast_import(repo, _tar_entries(archive), processes)
            while source.read(_BUFFER):  # padding after the end: let the decompressor finish
                pass
        except tarfile.TarError as error:
            raise _damaged(tarball, unpacker, tool, str(error)) from error
        if unpacker is not None and unpacker.wait(60, processes.stop) != 0:
            raise _damaged(tarball, unpacker, tool, "the decompressor reports an error")
    return _commit(repo, root, processes)


def import_directory(directory: Path, repo: Path, *, processes: Processes) -> str:
    """The same for the files of a directory."""
    return _commit(repo, _fast_import(repo, _directory_entries(directory), processes), processes)


def _decompressor(tarball: Path) -> tuple[str, str] | None:
    with tarball.open("rb") as file:
        head = file.read(8)
    return next(((program, package) for magic, program, package in _MAGICS if head.startswith(magic)), None)


def _damaged(tarball: Path, unpacker: Child | None, tool: tuple[str, str] | None, words: str) -> Exception:
    if unpacker is not None and tool is not None and unpacker.wait(1) == 127:
        return MissingTool(*tool)
    return UserError(f"{tarball} is no tarball, or is damaged", detail=words)


def _tar_entries(archive: tarfile.TarFile) -> Iterator[_Entry]:
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # tarfile remembers each header: 86,000 are 100 MB
        path = _safe_path(member.name)
        if not path or member.isdir():
            continue
        if member.issym():
            yield _Entry(path, "120000", os.fsencode(member.linkname))
        elif member.islnk():
            if target := _safe_path(member.linkname):
                yield _Entry(path, "100644", link_to=target)
        elif member.isreg():
            file = archive.extractfile(member)
            yield _Entry(path, "100755" if member.mode & 0o100 else "100644", file.read() if file else b"")


def _safe_path(name: str) -> str:
    """The path inside the tree, "" for what is not taken over (the tree's own git data); UserError if it leads out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise UserError(f"the tarball names a file outside itself: {name}")
    return "" if any(part.lower() == ".git" for part in parts) else "/".join(parts)


def _directory_entries(directory: Path) -> Iterator[_Entry]:
    for where, directories, files in os.walk(directory):
        directories[:] = sorted(name for name in directories if name.lower() != ".git")
        links = [name for name in directories if (Path(where) / name).is_symlink()]
        for name in sorted(files + links):
            path = Path(where) / name
            inside = str(path.relative_to(directory))
            if path.is_symlink():
                yield _Entry(inside, "120000", os.fsencode(path.readlink()))
            elif path.is_file() and name.lower() != ".git":
                executable = path.stat().st_mode & 0o100
                yield _Entry(inside, "100755" if executable else "100644", path.read_bytes())


def _quoted(path: str) -> bytes:
    raw = os.fsencode(path)
    if raw.startswith(b'"') or b"\n" in raw or b" " in raw:
        return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
    return raw


def _fast_import(repo: Path, entries: Iterator[_Entry], processes: Processes) -> str:
    """Feed entries to git; returns the tree they make."""
    git = Git(processes, make_repository(repo))
    marks, words = repo / "fast-import.marks", repo / "fast-import.err"
    with ExitStack() as stack:
        stderr = stack.enter_context(words.open("wb"))
        read, write = os.pipe()
        sink = os.fdopen(write, "wb", _BUFFER)
        stack.callback(_close, sink)
        child = processes.spawn(
            git.argv(
                "fast-import", "--quiet", "--done", "--depth=0", f"--export-marks={marks}",
                settings=("core.compression=0", "pack.compression=0", "fastimport.unpackLimit=0"),
            ),
            env=environment(), stdin=read, stderr=stderr,
        )  # fmt: skip
        stack.callback(processes.forget, child)
        os.close(read)
        with suppress(BrokenPipeError):  # git says why: below
            _write_entries(sink, entries, processes)
            sink.flush()
        _close(sink)
        code = child.wait(None, processes.stop)
        processes.stop.check()
        if code != 0:
            raise _import_failed(words, code)
    commit = marks.read_text().split()[-1]
    for path in (marks, words, *repo.glob("fast_import_crash_*")):
        path.unlink()
    return git.ask("rev-parse", f"{commit}^{{tree}}")


def _close(sink: IO[bytes]) -> None:
    """Close a pipe whose reader may have gone with something still unwritten."""
    with suppress(BrokenPipeError):
        sink.close()


def _write_entries(sink: IO[bytes], entries: Iterator[_Entry], processes: Processes) -> None:
    sink.write(b"commit refs/heads/base\nmark :1\ncommitter v <v> %s\ndata 0\n" % _DATE.encode())
    for entry in entries:
        processes.stop.check()
        path = _quoted(entry.path)
        if entry.link_to:
            sink.write(b"C %s %s\n" % (_quoted(entry.link_to), path))
            continue
        sink.write(b"M %s inline %s\ndata %d\n" % (entry.mode.encode(), path, len(entry.data)))
        sink.write(entry.data)
        sink.write(b"\n")
    sink.write(b"done\n")


def _import_failed(words: Path, code: int | None) -> Exception:
    if code == 127:
        return MissingTool("git", "git")
    text = words.read_text(errors="replace").strip()
    if "No space left" in text:
        return InfraError("the disk is full", fix="make room, or set VMAHARNESS_CACHE to another disk", detail=text)
    return UserError("git does not take the tree", detail=text)


def _commit(repo: Path, tree: str, processes: Processes) -> str:
    """One commit of the tree, or of the only directory in it, on refs/heads/base."""
    git = Git(processes, repo)
    listed = [line for line in git.ask("ls-tree", tree).splitlines() if not line.endswith("\tpax_global_header")]
    if len(listed) == 1 and listed[0].split()[1] == "tree":
        tree = listed[0].split()[2]
    dates = {"GIT_AUTHOR_DATE": _DATE, "GIT_COMMITTER_DATE": _DATE}
    commit = git.ask("commit-tree", "-m", _MESSAGE.strip(), tree, env=dates)
    git.ask("update-ref", "refs/heads/base", commit)
    return commit

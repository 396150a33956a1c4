"""A tarball or a plain directory becomes one commit, in one pass and without unpacking to disk.

A kernel is 86,000 files: writing them out before git reads them would take longer than everything else.  The same
files make the same commit.  Nothing is ever written to a path that the tarball chose.  Knows nothing of Debian or of
what is done with the tree.
"""

from __future__ import annotations

import fcntl
import io
import os
import select
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from harness.errors import MissingTool, UserError
from harness.host.process import Child, Processes, Stop
from harness.kernel.git import make_repository
from harness.kernel.packing import Pack, Tree

_MAGICS: tuple[tuple[bytes, tuple[str, ...], str], ...] = (
    (b"\xfd7zXZ\x00", ("xz", "-T0"), "xz-utils"),  # Debian's kernels are 62 blocks; xz before 5.4 takes one core anyway
    (b"\x1f\x8b", ("gzip",), "gzip"),
    (b"BZh", ("bzip2",), "bzip2"),
    (b"\x28\xb5\x2f\xfd", ("zstd",), "zstd"),
)
_BUFFER = 1 << 20
# Any fixed person and instant do: the commit depends on the files alone.
_WHO = b"vmaharness <vmaharness@localhost> 946684800 +0000"
FORMAT = 2
"""Part of cache keys: raised when the same input would give another commit or another repository."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as git keeps it; `link_to` is the tree path of the earlier file that a hard link repeats."""

    path: bytes
    mode: str
    data: bytes = b""
    link_to: bytes = b""


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
            with suppress(OSError):  # by default both sides wait for each other every 64 KiB
                fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _BUFFER)
            source = stack.enter_context(io.BufferedReader(_Pipe(read, processes.stop), _BUFFER))
            unpacker = processes.spawn([*tool[0], "-dc", tarball], stdout=write)
            stack.callback(processes.forget, unpacker)
            os.close(write)
        try:
            forward = _Forward(source)
            archive = stack.enter_context(tarfile.open(fileobj=cast(IO[bytes], forward), mode="r:"))
            commit = _import(repo, _tar_entries(archive, forward), processes)
            while source.read(_BUFFER):  # padding after the end: let the decompressor finish
                pass
        except tarfile.TarError as error:
            raise _damaged(tarball, unpacker, tool, str(error)) from error
        if unpacker is not None and unpacker.wait(60, processes.stop) != 0:
            processes.stop.check()
            raise _damaged(tarball, unpacker, tool, "the decompressor reports an error")
    return commit


def import_directory(directory: Path, repo: Path, *, processes: Processes) -> str:
    """The same for the files of a directory."""
    return _import(repo, _directory_entries(directory), processes)


def _decompressor(tarball: Path) -> tuple[tuple[str, ...], str] | None:
    """The program with its options, and the package that has it."""
    with tarball.open("rb") as file:
        head = file.read(8)
    return next(((program, package) for magic, program, package in _MAGICS if head.startswith(magic)), None)


def _damaged(tarball: Path, unpacker: Child | None, tool: tuple[tuple[str, ...], str] | None, words: str) -> Exception:
    if unpacker is not None and tool is not None and unpacker.wait(1) == 127:
        return MissingTool(tool[0][0], tool[1])
    return UserError(f"{tarball} is no tarball, or is damaged", detail=words)


class _Pipe(io.RawIOBase):
    """The reading end of a pipe; a stop ends the waiting for a program that writes nothing, with Cancelled."""

    def __init__(self, fd: int, stop: Stop) -> None:
        self._fd, self._stop = fd, stop
        self._poll = select.poll()
        for one in (fd, stop.fileno()):
            self._poll.register(one, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._poll.poll()
        self._stop.check()
        return os.readv(self._fd, [memoryview(buffer)])

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


class _Forward:
    """A pipe as a file for tarfile, whose own mode for streams copies everything three times."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._at = 0
        self.last = b""  # what was read last

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> None:
        if to < self._at:
            raise tarfile.ReadError("a part of the tarball lies before the one that names it")
        while self._at < to and self.read(min(to - self._at, _BUFFER)):
            pass

    def read(self, size: int) -> bytes:
        self.last = self._stream.read(size)
        self._at += len(self.last)
        return self.last


def _tar_entries(archive: tarfile.TarFile, forward: _Forward) -> Iterator[_Entry]:
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
            if member.issparse():
                raise tarfile.ReadError(f"{member.name} is a sparse file")
            forward.seek(member.offset_data)
            data = forward.read(member.size)
            if len(data) != member.size:
                raise tarfile.ReadError(f"the tarball ends in {member.name}")
            yield _Entry(path, "100755" if member.mode & 0o100 else "100644", data)
    if forward.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes any end between two files for the end
        raise tarfile.ReadError("the tarball has no end mark")


def _safe_path(name: str) -> bytes:
    """The path inside the tree, b"" for what is not taken over (the tree's own git data); UserError if it leads out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise UserError(f"the tarball names a file outside itself: {name}")
    return b"" if any(part.lower() == ".git" for part in parts) else os.fsencode("/".join(parts))


def _directory_entries(directory: Path) -> Iterator[_Entry]:
    for where, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if name.lower() != ".git"]
        links = [name for name in directories if (Path(where) / name).is_symlink()]
        for name in files + links:
            path = Path(where) / name
            inside = os.fsencode(path.relative_to(directory))
            if path.is_symlink():
                yield _Entry(inside, "120000", os.fsencode(path.readlink()))
            elif path.is_file() and name.lower() != ".git":
                executable = path.stat().st_mode & 0o100
                yield _Entry(inside, "100755" if executable else "100644", path.read_bytes())


def _import(repo: Path, entries: Iterator[_Entry], processes: Processes) -> str:
    """Make the repository with one commit of the entries, or of the only directory in them, on refs/heads/base."""
    make_repository(repo)
    root = Tree()
    draft = repo / "objects" / "pack" / "tmp_pack"
    with draft.open("w+b", buffering=_BUFFER) as file:
        pack = Pack(file)
        for entry in entries:
            processes.stop.check()
            if entry.link_to:
                if (target := root.get(entry.link_to)) is None:
                    raise tarfile.ReadError(f"{os.fsdecode(entry.path)} is a link to nothing")
                root.put(entry.path, *target)
            else:
                root.put(entry.path, entry.mode, pack.add("blob", entry.data))
        root.entries.pop(b"pax_global_header", None)
        inner = next(iter(root.entries.values())) if len(root.entries) == 1 else None
        tree = pack.add_tree(inner if isinstance(inner, Tree) else root)
        lines = (b"tree " + tree.hex().encode(), b"author " + _WHO, b"committer " + _WHO, b"", b"Imported tree", b"")
        commit = pack.add("commit", b"\n".join(lines)).hex()
        pack.finish(draft, draft.parent)
    (repo / "refs" / "heads" / "base").write_text(f"{commit}\n")
    return commit

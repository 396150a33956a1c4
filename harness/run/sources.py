"""From a plan's words to a tree with its patches: which tree, which base fix, which series."""

from __future__ import annotations

import copy
import platform
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from harness.data import patches_dir
from harness.events import Say
from harness.host.apt import SUITES, DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel.checkout import work_copy
from harness.model import AppliedTree, Series, Tree
from harness.series.read import read_series


def find_base_fix(wanted: str, kernel_version: str) -> Path | None:
    """The directory of the base fix: `none`, a directory, or `auto` for the project's own by major.minor version."""
    if wanted == "none":
        return None
    if wanted != "auto":
        return Path(wanted)
    ours = patches_dir() / "base-fix" / _version(kernel_version)
    return ours if ours.is_dir() else None


def _version(kernel_version: str) -> str:
    """MAJOR.MINOR, as directories of patches/ are called."""
    return ".".join(kernel_version.split(".")[:2])


def read_base_fix(wanted: str, tree: Tree, processes: Processes) -> Series | None:
    """The patches that the base itself needs; raises UserError or InputError for a bad directory."""
    directory = find_base_fix(wanted, tree.kernel_version)
    return None if directory is None else read_series(str(directory), processes=processes, repo=None)


def read_checkers(wanted: str, tree: Tree, processes: Processes) -> Series | None:
    """The checkers for a tree: `auto`, or of a directory; None where there are none for the tree's version."""
    directory = patches_dir() / "checkers" / _version(tree.kernel_version) if wanted == "auto" else Path(wanted)
    if wanted == "auto" and not directory.is_dir():
        return None
    return read_series(str(directory), processes=processes, repo=None)


class Checkout:
    """The tree's files, written when first asked for and shared by all builds of the run; held until `close`."""

    def __init__(self, processes: Processes, cache: Cache, *, kept: bool) -> None:
        self._processes = processes
        self._cache = cache
        self._kept = kept
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._held = ExitStack()

    def get(self, applied: AppliedTree, say: Say) -> Path:
        """The directory with all files of the tree.  Raises InfraError when they cannot be written."""
        with self._lock:
            if self._path is None:
                say("writing the tree's files")
                self._path = self._held.enter_context(
                    work_copy(applied, processes=self._processes, cache=self._cache, kept=self._kept)
                )
            return self._path

    def close(self) -> None:
        """Give the files back, to whoever wants them next; they can be asked for again."""
        with self._lock:
            self._path = None
            self._held.close()


class WorkCopies:
    """The files of one tree, and of those that are made on top of it, as steps ask for them."""

    def __init__(self, processes: Processes, cache: Cache, *, kept: bool) -> None:
        self.brief = False  # trees follow each other through one work copy
        self._make = partial(Checkout, processes, cache, kept=kept)
        self._held: dict[str, Checkout] = {}  # by commit
        self._present: list[Checkout] = []  # where trees follow each other: of all of them, the one that is there
        self._lock = threading.Lock()

    def follow_each_other(self) -> None:
        """From now on a tree's files are held until another tree's are asked for, and nobody reads both at a time."""
        self.brief = True

    def of_tree(self) -> WorkCopies:
        """For another tree, after this one or beside it."""
        other = copy.copy(self)
        other._held = {}
        return other

    def files(self, applied: AppliedTree, say: Say) -> Path:
        """The directory with all files of a tree.  Raises InfraError when they cannot be written."""
        with self._lock:
            mine = self._held.setdefault(applied.commit, self._make())
            if self.brief:
                for other in self._present:
                    if other is not mine:
                        other.close()
                self._present[:] = [mine]
        return mine.get(applied, say)

    def close(self) -> None:
        """Give the files back, to whoever wants them next."""
        for checkout in self._held.values():
            checkout.close()


def guest_suite() -> str:
    """The Debian suite whose programs guests run: the host's own, so that what is linked here runs there."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    codename = release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""
    return codename if codename in SUITES else SUITES[0]


class Archives:
    """Debian's suites, each opened once."""

    def __init__(self, processes: Processes, cache: Cache, say: Say) -> None:
        self._processes = processes
        self._cache = cache
        self._say = say
        self._opened: dict[str, DebianArchive] = {}
        self._lock = threading.Lock()

    def __call__(self, suite: str) -> DebianArchive:
        with self._lock:
            if suite not in self._opened:
                self._opened[suite] = DebianArchive(self._processes, self._cache, self._say, suite)
            return self._opened[suite]

    @property
    def notes(self) -> list[str]:
        return [note for archive in self._opened.values() for note in archive.notes]

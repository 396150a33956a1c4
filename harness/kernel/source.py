"""What the user calls a tree becomes a commit in a git repository of ours.

A tree is a Debian source package, a tarball, a git clone, a URL with a ref, or a plain directory.  A user's clone is
never written to: not its work tree, not its index, not its refs; its objects are borrowed.  Imported trees are cached
by their content.  Knows nothing of patches.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES, host_arch
from harness.errors import InfraError, UserError
from harness.events import Say
from harness.host.apt import SUITES, DebianArchive
from harness.host.cache import Cache
from harness.host.process import Processes
from harness.kernel import importing
from harness.kernel.git import Git, left_by_git, make_repository, objects_of
from harness.model import Arch, Package, Tree

_KIND = "tree"
_FACTS = "tree.json"
_URL = re.compile(r"(?:(?:https?|git|ssh|file)://[^/]*/|[\w.-]+@[\w.-]+:)\S+")
_SPECS = "debian:linux-source-6.12, a git clone, a tarball, URL@REF"
_FETCH_S = 3600.0


def resolve_tree(
    spec: str, *, processes: Processes, cache: Cache, archive_for: Callable[[str], DebianArchive], say: Say
) -> Tree:
    """Find the tree that `spec` names, fetching and importing what is not in the cache yet.

    Raises UserError for what does not exist or is no kernel, InfraError when it cannot be fetched.
    """
    resolver = _Resolver(spec, processes, cache, archive_for, say)
    if spec.startswith("debian:"):
        return resolver.debian(spec.removeprefix("debian:"))
    path = Path(spec).expanduser()
    if path.is_file():
        return resolver.tarball(path.absolute())
    if path.is_dir():
        return resolver.directory(path.absolute())
    place, _, ref = spec.rpartition("@")
    if ref and place and Path(place).expanduser().is_dir():
        return resolver.clone(Path(place).expanduser().absolute(), ref)
    if _URL.fullmatch(spec):
        return resolver.url(spec)
    raise UserError(f"there is no tree {spec}", fix=f"give one of: {_SPECS}")


def kernel_version(makefile: str) -> str:
    """VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION, as `make kernelversion` prints them; "" if there are none."""
    found: dict[str, str] = dict(
        re.findall(r"(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=[ \t]*(\S*)[ \t]*$", makefile)
    )
    if not found.get("VERSION", "").isdigit() or not found.get("PATCHLEVEL", "").isdigit():
        return ""
    numbers = [found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if found.get(name)]
    return ".".join(numbers) + found.get("EXTRAVERSION", "")


def at_commit(tree: Tree, commit: str, *, processes: Processes) -> Tree | None:
    """The same tree at another commit of its repository; None if that has no such commit.

    Raises UserError if the commit is no kernel.
    """
    git = Git(processes, tree.repo)
    found = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    if not found.ok:
        return None
    if found.text.strip() == tree.commit:
        return tree
    return prove(git, tree.spec, found.text.strip(), f"{tree.spec} at {commit}", tree.notes)


def prove(git: Git, spec: str, commit: str, origin: str, notes: tuple[str, ...] = ()) -> Tree:
    """A commit of a repository of ours as a tree.  Raises UserError, which names `origin`, if it is no kernel."""
    files = ("Makefile", "Kconfig")
    try:
        tree, *found = objects_of(git, [f"{commit}^{{tree}}", *(f"{commit}:{name}" for name in files)])
    except InfraError as error:
        raise UserError(f"git cannot read {origin}", detail=error.detail) from error
    if not tree.kind:
        raise UserError(f"git cannot read {origin}", detail=f"{commit} has no tree")
    version = kernel_version(found[0].content.decode("utf-8", "replace"))
    missing = next((name for name, one in zip(files, found, strict=True) if not one.kind), "")
    if missing or not version:
        why = f"it has no {missing}" if missing else "its Makefile says no VERSION"
        raise UserError(f"{origin} is no kernel tree: {why}", fix=f"give one of: {_SPECS}")
    return Tree(spec, version, git.where, commit, tree.name, notes)


@dataclass(frozen=True, slots=True)
class _Resolver:
    spec: str
    processes: Processes
    cache: Cache
    archive_for: Callable[[str], DebianArchive]
    say: Say

    # --- Debian source packages -------------------------------------------------------------------------------

    def debian(self, name: str) -> Tree:
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):
            raise UserError(f"{name!r} is no name of a Debian package", fix="for example debian:linux-source-6.12")
        try:
            package, archive = self._candidate(name)
            key = _key(f"{package.name}_{package.version}")
            if (found := self.cache.find(_KIND, key)) is not None:
                return self._imported(found, tuple(archive.notes))
            deb = archive.download(package)
        except InfraError as error:
            if (newest := self._newest_cached(name)) is None:
                raise
            return self._imported(newest, (f"{error.what}: {newest.name} of the cache is used",))

        def make(entry: Path) -> None:
            self.say(f"importing {package.name} {package.version} into git")
            unpacked = self.cache.scratch("deb")
            archive.unpack(deb, unpacked)
            tarballs = sorted(unpacked.glob("usr/src/*.tar.*"))
            if not tarballs:
                raise UserError(f"the Debian package {name} has no kernel sources in /usr/src", fix=f"try {_SPECS}")
            self._import_into(entry, tarballs[0], package=package.name)

        entry, _ = self.cache.get(_KIND, key, make)
        return self._imported(entry, tuple(archive.notes))

    def _candidate(self, name: str) -> tuple[Package, DebianArchive]:
        """The package in the oldest suite that has it.  An unreachable suite counts only if no other has it."""
        debian = ARCHES[host_arch() or Arch.X86_64].debian
        unreachable: InfraError | None = None
        for suite in SUITES:
            archive = self.archive_for(suite)
            try:
                return archive.candidate(name, debian), archive
            except UserError:
                continue
            except InfraError as error:
                unreachable = unreachable or error
        if unreachable is not None:
            raise unreachable
        raise UserError(
            f"no suite of Debian has a package {name} ({', '.join(SUITES)})", fix="for example debian:linux-source-6.12"
        )

    def _newest_cached(self, name: str) -> Path | None:
        """The import of any version of a package that was made last."""
        found = []
        for facts in self.cache.entry(_KIND, "").glob(f"*/{_FACTS}"):
            with suppress(OSError, ValueError, KeyError):
                if json.loads(facts.read_text())["package"] == name and self.cache.find(_KIND, facts.parent.name):
                    found.append((facts.stat().st_mtime, facts.parent))
        return max(found)[1] if found else None

    # --- tarballs and plain directories -----------------------------------------------------------------------

    def tarball(self, path: Path) -> Tree:
        self.say(f"reading {path.name}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        entry, _ = self.cache.get(_KIND, _key(f"tarball-{digest[:32]}"), lambda into: self._import_into(into, path))
        return self._imported(entry)

    def directory(self, path: Path) -> Tree:
        """A directory: a clone if git says so, unless it is a kernel that merely lies inside someone else's clone."""
        top = Git(self.processes, path, ours=False).run("rev-parse", "--show-toplevel")
        bare = Git(self.processes, path, ours=False).run("rev-parse", "--is-bare-repository")
        if bare.ok and bare.text.strip() == "true":
            return self.clone(path, "HEAD")
        is_kernel = (path / "Makefile").is_file() and (path / "Kconfig").is_file()
        if top.ok and (Path(top.text.rstrip("\n")) == path.resolve() or not is_kernel):
            return self.clone(path, "HEAD")
        if not is_kernel:
            missing = "Makefile" if not (path / "Makefile").is_file() else "Kconfig"
            raise UserError(f"{path} is no kernel tree: it has no {missing}", fix=f"give one of: {_SPECS}")
        if (path / ".git").exists() and not top.ok:
            raise UserError(f"git cannot use {path}", detail=top.words)
        return self._plain_directory(path)

    def _plain_directory(self, path: Path) -> Tree:
        for product in (".config", "include/config", "include/generated"):
            if (path / product).exists():
                raise UserError(
                    f"{path} has been built in: {product} is there, and a copy would build with it",
                    fix=f"run make mrproper in {path}, or give a git clone",
                )
        self.say(f"reading {path}")
        digest = hashlib.sha256(str(path).encode())
        for where, directories, files in os.walk(path):
            directories.sort()
            for name in sorted(files):
                status = os.lstat(os.path.join(where, name))  # noqa: PTH118 - 86,000 of them
                digest.update(f"{where}/{name} {status.st_mode} {status.st_size} {status.st_mtime_ns}\n".encode())
        key = _key(f"directory-{digest.hexdigest()[:32]}")
        entry, _ = self.cache.get(_KIND, key, lambda into: self._import_into(into, path))
        return self._imported(entry)

    def _import_into(self, entry: Path, source: Path, package: str = "") -> None:
        self.say(f"importing {source.name} into git")
        reader = importing.import_directory if source.is_dir() else importing.import_tarball
        commit = reader(source, entry / "repo.git", processes=self.processes)
        tree = self._tree(entry / "repo.git", commit, package or str(source))
        facts = {
            "package": package, "commit": commit, "tree_id": tree.tree_id, "kernel_version": tree.kernel_version,
        }  # fmt: skip
        (entry / _FACTS).write_text(json.dumps(facts, indent=1) + "\n")

    def _imported(self, entry: Path, notes: tuple[str, ...] = ()) -> Tree:
        facts = json.loads((entry / _FACTS).read_text())
        return Tree(
            spec=self.spec, kernel_version=facts["kernel_version"], repo=entry / "repo.git",
            commit=facts["commit"], tree_id=facts["tree_id"], notes=notes,
        )  # fmt: skip

    # --- git --------------------------------------------------------------------------------------------------

    def clone(self, path: Path, ref: str) -> Tree:
        """A commit of a user's clone (a linked worktree, a subdirectory and a bare repository are as good)."""
        user = Git(self.processes, path, ours=False)
        place = user.run("rev-parse", "--path-format=absolute", "--git-common-dir")
        if not place.ok:
            raise UserError(f"{path} is neither a kernel nor a git clone", fix=f"try {_SPECS}", detail=place.words)
        found = user.run("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
        if not found.ok:
            what = "has no commit yet" if ref == "HEAD" else f"has no commit {ref}"
            raise UserError(f"the git repository {path} {what}", detail=found.words)
        commit = found.text.strip()
        lender = Path(place.text.rstrip("\n"))
        repo = make_repository(self.cache.scratch("tree") / "repo.git", borrow=lender, commit=commit)
        # The user's names for commits, so that a series can be given as a range of them.
        refs = user.run("for-each-ref", "--format=%(objectname) %(refname)")
        (repo / "packed-refs").write_bytes(refs.stdout)
        return self._tree(repo, commit, str(path), self._unused_changes(user) if ref == "HEAD" else ())

    @staticmethod
    def _unused_changes(user: Git) -> tuple[str, ...]:
        if user.run("rev-parse", "--is-inside-work-tree").text.strip() != "true":
            return ()
        status = user.run(
            "status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all", "--no-renames"
        )
        changed = [line[3:] for line in status.text.split("\0") if line]
        if not changed:
            return ()
        shown = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
        were = "file was" if len(changed) == 1 else "files were"
        return (f"dirty: {len(changed)} changed {were} not used: {shown}",)

    def url(self, spec: str) -> Tree:
        """A ref of a remote, fetched without history; the repository of a URL stays in the cache for the next time."""
        url, ref = _split_url(spec)
        key = hashlib.sha256(url.encode()).hexdigest()[:32]
        entry, _ = self.cache.get("git", key, _make_empty)
        git = Git(self.processes, entry / "repo.git")
        name = f"refs/vmaharness/{hashlib.sha256(ref.encode()).hexdigest()[:32]}"
        with self.cache.lock(f"git-{key}"):
            self.say(f"fetching {ref} of {url}")
            for left in left_by_git(entry / "repo.git"):
                left.unlink()
            fetched = git.run_as_user(
                "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--end-of-options",
                url, f"+{ref}:{name}", deadline_s=_FETCH_S,
            )  # fmt: skip
            known = git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        notes: tuple[str, ...] = ()
        if not fetched.ok:
            if "couldn't find remote ref" in fetched.words:
                raise UserError(f"{url} has no ref {ref}", detail=fetched.words)
            if not known.ok:
                raise InfraError(
                    f"cannot fetch {ref} of {url}", fix="check the URL and the network", detail=fetched.words
                )
            notes = (f"{url} could not be fetched: {ref} is the commit of the last time",)
        return self._tree(entry / "repo.git", known.text.strip(), spec, notes)

    def _tree(self, repo: Path, commit: str, origin: str, notes: tuple[str, ...] = ()) -> Tree:
        return prove(Git(self.processes, repo), self.spec, commit, origin, notes)


def _make_empty(entry: Path) -> None:
    make_repository(entry / "repo.git")


def _key(name: str) -> str:
    return re.sub(r"[^\w.+~-]", "_", f"{name}-{importing.FORMAT}")


def _split_url(spec: str) -> tuple[str, str]:
    """URL@REF; the @ of user@host is none.  Without a ref: HEAD."""
    start = re.match(r"\w+://[^/]*/|[\w.-]+@[\w.-]+:", spec)
    at = spec.rfind("@", start.end() if start else 0)
    return (spec, "HEAD") if at < 0 else (spec[:at], spec[at + 1 :] or "HEAD")

"""Debian's archive without root rights: a private apt root in the cache; the host's own apt state is never touched.
Of the host's apt it has the mirror, the keys and what /etc/apt/apt.conf.d says, of the environment the proxies.

Gives packages of any architecture and suite as files: kernel sources, and the programs and libraries of guests.
Knows nothing of what they are for.  apt verifies every index and package against Debian's archive keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from harness.arch import ARCHES
from harness.errors import InfraError, MissingTool, UserError
from harness.events import Say
from harness.host.cache import Cache, age_s, remove_tree
from harness.host.process import SYSTEM_PATH, Completed, Processes, inherited
from harness.model import Package

LISTS_FRESH_S = 24 * 3600.0
"""How long package lists are believed before they are fetched again."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy")
"""What apt takes from the environment: apt-transport-http(1), apt-transport-https(1)."""

_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_POCKETS: dict[str, tuple[str, ...]] = {
    "bookworm": ("bookworm", "bookworm-updates", "bookworm-security"),
    "trixie": ("trixie", "trixie-updates", "trixie-security", "trixie-backports"),
    "forky": ("forky",),
    "sid": ("sid",),
}
SUITES = tuple(_POCKETS)
"""Suites from oldest to newest."""


def find_mirrors(sources: Sequence[Path]) -> tuple[str, str]:
    """The Debian and the debian-security mirror that the host uses, else Debian's own.

    `sources` are apt's files of either format (sources.list(5)); other vendors' archives are passed over.
    """
    uris = [uri for path in sources for uri in _uris(path)]
    main = next((uri for uri in uris if re.fullmatch(r"https?://\S+/debian", uri)), _MIRROR)
    security = next((uri for uri in uris if re.fullmatch(r"https?://\S+/debian-security", uri)), f"{main}-security")
    return main, security


def _uris(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in ("URIs:", "deb"):
            yield from (word.rstrip("/") for word in words[1:] if word.startswith("http"))


def host_sources() -> list[Path]:
    """The apt source files of this host."""
    parts = Path("/etc/apt/sources.list.d")
    named = sorted(path for path in parts.glob("*") if path.suffix in (".list", ".sources")) if parts.is_dir() else []
    return [Path("/etc/apt/sources.list"), *named]


def _deb_key(package: Package) -> str:
    return re.sub(r"[^\w.+~-]", "_", f"{package.name}_{package.version}_{package.architecture}")


class DebianArchive:
    """One suite of the archive.  Lists are fetched when first needed and at most once a day."""

    def __init__(self, processes: Processes, cache: Cache, say: Say, suite: str = "bookworm") -> None:
        if suite not in _POCKETS:
            raise UserError(f"no Debian suite {suite}", fix=f"choose one of {', '.join(SUITES)}")
        self.suite = suite
        self._processes = processes
        self._cache = cache
        self._say = say
        self.notes: list[str] = []

    def candidate(self, name: str, arch: str) -> Package:
        """The newest version of a package for a dpkg architecture.  Raises UserError if the suite has none."""

        def ask() -> list[Package]:
            shown = self._apt(arch, "apt-cache", "show", "--no-all-versions", name)
            fields = dict(re.findall(r"(?m)^(Package|Version|Architecture): (.+)$", shown.text))
            if not shown.ok or "Version" not in fields:
                raise UserError(f"Debian {self.suite} has no package {name} for {arch}", detail=shown.words)
            return [Package(fields["Package"], fields["Version"], fields["Architecture"])]

        return self._remembered(arch, f"candidate {name}", ask)[0]

    def closure(self, names: Sequence[str], arch: str) -> tuple[Package, ...]:
        """Packages and all that they depend on, for an empty system, sorted by name."""

        def ask() -> list[Package]:
            planned = self._apt(arch, "apt-get", "install", "--simulate", "--no-install-recommends", *names)
            if not planned.ok:
                raise InfraError(f"Debian {self.suite} cannot satisfy {' '.join(names)} ({arch})", detail=planned.words)
            found = re.findall(r"(?m)^Inst (\S+?)(?::\S+)? \((\S+) .*\[(\w+)\]\)", planned.text)
            return sorted((Package(*match) for match in found), key=lambda package: package.name)

        return tuple(self._remembered(arch, f"closure {' '.join(names)}", ask))

    def download(self, package: Package) -> Path:
        """The package as a .deb file in the cache.  Raises InfraError when it cannot be fetched."""
        return self.download_all([package])[0]

    def download_all(self, packages: Sequence[Package]) -> list[Path]:
        """The packages as .deb files in the cache, in order; those that are missing are fetched in one go."""
        missing = [package for package in packages if self._cache.find("deb", _deb_key(package)) is None]
        if missing:
            with self._cache.lock(f"apt-download-{self.suite}"):
                self._fetch([package for package in missing if self._cache.find("deb", _deb_key(package)) is None])
        return [next(self._cache.entry("deb", _deb_key(package)).glob("*.deb")) for package in packages]

    def _fetch(self, packages: Sequence[Package]) -> None:
        by_arch: dict[str, list[Package]] = {}
        for package in packages:
            arch = package.architecture if package.architecture != "all" else self._any_arch()
            by_arch.setdefault(arch, []).append(package)
        for arch, wanted in by_arch.items():
            self._update(arch)
            what = f"{wanted[0].name} {wanted[0].version}" if len(wanted) == 1 else f"{len(wanted)} packages"
            self._say(f"fetching {what} ({arch}) from Debian's archive")
            into = self._cache.scratch("download")
            names = [f"{package.name}={package.version}" for package in wanted]
            fetched = self._apt(arch, "apt-get", "download", *names, cwd=into)
            if not fetched.ok:
                raise InfraError(
                    f"cannot fetch {what} ({arch}) from Debian's archive at {self._hosts()}",
                    fix="check the network; what is in the cache already needs none",
                    detail=fetched.words,
                )
            for package in wanted:
                self._keep(package, into)

    def _keep(self, package: Package, downloaded: Path) -> None:
        """Publish one of the files that apt has left: NAME_VERSION_ARCH.deb, with `:` as %3a."""
        version = package.version.replace(":", "%3a")
        work = self._cache.scratch("deb")
        name = f"{package.name}_{version}_{package.architecture}.deb"
        (downloaded / name).rename(work / name)
        self._cache.publish("deb", _deb_key(package), work)

    def unpack(self, deb: Path, into: Path) -> None:
        """Unpack a package's files (no maintainer scripts run) below a directory."""
        unpacked = self._processes.run(["dpkg-deb", "--extract", deb, into])
        if unpacked.exit_code == 127:
            raise MissingTool("dpkg-deb", "dpkg")
        if not unpacked.ok:
            raise InfraError(f"cannot unpack {deb.name}", detail=unpacked.words)

    # --- the private apt root ---------------------------------------------------------------------------------

    def _root(self, arch: str) -> Path:
        return self._cache.root / "apt" / f"{self.suite}-{arch}"

    def _remembered(self, arch: str, question: str, ask: Callable[[], list[Package]]) -> list[Package]:
        """apt's answer, kept as long as the lists it was read from: apt needs a second for each question."""
        self._update(arch)
        root = self._root(arch)
        answer = root / "answers" / f"{hashlib.sha256(question.encode()).hexdigest()[:32]}.json"
        if age_s(answer) < age_s(root / "fresh"):
            return [Package(**fields) for fields in json.loads(answer.read_text())]
        packages = ask()
        answer.parent.mkdir(exist_ok=True)
        draft = answer.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        draft.write_text(json.dumps([asdict(package) for package in packages]))
        draft.replace(answer)
        return packages

    def _any_arch(self) -> str:
        """An architecture whose lists are here already: for packages that are the same on all."""
        known = (info.debian for info in ARCHES.values())
        return next((arch for arch in known if (self._root(arch) / "fresh").exists()), "amd64")

    def _update(self, arch: str) -> None:
        """Fetch the lists if they are old; without a network, old lists will do and a note says so."""
        root = self._root(arch)
        if age_s(root / "fresh") < LISTS_FRESH_S:
            return
        with self._cache.lock(f"apt-{self.suite}-{arch}"):
            if age_s(root / "fresh") < LISTS_FRESH_S:
                return
            self._configure(root, arch)
            self._say(f"fetching Debian {self.suite}'s package lists ({arch})")
            updated = self._apt(arch, "apt-get", "update", "-o", "APT::Update::Error-Mode=any")
            if updated.ok:
                (root / "fresh").touch()
            elif (root / "fresh").exists():
                self.notes.append(
                    f"Debian's archive was not reached; {self.suite}'s package lists of an earlier day used"
                )
            else:
                remove_tree(root)
                raise InfraError(
                    f"Debian's archive at {self._hosts()} cannot be reached, and nothing of {self.suite} ({arch}) is "
                    "in the cache",
                    fix="check the network and the mirror in /etc/apt/sources.list, and a proxy in http_proxy or apt's "
                    "configuration; without them it takes --tree PATH and a cache that has the guests' packages",
                    detail=updated.words,
                )

    @staticmethod
    def _hosts() -> str:
        """Where packages come from, for people."""
        hosts = (urlsplit(mirror).hostname or mirror for mirror in find_mirrors(host_sources()))
        return " and ".join(dict.fromkeys(hosts))

    def _configure(self, root: Path, arch: str) -> None:
        main, security = find_mirrors(host_sources())
        for name in ("lists/partial", "archives/partial", "etc"):
            (root / name).mkdir(parents=True, exist_ok=True)
        signed = f" signed-by={_KEYRING}" if _KEYRING.exists() else ""
        lines = [
            f"deb [arch={arch}{signed}] {security if pocket.endswith('-security') else main} {pocket} main"
            for pocket in _POCKETS[self.suite]
        ]
        (root / "sources.list").write_text("\n".join(lines) + "\n")

    def _apt(self, arch: str, *argv: str, cwd: Path | None = None) -> Completed:
        root = self._root(arch)
        options = {
            "APT::Architecture": arch,
            "APT::Architectures::": arch,
            "APT::Sandbox::User": "",
            "APT::Get::List-Cleanup": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "1",
            "Dir::Etc::sourcelist": str(root / "sources.list"),
            "Dir::Etc::sourceparts": str(root / "etc"),
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": str(root / "etc"),
            "Dir::State": str(root),
            "Dir::State::lists": str(root / "lists"),
            "Dir::State::status": "/dev/null",
            "Dir::State::extended_states": "/dev/null",
            "Dir::Cache": str(root),
            "Dir::Cache::archives": str(root / "archives"),
            "Dir::Log": str(root),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        env = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": str(root), **inherited(PROXIES)}
        done = self._processes.run([argv[0], *words, *argv[1:]], cwd=cwd, env=env, deadline_s=1800)
        if done.exit_code == 127:
            raise MissingTool(argv[0], "apt")
        if done.timed_out:
            raise InfraError(f"{shlex.join(argv)} did not end within half an hour", detail=done.words)
        return done

"""Debian's archive: which mirror is used, and (with a network) real packages of both architectures."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness.errors import InfraError, UserError
from harness.host import apt
from harness.host.apt import DebianArchive, find_mirrors
from harness.host.cache import Cache
from harness.host.process import Processes


def test_mirrors_of_both_formats(tmp_path: Path) -> None:
    old = tmp_path / "sources.list"
    old.write_text("# deb http://no.example/debian bookworm main\ndeb http://m.example/debian/ bookworm main\n")
    new = tmp_path / "debian.sources"
    new.write_text("Types: deb\nURIs: https://s.example/debian-security\nSuites: bookworm-security\n")
    assert find_mirrors([old, new]) == ("http://m.example/debian", "https://s.example/debian-security")


def test_other_vendors_archives_are_passed_over(tmp_path: Path) -> None:
    other = tmp_path / "cloud.list"
    other.write_text("deb https://packages.example/apt cloud main\n")
    main, security = find_mirrors([other, tmp_path / "not-there"])
    assert main == "http://deb.debian.org/debian"
    assert security == "http://deb.debian.org/debian-security"


def test_an_unknown_suite_is_the_users_error(tmp_path: Path) -> None:
    with Processes() as processes, Cache(tmp_path / "cache") as cache, pytest.raises(UserError, match="potato"):
        DebianArchive(processes, cache, lambda _: None, suite="potato")


@pytest.fixture
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy, whatever ours does."""
    for name in apt.PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("without_proxies")
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt")
def test_without_a_network_it_says_what_can_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "find_mirrors", lambda _: ("http://127.0.0.1:9/debian", "http://127.0.0.2:9/security"))
    with (
        Processes() as processes,
        Cache(tmp_path / "cache") as cache,
        pytest.raises(
            InfraError, match=r"at 127\.0\.0\.1 and 127\.0\.0\.2 cannot be reached, and nothing of"
        ) as caught,
    ):
        DebianArchive(processes, cache, lambda _: None).candidate("busybox-static", "amd64")
    assert "--tree PATH" in caught.value.fix
    assert "Could not connect" in caught.value.detail


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that has nothing, and what it was asked for: by its whole URL where it is a proxy."""
    words: list[str] = []

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            words.append(f"{self.command} {self.path}")
            self.send_error(404)

        def do_CONNECT(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", words
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("without_proxies")
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt")
@pytest.mark.parametrize(
    ("variable", "mirror", "first"),
    [
        ("http_proxy", "http://m.example/debian", "GET http://m.example/debian/dists/bookworm/InRelease"),
        ("https_proxy", "https://m.example/debian", "CONNECT m.example:443"),
        ("no_proxy", "http://SERVER/debian", "GET /debian/dists/bookworm/InRelease"),
    ],
)
def test_a_proxy_of_the_environment_is_asked(
    variable: str, mirror: str, first: str, asked: tuple[str, list[str]], processes: Processes, cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if "::Proxy" in subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("apt's own configuration names a proxy")
    server, words = asked
    if variable == "no_proxy":
        monkeypatch.setenv("http_proxy", "http://127.0.0.2:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
    else:
        monkeypatch.setenv(variable, f"http://{server}")
    monkeypatch.setattr(apt, "find_mirrors", lambda _: (mirror.replace("SERVER", server),) * 2)
    with pytest.raises(InfraError, match="cannot be reached"):
        DebianArchive(processes, cache, lambda _: None).candidate("busybox-static", "amd64")
    assert first in words


@pytest.mark.network
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_a_package_of_either_architecture(tmp_path: Path, arch: str) -> None:
    said: list[str] = []
    with Processes() as processes, Cache(tmp_path / "cache") as cache:
        archive = DebianArchive(processes, cache, said.append)
        package = archive.candidate("libtommath1", arch)
        assert package.architecture == arch
        assert "libc6" in {dependency.name for dependency in archive.closure(["libtommath1"], arch)}
        deb = archive.download(package)
        archive.unpack(deb, tmp_path / "root")
        assert list((tmp_path / "root").rglob("libtommath.so.1*"))
        with pytest.raises(UserError, match="no-such-package"):
            archive.candidate("no-such-package", arch)
        fetched = len(said)
        assert archive.download(package) == deb
        assert len(said) == fetched, "the second time nothing is fetched"

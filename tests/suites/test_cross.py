"""What the tree's programs are compiled with."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from harness.host.apt import DebianArchive
from harness.host.cache import Cache
from harness.model import Arch
from harness.suites.cross import sysroot


class Archive:
    """Has one package, laid out as libcap-dev: its link to the shared library is absolute."""

    def candidate(self, name: str, _arch: str) -> str:
        return name

    def download(self, package: str) -> Path:
        return Path(package)

    def unpack(self, _package: Path, into: Path) -> None:
        place = into / "usr/lib/x86_64-linux-gnu"
        place.mkdir(parents=True)
        (place / "libcap.a").write_text("!<arch>\n")
        (place / "libcap.so").symlink_to("/proc/self/exe")
        (place / "libnuma.so").symlink_to("libnuma.so.1.0.0")


def test_no_link_leads_to_a_library_of_the_host(cache: Cache) -> None:
    found = sysroot(["libcap-dev"], Arch.X86_64, cache=cache, archive=cast("DebianArchive", Archive()))
    assert [path.name for path in (found / "usr/lib/x86_64-linux-gnu").iterdir()] == ["libcap.a"]

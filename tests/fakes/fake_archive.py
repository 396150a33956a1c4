"""Debian's archive as stand-ins for its programs: apt-get, apt-cache and dpkg-deb, in a directory for PATH."""

from __future__ import annotations

from pathlib import Path

from harness.arch import ARCHES
from harness.guest import rootfs
from harness.model import Arch
from tests.fakes.elf_file import make_elf

APPLETS = b"\0" + b"\0".join(name.encode() for name in rootfs.REQUIRED_APPLETS) + b"\0"

# apt gives what it is asked for, in version 1.
_APT_GET = """\
#!/bin/sh
for word; do case $word in APT::Architecture=*) arch=${word#*=} ;; esac; done
case " $* " in
*" --simulate "*) for name in PACKAGES; do echo "Inst $name (1 Debian [$arch])"; done ;;
*" download "*) for word; do case $word in *=1) : >"${word%=1}_1_$arch.deb" ;; esac; done ;;
esac
"""
_DPKG_DEB = """\
#!/bin/sh
[ "$1" = --extract ] || exit 2
name=${2##*/}
cp -R "FILES/${name%%_*}/." "$3"
"""
_UNREACHABLE = """\
#!/bin/sh
for word; do case $word in Dir::Etc::sourcelist=*) list=${word#*=} ;; esac; done
sed 's/ signed-by=[^]]*//' "$list" | while read -r _ _ uri suite _; do
    host=${uri#*//}
    echo "E: Failed to fetch $uri/dists/$suite/InRelease  Could not resolve '${host%%/*}'"
done >&2
exit 100
"""


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def fake_archive(programs: Path, files: Path, arch: Arch) -> None:
    """An archive with what an initramfs without suites is made of."""
    elf = make_elf(ARCHES[arch].elf_machine)
    for path, data in (("busybox-static/bin/busybox", elf + APPLETS), ("dropbear-bin/usr/sbin/dropbear", elf)):
        (files / path).parent.mkdir(parents=True)
        (files / path).write_bytes(data)
    _program(programs / "apt-get", _APT_GET.replace("PACKAGES", " ".join(rootfs.BASE_PACKAGES)))
    _program(programs / "dpkg-deb", _DPKG_DEB.replace("FILES", str(files)))


def unreachable_archive(programs: Path) -> None:
    """No archive can be reached: apt's own words for each of the sources that it was told of."""
    _program(programs / "apt-get", _UNREACHABLE)

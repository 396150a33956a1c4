"""What a run needs from the host: programs, headers and their Debian packages, as data.

`python3 -m harness.host.needs --missing` works on a bare Debian 12 python3: standard library only, nothing is started.
The bootstrap installs what it prints, `vmaharness doctor` shows the same table with versions.  Installs nothing itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES, host_arch, is_native
from harness.model import Arch


@dataclass(frozen=True, slots=True)
class Need:
    """One program, header or module.  It is there when one of its programs, files or its module is found."""

    name: str
    package: str  # Debian's
    why: str
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    module: str = ""
    required: bool = True  # False: a run works without it, but not as well
    asked_for: bool = False  # only what a plan has to ask for needs it: not installed unasked

    def find(self, root: Path = Path("/")) -> str:
        """Where it is; "" if it is missing.  `root` is where the absolute file names start."""
        for program in self.programs:
            if found := shutil.which(program):
                return found
        for name in self.files:
            path = root / name.lstrip("/")
            if path.exists():
                return str(path)
        if self.module and importlib.util.find_spec(self.module):
            return f"python module {self.module}"
        return ""

    @property
    def what(self) -> str:
        """What to look for on a distribution whose packages have other names."""
        if self.programs:
            return f"the program {self.programs[0]}"
        return f"the Python module {self.module}" if self.module else f"the file {self.files[0]}"

    def fix(self, *, debian: bool) -> str:
        """How to get it."""
        if debian:
            return f"{APT}{self.package}"
        return f"install {self.what} with your distribution's tools (Debian has it in {self.package})"


APT = "apt-get install "
"""Begins what to do on Debian and what is made of it."""


def is_debian(root: Path = Path("/")) -> bool:
    """Whether packages have Debian's names here.  That there is an apt-get says nothing: the harness needs one."""
    return (root / "etc/debian_version").exists()


def _headers(name: str) -> tuple[str, ...]:
    """Where a header of the host may be: distributions differ in whether they use multiarch directories."""
    arch = host_arch()
    multiarch = (f"/usr/include/{ARCHES[arch].gnu_triplet}/{name}",) if arch else ()
    return (f"/usr/include/{name}", *multiarch, f"/usr/local/include/{name}")


def _program(name: str, package: str, why: str, *, required: bool = True) -> Need:
    return Need(name, package, why, programs=(name,), required=required)


def _header(name: str, package: str, file: str, why: str) -> Need:
    return Need(name, package, why, files=_headers(file))


def needs(arches: Iterable[Arch] = tuple(Arch)) -> tuple[Need, ...]:
    """What a run for these architectures needs on this host."""
    wanted = tuple(arches)
    return (*_everywhere(), *(need for arch in wanted for need in _for_arch(arch)))


def _everywhere() -> tuple[Need, ...]:
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return (
        Need("python venv", "python3-venv", "the harness's own environment", module="ensurepip"),
        _program("git", "git", "trees, and git am for every patch"),
        _program("make", "make", "kernel and tools/testing/vma"),
        _program("gcc", "gcc", "host tools of the kernel, suites"),
        _program("ld", "binutils", "linking kernels"),
        _header("C library headers", "libc6-dev", "stdio.h", "host tools of the kernel, suites"),
        _program("flex", "flex", "Kconfig's parser"),
        _program("bison", "bison", "Kconfig's parser"),
        _program("bc", "bc", "the kernel's timeconst.h"),
        _program("perl", "perl-base", "scripts of the kernel's build"),
        _header("libelf headers", "libelf-dev", "gelf.h", "objtool of x86_64 kernels"),
        _header("OpenSSL headers", "libssl-dev", "openssl/opensslv.h", "kernels with signatures or certificates"),
        _header("liburcu headers", "liburcu-dev", "urcu.h", "tools/testing/vma on the host"),
        _program("apt-get", "apt", "kernel sources and the guests' programs, without root"),
        _program("dpkg-deb", "dpkg", "unpacking Debian packages"),
        _program("xz", "xz-utils", "kernel source archives"),
        Need("Debian archive keys", "debian-archive-keyring", "verifying what is downloaded", files=(keyring,)),
        _program("ccache", "ccache", "a second build takes a tenth of the time", required=False),
        _program("bwrap", "bubblewrap", "confines make and compilers: a patch is untrusted code", required=False),
        Need(
            "pahole",
            "pahole",
            "structures of kernels with debug information, in a bench",
            programs=("pahole",),
            required=False,
            asked_for=True,
        ),
        Need("sparse", "sparse", "the check of that name", programs=("sparse",), required=False, asked_for=True),
        Need(
            "gcc for riscv64",
            "gcc-riscv64-linux-gnu",
            "the check nommu: none of our architectures can be without MMU",
            programs=("riscv64-linux-gnu-gcc",),
            required=False,
            asked_for=True,
        ),
    )


def _for_arch(arch: Arch) -> tuple[Need, ...]:
    info = ARCHES[arch]
    emulator = Need(f"QEMU for {arch}", info.qemu_package, f"{arch} guests", programs=(info.qemu,))
    if is_native(arch):
        return (emulator,)
    compiler, libc = info.compiler_packages
    return (
        emulator,
        Need(f"gcc for {arch}", compiler, f"{arch} kernels and programs", programs=(f"{info.gnu_triplet}-gcc",)),
        Need(
            f"C library headers for {arch}",
            libc,
            f"{arch} programs",
            files=(f"/usr/{info.gnu_triplet}/include/stdio.h", f"/usr/{info.gnu_triplet}/sys-root/usr/include/stdio.h"),
        ),
    )


def missing(wanted: Iterable[Need]) -> tuple[Need, ...]:
    return tuple(need for need in wanted if not need.find())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the needs that are not met, or all: Debian packages, one a line."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.host.needs", description=main.__doc__)
    parser.add_argument("--missing", action="store_true", help="only what is not there and every plan may need")
    parser.add_argument("--required", action="store_true", help="only what a run cannot do without")
    parser.add_argument("--explain", action="store_true", help="PACKAGE<tab>WHAT<tab>WHY instead of the package alone")
    parser.add_argument(
        "--arch", action="append", choices=[*Arch], type=Arch, help="guest architectures (default: all)"
    )
    args = parser.parse_args(argv)
    wanted = needs(args.arch or tuple(Arch))
    if args.missing:
        wanted = tuple(need for need in missing(wanted) if not need.asked_for)
    for need in wanted:
        if need.required or not args.required:
            line = f"{need.package}\t{need.name}\t{need.why}" if args.explain else need.package
            sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

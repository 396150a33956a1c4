"""What differs between architectures, as data; neither is special anywhere else.

A new architecture is one more row here, one `kconfigs/ARCH.config`, and a machine in `harness.guest.argv`.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from harness.model import Arch


@dataclass(frozen=True, slots=True)
class ArchInfo:
    """Names an architecture goes by in the tools around a kernel."""

    arch: Arch
    uname: str  # uname -m
    kbuild: str  # make ARCH=
    srcarch: str  # directory below arch/
    image_target: str  # make target
    image_path: str  # below the build directory
    gnu_triplet: str  # Debian's multiarch name and the cross compiler's prefix
    debian: str  # dpkg's name
    qemu: str  # program
    qemu_package: str
    compiler_packages: tuple[str, ...]  # for a host of another architecture
    console: str  # serial console device of the guest
    elf_machine: int  # e_machine of its programs (elf.h)


ARCHES: dict[Arch, ArchInfo] = {
    info.arch: info
    for info in (
        ArchInfo(
            arch=Arch.X86_64,
            uname="x86_64",
            kbuild="x86_64",
            srcarch="x86",
            image_target="vmlinux",  # QEMU starts it by its PVH entry: nothing is compressed and decompressed
            image_path="vmlinux",
            gnu_triplet="x86_64-linux-gnu",
            debian="amd64",
            qemu="qemu-system-x86_64",
            qemu_package="qemu-system-x86",
            compiler_packages=("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"),
            console="ttyS0",
            elf_machine=62,
        ),
        ArchInfo(
            arch=Arch.ARM64,
            uname="aarch64",
            kbuild="arm64",
            srcarch="arm64",
            image_target="Image",
            image_path="arch/arm64/boot/Image",
            gnu_triplet="aarch64-linux-gnu",
            debian="arm64",
            qemu="qemu-system-aarch64",
            qemu_package="qemu-system-arm",
            compiler_packages=("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
            console="ttyAMA0",
            elf_machine=183,
        ),
    )
}


def host_arch() -> Arch | None:
    """The host's architecture, or None where it is not one that we know as a guest."""
    machine = platform.machine()
    return next((arch for arch, info in ARCHES.items() if info.uname == machine), None)


def is_native(arch: Arch) -> bool:
    return host_arch() is arch


def cross_prefix(arch: Arch) -> str:
    """CROSS_COMPILE= for a guest architecture on this host: "" when it is the host's own."""
    return "" if is_native(arch) else f"{ARCHES[arch].gnu_triplet}-"

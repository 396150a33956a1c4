"""The initramfs: complete, the same bytes for the same content, and refused where something is missing."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.arch import ARCHES
from harness.errors import InfraError
from harness.guest import cpio, rootfs
from harness.host.cache import Cache, remove_tree
from harness.host.process import Processes
from harness.model import Arch, Package, Payload, PayloadFile, Rootfs
from tests.fakes.elf_file import make_elf

APPLETS = b"\0" + b"\0".join(name.encode() for name in (*rootfs.REQUIRED_APPLETS, "vi")) + b"\0"


class FakeArchive:
    """Packages out of a table: {package: {path below /: bytes, or a link's target}}."""

    def __init__(self, directory: Path, arch: Arch) -> None:
        self.directory = directory
        self.unpacked = 0
        machine, triplet = ARCHES[arch].elf_machine, ARCHES[arch].gnu_triplet
        self.files: dict[str, dict[str, bytes | str]] = {
            "busybox-static": {"bin/busybox": make_elf(machine) + APPLETS},
            "dropbear-bin": {
                "usr/sbin/dropbear": make_elf(machine, needed=("libz.so.1", "libc.so.6"), interpreter="/lib/ld.so")
            },
            "libc6": {
                f"lib/{triplet}/libc.so.6": make_elf(machine, needed=("ld.so",)),
                f"lib/{triplet}/ld.so": make_elf(machine),
                "lib/ld.so": f"{triplet}/ld.so",
                f"lib/{triplet}/libunused.so": make_elf(machine),
            },
            "zlib1g": {f"lib/{triplet}/libz.so.1": "libz.so.1.2", f"lib/{triplet}/libz.so.1.2": make_elf(machine)},
            "libasan8": {
                f"usr/lib/{triplet}/libasan.so.8": f"/usr/lib/{triplet}/libasan.so.8.0",
                f"usr/lib/{triplet}/libasan.so.8.0": make_elf(machine, needed=("libm.so.6",)),
                f"lib/{triplet}/libm.so.6": make_elf(machine, needed=("libc.so.6",)),
            },
        }

    def closure(self, names: Sequence[str], arch: str) -> tuple[Package, ...]:
        wanted = sorted({*names, *({"libc6", "zlib1g"} & set(self.files))})
        return tuple(Package(name, "1.0", arch) for name in wanted)

    def download(self, package: Package) -> Path:
        return self.directory / package.name

    def download_all(self, packages: Sequence[Package]) -> list[Path]:
        return [self.download(package) for package in packages]

    def unpack(self, deb: Path, into: Path) -> None:
        self.unpacked += 1
        for name, content in self.files[deb.name].items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)


class Kitchen:
    """What a rootfs is made with."""

    def __init__(self, tmp_path: Path, processes: Processes, cache: Cache) -> None:
        self.tmp_path = tmp_path
        self.processes = processes
        self.cache = cache
        self.arch = Arch.X86_64
        self.archive = FakeArchive(tmp_path, self.arch)

    def build(self, *payloads: Payload) -> Rootfs:
        return rootfs.build_rootfs(
            self.arch,
            payloads,
            archive=self.archive,
            cache=self.cache,
            processes=self.processes,
            say=lambda _text: None,
        )

    def payload(self, data: bytes, guest_path: str = "/opt/program", *packages: str) -> Payload:
        host = self.tmp_path / guest_path.rpartition("/")[2]
        host.write_bytes(data)
        return Payload((PayloadFile(guest_path, host, 0o750),), packages)


@pytest.fixture
def kitchen(tmp_path: Path, processes: Processes, cache: Cache) -> Kitchen:
    return Kitchen(tmp_path, processes, cache)


def entries(made: Rootfs) -> dict[str, cpio.Entry]:
    with gzip.open(made.image) as image:
        return {entry.path: entry for entry in cpio.unpack(image.read())}


@pytest.mark.parametrize("arch", list(Arch))
def test_programs_and_only_the_libraries_they_need(kitchen: Kitchen, arch: Arch) -> None:
    kitchen.arch, kitchen.archive = arch, FakeArchive(kitchen.tmp_path, arch)
    program = make_elf(ARCHES[arch].elf_machine, needed=("libasan.so.8", "libc.so.6"), interpreter="/lib/ld.so")
    made = entries(kitchen.build(kitchen.payload(program, "/opt/program", "libasan8")))
    triplet = ARCHES[arch].gnu_triplet
    libraries = {path.rpartition("/")[2] for path in made if path.startswith(f"lib/{triplet}/")}
    assert libraries == {"libc.so.6", "libz.so.1", "libasan.so.8", "libm.so.6", "ld.so"}
    assert stat.S_ISREG(made["lib/ld.so"].mode)
    assert stat.S_ISREG(made[f"lib/{triplet}/libz.so.1"].mode)
    assert made["opt/program"].data == program
    assert stat.S_IMODE(made["opt/program"].mode) == 0o750


def test_every_entry_has_its_directory_before_it(kitchen: Kitchen) -> None:
    seen: set[str] = set()
    for path, entry in entries(kitchen.build(kitchen.payload(b"data", "/var/lib/deep/er"))).items():
        assert path.rpartition("/")[0] in seen | {""}
        if stat.S_ISDIR(entry.mode):
            seen.add(path)


def test_busybox_answers_to_the_applets_it_has(kitchen: Kitchen) -> None:
    made = entries(kitchen.build())
    links = {path for path, entry in made.items() if entry.is_symlink and entry.data == b"busybox"}
    assert links == {f"bin/{name}" for name in (*rootfs.REQUIRED_APPLETS, "vi")}


def test_init_sets_the_address_that_qemu_forwards_to(kitchen: Kitchen) -> None:
    init = entries(kitchen.build())["init"]
    assert b"ifconfig eth0 10.0.2.15 " in init.data
    assert stat.S_IMODE(init.mode) == 0o755


def test_another_segment_may_follow(kitchen: Kitchen) -> None:
    assert kitchen.build().image.stat().st_size % cpio.ALIGNMENT == 0


def test_the_same_content_is_made_once_and_alike(kitchen: Kitchen) -> None:
    first = kitchen.build(kitchen.payload(b"one"))
    data, unpacked = first.image.read_bytes(), kitchen.archive.unpacked
    assert kitchen.build(kitchen.payload(b"one")) == first
    assert kitchen.archive.unpacked == unpacked
    remove_tree(first.image.parent)
    assert kitchen.build(kitchen.payload(b"one")).image.read_bytes() == data


def test_other_content_has_another_name(kitchen: Kitchen) -> None:
    one = kitchen.build(kitchen.payload(b"one"))
    other = kitchen.build(kitchen.payload(b"two"))
    file = kitchen.payload(b"two").files[0]
    mode = kitchen.build(Payload((replace(file, mode=0o755),)))
    assert len({one.digest, other.digest, mode.digest}) == 3


def test_a_missing_program_is_named_with_its_place(kitchen: Kitchen) -> None:
    del kitchen.archive.files["dropbear-bin"]["usr/sbin/dropbear"]
    with pytest.raises(InfraError, match=r"lacks the program dropbear: expected in /usr/sbin, .*dropbear-bin"):
        kitchen.build()


def test_a_missing_applet_is_named(kitchen: Kitchen) -> None:
    kitchen.archive.files["busybox-static"]["bin/busybox"] = make_elf(62) + APPLETS.replace(b"\0mount\0", b"\0")
    with pytest.raises(InfraError, match=r"lacks the program mount: .*/bin/busybox"):
        kitchen.build()


def test_a_missing_library_is_named_with_who_needs_it(kitchen: Kitchen) -> None:
    program = make_elf(62, needed=("liburcu.so.8",))
    with pytest.raises(InfraError, match=r"lacks liburcu\.so\.8, which \S+/program needs: expected in /lib/x86_64"):
        kitchen.build(kitchen.payload(program))


def test_a_missing_payload_is_named(kitchen: Kitchen) -> None:
    payload = kitchen.payload(b"")
    payload.files[0].host_path.unlink()
    with pytest.raises(InfraError, match=r"/program to put into the guest as /opt/program"):
        kitchen.build(payload)


def test_two_files_for_one_place_are_refused(kitchen: Kitchen) -> None:
    other = kitchen.tmp_path / "other"
    other.write_bytes(b"two")
    with pytest.raises(InfraError, match="two different files for /opt/program"):
        kitchen.build(kitchen.payload(b"one"), Payload((PayloadFile("/opt/program", other),)))


def test_a_program_of_another_architecture_is_refused(kitchen: Kitchen) -> None:
    with pytest.raises(InfraError, match=r"program is no x86_64 program \(ELF machine 183"):
        kitchen.build(kitchen.payload(make_elf(183)))


def test_a_broken_program_is_refused(kitchen: Kitchen) -> None:
    with pytest.raises(InfraError, match="program: no 64-bit"):
        kitchen.build(kitchen.payload(b"\x7fELF\x01\x01 32 bits"))


def test_too_large_is_refused_and_nothing_published(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootfs, "MAX_SIZE_BYTES", 1024)
    with pytest.raises(InfraError, match="more than 1,024"):
        kitchen.build()
    assert not list((kitchen.cache.root / "store").glob("rootfs/*"))

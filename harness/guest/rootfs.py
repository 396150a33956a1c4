"""Payloads -> an initramfs: busybox, dropbear and what the suites need, from Debian packages of the guest's
architecture, written without root rights and named by its content.

Holds no keys: those are made per boot (`harness.guest.keys`).  Knows nothing of QEMU and of what the payloads do.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from harness.arch import ARCHES, ArchInfo
from harness.errors import InfraError
from harness.events import Say
from harness.guest import cpio
from harness.guest.argv import GATEWAY_ADDRESS, GUEST_ADDRESS
from harness.host.cache import Cache
from harness.host.elf import NotElf, is_elf, read_elf
from harness.host.process import Processes
from harness.model import Arch, Package, Payload, Rootfs

MAX_SIZE_BYTES = 16 * 1024 * 1024

BASE_PACKAGES = ("busybox-static", "dropbear-bin")

REQUIRED_APPLETS = (
    "sh", "base64", "cat", "cpio", "dmesg", "echo", "env", "grep", "head", "ifconfig", "ls", "mkdir", "mount",
    "poweroff", "rm", "sha256sum", "sleep", "tail", "tftp", "timeout", "true", "uname", "wc", "zcat",
)  # fmt: skip
"""What init, the harness and every suite count on."""

EXTRA_APPLETS = (
    "[", "ash", "awk", "basename", "chmod", "chown", "chrt", "clear", "cmp", "cp", "cut", "date", "dd",
    "df", "diff", "dirname", "du", "expr", "false", "find", "free", "gunzip", "gzip",
    "hexdump", "hostname", "id", "insmod", "ip", "kill", "killall", "less", "ln", "lsmod", "md5sum", "mkfifo",
    "mknod", "mktemp", "mv", "nice", "nohup", "nproc", "od", "pgrep", "pidof", "pkill", "printf", "ps", "pwd",
    "readlink", "realpath", "reboot", "renice", "reset", "rmdir", "sed", "seq", "setsid", "sort",
    "stat", "stty", "sync", "sysctl", "tar", "taskset", "tee", "test", "time", "top", "touch",
    "tr", "tty", "umount", "uniq", "uptime", "usleep", "vi", "vmstat", "watch", "which", "who", "xargs",
    "yes",
)  # fmt: skip
"""For people at `vmaharness boot`, where this busybox has them."""

_FORMAT = 2  # counts changes of the layout that the inputs do not show
_FSTAB = """\
proc /proc proc defaults 0 0
sys /sys sysfs defaults 0 0
pts /dev/pts devpts mode=0620,ptmxmode=0666 0 0
shm /dev/shm tmpfs mode=1777 0 0
tmp /tmp tmpfs mode=1777 0 0
run /run tmpfs mode=0755 0 0
debug /sys/kernel/debug debugfs defaults 0 0
tracing /sys/kernel/tracing tracefs defaults 0 0
"""


class Archive(Protocol):
    """The part of `harness.host.apt.DebianArchive` that an initramfs is made with."""

    def closure(self, names: Sequence[str], arch: str) -> tuple[Package, ...]: ...

    def download_all(self, packages: Sequence[Package]) -> list[Path]: ...

    def unpack(self, deb: Path, into: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Program:
    """A file for the guest: its place there, its bytes, and where they came from (for messages)."""

    guest_path: str
    data: bytes
    mode: int
    origin: str


def build_rootfs(
    arch: Arch, payloads: Sequence[Payload], *, archive: Archive, cache: Cache, processes: Processes, say: Say
) -> Rootfs:
    """The initramfs for these payloads, from the cache if there is one of the same content.

    Raises InfraError when a program or a library is missing or is of another architecture, and when the result is
    larger than `MAX_SIZE_BYTES`.
    """
    info = ARCHES[arch]
    names = sorted({*BASE_PACKAGES, *(name for payload in payloads for name in payload.packages)})
    packages = archive.closure(names, info.debian)
    programs = _payload_programs(payloads)
    key = _key(arch, packages, programs)

    def make(into: Path) -> None:
        say(f"assembling the {arch.value} initramfs")
        system = cache.scratch("sysroot")
        for deb in archive.download_all(packages):
            processes.stop.check()
            archive.unpack(deb, system)
        image = assemble(info, system, programs)
        (into / "initramfs.gz").write_bytes(image)
        (into / "packages.json").write_text(json.dumps([asdict(package) for package in packages], indent=1))

    entry, _ = cache.get("rootfs", key, make)
    image = entry / "initramfs.gz"
    return Rootfs(arch=arch, image=image, size_bytes=image.stat().st_size, digest=key, packages=packages)


def _payload_programs(payloads: Iterable[Payload]) -> list[Program]:
    programs: dict[str, Program] = {}
    for file in (file for payload in payloads for file in payload.files):
        path = file.guest_path.lstrip("/")
        try:
            data = file.host_path.read_bytes()
        except OSError as error:
            raise InfraError(f"no {file.host_path} to put into the guest as /{path}: {error.strerror}") from error
        program = Program(path, data, file.mode, str(file.host_path))
        if programs.setdefault(path, program).data != data:
            raise InfraError(f"two different files for /{path}: {programs[path].origin} and {file.host_path}")
    return [programs[path] for path in sorted(programs)]


def _key(arch: Arch, packages: Sequence[Package], programs: Sequence[Program]) -> str:
    """The name of the content: everything that the image is made from."""
    fixed = (_FORMAT, GUEST_ADDRESS, GATEWAY_ADDRESS, _FSTAB, _init_script().decode(), REQUIRED_APPLETS, EXTRA_APPLETS)
    digest = hashlib.sha256(json.dumps([arch.value, *fixed]).encode())
    digest.update(json.dumps([asdict(package) for package in packages]).encode())
    for program in programs:
        digest.update(f"\0{program.guest_path}\0{program.mode:o}\0".encode())
        digest.update(hashlib.sha256(program.data).digest())
    return digest.hexdigest()[:32]


def _init_script() -> bytes:
    script = Path(__file__).with_name("init.sh").read_bytes()
    return script.replace(b"ADDRESS", GUEST_ADDRESS.encode()).replace(b"GATEWAY", GATEWAY_ADDRESS.encode())


def assemble(info: ArchInfo, system: Path, programs: Sequence[Program]) -> bytes:
    """The compressed image: `programs`, busybox and dropbear from the unpacked packages in `system`, their libraries.

    Padded so that another cpio segment may follow.  Raises InfraError.
    """
    busybox, dropbear = _system_program(system, "busybox"), _system_program(system, "dropbear")
    everything = [busybox, dropbear, *programs]
    entries = [*_skeleton(), *_applets(busybox)]
    entries += [cpio.regular(program.guest_path, program.data, program.mode) for program in everything]
    entries += [cpio.regular(lib.guest_path, lib.data, lib.mode) for lib in _libraries(info, system, everything)]
    packed = cpio.pack(cpio.with_parents(entries))
    image = gzip.compress(packed, compresslevel=3, mtime=0)
    image += b"\0" * (-len(image) % 512)
    if len(image) > MAX_SIZE_BYTES:
        raise InfraError(f"the {info.arch.value} initramfs has {len(image):,} bytes, more than {MAX_SIZE_BYTES:,}")
    return image


def _skeleton() -> list[cpio.Entry]:
    places = ("bin", "etc", "dev", "dev/pts", "proc", "sys", "tmp", "run", "root", "mnt", "usr", "var")
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
        "etc/group": "root:x:0:\nnobody:x:65534:\n",
        "etc/shells": "/bin/sh\n",
        "etc/profile": "export PS1='guest:\\w# '\n",
        "etc/fstab": _FSTAB,
    }
    return [
        *(cpio.directory(place, 0o700 if place == "root" else 0o755) for place in places),
        *(cpio.symlink(place, target) for place, target in (("sbin", "bin"), ("usr/bin", "../bin"))),
        *(cpio.symlink(place, target) for place, target in (("usr/sbin", "../bin"), ("var/run", "../run"))),
        # Init needs them before it has mounted devtmpfs over them.
        cpio.character_device("dev/console", 5, 1),
        cpio.character_device("dev/null", 1, 3, 0o666),
        cpio.character_device("dev/urandom", 1, 9, 0o666),
        cpio.character_device("dev/kmsg", 1, 11),
        *(cpio.regular(path, text.encode()) for path, text in files.items()),
        cpio.regular("init", _init_script(), 0o755),
    ]


def _applets(busybox: Program) -> list[cpio.Entry]:
    """Links to busybox for the applets that its own table of names has."""
    for name in REQUIRED_APPLETS:
        if not _has_applet(busybox, name):
            raise InfraError(
                f"the initramfs lacks the program {name}: expected as an applet of busybox ({busybox.origin})",
                fix="the Debian package busybox-static has it",
            )
    names = (*REQUIRED_APPLETS, *(name for name in EXTRA_APPLETS if _has_applet(busybox, name)))
    return [cpio.symlink(f"bin/{name}", "busybox") for name in names]


def _has_applet(busybox: Program, name: str) -> bool:
    return b"\0" + name.encode() + b"\0" in busybox.data


def _find(system: Path, name: str, directories: Iterable[str]) -> Path | None:
    """A file of the unpacked packages; absolute symbolic links are followed inside `system`."""
    for directory in directories:
        path = _resolve(system, system / directory / name)
        if path is not None:
            return path
    return None


def _resolve(system: Path, path: Path) -> Path | None:
    for _ in range(8):
        if not path.is_symlink():
            break
        target = path.readlink()
        path = system / str(target).lstrip("/") if target.is_absolute() else path.parent / target
    return path if path.is_file() and not path.is_symlink() else None


def _system_program(system: Path, name: str) -> Program:
    places = ("usr/sbin", "usr/bin", "sbin", "bin")
    path = _find(system, name, places)
    if path is None:
        raise InfraError(
            f"the initramfs lacks the program {name}: expected in {', '.join('/' + place for place in places)} "
            f"of the Debian packages {', '.join(BASE_PACKAGES)}"
        )
    return Program(f"bin/{name}", path.read_bytes(), 0o755, f"/{path.relative_to(system)}")


def _libraries(info: ArchInfo, system: Path, programs: Sequence[Program]) -> list[Program]:
    """The interpreter and the shared libraries that the programs need, and those that these need in turn."""
    triplet = info.gnu_triplet
    places = (f"lib/{triplet}", f"usr/lib/{triplet}", "lib", "usr/lib", "lib64")
    found: dict[str, Program] = {}
    queue = list(programs)
    while queue:
        program = queue.pop(0)
        if not is_elf(program.data):
            continue
        for name, guest_path in _wanted(info, program):
            if guest_path in found:
                continue
            path = _find(system, name, places)
            if path is None:
                raise InfraError(
                    f"the initramfs lacks {name}, which {program.origin} needs: expected in "
                    f"{', '.join('/' + place for place in places)} of the Debian packages",
                    fix="name the package that has it in the suite's payload",
                )
            library = Program(guest_path, path.read_bytes(), 0o755, f"/{path.relative_to(system)}")
            found[guest_path] = library
            queue.append(library)
    return [found[path] for path in sorted(found)]


def _wanted(info: ArchInfo, program: Program) -> list[tuple[str, str]]:
    """(file name, path in the guest) of what one ELF file asks for.  Raises InfraError for another architecture."""
    try:
        elf = read_elf(program.data)
    except NotElf as error:
        raise InfraError(f"{program.origin}: {error}") from error
    if elf.machine != info.elf_machine:
        raise InfraError(
            f"{program.origin} is no {info.arch.value} program (ELF machine {elf.machine}, not {info.elf_machine})"
        )
    interpreter = elf.interpreter.lstrip("/")
    wanted = [(name, f"lib/{info.gnu_triplet}/{name}") for name in elf.needed if name != Path(interpreter).name]
    if interpreter:
        wanted.append((Path(interpreter).name, interpreter))
    return wanted

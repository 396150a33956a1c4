"""QEMU's argument list: one pure function a topic, machines as data.

Starts nothing and looks at nothing; the tests read the lists.  What the options mean: qemu-system(1) of QEMU 7.2.
A new machine is one more row of `MACHINES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.arch import ARCHES
from harness.errors import UserError
from harness.model import Accel, Arch, GuestConfig

GDB_SOCKET_NAME = "gdb.sock"
"""Where a debugger finds QEMU's stub, relative to QEMU's working directory, which nobody else can enter."""

GUEST_ADDRESS = "10.0.2.15"
"""The address that QEMU's user network gives its first guest; the guest's init sets it without asking."""

GATEWAY_ADDRESS = "10.0.2.2"
"""QEMU's own address in that network."""

KEYS_DIRECTORY = "keys"
"""What an exact guest may fetch by TFTP, relative to QEMU's working directory."""

EXACT_MAC = "52:54:00:12:34:56"

SOCKET_NAME = "qmp.sock"
"""The QMP socket, relative to QEMU's working directory: a Unix socket's path must be short (unix(7), sun_path)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A QEMU machine that our kernels boot on."""

    name: str  # as plans call it and QEMU does
    arch: Arch
    options: tuple[str, ...]  # of -machine, on every accelerator
    accel_options: dict[Accel, tuple[str, ...]]
    cpu: dict[Accel, str]
    bus: str  # how its virtio devices are attached: "device" (virtio-mmio) or "pci"
    cmdline: tuple[str, ...]  # what the kernel must be told on it
    exact: bool = True  # SSH comes up in an exact guest, whose idle time races by
    tells_nodes: bool = False  # it describes nodes of memory to the kernel: a device tree does, here ACPI would have to


# The first machine of an architecture is its default.
MACHINES: tuple[Machine, ...] = (
    Machine(
        name="q35",
        arch=Arch.X86_64,
        # Without ACPI the kernel needs not compile it either.  QEMU's smallest firmware starts the kernel at once and
        # leaves a table of all CPUs behind, which SeaBIOS does only with ACPI.
        options=("acpi=off", "firmware=qboot.rom", "sata=off", "smbus=off", "vmport=off"),
        accel_options={},
        cpu={Accel.TCG: "max", Accel.KVM: "host"},
        bus="pci",
        # There is no ACPI to reset by: a triple fault is the way out.  The timer that the TSC is calibrated against
        # lies where ACPI would have said.  On a busy host the watchdog of clocks would find the TSC in the wrong, and
        # that timer in its place makes a guest a hundred times slower; the boot's test of the old timer may fail there
        # too, and would end in a panic.
        cmdline=("reboot=t", "pmtmr=0x608", "tsc=reliable", "no_timer_check", "earlycon=uart8250,io,0x3f8"),
    ),
    Machine(
        name="microvm",
        arch=Arch.X86_64,
        # No PCI at all.  Its virtio-mmio devices are announced on the kernel's command line, which QEMU extends by
        # itself (docs/system/i386/microvm.rst).  Under TCG it has no timer to calibrate the TSC against: the guest's
        # clock may be as coarse as its ticks.
        options=("acpi=off", "rtc=on", "isa-serial=on"),
        accel_options={},
        cpu={Accel.TCG: "max", Accel.KVM: "host"},
        bus="device",
        cmdline=("reboot=t", "tsc=reliable", "no_timer_check", "earlycon=uart8250,io,0x3f8"),
        exact=False,
    ),
    Machine(
        name="virt",
        arch=Arch.ARM64,
        options=(),
        accel_options={Accel.TCG: ("gic-version=3",), Accel.KVM: ("gic-version=host",)},
        # Pointer authentication by its architected algorithm would cost TCG half of its speed.
        cpu={Accel.TCG: "max,pauth-impdef=on", Accel.KVM: "host"},
        bus="device",
        cmdline=("earlycon",),  # the device tree's stdout-path says where
        tells_nodes=True,
    ),
)


def machine_names(arch: Arch) -> tuple[str, ...]:
    return tuple(machine.name for machine in MACHINES if machine.arch is arch)


def find_machine(arch: Arch, name: str) -> Machine:
    """The machine of that name; "auto" is the architecture's default.  Raises UserError for a name it has not."""
    for machine in MACHINES:
        if machine.arch is arch and name in ("auto", machine.name):
            return machine
    choices = ", ".join(("auto", *machine_names(arch)))
    raise UserError(f"no machine {name!r} for {arch.value} guests", fix=f"choose one of {choices}")


def _value(path: Path) -> str:
    """A path as the value of an option with several: QEMU reads a doubled comma as one."""
    return str(path).replace(",", ",,")


def bare_args() -> list[str]:
    """No devices, no configuration and no window but what is asked for here; a guest that resets ends QEMU.

    The guest does not run before it is told to (-S): then the monitor is connected, and nothing can be missed.
    """
    return ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S"]


def sandbox_args() -> list[str]:
    """QEMU's own seccomp filter: a guest that breaks out of its devices starts no program on the host."""
    return ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]


def machine_args(machine: Machine, accel: Accel) -> list[str]:
    options = (machine.name, *machine.options, *machine.accel_options.get(accel, ()))
    return ["-machine", ",".join(options), "-cpu", machine.cpu[accel]]


def accel_args(accel: Accel) -> list[str]:
    """No `thread=`: QEMU runs a thread per CPU wherever the host's memory ordering allows it, and only there."""
    return ["-accel", accel.value]


def size_args(smp: int, memory_mib: int) -> list[str]:
    return ["-smp", str(smp), "-m", f"{memory_mib}M"]


def node_args(machine: Machine, smp: int, memory_mib: int, nodes: int) -> list[str]:
    """Nodes of memory, each with an equal share of memory and CPUs; the last has what is left over."""
    if nodes == 1 or not machine.tells_nodes:
        return []
    args = []
    for node in range(nodes):
        mib = memory_mib // nodes + (memory_mib % nodes if node == nodes - 1 else 0)
        cpus = [cpu for cpu in range(smp) if min(cpu * nodes // smp, nodes - 1) == node]
        held = f",cpus={cpus[0]}-{cpus[-1]}" if cpus else ""
        args += ["-object", f"memory-backend-ram,id=node{node},size={mib}M"]
        args += ["-numa", f"node,nodeid={node},memdev=node{node}{held}"]
    return args


def node_words(machine: Machine, nodes: int) -> tuple[str, ...]:
    """Where the machine does not tell, the kernel itself can cut its memory in pieces (CONFIG_NUMA_EMU)."""
    return (f"numa=fake={nodes}",) if nodes > 1 and not machine.tells_nodes else ()


def kernel_args(image: Path, initrd: Path, cmdline: str) -> list[str]:
    return ["-kernel", str(image), "-initrd", str(initrd), "-append", cmdline]


def console_args(console: Path) -> list[str]:
    """The serial console goes to a file, byte for byte; nothing can be typed into it."""
    return ["-chardev", f"file,id=console,path={_value(console)}", "-serial", "chardev:console"]


def monitor_args() -> list[str]:
    """QEMU connects to a socket that listens already.  The guest has no way to it."""
    return ["-chardev", f"socket,id=qmp,path={SOCKET_NAME}", "-mon", "chardev=qmp,mode=control"]


def debug_args() -> list[str]:
    """A stub for gdb on a Unix socket: a port of the loopback interface would be open to everyone on this host."""
    return ["-chardev", f"socket,id=gdb,path={GDB_SOCKET_NAME},server=on,wait=off", "-gdb", "chardev:gdb"]


def network_args(machine: Machine) -> list[str]:
    """User networking, cut off but for SSH; the host's kernel picks the free port (0), QMP tells which it was."""
    forward = f"hostfwd=tcp:127.0.0.1:0-{GUEST_ADDRESS}:22"
    rom = ",romfile=" if machine.bus == "pci" else ""
    return [
        "-netdev",
        f"user,id=net0,restrict=on,ipv6=off,{forward}",
        "-device",
        f"virtio-net-{machine.bus},netdev=net0{rom}",
    ]


def random_args(machine: Machine) -> list[str]:
    """Without entropy SSH would wait for it."""
    return ["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", f"virtio-rng-{machine.bus},rng=rng0"]


def free_args(machine: Machine, accel: Accel) -> list[str]:
    """What a guest is given that runs as fast as it can, and hears from its host."""
    return [*accel_args(accel), *network_args(machine), *random_args(machine)]


def exact_args(machine: Machine, seed: int) -> list[str]:
    """What makes a guest's run a function of its kernel, initramfs, command line and seed.

    An instruction takes a nanosecond, an idle guest's time goes on to its next timer, the clock begins at a fixed time
    and `-seed` is all the entropy there is.  The network card is silent until the guest uses it; its keys come then,
    by TFTP, so that nothing of them is in the guest's memory before.
    """
    netdev, options, device, properties = network_args(machine)
    return [
        "-accel", Accel.TCG.value, "-icount", "shift=0,sleep=off", "-seed", str(seed),
        "-rtc", "base=2026-01-01T00:00:00,clock=vm",
        netdev, f"{options},tftp={KEYS_DIRECTORY}", device, f"{properties},mac={EXACT_MAC}",
    ]  # fmt: skip


def seed_words(seed: int) -> tuple[str, ...]:
    """An exact guest's words of the kernel's command line.

    A parameter of a part that a kernel has not (checkers, `vma_check`) is ignored by it without a word.
    """
    return ("nokaslr", f"vmaharness.seed={seed}", f"vma_check.seed={seed}")


PATIENCE: dict[Accel, tuple[str, ...]] = {
    Accel.TCG: ("watchdog_thresh=30", "rcupdate.rcu_cpu_stall_timeout=60"),
    Accel.KVM: (),
}
"""Under TCG on a busy host a CPU may stand still for longer than the kernel's defaults (10 s, 21 s) allow."""


def kernel_cmdline(machine: Machine, accel: Accel, extra: str, *, nodes: int = 1, seed: int | None = None) -> str:
    """The kernel's command line; `extra` comes last and wins where the kernel takes a parameter's last value.

    panic=-1 resets at once, which ends QEMU; printk.devkmsg=on lets marks through however many there are.
    """
    words = (
        f"console={ARCHES[machine.arch].console}",
        "panic=-1",
        "printk.devkmsg=on",
        "random.trust_cpu=on",
        "hostname=vmaharness",
        *machine.cmdline,
        *node_words(machine, nodes),
        *PATIENCE[accel],
        *(seed_words(seed) if seed is not None else ()),
        extra.strip(),
    )
    return " ".join(word for word in words if word)


def qemu_argv(
    program: Path, machine: Machine, accel: Accel, config: GuestConfig, *, image: Path, initrd: Path, console: Path
) -> list[str]:
    """The whole argument list.  QEMU must be started in the directory that has the QMP socket."""
    seed = config.seed
    return [
        str(program),
        *bare_args(),
        *sandbox_args(),
        *machine_args(machine, accel),
        *size_args(config.smp, config.memory_mib),
        *node_args(machine, config.smp, config.memory_mib, config.nodes),
        *console_args(console),
        *monitor_args(),
        *(free_args(machine, accel) if seed is None else exact_args(machine, seed)),
        *kernel_args(image, initrd, kernel_cmdline(machine, accel, config.cmdline, nodes=config.nodes, seed=seed)),
    ]

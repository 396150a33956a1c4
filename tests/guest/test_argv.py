"""QEMU's argument list, topic by topic."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.guest import argv
from harness.model import Accel, Arch, GuestConfig


def whole(
    arch: Arch, accel: Accel, machine: str = "auto", cmdline: str = "", *, seed: int | None = None, nodes: int = 1
) -> list[str]:
    return argv.qemu_argv(
        Path("/usr/bin/qemu"),
        argv.find_machine(arch, machine),
        accel,
        GuestConfig(machine=machine, smp=3, memory_mib=768, cmdline=cmdline, seed=seed, nodes=nodes),
        image=Path("/b/image"),
        initrd=Path("/s/initrd"),
        console=Path("/o/console.log"),
    )


def value(words: list[str], option: str) -> str:
    assert words.count(option) == 1
    return words[words.index(option) + 1]


EVERY = [
    (Arch.X86_64, "microvm", Accel.TCG),
    (Arch.X86_64, "microvm", Accel.KVM),
    (Arch.X86_64, "q35", Accel.TCG),
    (Arch.X86_64, "q35", Accel.KVM),
    (Arch.ARM64, "virt", Accel.TCG),
    (Arch.ARM64, "virt", Accel.KVM),
]


@pytest.mark.parametrize(
    ("arch", "machine", "accel", "machine_option", "cpu"),
    [
        (*EVERY[0], "microvm,acpi=off,rtc=on,isa-serial=on", "max"),
        (*EVERY[1], "microvm,acpi=off,rtc=on,isa-serial=on", "host"),
        (*EVERY[2], "q35,acpi=off,firmware=qboot.rom,sata=off,smbus=off,vmport=off", "max"),
        (*EVERY[3], "q35,acpi=off,firmware=qboot.rom,sata=off,smbus=off,vmport=off", "host"),
        (*EVERY[4], "virt,gic-version=3", "max,pauth-impdef=on"),
        (*EVERY[5], "virt,gic-version=host", "host"),
    ],
)
def test_machine_and_cpu(arch: Arch, machine: str, accel: Accel, machine_option: str, cpu: str) -> None:
    words = whole(arch, accel, machine)
    assert value(words, "-machine") == machine_option
    assert value(words, "-cpu") == cpu
    assert value(words, "-accel") == accel.value


@pytest.mark.parametrize(("arch", "machine", "accel"), EVERY)
def test_what_every_guest_has(arch: Arch, machine: str, accel: Accel) -> None:
    words = whole(arch, accel, machine)
    assert {"-nodefaults", "-no-user-config", "-no-reboot", "-S"} <= set(words)
    assert value(words, "-display") == "none"
    assert value(words, "-sandbox").startswith("on,")
    assert value(words, "-smp") == "3"
    assert value(words, "-m") == "768M"
    assert (value(words, "-kernel"), value(words, "-initrd")) == ("/b/image", "/s/initrd")
    assert value(words, "-netdev") == "user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22"
    assert value(words, "-serial") == "chardev:console"
    assert "-vnc" not in words
    assert "-enable-kvm" not in words


@pytest.mark.parametrize(("machine", "bus"), [("microvm", "device"), ("q35", "pci")])
def test_devices_hang_on_the_machines_bus(machine: str, bus: str) -> None:
    devices = [word for word in whole(Arch.X86_64, Accel.TCG, machine) if word.startswith("virtio-")]
    assert [device.split(",")[0] for device in devices] == [f"virtio-net-{bus}", f"virtio-rng-{bus}"]


@pytest.mark.parametrize("arch", list(Arch))
def test_an_exact_guest_hears_of_nothing_but_its_seed(arch: Arch) -> None:
    words = whole(arch, Accel.TCG, cmdline="quiet", seed=7)
    assert (value(words, "-accel"), value(words, "-icount")) == ("tcg", "shift=0,sleep=off")
    assert (value(words, "-seed"), value(words, "-rtc")) == ("7", "base=2026-01-01T00:00:00,clock=vm")
    (device,) = [word for word in words if word.startswith("virtio-")]
    assert "net" in device
    assert device.endswith(",mac=52:54:00:12:34:56")
    assert "-object" not in words, "no entropy of the host's"
    assert value(words, "-netdev").endswith(":22,tftp=keys")
    cmdline = value(words, "-append").split(" ")
    assert cmdline[-4:] == ["nokaslr", "vmaharness.seed=7", "vma_check.seed=7", "quiet"]


@pytest.mark.parametrize(("arch", "machine", "accel"), EVERY)
def test_other_guests_have_no_seed(arch: Arch, machine: str, accel: Accel) -> None:
    words = whole(arch, accel, machine)
    assert not {"-icount", "-seed", "-rtc"} & set(words)
    assert "seed=" not in value(words, "-append")
    assert "tftp" not in value(words, "-netdev")


def test_every_architecture_has_a_default_machine() -> None:
    assert [argv.find_machine(arch, "auto").name for arch in Arch] == ["q35", "virt"]


def test_a_machine_of_another_architecture_is_a_user_error() -> None:
    with pytest.raises(UserError, match="q35") as caught:
        argv.find_machine(Arch.ARM64, "q35")
    assert "auto, virt" in caught.value.fix


@pytest.mark.parametrize(("arch", "console"), [(Arch.X86_64, "ttyS0"), (Arch.ARM64, "ttyAMA0")])
def test_the_users_parameters_come_last(arch: Arch, console: str) -> None:
    cmdline = value(whole(arch, Accel.TCG, cmdline=" quiet a=b "), "-append").split(" ")
    assert cmdline[0] == f"console={console}"
    assert {"panic=-1", "printk.devkmsg=on"} <= set(cmdline)
    assert cmdline[-2:] == ["quiet", "a=b"]


def test_watchdogs_are_patient_with_translated_code_only() -> None:
    tcg, kvm = (value(whole(Arch.X86_64, accel), "-append") for accel in (Accel.TCG, Accel.KVM))
    assert "rcupdate.rcu_cpu_stall_timeout=60" in tcg
    assert "stall_timeout" not in kvm


def test_a_comma_in_a_path_is_no_new_option() -> None:
    assert argv.console_args(Path("/o/a,b"))[1] == "file,id=console,path=/o/a,,b"


def test_a_stub_for_gdb_is_on_a_socket_and_no_port() -> None:
    assert argv.debug_args() == ["-chardev", "socket,id=gdb,path=gdb.sock,server=on,wait=off", "-gdb", "chardev:gdb"]


def test_nodes_of_memory_are_told_by_a_device_tree_or_made_by_the_kernel() -> None:
    words = whole(Arch.ARM64, Accel.TCG, nodes=2)
    assert [words[at + 1] for at, word in enumerate(words) if word in ("-object", "-numa")] == [
        "memory-backend-ram,id=node0,size=384M",
        "node,nodeid=0,memdev=node0,cpus=0-1",
        "memory-backend-ram,id=node1,size=384M",
        "node,nodeid=1,memdev=node1,cpus=2-2",
        "rng-random,id=rng0,filename=/dev/urandom",
    ]
    assert "numa=fake" not in value(words, "-append")
    for machine in argv.machine_names(Arch.X86_64):
        words = whole(Arch.X86_64, Accel.TCG, machine, nodes=2)
        assert "numa=fake=2" in value(words, "-append").split()
        assert "-numa" not in words
    for arch in Arch:
        words = whole(arch, Accel.TCG)
        assert "-numa" not in words
        assert "numa=" not in value(words, "-append")


@pytest.mark.parametrize("nodes", [2, 3, 8])
@pytest.mark.parametrize("smp", [1, 2, 5, 8])
def test_every_cpu_and_every_mebibyte_is_in_one_node(smp: int, nodes: int) -> None:
    words = argv.node_args(argv.find_machine(Arch.ARM64, "virt"), smp, 1001, nodes)
    sizes = [int(word.rpartition("=")[2][:-1]) for word in words if word.startswith("memory-backend")]
    ranges = [word.partition("cpus=")[2] for word in words if "cpus=" in word]
    cpus = [
        cpu for first, _, last in (text.partition("-") for text in ranges) for cpu in range(int(first), int(last) + 1)
    ]
    assert (len(sizes), sum(sizes), cpus) == (nodes, 1001, list(range(smp)))

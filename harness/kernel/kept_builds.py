"""Builds as the cache has them: what names one, what is kept beside it, and how it is read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.arch import ARCHES, ArchInfo
from harness.host.cache import WAY
from harness.kernel.kconfig import Request
from harness.kernel.reads import Inputs, from_json, reads_of, to_json
from harness.model import AppliedTree, Arch, Build, CompilerMessage, Outcome, Profile, Toolchain

BROKEN = "failed"
"""The kind of cache entries of kernels that do not compile."""

_RECORD = "build.json"
_INPUTS, _READS = "inputs.json", "reads"  # of what tree it was made, and which files of it it read


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built."""

    applied: AppliedTree
    info: ArchInfo
    profile: Profile
    requests: tuple[Request, ...]
    tools: Toolchain
    way: str  # how it is made, of whatever tree
    key: str
    inputs: Callable[[], Inputs]  # what other trees are held against; git is asked once for each tree


def image_name(info: ArchInfo) -> str:
    """The name under which the cache keeps what is booted."""
    return "vmlinux" if info.image_path == "vmlinux" else "image"


def keep_record(build: Build, entry: Path) -> None:
    """Write what is known of a build into the directory that becomes its entry."""
    (entry / _RECORD).write_text(json.dumps(_record(build), indent=1) + "\n")


def load(entry: Path, order: Order) -> Build | None:
    """The build of an entry; None where another version has made it, or it is not whole."""
    try:
        build = _from_record(json.loads((entry / _RECORD).read_text()), entry, order)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # made by another version: made again
    whole = build.image.is_file() if build.image is not None else build.outcome is Outcome.FAIL
    return build if whole and build.log.is_file() else None


def keep_reads(entry: Path, order: Order, objects: Path, source: Path) -> None:
    """Write what the next tree is held against."""
    (entry / _INPUTS).write_text(to_json(order.inputs()))
    (entry / _READS).write_text("\0".join(sorted(reads_of(objects, source))), errors="surrogateescape")
    (entry / WAY).write_text(order.way)


def load_reads(entry: Path) -> tuple[Inputs, frozenset[str]] | None:
    """Of what tree an entry was made and which of its files were read; None while it is made, or of another version."""
    try:
        inputs = from_json((entry / _INPUTS).read_text())
        reads = frozenset((entry / _READS).read_text(errors="surrogateescape").split("\0")) - {""}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return inputs, reads


def _record(build: Build) -> dict[str, object]:
    """The fields of a build that cannot be told from where it lies."""
    places = ("directory", "image", "vmlinux", "config", "log", "cached")
    return {name: value for name, value in asdict(build).items() if name not in places}


def _from_record(record: dict[str, object], entry: Path, order: Order) -> Build:
    fields = dict(record)
    fields["arch"], fields["outcome"] = Arch(str(fields["arch"])), Outcome(str(fields["outcome"]))
    messages = fields.pop("messages")
    if not isinstance(messages, list):
        raise TypeError("messages")
    del fields["toolchain"]  # the key holds its digest: it is the one at hand
    build = Build(
        **fields,  # type: ignore[arg-type]
        messages=tuple(CompilerMessage(**message) for message in messages),
        directory=entry, image=None, vmlinux=None, config=entry / "config",
        log=entry / "build.log", cached=True, toolchain=order.tools,
    )  # fmt: skip
    # Another profile with the same requests is the same kernel.
    return replace(moved(build, entry), profile=order.profile.name, key=order.key)


def moved(build: Build, entry: Path) -> Build:
    """The build with its files there."""
    vmlinux = entry / "vmlinux"
    return replace(
        build, directory=entry,
        image=entry / image_name(ARCHES[build.arch]) if build.outcome is Outcome.PASS else None,
        vmlinux=vmlinux if vmlinux.is_file() else None, config=entry / "config", log=entry / "build.log",
    )  # fmt: skip

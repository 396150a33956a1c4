"""The flags that say what a plan can say, and the plan that comes of a file and flags.

One table for all verbs.  A test compares it with the plan's fields.  Nothing heavy is imported before a plan is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from harness.cli import say
from harness.data import fragments_dir, plans_dir
from harness.errors import UserError
from harness.model import Arch

if TYPE_CHECKING:
    from harness.plan.load import Override
    from harness.plan.model import Plan

CHECKERS = "checkers="
CHECKS = ("checkpatch", "side-effects", "w1", "sparse", "allmodconfig", "nommu")
Command = TypeVar("Command", bound=Callable[..., Any])


def _profile(text: str) -> object:
    """NAME, or NAME=FRAGMENT,FRAGMENT…; among the fragments, checkers=WHAT is the profile's key of that name."""
    name, equals, rest = text.partition("=")
    parts = [part for part in rest.split(",") if part]
    fragments = [part for part in parts if not part.startswith(CHECKERS)]
    checkers = [part.removeprefix(CHECKERS) for part in parts if part.startswith(CHECKERS)]
    return (
        {"name": name, "fragments": fragments, **({"checkers": checkers[-1]} if checkers else {})} if equals else name
    )


def _complete_profiles(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from harness.errors import InputError  # noqa: PLC0415
    from harness.plan.profiles import registered_profiles  # noqa: PLC0415

    try:
        known = registered_profiles(fragments_dir())
    except InputError:
        return []
    return [CompletionItem(name, help=item.description) for name, item in known.items() if name.startswith(begun)]


def _complete_suites(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from harness.run.suites import DESCRIPTIONS  # noqa: PLC0415

    return [CompletionItem(name, help=text) for name, text in DESCRIPTIONS.items() if name.startswith(begun)]


@dataclass(frozen=True, slots=True)
class PlanFlag:
    """A flag and the key of the plan that it sets."""

    key: tuple[str, ...]
    names: tuple[str, ...]
    help: str
    settings: dict[str, Any] = field(default_factory=dict)
    convert: Callable[[str], object] = str

    @property
    def parameter(self) -> str:
        return self.names[0].partition("/")[0].lstrip("-").replace("-", "_")

    def decorate(self, command: Command) -> Command:
        option = click.option(
            *self.names,
            self.parameter,
            default=None,
            help=self.help,
            show_envvar="envvar" in self.settings,
            **self.settings,
        )
        return option(command)


PLAN_FLAGS = (
    PlanFlag(
        ("tree",), ("--tree",), "Kernel tree: debian:PACKAGE, a git clone's path, URL@REF or a tarball. Without a PLAN "
        "and --series, the tree is tested as it is.", {"metavar": "TREE"},
    ),
    PlanFlag(
        ("series",), ("--series",), "Patch series: a mailbox, maildir, directory of patches, saved archive page, "
        "Message-ID, URL of a mail, git range of the tree, - for standard input, or none.",
        {"metavar": "SERIES"},
    ),
    PlanFlag(
        ("base",), ("--base",), "Commit of the tree to apply the series to: none (the one that --tree gives), auto "
        "(found by the series' base-commit or blobs), or a commit.", {"metavar": "COMMIT|auto|none"},
    ),
    PlanFlag(
        ("base_candidates",), ("--base-candidate",), "Another tree in which --base auto looks, or none; may be "
        "given several times.", {"multiple": True, "metavar": "TREE|none"},
    ),
    PlanFlag(
        ("per_patch",), ("--per-patch/--whole",), "Judge each patch of the series by itself, and say which broke what; "
        "bench: what each costs.", {"is_flag": True},
    ),
    PlanFlag(
        ("budget",), ("--budget",), "How long new work may be begun, such as 20m or 1h30m; what is left out is "
        "reported. none: as long as it takes.", {"metavar": "TIME|none"},
    ),
    PlanFlag(
        ("merged",), ("--merged/--not-merged",), "The tree has the series already: test it as it stands.",
        {"is_flag": True},
    ),
    PlanFlag(
        ("base_fix",), ("--base-fix",), "Patches that make the base itself work: a directory, none, or auto.",
        {"metavar": "DIR|none|auto"},
    ),
    PlanFlag(
        ("arch",), ("--arch",), "Architecture to build and boot; may be given several times.",
        {"multiple": True, "type": click.Choice([arch.value for arch in Arch])},
    ),
    PlanFlag(
        ("profiles",), ("--profile",),
        "Kernel configuration: a name, the PLAN's or one of kconfigs/profiles.yaml, or NAME=FRAGMENT,…; "
        "one of the fragments may be checkers=DIR|none|auto; may be given several times.",
        {"multiple": True, "metavar": "NAME[=FRAGMENT,…]", "shell_complete": _complete_profiles}, _profile,
    ),
    PlanFlag(
        ("suites",), ("--suite",), "Test suite; may be given several times.",
        {"multiple": True, "metavar": "NAME", "shell_complete": _complete_suites},
    ),
    PlanFlag(
        ("checks",), ("--check",), "Check of the series that boots nothing, or none; may be given several times.",
        {"multiple": True, "type": click.Choice([*CHECKS, "none"])},
    ),
    PlanFlag(
        ("cases",), ("--case",), "Only the cases that match this glob on SUITE.CASE, or none: all cases; may be given "
        "several times.", {"multiple": True, "metavar": "GLOB|none"},
    ),
    PlanFlag(
        ("baseline",), ("--baseline",), "Test the tree without the series too: auto (where the series' tree failed), "
        "always or never.", {"type": click.Choice(["auto", "always", "never"])},
    ),
    PlanFlag(
        ("strict",), ("--strict/--not-strict",), "Every failure counts, also known ones and those of the base.",
        {"is_flag": True},
    ),
    PlanFlag(
        ("known",), ("--known",), "File of known findings (docs/verdict.md), or none.",
        {"metavar": "FILE|none", "type": click.Path(dir_okay=False)},
    ),
    PlanFlag(
        ("retries",), ("--retries",), "How often a failed case is run again in a fresh guest.",
        {"type": int, "metavar": "N"},
    ),
    PlanFlag(
        ("flaky",), ("--flaky",), "Whether a case that fails now and then fails the run.",
        {"type": click.Choice(["fail", "allow"])},
    ),
    PlanFlag(
        ("exact",), ("--exact/--not-exact",), "Run the suites in exact guests: the same seed gives the same run, bit "
        "for bit (docs/exact.md).", {"is_flag": True},
    ),
    PlanFlag(
        ("seeds",), ("--seeds",), "Seeds of exact guests: 1..8 or 1,5,9; implies --exact. none: those of no plan.",
        {"metavar": "SEEDS|none"},
    ),
    PlanFlag(
        ("guest", "accel"), ("--accel",), "What runs the guests; with tcg KVM is not touched in any way.",
        {"type": click.Choice(["auto", "tcg", "kvm"]), "envvar": "VMAHARNESS_ACCEL"},
    ),
    PlanFlag(
        ("guest", "machine"), ("--machine",), "QEMU's machine type; auto: q35 for x86_64, virt for arm64.",
        {"type": click.Choice(["auto", "microvm", "q35", "virt"])},
    ),
    PlanFlag(("guest", "smp"), ("--smp",), "Virtual CPUs of a guest.", {"type": int, "metavar": "N"}),
    PlanFlag(("guest", "memory"), ("--mem",), "Memory of a guest, such as 512M or 1G.", {"metavar": "SIZE"}),
    PlanFlag(
        ("guest", "cmdline"), ("--cmdline",), "Words appended to the kernel's command line.", {"metavar": "WORDS"}
    ),
    PlanFlag(
        ("guest", "boot_s"), ("--boot-timeout",), "Deadline of a boot in seconds at hardware speed.",
        {"type": float, "metavar": "SECONDS"},
    ),
    PlanFlag(
        ("guest", "command_s"), ("--command-timeout",), "Deadline of a command that has none of its own, in seconds at "
        "hardware speed.", {"type": float, "metavar": "SECONDS"},
    ),
    PlanFlag(
        ("guest", "silence_s"), ("--silence-timeout",), "How long a guest may say nothing, in seconds at hardware "
        "speed.", {"type": float, "metavar": "SECONDS"},
    ),
    PlanFlag(
        ("repair",), ("--repair/--no-repair",), "Rebuild patches that lost their whitespace from the tree; proven, or "
        "refused.", {"is_flag": True},
    ),
    PlanFlag(
        ("jobs",), ("--jobs", "-j"), "Jobs of a kernel build; 0: one for each CPU.",
        {"type": int, "metavar": "N", "envvar": "VMAHARNESS_JOBS"},
    ),
    PlanFlag(
        ("sandbox",), ("--sandbox/--no-sandbox",), "Confine make and the compilers with bubblewrap (the default).",
        {"is_flag": True},
    ),
    PlanFlag(
        ("out",), ("--out",), "Directory for the results: new, empty, or of an earlier run.",
        {"metavar": "DIR", "type": click.Path(file_okay=False)},
    ),
    PlanFlag(
        ("keep",), ("--keep/--no-keep",), "Keep the guests' kernel and initramfs beside the results.", {"is_flag": True}
    ),
)  # fmt: skip


BENCH_FLAGS: tuple[PlanFlag, ...] = (
    PlanFlag(
        ("bench", "mode"), ("--mode",), "How costs are come by: exact (instructions), clock (KVM), or relative (plain "
        "TCG, no verdict).", {"type": click.Choice(["exact", "clock", "relative"])},
    ),
    PlanFlag(
        ("bench", "fail"), ("--fail",), "Limit that fails the run, such as 'slower > 1 %' or 'faults.anon.1: slower > "
        "20', or none; may be given several times.", {"multiple": True, "metavar": "LIMIT|none"},
    ),
    PlanFlag(
        ("bench", "same"), ("--same",), "What is proven to have changed by less than so many per cent is the same.",
        {"type": float, "metavar": "PERCENT"},
    ),
    PlanFlag(
        ("bench", "again"), ("--again",), "At how many of the seeds the base is booted twice, as a control.",
        {"type": int, "metavar": "N"},
    ),
    PlanFlag(
        ("bench", "moved"), ("--moved/--no-moved",), "Price a patch, too, that only moves code and data, as a control.",
        {"is_flag": True},
    ),
    PlanFlag(
        ("bench", "where"), ("--where/--no-where",), "Say which functions what has changed is in.", {"is_flag": True},
    ),
    PlanFlag(
        ("bench", "boots"), ("--boots",), "Pairs of boots, in the modes clock and relative.",
        {"type": int, "metavar": "N"},
    ),
)  # fmt: skip
"""The part of a plan that `vmaharness bench` alone reads."""


def plan_options(command: Command) -> Command:
    """Add PLAN and all of its flags to a verb; the verb then asks `load_plan_of` for the plan."""
    for flag in reversed(PLAN_FLAGS):
        command = flag.decorate(command)
    return click.argument("plan", required=False, metavar="[PLAN.yaml]", type=click.Path())(command)


def some_plan_options(keys: Sequence[str]) -> Callable[[Command], Command]:
    """Add the flags of some parts of a plan (first words of keys) to a verb that takes no plan file."""

    def decorate(command: Command) -> Command:
        for flag in reversed((*PLAN_FLAGS, *BENCH_FLAGS)):
            if flag.key[0] in keys:
                command = flag.decorate(command)
        return command

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on standard output.")


def load_plan_of(
    context: click.Context, *, series: bool = True, run: Mapping[str, object] | None = None, default: str = "default"
) -> Plan:
    """The plan of a verb's arguments; `series`: whether the verb tests one; `run`: the plan is that of an earlier run.

    `default` names the one of configs/ that is taken where the arguments name none.

    Raises InputError or UserError.
    """
    from harness.plan.load import load_plan  # noqa: PLC0415 - start-up time

    named = context.params.get("plan")
    overrides = overrides_of(context)
    if run is not None:
        planned = [_override((key,), value, "the plan of the run") for key, value in run.items()]
        return load_plan(None, [*planned, *overrides], cwd=Path.cwd())
    said = {override.key for override in overrides}
    if not series:
        overrides = [*overrides, _override(("series",), None, "--series")]
    elif named is None and ("tree",) in said and ("series",) not in said:
        say.note("vmaharness: --tree without --series: the tree is tested as it is, without the demo series")
        overrides = [*overrides, _override(("series",), None, "--series")]
    return load_plan(_plan_file(named, default), overrides, cwd=Path.cwd())


def said_by_flag(context: click.Context, key: tuple[str, ...]) -> bool:
    """Whether a flag or its environment variable said this key."""
    return key in {override.key for override in overrides_of(context)}


def _plan_file(named: str | None, default: str) -> Path:
    """A plan by its path, or by its name in configs/.  Raises UserError for a name that neither has."""
    if named is None:
        return plans_dir() / f"{default}.yaml"
    if "/" in named or Path(named).exists():
        return Path(named)
    registered = plans_dir() / f"{named}.yaml"
    if not registered.is_file():
        ours = ", ".join(sorted(path.stem for path in plans_dir().glob("*.yaml")))
        raise UserError(f"{named}: there is no such plan", fix=f"name a plan file (YAML), or one of ours: {ours}")
    return registered


def overrides_of(context: click.Context) -> list[Override]:
    """What flags and their environment variables say of a plan."""
    found = []
    for flag in (*PLAN_FLAGS, *BENCH_FLAGS):
        value = context.params.get(flag.parameter)
        source = context.get_parameter_source(flag.parameter)
        if value is None or source is ParameterSource.DEFAULT:
            continue
        origin = flag.names[0].partition("/")[0]
        if source is ParameterSource.ENVIRONMENT:
            origin = str(flag.settings["envvar"])
        found.append(_override(flag.key, _value(flag, value), origin))
    return found


def _value(flag: PlanFlag, value: object) -> object:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [flag.convert(item) for item in value]
    return value


def _override(key: tuple[str, ...], value: object, origin: str) -> Override:
    from harness.plan.load import Override  # noqa: PLC0415 - start-up time

    return Override(key, value, origin)

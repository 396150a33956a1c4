"""What a plan can say: the fields, their types, defaults, units and examples.

The reference in docs/, the JSON Schema for editors and the flags of the command line all come from here.
How single values are written is said in `harness.plan.values`.  Both know values only: no files, no YAML, no trees,
kernels or guests.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harness.costs import Limit
from harness.model import Arch, GuestConfig
from harness.plan.values import (
    DEFAULT_SEEDS,
    MEMORY,
    NONE,
    Limits,
    Name,
    Seconds,
    Seeds,
    Text,
    duration_s,
    memory_mib,
    or_none,
    parse_limit,
    refuse_repeats,
)

# Documentation/admin-guide/kernel-parameters.txt; a pass would say nothing of what was not shown.
_SILENCING = re.compile(r"(?:^|\s)(quiet|loglevel=(?![789](?:\s|$))\S*|printk\.devkmsg=(?!on\b)\S*)(?=\s|$)")

Check = Literal["checkpatch", "side-effects", "w1", "sparse", "allmodconfig", "nommu"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProfilePlan(_Part):
    """A kernel configuration: a registered one by its name, or one made here of fragments."""

    name: Name = Field(
        description="The profile's name; it becomes part of file names and of the results' class names.",
        examples=["lockdep"],
    )
    fragments: tuple[Text, ...] = Field(
        default=(),
        description="Fragments merged in this order on allnoconfig: names from kconfigs/ (without .config) or "
        "paths of files. Left out: the fragments of the registered profile of that name. The architecture's own "
        "fragment always follows the first.",
        examples=[["base", "per-vma-lock", "./mine.config"]],
    )
    checkers: Text | None = Field(
        default=None,
        description="Patches applied on top of the series for this profile's kernels alone, each where it applies, "
        "which make the kernel check itself: a directory, none, or auto for the ones that the project has for the "
        "tree's version (patches/checkers/). null: what the registered profile says, else none.",
        examples=["auto"],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [whole["properties"]["name"] | {"description": "A profile of kconfigs/profiles.yaml."}, whole]}


class GuestPlan(_Part):
    """How guests are run.  Deadlines are for hardware speed: they are scaled by accelerator and measured speed."""

    accel: Literal["auto", "tcg", "kvm"] = Field(
        default="auto",
        description="What runs the guest's instructions. auto: KVM where this host can run the guest's architecture "
        "with it, else TCG. tcg: KVM is not touched in any way.",
        examples=["tcg"],
    )
    machine: Literal["auto", "microvm", "q35", "virt"] = Field(
        default="auto",
        description="QEMU's machine type. auto: q35 for x86_64 and virt for arm64; microvm is for x86_64 too.",
        examples=["microvm"],
    )
    smp: int = Field(
        default=2,
        ge=1,
        le=512,
        strict=True,
        description="Number of virtual CPUs. The suites use as many threads.",
        examples=[4],
    )
    memory: str = Field(
        default="1G",
        json_schema_extra={"pattern": rf"^{MEMORY.pattern}$"},
        description="Memory of a guest: a number and M (mebibytes) or G (gibibytes).",
        examples=["512M"],
    )
    cmdline: str = Field(
        default="",
        description="Words appended to the kernel's command line; none that silence its console (quiet, loglevel=).",
        examples=["slab_nomerge mitigations=off"],
    )
    boot_s: Seconds = Field(
        default=30.0, description="Deadline for QEMU's start to the first SSH command, in seconds.", examples=[60]
    )
    command_s: Seconds = Field(
        default=60.0,
        description="Deadline for a command that names none of its own, in seconds.",
        examples=[120],
    )
    silence_s: Seconds = Field(
        default=30.0,
        description="A guest whose command and console both say nothing for so many seconds is taken for hung.",
        examples=[60],
    )

    @field_validator("memory", mode="after")
    @classmethod
    def _memory_in_range(cls, value: str) -> str:
        try:
            memory_mib(value)
        except ValueError as error:
            raise PydanticCustomError("memory", "{why}", {"why": str(error)}) from error
        return value

    @field_validator("cmdline", mode="after")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise PydanticCustomError("cmdline", "has a line break or another control character")
        if found := _SILENCING.search(value):
            why = "{word} keeps off the console what is listened for there"
            raise PydanticCustomError("cmdline", why, {"word": found[1]})
        return value

    def to_config(self) -> GuestConfig:
        """The same as the guest's own value."""
        return GuestConfig(
            accel=self.accel, machine=self.machine, smp=self.smp, memory_mib=memory_mib(self.memory),
            cmdline=self.cmdline, boot_s=self.boot_s, command_s=self.command_s, silence_s=self.silence_s,
        )  # fmt: skip


class BenchPlan(_Part):
    """What `vmaharness bench` asks of costs (docs/bench.md); other verbs count none."""

    mode: Literal["exact", "clock", "relative"] = Field(
        default="exact",
        description="How costs are come by. exact: instructions, counted in exact guests. clock: wall time under KVM. "
        "relative: wall time under plain TCG, an order of magnitude and no verdict.",
        examples=["clock"],
    )
    fail: Limits = Field(
        default=(),
        description="Limits that fail the run: `slower > 1 %` (or `slower > 20`, in instructions or nanoseconds), with "
        "a glob on metrics and a colon before it where it is not for all. Only what is proven to be slower fails. "
        "Empty or none: there is no limit.",
        examples=[["slower > 1 %", "faults.anon.*: slower > 0.2 %"]],
    )
    same: float = Field(
        default=0.1,
        gt=0,
        le=100,
        strict=True,
        allow_inf_nan=False,
        description="In per cent: what is proven to have changed by less is called the same.",
        examples=[0.05],
    )
    again: int = Field(
        default=1,
        ge=1,
        le=10_000,
        strict=True,
        description="At how many of the seeds the base is booted twice, as a control: nothing may differ, or nothing "
        "of the run counts.",
        examples=[4],
    )
    moved: StrictBool = Field(
        default=True,
        description="Price a patch, too, that does nothing but move code and data: what that makes is no effect of the "
        "series.",
        examples=[False],
    )
    where: StrictBool = Field(
        default=True,
        description="In exact mode: count the instructions of each function for the metrics that changed, in one more "
        "guest of base and of series.",
        examples=[False],
    )
    boots: int = Field(
        default=10,
        ge=2,
        le=10_000,
        strict=True,
        description="Pairs of boots, in the modes clock and relative.",
        examples=[30],
    )

    @field_validator("fail", mode="after")
    @classmethod
    def _limits_are_limits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                parse_limit(text)
            except ValueError as error:
                raise PydanticCustomError("limit", "{why}", {"why": str(error)}) from error
        return value

    @property
    def limits(self) -> tuple[Limit, ...]:
        return tuple(map(parse_limit, self.fail))


class Plan(_Part):
    """What to run: which tree and series, on which architectures and configurations, with which suites."""

    tree: Text = Field(
        default="debian:linux-source-6.12",
        description="The kernel tree: debian:PACKAGE (Debian's package of a kernel source), the path of a git clone "
        "(never modified), URL@REF, or a tarball.",
        examples=[
            "debian:linux-source-7.2",
            "~/src/linux",
            "https://git.kernel.org/pub/scm/linux/kernel/git/akpm/mm.git@mm-stable",
        ],
    )
    series: Text | None = Field(
        default=None,
        description="The patch series: a mailbox, a maildir, a directory of patches (format-patch files or a quilt "
        "stack), a saved archive page, a Message-ID or its URL in an archive (needs the network), or a git range of "
        "the tree. null or none: the tree as it is.",
        examples=["./v3-vma-lock.mbox", "20260101.1-ada@example.org", "mm-stable..topic"],
    )
    base: Text = Field(
        default="none",
        description="The commit of the tree that the series is applied to. none: the one that `tree` gives; what the "
        "series says of its base is compared with it and reported. auto: the base-commit that the series names, if the "
        "tree's repository has it, else the commit of its history with the most of the blobs that the series names. "
        "Anything else: that commit (or branch, or tag) of the tree's repository.",
        examples=["auto", "v6.12.50"],
    )
    base_candidates: tuple[Text, ...] = Field(
        default=(),
        description="Other trees in which `base: auto` (which this implies) looks for the series' base: each is "
        "given like `tree`. Empty or none: there are none.",
        examples=[["~/src/linux@mm-unstable", "debian:linux-source-7.2"]],
    )
    merged: StrictBool = Field(
        default=False,
        description="The tree has the series already: it is tested as it stands. Where the series can be taken out "
        "exactly, the tree without it is the base to compare with.",
        examples=[True],
    )
    per_patch: StrictBool = Field(
        default=False,
        description="Judge each patch of the series by itself, too: the tree that ends with it is built and tested as "
        "the whole series is, and what fails is traced to its patch. `vmaharness bench` prices it, too, against the "
        "patch before it.",
        examples=[True],
    )
    budget: str | None = Field(
        default=None,
        description="How long the run may begin new work: a number and h, m or s, or several of them. Steps and the "
        "commands of guests are taken in the order of the quickest answers, by the times that they took before. When "
        "it is used up no step is begun, guests end after their present command, and what was left out is reported: "
        "never as passed. null or none: as long as it takes (docs/long-runs.md).",
        examples=["20m", "1h30m"],
    )
    base_fix: Text = Field(
        default="auto",
        description="Patches applied before the series so that the base itself works: a directory, none, or auto for "
        "the ones that the project has for the tree's version (patches/base-fix/).",
        examples=["none"],
    )
    arch: tuple[Arch, ...] = Field(
        default=(Arch.X86_64, Arch.ARM64),
        min_length=1,
        description="Architectures to build and boot.",
        examples=[["arm64"]],
    )
    profiles: tuple[ProfilePlan, ...] = Field(
        default=(ProfilePlan(name="lockdep"),),
        min_length=1,
        description="Kernel configurations, each built and booted on each architecture: names from "
        "kconfigs/profiles.yaml, or a name with fragments.",
        examples=[["lockdep", {"name": "mine", "fragments": ["base", "per-vma-lock", "./mine.config"]}]],
    )
    suites: tuple[Name, ...] = Field(
        default=("vma", "faults", "hazards"),
        min_length=1,
        description="Test suites to run, in this order; `vmaharness suites list` names them.",
        examples=[["faults"]],
    )
    checks: tuple[Check, ...] = Field(
        default=("checkpatch", "side-effects"),
        description="What is said of the series without booting it; docs/checks.md tells what each does. The default "
        "ones read the patches, the others compile what the patches touch.",
        examples=[["side-effects", "w1"]],
    )
    cases: tuple[Text, ...] = Field(
        default=(),
        description="Only the cases that match one of these globs on SUITE.CASE; empty or none: all. A glob that "
        "no case of the suites matches is refused: a run without it would pass.",
        examples=[["vma.merge_*", "faults.anon.*"]],
    )
    baseline: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether the tree without the series is built and tested too, so that only what is new fails the "
        "run. auto: where the tree with the series failed or the kernel complained. always: in any case, which shows "
        "what the series has fixed. never: every failure counts. What it gave is kept in the cache.",
        examples=["always"],
    )
    strict: StrictBool = Field(
        default=False,
        description="Every failure fails the run, whether it is new, the base's too, known or flaky; so does coverage "
        "that the base has and the series has not.",
        examples=[True],
    )
    known: Text | None = Field(
        default=None,
        description="A file of known findings, each with a reason and the day until which it is allowed; "
        "docs/verdict.md has its form. null or none: nothing is known.",
        examples=["./known.yaml"],
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=100,
        strict=True,
        description="How often a case that failed is run again, each time in a fresh guest. One that passes then is "
        "reported as flaky (1 of 3), with the outcome of its failure. The tree without the series is tried as often, "
        "where it passed what failed; docs/verdict.md has the rule.",
        examples=[9],
    )
    flaky: Literal["fail", "allow"] = Field(
        default="fail",
        description="Whether a flaky case fails the run. A race shows itself now and then: allow is for what is known "
        "to be no race.",
        examples=["allow"],
    )
    exact: StrictBool = Field(
        default=False,
        description="Run the suites in exact guests: a guest's run is then a function of kernel, initramfs, command "
        "line and seed, bit for bit, on any host (docs/exact.md). Under TCG only, slower, and nothing is tried again: "
        "a failure is proven by a second boot instead.",
        examples=[True],
    )
    seeds: Seeds = Field(
        default=(),
        description="The seeds of exact guests, one guest each: a number, a range FIRST..LAST, or several of them "
        "(1,5,7..9). Each is another schedule and other choices of the programs. Says `exact` too, where that is left "
        "out; empty or none: 1..4.",
        examples=["1..8", [1, 5, 9]],
    )
    guest: GuestPlan = Field(
        default=GuestPlan(), description="How guests are run.", examples=[{"smp": 4, "memory": "2G"}]
    )
    bench: BenchPlan = Field(
        default=BenchPlan(), description="How costs are priced.", examples=[{"fail": "slower > 1 %"}]
    )
    repair: StrictBool = Field(
        default=False,
        description="Rebuild patches whose whitespace an archive has lost from the tree that they are for. The result "
        "is proven against the tree, and every line whose whitespace was inferred is named; what cannot be proven is "
        "refused.",
        examples=[True],
    )
    jobs: int = Field(
        default=0,
        ge=0,
        le=4096,
        strict=True,
        description="Jobs of a kernel build; 0: one for each CPU of the host.",
        examples=[8],
    )
    sandbox: StrictBool = Field(
        default=True,
        description="Confine make and the compilers, for a patch is untrusted code that they execute. "
        "Where the host cannot do it the results say so.",
        examples=[False],
    )
    out: Text | None = Field(
        default=None,
        description="Directory for the results; null: a new vmaharness-DATE-TIME in the working directory.",
        examples=["./results"],
    )
    keep: StrictBool = Field(
        default=False,
        description="Keep what the guests were started from, kernel and initramfs, beside the results.",
        examples=[True],
    )

    @model_validator(mode="before")
    @classmethod
    def _seeds_are_exact(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("seeds") not in (None, (), [], NONE) and "exact" not in value:
            return value | {"exact": True}
        return value

    @property
    def budget_s(self) -> float | None:
        """The budget in seconds; None where there is none."""
        return duration_s(self.budget) if self.budget is not None else None

    @property
    def guest_seeds(self) -> tuple[int, ...]:
        """The seeds to run at; empty where guests are no exact ones."""
        return (self.seeds or DEFAULT_SEEDS) if self.exact else ()

    @field_validator("budget", mode="after")
    @classmethod
    def _budget_is_a_time(cls, value: str | None) -> str | None:
        if value in (None, NONE):
            return None
        try:
            duration_s(str(value))
        except ValueError as error:
            raise PydanticCustomError("budget", "{why}", {"why": str(error)}) from error
        return value

    @field_validator("series", "known", mode="after")
    @classmethod
    def _none_by_its_name(cls, value: str | None) -> str | None:
        return None if value == NONE else value

    @field_validator("checks", "cases", "base_candidates", mode="before")
    @classmethod
    def _no_entries(cls, value: Any) -> Any:
        return or_none(value)

    @field_validator("arch", "suites", "checks", mode="after")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        refuse_repeats([str(item) for item in value])
        return value

    @field_validator("profiles", mode="after")
    @classmethod
    def _names_once(cls, value: tuple[ProfilePlan, ...]) -> tuple[ProfilePlan, ...]:
        refuse_repeats([profile.name for profile in value])
        return value

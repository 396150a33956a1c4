"""What operations of a kernel cost, as values: what was counted, what was compared, and what is said of it.

Like `harness.model`, of which this is a part of its own: frozen, serialisable, no I/O, no third-party library.  A cost
is a whole number of instructions in an exact guest (`Mode.EXACT`, docs/exact.md: a nanosecond of such a guest is an
instruction), and of nanoseconds in all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Mode(StrEnum):
    """How costs were come by.  Values of two modes are never held against each other."""

    EXACT = "exact"  # instructions, counted in exact guests: the same inputs give the same number
    CLOCK = "clock"  # wall time under KVM
    RELATIVE = "relative"  # wall time under plain TCG: an order of magnitude, and no verdict

    @property
    def unit(self) -> str:
        """`instructions` or `ns`."""
        return "instructions" if self is Mode.EXACT else "ns"


def unit_of(mode: Mode, operation: str) -> str:
    """`instructions a fault`, `ns an op`."""
    return f"{mode.unit} {'an' if operation[:1] in 'aeiou' else 'a'} {operation}"


class Side(StrEnum):
    """Which kernel, and what for."""

    BASE = "base"
    SERIES = "series"
    AGAIN = "base again"  # the very same kernel in a guest of its own: the A/A control
    MOVED = "moved code"  # the base with a patch that does nothing but move code and data


@dataclass(frozen=True, slots=True)
class Repetition:
    """`operations` operations, one after the other in each thread, cost this much together: threads' costs add up."""

    cost: int
    operations: int

    @property
    def each(self) -> float:
        """Cost of an operation."""
        return self.cost / self.operations


@dataclass(frozen=True, slots=True)
class Samples:
    """What one boot of one kernel counted for one metric."""

    metric: str  # SUITE.CASE, or SUITE.CASE.NAME where a case counts several things
    operation: str  # what is done, in the singular: fault, mmap
    arch: str
    profile: str
    side: Side
    mode: Mode
    accel: str
    cpus: int
    boot: int  # from 1, among the boots of this side on this target
    seed: int  # of the guest; in clock and relative mode of the program alone
    repetitions: tuple[Repetition, ...]  # in their order; base and series are compared one by one
    discarded: tuple[Repetition, ...] = ()  # before those, to warm up
    counters: dict[str, int] = field(default_factory=dict)  # vma_lock_success, pgfault, …: of `repetitions` together

    @property
    def target(self) -> str:
        """`x86_64 release`."""
        return f"{self.arch} {self.profile}"


class Judgement(StrEnum):
    """What is said of a metric."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"  # it is proven that the change is smaller than `Price.within`
    UNKNOWN = "cannot tell"  # neither is proven; `Price.needs` says what would
    NONE = "no verdict"  # relative mode, or a void run, or nothing to compare


@dataclass(frozen=True, slots=True)
class SeedShift:
    """Series against base at one seed (in clock mode: of a pair of boots): the plain difference of an operation."""

    seed: int
    base: float
    series: float
    shift: float  # of the repetitions in pairs; `series` - `base` up to what repetitions are left out of it
    spread: float  # standard deviation of the repetitions' differences
    pairs: int  # repetitions that both have


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter of the kernel beside a cost: sums over all seeds."""

    name: str
    base: int
    series: int


@dataclass(frozen=True, slots=True)
class Price:
    """One metric on one target: series against base.

    All costs are those of one operation, in the mode's unit.  `low` to `high` is the 95 % interval of `shift`.
    """

    metric: str
    operation: str
    arch: str
    profile: str
    mode: Mode
    judgement: Judgement
    words: str  # "slower by 0.31 % (48.0 instructions a fault), 95 % interval 47.6 to 48.3"
    base: float
    series: float | None = None  # None: there is no series to compare
    shift: float = 0.0
    low: float = 0.0
    high: float = 0.0
    p: float = 1.0  # of no change at all, by Holm's method over the metrics of the run
    within: float = 0.0  # in per cent of `base`: the change is proven to be no larger than this
    least: float = 0.0  # the smallest shift that this run would have seen, four times in five
    again: float | None = None  # largest difference of the A/A control; None: it was not booted
    moved: float | None = None  # shift that mere movement of code makes, the largest of the control; None: as above
    seeds: tuple[SeedShift, ...] = ()
    counters: tuple[Counted, ...] = ()
    needs: str = ""  # what it would take to tell
    limit: str = ""  # of the plan, that this metric is held to: "slower > 1 %"
    exceeded: bool = False

    @property
    def target(self) -> str:
        """`x86_64 release`."""
        return f"{self.arch} {self.profile}"

    @property
    def percent(self) -> float:
        """`shift` in per cent of `base`."""
        return 100.0 * self.shift / self.base if self.base else 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What a plan allows a metric to become slower by: so many per cent, or so much in the mode's unit."""

    text: str  # "faults.anon.1: slower > 1 %"
    glob: str  # on metrics
    most: float
    in_percent: bool


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that costs were counted on."""

    side: Side
    arch: str
    profile: str
    commit: str
    build_key: str
    same_as_base: bool = False  # byte for byte: what holds for the base holds for it, and it was not booted


@dataclass(frozen=True, slots=True)
class PatchKernel:
    """What a patch made of the kernel of one target, and what its prices there are held against."""

    arch: str
    profile: str
    build_key: str  # "": there is none
    against: int  # the last patch before this one whose kernel counted anything; 0: the base
    same: bool = False  # byte for byte that one's kernel: it was not booted
    why: str = ""  # this patch has no prices here

    @property
    def target(self) -> str:
        """`x86_64 release`."""
        return f"{self.arch} {self.profile}"


@dataclass(frozen=True, slots=True)
class PatchCost:
    """What one patch of the series costs: the tree that ends with it against the one before it.

    In `prices` that one is the `base`, and `series` is the tree that ends with the patch.
    """

    number: int
    title: str
    commit: str
    kernels: tuple[PatchKernel, ...]
    prices: tuple[Price, ...] = ()

    @property
    def changed(self) -> tuple[Price, ...]:
        """The metrics that the patch changed."""
        return tuple(one for one in self.prices if one.judgement in (Judgement.SLOWER, Judgement.FASTER))


@dataclass(frozen=True, slots=True)
class Control:
    """A comparison of kernels between which there is no difference that could matter."""

    side: Side  # AGAIN or MOVED
    arch: str
    profile: str
    compared: int  # metrics at seeds
    worst: float  # largest shift, in the mode's unit
    metric: str  # whose that is
    good: bool
    words: str


@dataclass(frozen=True, slots=True)
class CostReport:
    """What a run found out about costs: `cost` of results.json."""

    mode: Mode
    accel: str
    void: str  # why nothing of it counts; "" where it does
    rule: str  # which repetitions were discarded, in words
    seeds: tuple[int, ...]
    prices: tuple[Price, ...] = ()
    controls: tuple[Control, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    samples: tuple[Samples, ...] = ()
    notes: tuple[str, ...] = ()
    where: tuple[Attribution, ...] = ()  # of the metrics that changed
    sizes: tuple[Sizes, ...] = ()  # of the targets
    patches: tuple[PatchCost, ...] = ()  # all patches of the series in order, where each was priced by itself

    @property
    def changed(self) -> tuple[Price, ...]:
        """The metrics that the series changed."""
        return tuple(one for one in self.prices if one.judgement in (Judgement.SLOWER, Judgement.FASTER))

    @property
    def exceeded(self) -> tuple[Price, ...]:
        """Those that are beyond a limit of the plan."""
        return tuple(one for one in self.prices if one.exceeded)


@dataclass(frozen=True, slots=True)
class Point:
    """What one kernel came to for one metric, as it is kept for a history."""

    metric: str
    operation: str
    arch: str
    profile: str
    mode: Mode
    side: Side
    commit: str
    cost: float
    least: float  # a smaller change is none
    means: str  # names what counted: programs, seeds, CPUs, accelerator, compiler


# --- where ----------------------------------------------------------------------------------------------------

USER = "[user]"
"""All that is executed in user mode, as a function."""

INTERRUPTS = "[interrupts]"
OTHERS = "[other tasks]"
"""What is called by an interrupt, and in a task that was in the kernel before anybody watched: kernel threads above
all.  Both come between the operations that are timed, and are no part of them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What one guest executed in the timed parts of a case: all measured repetitions together."""

    instructions: int
    faults: int  # instructions that ended in a fault, and were begun again: they are in no number
    repetitions: tuple[int, ...]  # instructions of each
    stacks: dict[tuple[str, ...], tuple[int, int]]
    """By the calls that led to it, the function last: instructions of its own, and how often it was entered."""


@dataclass(frozen=True, slots=True)
class FunctionShift:
    """A function whose cost changed; all of one operation."""

    function: str
    base: float  # instructions of its own
    series: float
    base_calls: float  # how often it was entered
    series_calls: float

    @property
    def shift(self) -> float:
        return self.series - self.base


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where the change of a metric is: instructions of base and series by functions, at one seed.

    `base` and `series` are all instructions between begin and end of the timed parts, for one operation, as they were
    counted one by one: interrupts and other tasks are in them, as they are in the metric.
    """

    metric: str
    operation: str
    arch: str
    profile: str
    seed: int
    operations: int  # that were counted, on each side
    base: float
    series: float
    functions: tuple[FunctionShift, ...]  # those that changed, the largest change first
    same: int  # functions that were executed, and cost what they did
    proof: str  # that what was counted is what was priced
    flame: Path | None = None  # SVG
    stacks: Path | None = None  # a line a stack: FUNCTION;FUNCTION;… BASE SERIES, instructions of all operations

    @property
    def shift(self) -> float:
        """What the functions' shifts add up to."""
        return self.series - self.base


# --- sizes ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FunctionSize:
    """A function whose code is of another size, in bytes; 0: it is not there."""

    function: str
    base: int
    series: int

    @property
    def shift(self) -> int:
        return self.series - self.base


@dataclass(frozen=True, slots=True)
class TextSize:
    """The code of two kernels: bytes of all their functions."""

    base: int
    series: int
    functions: tuple[FunctionSize, ...]  # that differ, the largest difference first
    same: int  # functions of the same size


@dataclass(frozen=True, slots=True)
class Measure:
    """What a guest said of its own kernel: `vm_area_struct.object`, `vma_memory`."""

    name: str
    unit: str
    base: float | None  # None: there is no such thing in that kernel
    series: float | None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a structure; bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Structure:
    """How a structure lies in memory, by its debug information; bytes."""

    name: str
    size: int
    members: tuple[Member, ...]
    holes: tuple[tuple[int, int], ...]  # offset and size of what no member has

    @property
    def cache_lines(self) -> int:
        """Of 64 bytes, as all our architectures' are counted."""
        return -(-self.size // 64)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What base and series take, on one target."""

    arch: str
    profile: str
    text: TextSize | None  # None: a kernel is without its functions
    measures: tuple[Measure, ...] = ()
    before: tuple[Structure, ...] = ()  # of the base, by its debug information
    after: tuple[Structure, ...] = ()  # of the series
    unknown: str = ""  # why there are no structures
    bloat: Path | None = None  # what scripts/bloat-o-meter of the tree says of the two

    @property
    def target(self) -> str:
        """`x86_64 release`."""
        return f"{self.arch} {self.profile}"

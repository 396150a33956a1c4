"""The hazards program itself: compiled without a warning, run on the host's kernel, and made to fail."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.process import Completed, Processes
from harness.model import Case, Command, CommandResult, Outcome
from harness.suites.hazards import CROWD, WORKLOADS, HazardsSuite
from harness.suites.programs import build_program, sources_of
from tests.suites.conftest import native

PROGRAM = "hazards"

NOT_ON_EVERY_HOST = (
    "uffd.copy", "uffd.zero", "uffd.move", "uffd.within", "uffd.refuse", "name", "map-count", "no-memory", "lock-stat",
    "slab", "query", "sealed", "numab", "guard",
)  # fmt: skip
"""What a host's kernel, or the rights we have there, may not allow."""


def run(processes: Processes, program: Path, *arguments: str) -> Completed:
    return processes.run([program, *arguments], deadline_s=60)


def command_of(suite: HazardsSuite, workload: str, threads: int) -> Command:
    """That with so many threads, where there are several."""
    mine = [one for one in suite.commands(native(), 2) if one.argv[1] == workload]
    return next((one for one in mine if one.argv[3] == str(threads)), mine[0])


def performed(processes: Processes, program: Path, workload: str, *arguments: str, threads: int = 2) -> Case:
    """The host is not ours: its settings stay as they are."""
    suite = HazardsSuite(program=str(program), own_machine=False)
    command = command_of(suite, workload, threads)
    done = run(processes, program, *command.argv[1:], *arguments)
    assert not done.timed_out
    (case,) = suite.parse(command, CommandResult(done.exit_code, done.text, done.words, done.seconds))
    return case


@pytest.mark.parametrize("workload", [workload.name for workload in WORKLOADS])
def test_every_workload_on_this_kernel(workload: str, program: Path, processes: Processes) -> None:
    case = performed(processes, program, workload, "--ops", "8", "--seed", "3")
    allowed = (Outcome.PASS, Outcome.SKIP) if workload in NOT_ON_EVERY_HOST else (Outcome.PASS,)
    assert case.outcome in allowed, f"{case.message}\n{case.detail}"
    assert case.outcome is Outcome.SKIP or case.metrics


@pytest.mark.parametrize("workload", [workload.name for workload in WORKLOADS if workload.crowd])
def test_a_crowd_on_this_kernel(workload: str, program: Path, processes: Processes) -> None:
    case = performed(processes, program, workload, threads=CROWD)
    assert case.outcome in (Outcome.PASS, Outcome.SKIP), f"{case.message}\n{case.detail}"


@pytest.mark.parametrize("workload", ["same.unmap", "near.merge", "fork", "exit"])
def test_noise_changes_no_result(workload: str, program: Path, processes: Processes) -> None:
    case = performed(processes, program, workload, "--ops", "8", "--seed", "3", "--noise", "5")
    assert case.outcome is Outcome.PASS, f"{case.message}\n{case.detail}"


@pytest.mark.parametrize(
    "arguments", [(), ("nonesuch",), ("storm", "--repeat", "3"), ("storm", "--ops", "0"), ("storm", "--noise", "0")]
)
def test_a_bad_command_line_is_refused(arguments: tuple[str, ...], program: Path, processes: Processes) -> None:
    done = run(processes, program, *arguments)
    assert (done.exit_code, done.text) == (2, "")
    assert done.words


@dataclass(frozen=True)
class Mutant:
    """The program with one line changed so that it meets what a broken kernel would do."""

    workload: str
    source: str
    old: str
    new: str
    message: str
    outcome: Outcome = Outcome.FAIL
    ops: int = 60
    more: tuple[tuple[str, str], ...] = ()
    """What stands in for what an ordinary host has not: old and new, in the same source."""


CRASH = Outcome.CRASH
MUTANTS = (
    Mutant("same.unmap", "same.c", "setup = map_area_with_holes", "setup = map_area", "signal 11", CRASH, 4000),
    Mutant("same.forbid", "same.c", "setup = map_area_forbidding", "setup = map_area", "signal 11", CRASH, 4000),
    Mutant("same.discard", "same.c", "return madvise(range->start, range->size, MADV_DONTNEED)", "return "
           "range->start[64] = 1, 0", "raced page", Outcome.FAIL, 2000),
    Mutant("same.protect", "same.c", "return mprotect(range->start, range->size, PROT_RW)", "return "
           "madvise(range->start, range->size, MADV_DONTNEED)", "touched page", Outcome.FAIL, 2000),
    Mutant("near.unmap", "near.c", "if (munmap(range.start, range.size))", "if (madvise(range.start - STRIPE * "
           "run->page_size, STRIPE * run->page_size, MADV_DONTNEED) ||\n\t\t    munmap(range.start, range.size))",
           "touched page", Outcome.FAIL, 4000),
    Mutant("near.merge", "near.c", "munmap(gap.start, gap.size)", "madvise(gap.start, gap.size, 0)", "mmap at page"),
    Mutant("near.protect", "near.c", "if (mprotect(range.start, range.size, prot))", "if (madvise(range.start, "
           "range.size, MADV_DONTNEED))", "filled page"),
    Mutant("near.move", "near.c", "range.size, flags,\n\t\t\t   run->mirror) != run->mirror", "range.size, flags | "
           "MREMAP_DONTUNMAP,\n\t\t\t   run->mirror) != run->mirror || (run->mirror[9] ^= 1, 0)", "filled page"),
    Mutant("grow", "resize.c", "2 * size, size, 0)", "2 * size, 2 * size, 0)", "mremap to twice the size"),
    Mutant("move", "resize.c", "run->mirror = to;", "run->mirror = to; to[8] ^= 1;", "raced page", Outcome.FAIL, 2000),
    Mutant("fork", "fork.c", "run->opt.seed += number + 1;", "fill_page(run, run->area + run->page_size, 0);", "page 1 "
           "of a forked child has"),
    Mutant("reuse", "reuse.c", "alive(run);", "alive(run); vma_at(run, nr)[64] = 1;", "in a process: raced page"),
    Mutant("uffd.copy", "uffd.c", "fill_page(run, worker->buffer, n);", "fill_page(run, worker->buffer, n + 1);",
           "filled page"),
    Mutant("uffd.zero", "uffd.c", "return ioctl(run->fd, UFFDIO_ZEROPAGE", "return n % 2 ? copy_page(worker, n) : "
           "ioctl(run->fd, UFFDIO_ZEROPAGE", "is not what was brought"),
    Mutant("uffd.move", "uffd.c", "error = ioctl(run->fd, IOCTL_MOVE, &request);", "error = request.mode ? -1 : "
           "copy_page(worker, n);", "is still where it was moved from"),
    Mutant("storm", "same.c", "return mprotect(range->start, range->size, prot);", "return mprotect(range->start, "
           "range->size, prot) ||\n\t       madvise(range->start, range->size, MADV_DONTNEED);", "touched page",
           Outcome.FAIL, 2000),
    Mutant("name", "maps.c", "which < NAMES ? names[which] : NULL", 'which < NAMES ? "hazards-eeeee" : NULL',
           "/proc/self/maps says"),
    Mutant("no-memory", "refuse.c", "if (good && change->apply(page_at(run, state.victim, MIDDLE),\n\t\t\t\t  "
           "run->page_size))\n\t\terror = errno;", "if (good && change->name && !madvise(page_at(run, state.victim, "
           "MIDDLE),\n\t\t\t\t  run->page_size, MADV_DONTNEED))\n\t\terror = ENOMEM;", "filled page 4", more=(
               ("if (!run->opt.own_machine)", "if (run->opt.own_machine)"),
               ('access("/proc/self/make-it-fail"', 'access("/dev/null"'),
               ('open("/proc/thread-self/make-it-fail"', 'open("/dev/null"'),
               ('#define FAILSLAB "/sys/kernel/debug/failslab/"', '#define FAILSLAB "/dev/null" "\\0"'),
           )),
    Mutant("guard", "guard.c", "if (madvise(range.start, range.size, MADV_GUARD_INSTALL))", "if (madvise(range.start, "
           "range.size, MADV_DONTNEED))", "can be read although it is guarded", more=(
               ("#define MOST_WAITS 5000", "#define MOST_WAITS 50"),
           )),
    Mutant("guard", "guard.c", "if (madvise(range.start, range.size, MADV_GUARD_REMOVE))", "if (madvise(range.start, "
           "range.size - run->page_size, MADV_GUARD_REMOVE))", "is refused although it is not guarded"),
    Mutant("numab", "numab.c", "await_scan(run);\n\tbegin = now_ns();", "await_scan(run);\n\tbegin = now_ns();\n\t"
           "madvise(gap, run->page_size, MADV_DONTNEED);", "filled page", more=(
               ("if (!run->opt.own_machine)", "if (run->opt.own_machine)"),
               ('#define SWITCH "/proc/sys/kernel/numa_balancing"', '#define SWITCH "/dev/null"'),
               ('#define SCAN "/sys/kernel/debug/sched/numa_balancing/"', '#define SCAN "/dev/null" "\\0"'),
               ('"numa_pte_updates"', '"pgfault"'), ('"numa_hint_faults"', '"pgfault"'),
               ('"numa_pages_migrated"', '"pgfault"'),
           )),
    Mutant("lock-stat", "lockstat.c", '#define LOCK_STAT "/proc/lock_stat"', '#define LOCK_STAT "/proc/stat"',
           "/proc/lock_stat has nothing of vm_lock"),
    Mutant("slab", "slab.c", "value[i] < 0)", "(value[i] *= i == 2 ? 8 : 1) < 0)", "do not fit into"),
    Mutant("maps", "maps.c", 'strncmp(prot, "rw", 2)', 'strncmp(prot, "rwx", 3)', "/proc/self/maps says"),
    Mutant("map-count", "refuse.c", "return munmap(middle, size);", "return madvise(middle, size, MADV_DONTNEED);",
           "munmap got beyond vm.max_map_count"),
    Mutant("pointers", "pointers.c", '"write from a hole", hole', '"write from a hole", special(run, GOOD_PAGE)',
           "write from a hole: 64 instead of EFAULT"),
    Mutant("stack", "stack.c", "frame[i] = word_of(worker, depth, i);", "frame[i] = word_of(worker, depth & 7, i);",
           "a frame on stack"),
    Mutant("move.last", "last.c", "state.last[n] = worker->turn;", "state.last[n] = worker->turn + (n == 3);",
           "a write to page 3 was lost while it moved"),
    Mutant("fork.last", "forklast.c", "*place = last[n];", "*place = last[n] + (last[n] == 999);",
           "was lost while forking", Outcome.FAIL, 400),
    Mutant("fork.flags", "flags.c", "MADV_WIPEONFORK) &&", "MADV_NORMAL) &&", "page 0 is not wiped in a child"),
    Mutant("flags", "flags.c", "fill_page(run, run->mirror, 1);", "fill_page(run, run->mirror, 2);",
           "filled page 1"),
    Mutant("ambush.protect", "ambush.c", "all ? PROT_NONE : PROT_READ", "PROT_RW", "after mprotect"),
    Mutant("ambush.unmap", "ambush.c", "if (munmap(range.start, range.size))", "if (madvise(range.start, range.size, "
           "MADV_NORMAL))", "is there after munmap"),
    Mutant("ambush.near", "ambushnear.c", "if (!mprotect(gap->start, gap->size, PROT_NONE))",
           "if (!mprotect(gap->start - run->page_size, gap->size, PROT_NONE))", "signal 11", CRASH),
    Mutant("ambush.maps", "ambushmaps.c", "if (!give_fronts(run, UPPER_PROT))", "if (munmap(in_block(run, 3, 4), "
           "run->page_size))", "/proc/self/maps has a gap of 4096 bytes"),
    Mutant("ambush.query", "ambushmaps.c", "query.start > address", "query.start <= address", "is not in the VMA that "
           "PROCMAP_QUERY gives"),
    Mutant("uffd.refuse", "uffd.c", "good = refuse_copy(worker, end, 2 * size)",
           "good = refuse_copy(worker, end, size)", "UFFDIO_COPY: success instead of ENOENT"),
    Mutant("exit", "process.c", "if (fault_once(worker, run->area, false))", "fail(run, \"on purpose\");\n\t\tif (0)",
           "in a process: on purpose"),
    Mutant("kill", "child.c", "WTERMSIG(status) != allowed_signal", "WTERMSIG(status)", "a process died of signal 9"),
    Mutant("kill.fork", "killfork.c", "touch_page(run, start, 0);", "touch_page(run, start, 1);", "in a process: "),
    Mutant("uffd.within", "within.c", "fill_page(run, page_at(run, run->area, n), n);", "fill_page(run, page_at(run, "
           "run->area, n), n + 1);", "filled page"),
    Mutant("query", "query.c", "address < query.end", "query.end < address", "is not in the VMA"),
    Mutant("sealed", "seal.c", "errno != EPERM", "errno != EINVAL", "munmap up to a sealed page: Operation not"),
)  # fmt: skip

NEED_RIGHTS = (
    "uffd.copy", "uffd.zero", "uffd.move", "uffd.within", "uffd.refuse", "query", "ambush.query", "sealed", "map-count",
    "name", "slab", "guard",
)  # fmt: skip


SEEDS = 10
"""Threads that never run at the same time, as on a busy machine, find nothing: nearly always the first seed does."""


def test_every_workload_has_such_a_mutant() -> None:
    assert {mutant.workload for mutant in MUTANTS} == {workload.name for workload in WORKLOADS}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.workload}-{mutant.source}")
def test_what_a_broken_kernel_would_do_is_found(
    mutant: Mutant, processes: Processes, cache: Cache, tmp_path: Path
) -> None:
    shutil.copytree(sources_of("hazards").parent, tmp_path / "programs")
    sources = tmp_path / "programs" / "hazards"
    text = (sources / mutant.source).read_text()
    for old, new in ((mutant.old, mutant.new), *mutant.more):
        assert old in text
        text = text.replace(old, new)
    (sources / mutant.source).write_text(text)
    program = build_program("hazards", native(), processes=processes, cache=cache, sources=sources)
    for seed in range(1, SEEDS + 1):
        case = performed(processes, program, mutant.workload, "--ops", str(mutant.ops), "--seed", str(seed))
        if case.outcome is not Outcome.PASS:
            break
    if mutant.workload in NEED_RIGHTS and case.outcome is Outcome.SKIP:
        pytest.skip(case.message)
    assert case.outcome is mutant.outcome, case
    assert mutant.message in case.message


LOCK_STAT = """0lock_stat version 0.4
-----------------------------------------
                              class name    con-bounces    contentions   waittime-min   waittime-max waittime-total
-----------------------------------------

                         &mm->mmap_lock-W:             3              5           0.1           9.0          12.0           2.4              7           1234           0.1           9.0          99.0           0.1
                         &mm->mmap_lock-R:             0              0           0.0           0.0           0.0           0.0              7             12           0.1           9.0          99.0           0.1
                         ----------------
                         &mm->mmap_lock              5          [<00000000aaaaaaaa>] do_user_addr_fault+0x1/0x2
                         ----------------
                         &mm->mmap_lock              5          [<00000000aaaaaaaa>] do_user_addr_fault+0x1/0x2

.........................................
                     &vma->vm_lock->lock-W:             3              5           0.1           9.0          12.0           2.4              7           1234           0.1           9.0          99.0           0.1
                     &vma->vm_lock->lock-R:             0              0           0.0           0.0           0.0           0.0              7             12           0.1           9.0          99.0           0.1
                     ---------------------
                     &vma->vm_lock->lock              4          [<00000000bbbbbbbb>] mprotect_fixup+0xaa/0x200
                     &vma->vm_lock->lock              1          [<00000000cccccccc>] WAITER+0x10/0x20
                     ---------------------
                     &vma->vm_lock->lock              5          [<00000000dddddddd>] dup_mmap+0x1/0x2

.........................................
                                rcu_node_0:             0              0           0.0           0.0           0.0           0.0              7             12           0.1           9.0          99.0           0.1
"""  # noqa: E501
"""As kernel/locking/lockdep_proc.c writes it; the first character is what clearing it overwrites."""

KALLSYMS = """ffffffff81000000 T _stext
ffffffff81100000 t do_user_addr_fault
ffffffff81110000 t vma_start_write
ffffffff81200000 T dup_mmap
ffffffff81300000 T filemap_fault
ffffffff81310000 t mprotect_fixup
ffffffff81320000 t vma_start_write
ffffffff81400000 T filp_close
ffffffff81410000 D vfs_open
ffffffff81500000 T down_write
"""


@pytest.fixture(scope="module")
def of_locks(shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A program that reads what we write, and where."""
    place = tmp_path_factory.mktemp("locks")
    shutil.copytree(sources_of("hazards").parent, place / "programs")
    source = place / "programs" / "hazards" / "lockstat.c"
    text = source.read_text()
    for old, new in (
        ('LOCK_STAT "/proc/lock_stat"', f'LOCK_STAT "{place}/lock_stat"'),
        ('KALLSYMS "/proc/kallsyms"', f'KALLSYMS "{place}/kallsyms"'),
        ('change_setting("/proc/sys/kernel/lock_stat"', 'change_setting("/dev/null"'),
        ("if (run->opt.own_machine)", "if (!run->opt.own_machine)"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    source.write_text(text)
    with Processes() as processes:
        built = build_program("hazards", native(), processes=processes, cache=shared_cache, sources=source.parent)
    return built, place


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waiter", "kallsyms", "outcome", "message"),
    [
        ("vma_start_write", KALLSYMS, Outcome.PASS, ""),  # an inline function that was not inlined, in mm/ too
        ("exit_mmap.cold", KALLSYMS, Outcome.PASS, ""),
        ("down_write", KALLSYMS, Outcome.FAIL, "down_write waited for a VMA lock, and is not in mm/"),
        ("dup_mmap", KALLSYMS, Outcome.FAIL, "dup_mmap waited"),
        ("0xffffffff81234567", KALLSYMS, Outcome.FAIL, "0xffffffff81234567 waited"),
        ("down_write", "0000000000000000 T filemap_fault\n0000000000000000 T filp_close\n", Outcome.PASS, ""),
        ("down_write", "", Outcome.PASS, ""),
    ],
)
def test_who_waits_for_vma_locks_is_in_mm(
    waiter: str, kallsyms: str, outcome: Outcome, message: str, of_locks: tuple[Path, Path], processes: Processes
) -> None:
    program, place = of_locks
    (place / "lock_stat").write_text(LOCK_STAT.replace("WAITER", waiter))
    (place / "kallsyms").write_text(kallsyms)
    case = performed(processes, program, "lock-stat", "--ops", "8")
    assert case.outcome is outcome, case
    assert message in case.message
    if outcome is Outcome.PASS:
        values = {metric.name: metric.value for metric in case.metrics}
        assert (values["vm_lock_points"], values["vm_lock_acquisitions"]) == (2, 1246)


@pytest.mark.slow
def test_a_standstill_is_ended_by_the_watchdog(processes: Processes, cache: Cache, tmp_path: Path) -> None:
    shutil.copytree(sources_of("hazards").parent, tmp_path / "programs")
    sources = tmp_path / "programs" / "hazards"
    header = (sources / "hazards.h").read_text()
    assert "#define STALL_S 40" in header
    (sources / "hazards.h").write_text(header.replace("#define STALL_S 40", "#define STALL_S 1"))
    same = (sources / "same.c").read_text()
    (sources / "same.c").write_text(same.replace("return mprotect(range->start, range->size, PROT_RW);", "for (;;);"))
    program = build_program("hazards", native(), processes=processes, cache=cache, sources=sources)
    case = performed(processes, program, "same.protect", "--ops", "20")
    assert case.outcome is Outcome.FAIL
    assert "no progress for 1 s: mprotect" in case.message  # although others go on
    assert "# thread " in case.detail

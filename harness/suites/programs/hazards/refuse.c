// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes that the kernel must refuse half-way: at vm.max_map_count, or
 * because an allocation fails.  Afterwards everything is as it was: what was
 * written is there, what was not yet touched can be faulted in, and is empty.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"

#define MAX_MAP_COUNT "/proc/sys/vm/max_map_count"
#define FEW_MAPPINGS 300	/* what the limit is set to, if we may */
#define MOST_MAPPINGS 100000	/* that we make to reach a limit */

/* The page in the middle is what a change is about. */
#define VICTIM_PAGES 9
#define MIDDLE (VICTIM_PAGES / 2)

static struct {
	long limit;		/* vm.max_map_count */
	unsigned char *victim;
	unsigned long refused;
} state;

static bool victim_page_is_written(size_t i)
{
	return i % 2 == 0;
}

static void write_victim(struct run *run)
{
	size_t i;

	for (i = 0; i < VICTIM_PAGES; i++)
		if (victim_page_is_written(i))
			fill_page(run, page_at(run, state.victim, i), i);
}

static void verify_victim(struct run *run, const char *after)
{
	size_t i;

	for (i = 0; i < VICTIM_PAGES; i++) {
		unsigned char *page = page_at(run, state.victim, i);

		if (victim_page_is_written(i) ? check_filled(run, page, i) :
						is_zero(run, page))
			continue;
		fail(run, "page %zu is not what it was before %s failed", i,
		     after);
		return;
	}
}

/* Untouched again: the next verification has to fault in every other page. */
static void forget_untouched(struct run *run)
{
	size_t i;

	for (i = 0; i < VICTIM_PAGES; i++)
		if (!victim_page_is_written(i))
			madvise(page_at(run, state.victim, i), run->page_size,
				MADV_DONTNEED);
}

/* In the middle of one VMA: each takes two VMAs more. */
static int unmap_middle(unsigned char *middle, size_t size)
{
	return munmap(middle, size);
}

static int protect_middle(unsigned char *middle, size_t size)
{
	return mprotect(middle, size, PROT_READ);
}

static int map_over_middle(unsigned char *middle, size_t size)
{
	void *got = mmap(middle, size, PROT_READ, MAP_PRIVATE_ANON | MAP_FIXED,
			 -1, 0);

	return got == MAP_FAILED ? -1 : 0;
}

static int move_middle(unsigned char *middle, size_t size)
{
	void *got = mremap(middle, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			   middle + 1024 * size);

	return got == MAP_FAILED ? -1 : 0;
}

/* From the end of one VMA into the next: the first is gone when that fails. */
static int unmap_across(unsigned char *middle, size_t size)
{
	return munmap(middle - size, 3 * size);
}

static const struct change {
	const char *name;
	int (*apply)(unsigned char *middle, size_t size);
	bool across;	/* wants a VMA to begin in the middle */
	bool may_leave_gap;	/* where it fails half-way */
} changes[] = {
	{ .name = "munmap", .apply = unmap_middle },
	{ .name = "mprotect", .apply = protect_middle },
	{ .name = "mmap", .apply = map_over_middle, .may_leave_gap = true },
	{ .name = "mremap", .apply = move_middle },
	{ .name = "munmap of two", .apply = unmap_across, .across = true },
};

static const struct change *pick_change(struct worker *worker, bool across_too)
{
	size_t nr = ARRAY_SIZE(changes) - !across_too;

	return &changes[random_next(&worker->random) % nr];
}

/* One VMA or, with another protection from the middle on, two. */
static void divide_victim(struct run *run, bool divided)
{
	size_t size = (VICTIM_PAGES - MIDDLE) * run->page_size;

	if (mprotect(page_at(run, state.victim, MIDDLE), size,
		     PROT_RW | (divided ? PROT_EXEC : 0)))
		fail(run, "mprotect: %m");
}

static void map_victim(struct run *run)
{
	map_area(run);
	state.refused = 0;
	state.victim = mmap((void *)LONELY_PLACE,
			    VICTIM_PAGES * run->page_size, PROT_RW,
			    MAP_PRIVATE_ANON, -1, 0);
	if (state.victim == MAP_FAILED)
		fail(run, "mmap: %m");
	else
		write_victim(run);
}

static void find_limit(struct run *run)
{
	if (!read_setting(MAX_MAP_COUNT, &state.limit)) {
		skip(run, "%s cannot be read: %m", MAX_MAP_COUNT);
		return;
	}
	if (run->opt.own_machine && state.limit > FEW_MAPPINGS &&
	    change_setting(MAX_MAP_COUNT, FEW_MAPPINGS))
		state.limit = FEW_MAPPINGS;
	if (state.limit > MOST_MAPPINGS)
		skip(run, "vm.max_map_count is %ld (only --own-machine lowers it)",
		     state.limit);
	else
		map_victim(run);
}

static void unmap_victim(struct run *run)
{
	if (run->area)
		unmap_area(run);
	if (state.victim)
		munmap(state.victim, VICTIM_PAGES * run->page_size);
	state.victim = NULL;
}

/* Every other page another protection, until there may be no more VMAs. */
static bool fill_up(struct run *run, unsigned char *filler)
{
	long i;

	for (i = 0; i <= state.limit; i++) {
		if (i % 256 == 0)
			alive(run);
		if (mprotect(page_at(run, filler, (size_t)(2 * i + 1)),
			     run->page_size, PROT_READ))
			break;
	}
	if (i <= state.limit && errno == ENOMEM)
		return true;
	fail(run, "%ld VMAs are more than vm.max_map_count allows", 2 * i);
	return false;
}

static void refuse_at_limit(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = (size_t)(2 * state.limit + 4) * run->page_size;
	unsigned char *filler = mmap(NULL, size, PROT_NONE,
				     MAP_PRIVATE_ANON | MAP_NORESERVE, -1, 0);

	if (filler == MAP_FAILED) {
		fail(run, "mmap: %m");
		return;
	}
	if (!fill_up(run, filler))
		return;
	while (going(worker)) {
		const struct change *change = pick_change(worker, false);

		forget_untouched(run);
		if (!change->apply(page_at(run, state.victim, MIDDLE),
				   run->page_size)) {
			fail(run, "%s got beyond vm.max_map_count",
			     change->name);
			return;
		}
		if (errno != ENOMEM) {
			fail(run, "%s at vm.max_map_count: %m", change->name);
			return;
		}
		state.refused++;
		verify_victim(run, change->name);
	}
	if (munmap(filler, size))
		fail(run, "munmap of %zu bytes: %m", size);
}

static void report_refused(struct run *run)
{
	metric("refused_changes", (double)state.refused, "calls",
	       run->operations);
	if (!state.refused)
		fail(run, "no change was refused");
}

const struct workload map_count = {
	.name = "map-count",
	.summary = "changes that vm.max_map_count forbids, beside faults",
	.ops = 40,
	.window = 24,
	.setup = find_limit,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "refuse", refuse_at_limit, 1, 1 },
	},
	.report = report_refused,
	.teardown = unmap_victim,
};

/* --- failing allocations (CONFIG_FAILSLAB, CONFIG_FAULT_INJECTION_DEBUG_FS) */

#define FAILSLAB "/sys/kernel/debug/failslab/"

static const struct {
	const char *path;
	long value;
} injection[] = {
	{ FAILSLAB "task-filter", 1 },	/* only who asks for it */
	{ FAILSLAB "ignore-gfp-wait", 0 },
	{ FAILSLAB "cache-filter", 0 },
	{ FAILSLAB "verbose", 0 },	/* a failed allocation is no report */
	{ FAILSLAB "interval", 1 },
	{ FAILSLAB "times", -1 },
	{ FAILSLAB "probability", 20 },
};

static void find_failslab(struct run *run)
{
	size_t i;

	if (!run->opt.own_machine) {
		skip(run, "failing allocations need --own-machine");
		return;
	}
	if (access("/proc/self/make-it-fail", W_OK)) {
		skip(run, "no /proc/self/make-it-fail (CONFIG_FAULT_INJECTION)");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(injection); i++)
		if (!change_setting(injection[i].path, injection[i].value)) {
			skip(run, "%s: %m (CONFIG_FAILSLAB)",
			     injection[i].path);
			return;
		}
	map_victim(run);
}

/*
 * For the calling thread alone.  The file is open all the time: opening it
 * takes memory, too.
 */
static bool let_fail(int fd, bool on)
{
	return pwrite(fd, on ? "1" : "0", 1, 0) == 1;
}

/* After a change that did not fail everything is put back. */
static void restore_victim(struct run *run)
{
	size_t size = VICTIM_PAGES * run->page_size;

	munmap(page_at(run, state.victim, MIDDLE + 1024), run->page_size);
	if (mmap(state.victim, size, PROT_RW, MAP_PRIVATE_ANON | MAP_FIXED, -1,
		 0) != state.victim)
		fail(run, "mmap: %m");
	else
		write_victim(run);
}

/* The error of a change in which allocations may fail; 0 if it succeeded. */
static int apply_while_failing(struct run *run, const struct change *change,
			       int fd)
{
	int error = 0;
	bool good = let_fail(fd, true);

	if (good && change->apply(page_at(run, state.victim, MIDDLE),
				  run->page_size))
		error = errno;
	if (!let_fail(fd, false) || !good)
		fail(run, "/proc/thread-self/make-it-fail: %m");
	return error;
}

/*
 * mmap() over what is there clears the old pages before its last allocation.
 * Where that one fails the kernel leaves a gap rather than a mapping whose
 * contents are gone (since 6.12).
 */
static void fill_gap(struct run *run)
{
	unsigned char *middle = page_at(run, state.victim, MIDDLE);
	unsigned char resident;

	if (!mincore(middle, run->page_size, &resident) || errno != ENOMEM)
		return;
	if (mmap(middle, run->page_size, PROT_RW, MAP_PRIVATE_ANON | MAP_FIXED,
		 -1, 0) != middle)
		fail(run, "mmap: %m");
	else
		fill_page(run, middle, MIDDLE);
}

static void refuse_at_random(struct worker *worker)
{
	struct run *run = worker->run;
	int fd = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		fail(run, "/proc/thread-self/make-it-fail: %m");
	while (going(worker)) {
		const struct change *change = pick_change(worker, true);
		int error;

		forget_untouched(run);
		divide_victim(run, change->across);
		error = apply_while_failing(run, change, fd);
		if (!error) {
			restore_victim(run);
			continue;
		}
		if (error != ENOMEM && error != EAGAIN) {
			fail(run, "%s: %s", change->name, strerror(error));
			break;
		}
		state.refused++;
		if (change->may_leave_gap)
			fill_gap(run);
		verify_victim(run, change->name);
	}
	if (fd >= 0)
		close(fd);
}

const struct workload no_memory = {
	.name = "no-memory",
	.summary = "changes in which an allocation fails (failslab)",
	.ops = 200,
	.window = 24,
	.setup = find_failslab,
	.roles = {
		{ "fault", fault_strictly, 0, 4 },
		{ "refuse", refuse_at_random, 1, 1 },
	},
	.report = report_refused,
	.teardown = unmap_victim,
};

// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of the very VMAs that the other threads fault in. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "hazards.h"

/* An operation on a random range of the whole area, and its time. */
static void change(struct worker *worker,
		   int (*apply)(struct worker *, const struct range *))
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		uint64_t begin = now_ns();

		if (apply(worker, &range)) {
			fail(run, "%s of page %zu: %m", worker->role->name,
			     range.first);
			return;
		}
		sample(run, now_ns() - begin);
		linger(&worker->random);
	}
}

/* Two of these may meet in the same range: the second finds it mapped. */
static int unmap_and_map(struct worker *worker, const struct range *range)
{
	(void)worker;
	if (munmap(range->start, range->size))
		return -1;
	if (mmap(range->start, range->size, PROT_RW,
		 MAP_PRIVATE_ANON | MAP_FIXED, -1, 0) != range->start)
		return -1;
	return 0;
}

static void unmap_always(struct worker *worker)
{
	change(worker, unmap_and_map);
}

const struct workload same_unmap = {
	.name = "same.unmap",
	.summary = "faults in what two threads unmap and map again",
	.ops = 120,
	.window = 32,
	.setup = map_area_with_holes,
	.roles = {
		{ "fault", fault_leniently, 0, 2 },
		{ "munmap", unmap_always, 2, 1 },
	},
	.teardown = unmap_area,
};

static int discard(struct worker *worker, const struct range *range)
{
	(void)worker;
	return madvise(range->start, range->size, MADV_DONTNEED);
}

static void discard_always(struct worker *worker)
{
	change(worker, discard);
}

const struct workload same_discard = {
	.name = "same.discard",
	.summary = "faults in what another thread discards (MADV_DONTNEED)",
	.ops = 120,
	.window = 32,
	.setup = map_area,
	.roles = {
		{ "fault", fault_leniently, 0, 2 },
		{ "madvise", discard_always, 1, 1 },
	},
	.teardown = unmap_area,
};

/*
 * Stripes: every other page of a range gets the right to execute, then all of
 * it has one protection again.  That splits into VMAs of one page, and merges.
 */
static int stripe_and_merge(struct worker *worker, const struct range *range)
{
	const struct run *run = worker->run;
	size_t i;

	for (i = 0; i < range->pages; i += 2)
		if (mprotect(page_at(run, range->start, i), run->page_size,
			     PROT_RW | PROT_EXEC))
			return -1;
	return mprotect(range->start, range->size, PROT_RW);
}

static void stripe_always(struct worker *worker)
{
	change(worker, stripe_and_merge);
}

const struct workload same_protect = {
	.name = "same.protect",
	.summary = "faults in VMAs that are split into stripes and merged",
	.ops = 40,
	.window = 32,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 1 },
		{ "mprotect", stripe_always, 2, 2 },
	},
	.teardown = unmap_area,
};

static int forbid_and_allow(struct worker *worker, const struct range *range)
{
	int prot = random_next(&worker->random) & 1 ? PROT_NONE : PROT_READ;

	if (mprotect(range->start, range->size, prot))
		return -1;
	linger(&worker->random);
	return mprotect(range->start, range->size, PROT_RW);
}

static void forbid_always(struct worker *worker)
{
	change(worker, forbid_and_allow);
}

const struct workload same_forbid = {
	.name = "same.forbid",
	.summary = "faults in what another thread forbids and allows again",
	.ops = 60,
	.window = 32,
	.setup = map_area_forbidding,
	.roles = {
		{ "fault", fault_leniently, 0, 2 },
		{ "mprotect", forbid_always, 1, 1 },
	},
	.teardown = unmap_area,
};

/* Readers take the lock all the time: how long does a writer wait for it? */
static int execute(struct worker *worker, const struct range *range)
{
	int prot = PROT_RW;

	if (random_next(&worker->random) & 1)
		prot |= PROT_EXEC;
	return mprotect(range->start, range->size, prot);
}

static void write_always(struct worker *worker)
{
	change(worker, execute);
}

const struct workload storm = {
	.name = "storm",
	.summary = "a storm of readers around three writers of one mm",
	.ops = 80,
	.window = 64,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "mprotect", write_always, 3, 1 },
	},
	.teardown = unmap_area,
};

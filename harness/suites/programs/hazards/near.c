// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes of the neighbours of the VMAs that the other threads fault in.
 *
 * Each thread's stripe is followed by a gap of as many pages, all of it one
 * VMA at first.  The changer works in gaps only: whatever happens there, no
 * page of a stripe may change.  What was written to a gap is verified, too.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "hazards.h"

#define STRIPE 24

static struct range random_gap(struct worker *worker, bool whole)
{
	struct run *run = worker->run;
	size_t stripe = random_next(&worker->random) % run->opt.threads;
	size_t first = stripe * stride(run) + STRIPE;
	struct range range = random_range(worker, first, STRIPE);

	if (whole) {
		range.first = first;
		range.pages = STRIPE;
		range.start = page_at(run, run->area, first);
		range.size = range.pages * run->page_size;
	}
	return range;
}

static void write_gap(struct worker *worker, const struct range *range)
{
	struct run *run = worker->run;
	size_t i;

	for (i = 0; i < range->pages; i++)
		fill_page(run, page_at(run, range->start, i), range->first + i);
}

static bool gap_is_written(struct worker *worker, const struct range *range,
			   unsigned char *start)
{
	struct run *run = worker->run;
	size_t i;

	for (i = 0; i < range->pages; i++)
		if (!check_filled(run, page_at(run, start, i),
				  range->first + i))
			return false;
	return true;
}

static bool gap_is_empty(struct worker *worker, const struct range *range)
{
	struct run *run = worker->run;
	size_t i;

	for (i = 0; i < range->pages; i++)
		if (!is_zero(run, page_at(run, range->start, i))) {
			fail(run, "page %zu of new memory is not empty",
			     range->first + i);
			return false;
		}
	return true;
}

static void unmap_gaps(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_gap(worker, false);
		uint64_t begin = now_ns();

		if (munmap(range.start, range.size)) {
			fail(run, "munmap of page %zu: %m", range.first);
			return;
		}
		sample(run, now_ns() - begin);
		if (!map_over(run, &range, PROT_RW, MAP_FIXED_NOREPLACE) ||
		    !gap_is_empty(worker, &range))
			return;
		write_gap(worker, &range);
		linger(&worker->random);
	}
}

const struct workload near_unmap = {
	.name = "near.unmap",
	.summary = "faults beside what is unmapped and mapped again",
	.ops = 40,
	.window = STRIPE,
	.stride = 2 * STRIPE,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "munmap", unmap_gaps, 1, 1 },
	},
	.teardown = unmap_area,
};

static void protect_gaps(struct worker *worker)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_EXEC,
				     PROT_RW | PROT_EXEC };
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_gap(worker, false);
		int prot = prots[random_next(&worker->random) %
				 ARRAY_SIZE(prots)];
		uint64_t begin;

		write_gap(worker, &range);
		begin = now_ns();
		if (mprotect(range.start, range.size, prot)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
		sample(run, now_ns() - begin);
		if (!gap_is_written(worker, &range, range.start))
			return;
		if (mprotect(range.start, range.size, PROT_RW)) {
			fail(run, "mprotect of page %zu: %m", range.first);
			return;
		}
	}
}

const struct workload near_protect = {
	.name = "near.protect",
	.summary = "faults beside VMAs whose protection changes",
	.ops = 50,
	.window = STRIPE,
	.stride = 2 * STRIPE,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "mprotect", protect_gaps, 1, 1 },
	},
	.teardown = unmap_area,
};

static void map_area_and_target(struct run *run)
{
	map_area(run);
	run->mirror = map_pages(run, STRIPE * run->page_size, PROT_NONE,
				MAP_PRIVATE_ANON, -1);
}

static void unmap_area_and_target(struct run *run)
{
	unmap_area(run);
	unmap_pages(run, run->mirror, STRIPE * run->page_size);
	run->mirror = NULL;
}

/* Away to the mirror, and back where they came from. */
static void move_gaps(struct worker *worker)
{
	struct run *run = worker->run;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	while (going(worker)) {
		struct range range = random_gap(worker, false);
		uint64_t begin;

		write_gap(worker, &range);
		begin = now_ns();
		if (mremap(range.start, range.size, range.size, flags,
			   run->mirror) != run->mirror) {
			fail(run, "mremap of page %zu: %m", range.first);
			return;
		}
		sample(run, now_ns() - begin);
		if (!gap_is_written(worker, &range, run->mirror))
			return;
		if (mremap(run->mirror, range.size, range.size, flags,
			   range.start) != range.start) {
			fail(run, "mremap back to page %zu: %m", range.first);
			return;
		}
		if (!gap_is_written(worker, &range, range.start))
			return;
	}
}

const struct workload near_move = {
	.name = "near.move",
	.summary = "faults beside what is moved away and back (mremap)",
	.ops = 40,
	.window = STRIPE,
	.stride = 2 * STRIPE,
	.setup = map_area_and_target,
	.roles = {
		{ "fault", fault_strictly, 0, 1 },
		{ "mremap", move_gaps, 1, 1 },
	},
	.teardown = unmap_area_and_target,
};

/*
 * A gap that vanishes and comes back whole: two VMAs with faults in both
 * become one with it, and two again.  Merging write-locks both.
 */
static void merge_gaps(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range gap = random_gap(worker, true);
		uint64_t begin = now_ns();

		if (random_next(&worker->random) & 1) {
			if (mprotect(gap.start, gap.size, PROT_READ) ||
			    mprotect(gap.start, gap.size, PROT_RW)) {
				fail(run, "mprotect of page %zu: %m",
				     gap.first);
				return;
			}
			sample(run, now_ns() - begin);
			write_gap(worker, &gap);
			continue;
		}
		if (munmap(gap.start, gap.size)) {
			fail(run, "munmap of page %zu: %m", gap.first);
			return;
		}
		if (!map_over(run, &gap, PROT_RW, MAP_FIXED_NOREPLACE))
			return;
		sample(run, now_ns() - begin);
		if (!gap_is_empty(worker, &gap))
			return;
	}
}

const struct workload near_merge = {
	.name = "near.merge",
	.summary = "faults in two VMAs that merge with the gap between them",
	.ops = 40,
	.window = STRIPE,
	.stride = 2 * STRIPE,
	.setup = map_area,
	.roles = {
		{ "fault", fault_strictly, 0, 2 },
		{ "merge", merge_gaps, 1, 1 },
	},
	.teardown = unmap_area,
};

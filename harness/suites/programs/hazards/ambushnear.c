// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Out of an ambush, beside the stripes: VMAs begin and end elsewhere, split and
 * merge, but no page of a stripe changes, and no access to one may be refused.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>

#include "ambush.h"

#define GAP 4

static bool change_gap(struct worker *worker, const struct range *gap)
{
	struct run *run = worker->run;

	if (random_next(&worker->random) % 4) {
		if (!mprotect(gap->start, gap->size, PROT_NONE)) {
			let_go_on(worker);
			if (!mprotect(gap->start, gap->size, PROT_RW))
				return true;
		}
		fail(run, "mprotect of page %zu: %m", gap->first);
		return false;
	}
	if (munmap(gap->start, gap->size)) {
		fail(run, "munmap of page %zu: %m", gap->first);
		return false;
	}
	let_go_on(worker);
	return map_over(run, gap, PROT_RW, MAP_FIXED_NOREPLACE);
}

static void change_gaps_from_ambush(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		size_t nr = random_next(&worker->random) % run->opt.threads;
		struct range gap;

		gap.first = nr * stride(run) + AMBUSH_STRIPE;
		gap.pages = GAP;
		gap.start = page_at(run, run->area, gap.first);
		gap.size = gap.pages * run->page_size;
		lie_in_wait(worker);
		if (!change_gap(worker, &gap))
			return;
	}
}

/* What is written to each page of a stripe is there; 0 for nothing at all. */
static bool use_stripe(struct worker *worker, uint64_t value)
{
	struct run *run = worker->run;
	size_t n, end = worker->first + AMBUSH_STRIPE;

	for (n = worker->first; n < end; n++) {
		enter_page(worker, n);
		if (value)
			*word_at(run, n) = value;
		else
			(void)*word_at(run, n);
		leave_page(worker, false);
	}
	for (n = worker->first; n < end; n++) {
		if (*word_at(run, n) == value)
			continue;
		fail(run, "page %zu has not what was written to it", n);
		return false;
	}
	return true;
}

/* Reads fault in half the time: the lookup is a greater part of it. */
static void fault_on(struct worker *worker)
{
	struct run *run = worker->run;

	stay_on_cpu(worker->index, SCHED_OTHER);
	while (next_turn(worker)) {
		if (!use_stripe(worker, worker->ops % 3 ? 0 : worker->ops))
			return;
		drop_stripe(worker, run->area);
	}
}

static void map_area_and_set_trap(struct run *run)
{
	map_area(run);
	set_trap(run);
}

static void unmap_area_and_trap(struct run *run)
{
	take_trap_away();
	unmap_area(run);
}

const struct workload ambush_near = {
	.name = "ambush.near",
	.summary = "what lies beside is changed in the middle of a fault",
	.ops = 1200,
	.window = AMBUSH_STRIPE,
	.stride = AMBUSH_STRIPE + GAP,
	.setup = map_area_and_set_trap,
	.roles = {
		{ "fault", fault_on, 0, 0 },
		{ "change", change_gaps_from_ambush, 1, 1 },
	},
	.teardown = unmap_area_and_trap,
};

// SPDX-License-Identifier: GPL-2.0-or-later
/* mremap: a VMA that grows, shrinks and moves under the threads in it. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "hazards.h"

#define SLOTS 2

/* Room for twice the area, where no other mapping gets into the way. */
static void map_lonely_area(struct run *run)
{
	size_t room = SLOTS * area_size(run);
	void *got = mmap((void *)LONELY_PLACE, room, PROT_RW, MAP_PRIVATE_ANON,
			 -1, 0);

	if (got == MAP_FAILED) {
		fail(run, "mmap of %zu bytes: %m", room);
		return;
	}
	run->area = got;
	if (munmap(run->area + area_size(run), area_size(run)))
		fail(run, "munmap: %m");
	run->mirror = run->area;	/* where it is now */
	allow_holes(run->area, room, false);
}

static void unmap_lonely_area(struct run *run)
{
	catch_segv();
	unmap_pages(run, run->area, SLOTS * area_size(run));
	run->area = run->mirror = NULL;
}

static bool tail_is_sound(struct run *run, bool written)
{
	size_t n, pages = area_pages(run);

	for (n = pages; n < 2 * pages; n++) {
		unsigned char *page = page_at(run, run->area, n);

		if (written ? !check_filled(run, page, n) : !is_zero(run, page)) {
			fail(run, "page %zu that the VMA grew by is not %s", n,
			     written ? "what was written" : "empty");
			return false;
		}
		fill_page(run, page, n);
	}
	return true;
}

static void grow_and_shrink(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = area_size(run);

	while (going(worker)) {
		uint64_t begin = now_ns();

		if (mremap(run->area, size, 2 * size, 0) != run->area) {
			fail(run, "mremap to twice the size: %m");
			return;
		}
		sample(run, now_ns() - begin);
		if (!tail_is_sound(run, false) || !tail_is_sound(run, true))
			return;
		if (mremap(run->area, 2 * size, size, 0) != run->area) {
			fail(run, "mremap to half the size: %m");
			return;
		}
	}
}

const struct workload grow = {
	.name = "grow",
	.summary = "faults in a VMA that grows and shrinks (mremap)",
	.ops = 16,
	.window = 24,
	.setup = map_lonely_area,
	.roles = {
		{ "fault", fault_strictly, 0, 1 },
		{ "mremap", grow_and_shrink, 1, 1 },
	},
	.teardown = unmap_lonely_area,
};

/*
 * Pages that are written while their VMA is moved are at one place or at the
 * other, or were dropped.  Which turn they are from cannot be said, so that all
 * turns write the same.
 */
static void fault_at_either(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		unsigned char *place = run->area;

		if (random_next(&worker->random) & 1)
			place += area_size(run);
		if (!fault_once(worker, place, true))
			return;
		drop_stripe(worker, place);
	}
}

static void move_always(struct worker *worker)
{
	struct run *run = worker->run;
	size_t size = area_size(run);

	while (going(worker)) {
		unsigned char *to = run->mirror == run->area ?
				    run->area + size : run->area;
		uint64_t begin = now_ns();

		if (mremap(run->mirror, size, size,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
			fail(run, "mremap of all to the other place: %m");
			return;
		}
		sample(run, now_ns() - begin);
		run->mirror = to;
		linger(&worker->random);
	}
}

const struct workload move = {
	.name = "move",
	.summary = "faults in a VMA that is moved to and fro (mremap)",
	.ops = 80,
	.window = 24,
	.setup = map_lonely_area,
	.roles = {
		{ "fault", fault_at_either, 0, 2 },
		{ "mremap", move_always, 1, 1 },
	},
	.teardown = unmap_lonely_area,
};

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First touch of shared memory.  What is written through one mapping is
 * verified through another one of the same pages.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "faults.h"

static void map_twice(struct run *run)
{
	size_t size = area_size(run);
	void *mirror;

	run->area = map_pages(run, size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1);
	if (!run->area)
		return;
	/* An old size of 0 asks for a second mapping of shared pages. */
	mirror = mremap(run->area, 0, size, MREMAP_MAYMOVE);
	if (mirror == MAP_FAILED) {
		fail(run, "mremap for a second view: %m");
		return;
	}
	run->mirror = mirror;
}

static void unmap_both(struct run *run)
{
	unmap_pages(run, run->area, area_size(run));
	unmap_pages(run, run->mirror, area_size(run));
	run->area = run->mirror = NULL;
}

const struct workload shared = {
	.name = "shared",
	.summary = "first touch of shared anonymous memory",
	.ops = 2048,
	.window = 1024,
	.open = map_twice,
	.touch = touch_pages,
	.verify = verify_touched_mirror,
	.close = unmap_both,
};

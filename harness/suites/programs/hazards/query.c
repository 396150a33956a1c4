// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PROCMAP_QUERY of /proc/self/maps: one VMA after the other is asked for by
 * address, while the VMAs split and merge.  The area is mapped all the time,
 * so each answer has the address that was asked for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hazards.h"
#include "query.h"

static void map_to_ask_for(struct run *run)
{
	struct query query;

	map_area(run);
	run->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (run->fd < 0) {
		skip(run, "open of /proc/self/maps: %m");
		return;
	}
	if (!ask_for_vma(run->fd, run->area, 0, &query) && errno == ENOTTY)
		skip(run, NO_QUERY);
}

static void forget_area(struct run *run)
{
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
	unmap_area(run);
}

static bool ask(struct worker *worker, size_t page)
{
	struct run *run = worker->run;
	unsigned char *at = page_at(run, run->area, page);
	uint64_t address = (uintptr_t)at;
	struct query query;

	if (!ask_for_vma(run->fd, at, READABLE | WRITABLE, &query)) {
		fail(run, "PROCMAP_QUERY of page %zu: %m", page);
		return false;
	}
	if (query.start <= address && address < query.end &&
	    query.vma_flags & WRITABLE)
		return true;
	fail(run, "page %zu is not in the VMA that PROCMAP_QUERY gives", page);
	return false;
}

static void ask_always(struct worker *worker)
{
	struct run *run = worker->run;
	size_t page;

	while (going(worker))
		for (page = 0; page < area_pages(run); page += 3)
			if (!ask(worker, page))
				return;
}

const struct workload query = {
	.name = "query",
	.summary = "PROCMAP_QUERY while VMAs split and merge",
	.ops = 60,
	.window = 24,
	.setup = map_to_ask_for,
	.roles = {
		{ "fault", fault_strictly, 0, 3 },
		{ "query", ask_always, 1, 2 },
		{ "mprotect", protect_at_random, 1, 1 },
	},
	.teardown = forget_area,
};

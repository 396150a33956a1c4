// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unmaps that fail half-way: the last VMA of the range is sealed (mseal), so
 * the kernel finds out when those before it are already on their way out, and
 * has to take them back.  Afterwards everything is as it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hazards.h"

#ifndef SYS_mseal
#define SYS_mseal 462		/* of all architectures, since 6.10 */
#endif

/* One page more than the area, sealed: it stays until the process ends. */
static void map_and_seal(struct run *run)
{
	size_t size = area_size(run);
	unsigned char *sealed;

	run->area = map_pages(run, size + run->page_size, PROT_RW,
			      MAP_PRIVATE_ANON, -1);
	if (run->failed)
		return;
	sealed = run->area + size;
	if (!syscall(SYS_mseal, sealed, run->page_size, 0ul))
		return;
	unmap_pages(run, run->area, size + run->page_size);
	run->area = NULL;
	skip(run, "mseal: %m (since 6.10)");
}

static void unmap_in_vain(struct worker *worker)
{
	struct run *run = worker->run;

	while (going(worker)) {
		struct range range = random_range(worker, 0, area_pages(run));
		size_t left = (area_pages(run) - range.first) * run->page_size;
		uint64_t begin = now_ns();

		if (!munmap(range.start, left + run->page_size)) {
			die("munmap of a sealed page succeeded");
		} else if (errno != EPERM) {
			fail(run, "munmap up to a sealed page: %m");
			return;
		}
		sample(run, now_ns() - begin);
	}
}

static void unmap_unsealed(struct run *run)
{
	if (run->area)
		unmap_area(run);
}

const struct workload sealed = {
	.name = "sealed",
	.summary = "unmaps that fail at a sealed page, beside faults",
	.ops = 120,
	.window = 16,
	.setup = map_and_seal,
	.roles = {
		{ "fault", fault_strictly, 0, 3 },
		{ "munmap", unmap_in_vain, 1, 1 },
	},
	.teardown = unmap_unsealed,
};
